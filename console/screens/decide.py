"""What somebody says of a proposal: yes, no, a question or an edit, bound to the version and digest they were shown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from agents.approve import editable
from console.decisions import note, note_part
from console.difference import differences
from console.screens.door import Operator, Version
from console.screens.frame import Frame, go
from memory import proposals
from memory.errors import InvalidInputError, NotAllowedError
from memory.offers import open_offers
from memory.proposal import Proposal
from memory.users import User
from policies.roles import reaches

Text = Annotated[str, Form()]
_COPY, _COPY_PARTS = "copy|", 3
_COUNT = re.compile(r"\d{1,9}")


def routes(frame: Frame) -> APIRouter:
    """The forms of a proposal's page, and the page on which it is edited."""
    router, opened = APIRouter(), frame.opened

    def changed(request: Request, proposal_id: str, version: int, digest: str) -> Response | None:
        """The page that says what changed, where it is no more what somebody looked at."""
        with opened.store.read() as connection:
            stored = proposals.get(connection, proposal_id)
            now = stored.proposal
            if (now.version, now.digest) == (version, digest):
                return None
            seen = proposals.get_version(connection, now.proposal_id, version)
        found = differences(seen, now, frame.language(request))
        return frame.page(request, "changed.html", 409, stored=stored, p=now, seen=version, changed=found)

    @router.post("/proposals/{proposal_id}/decide")
    def decide(
        request: Request,
        user: Operator,
        proposal_id: str,
        verdict: Annotated[Literal["approve", "reject", "ask"], Form()],
        version: Annotated[Version, Form()],
        digest: Text,
        reason: Text = "",
    ) -> Response:
        if verdict == "approve":
            may_say_yes(user)
        conflict = changed(request, proposal_id, version, digest)
        if conflict is not None:
            return conflict
        with frame.lock:
            opened.take_up_policy()
            note(opened, proposal_id, verdict, actor=user.actor, seen=digest, reason=reason)
        return go(f"/proposals/{proposal_id}#decide")

    @router.post("/proposals/{proposal_id}/part")
    async def part(request: Request, user: Operator, proposal_id: str) -> Response:
        sent = await request.form(max_fields=100, max_files=0)
        parts = [str(one) for one in sent.getlist("part")]
        given = {name: str(sent.get(name, "")) for name in ("version", "digest", "reason")}
        return await run_in_threadpool(approve_part, request, user, proposal_id, given, parts)

    def approve_part(
        request: Request, user: User, proposal_id: str, given: Mapping[str, str], parts: list[str]
    ) -> Response:
        may_say_yes(user)
        conflict = changed(request, proposal_id, read_version(given), given["digest"])
        if conflict is not None:
            return conflict
        with frame.lock:
            opened.take_up_policy()
            note_part(opened, proposal_id, parts, actor=user.actor, seen=given["digest"], reason=given["reason"])
        return go(f"/proposals/{proposal_id}#decide")

    def form(
        request: Request, proposal: Proposal, given: Mapping[str, str], status: int = 200, problem: Any = None
    ) -> Response:
        with opened.store.read() as connection:
            offers = open_offers(connection, opened.clock.now())
        shown = {"p": proposal, "now_is": editable(proposal), "given": given, "offers": offers, "problem": problem}
        return frame.page(request, "edit.html", status, **shown)

    @router.get("/proposals/{proposal_id}/edit")
    def ask(request: Request, user: Operator, proposal_id: str) -> Response:
        with opened.store.read() as connection:
            return form(request, proposals.get(connection, proposal_id).proposal, {})

    @router.post("/proposals/{proposal_id}/edit")
    async def edit(request: Request, user: Operator, proposal_id: str) -> Response:
        sent = await request.form(max_fields=500, max_files=0)
        given = {name: str(value) for name, value in sent.items()}
        kept = tuple(str(one) for one in sent.getlist("sequence"))
        return await run_in_threadpool(save, request, user, proposal_id, given, kept)

    def save(
        request: Request, user: User, proposal_id: str, given: Mapping[str, str], kept: tuple[str, ...]
    ) -> Response:
        digest = given.get("digest", "")
        conflict = changed(request, proposal_id, read_version(given), digest)
        if conflict is not None:
            return conflict
        with opened.store.read() as connection:
            proposal = proposals.get(connection, proposal_id).proposal
        try:
            changes = read_changes(proposal, given, kept)
            with frame.lock:
                opened.take_up_policy()
                note(
                    opened,
                    proposal_id,
                    "edit",
                    actor=user.actor,
                    seen=digest,
                    reason=given.get("reason", ""),
                    changes=changes,
                )
        except InvalidInputError as error:
            return form(request, proposal, given, 400, error)
        return go(f"/proposals/{proposal_id}#decide")

    return router


def may_say_yes(user: User) -> None:
    """Raises NotAllowedError for whoever may not."""
    if not reaches(user.role, "approver"):
        raise NotAllowedError("To say yes takes the role approver.", remedy="Ask an admin.")


def read_version(given: Mapping[str, str]) -> int:
    """The version that a form speaks of. Raises InvalidInputError."""
    version = given.get("version", "")
    if not _COUNT.fullmatch(version):
        raise InvalidInputError("This form or address is incomplete.")
    return int(version)


def read_changes(proposal: Proposal, given: Mapping[str, str], kept: tuple[str, ...]) -> dict[str, Any]:
    """What a form says otherwise than the proposal. Raises InvalidInputError for nothing, or what cannot be read."""
    now, found = editable(proposal), dict[str, Any]()
    for name, text in given.items():
        if name.startswith(_COPY):
            parts = name.removeprefix(_COPY).split("|")
            if len(parts) != _COPY_PARTS:
                raise InvalidInputError("This form or address is incomplete.")
            step, language, slot = parts
            before = now["copies"].get(step, {}).get(language, {}).get(slot, "")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            after: Any = lines if isinstance(before, list | tuple) else text.strip()
            if after != (list(before) if isinstance(before, list | tuple) else before or ""):
                found.setdefault("copies", {}).setdefault(step, {}).setdefault(language, {})[slot] = after
    if "offer_id" in given and given["offer_id"] != now["offer_id"]:
        found["offer_id"] = given["offer_id"]
    limits = ("holdout_percent", "starts_at", *(["contacts_per_day"] if now["contacts_per_day"] else []))
    for name in limits:
        if not given.get(name, "…").strip():
            raise InvalidInputError("A limit was left empty.", where=name, remedy="Write one; nothing was noted.")
    if given.get("holdout_percent") and float_of(given["holdout_percent"]) / 100 != now["holdout_share"]:
        found["holdout_share"] = float_of(given["holdout_percent"]) / 100
    if given.get("contacts_per_day") and given["contacts_per_day"] != str(now["contacts_per_day"]):
        found["contacts_per_day"] = count_of(given["contacts_per_day"])
    if given.get("starts_at") and given["starts_at"] != now["starts_at"]:
        found["starts_at"] = given["starts_at"]
    sequences = {one.key for one in proposal.play.sequences}
    if len(sequences) > 1 and set(kept) != sequences:
        if not kept:
            raise InvalidInputError("No sequence would be left.", where="sequences", remedy="Keep one, or reject it.")
        found["sequences"] = list(kept)
    if not found:
        raise InvalidInputError("Nothing was changed.", remedy="Change something, or go back.")
    return found


def float_of(text: str) -> float:
    """A number as people write it, with a comma or a point. Raises InvalidInputError."""
    try:
        found = float(text.replace(",", ".").replace(" ", ""))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InvalidInputError(f"{text!r} is no number.", remedy="Write digits only.")
    return found


def count_of(text: str) -> int:
    """A whole number; a comma or point in it could mean thousands or a fraction. Raises InvalidInputError."""
    digits = text.replace(" ", "")
    if not _COUNT.fullmatch(digits):
        raise InvalidInputError(f"{text!r} is no whole number.", remedy="Write digits only.")
    return int(digits)
