"""The page of one proposal: everything by which somebody judges it, and the messages as they would be read."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy import Connection, select
from starlette.responses import Response

from agents.edit import written_in
from agents.learning.forecast import ForecastScore, track_record
from console.decisions import missing
from console.difference import Difference, differences, play_differences
from console.flow.steps import nodes_of
from console.flow.tree import tree
from console.risk import channels_of, risk_of
from console.screens.allowed import allowed
from console.screens.door import RowNumber, Version, Viewer
from console.screens.frame import Frame
from console.screens.trial import testable
from memory import autonomy, campaigns, forecasts, journal, proposals, staff_mail
from memory.bands import by_label
from memory.errors import NotFoundError
from memory.finding import Verdict
from memory.pending_decisions import voided
from memory.play import Play
from memory.proposal import Decision, Proposal, ProposalStatus
from memory.proposals import StoredProposal
from memory.schema import contacts
from memory.schema import proposal_versions as versions
from memory.segments.grammar import parse
from memory.segments.sentence import describe
from memory.step_text import tell_reentry, tell_sequence, tell_trigger
from memory.users import User
from tools import lookups
from tools.previews import Preview, preview_messages

_KEPT: Final = 32
_PAST: Final = 20
_Standing = Mapping[int, tuple[Any, ...]]
"""When each contact was changed, and whether they are erased or merged."""
MESSAGE_HEADERS: Final = {
    # What a message says is not ours: no script, no form, nothing from elsewhere, and a world of its own.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'; sandbox",
}


class Previews:
    """The messages of a play as readers would get them, the newest of them kept: to write them takes a second.

    What was written for a contact who was erased, merged or changed since is kept no longer.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._kept: OrderedDict[tuple[str, tuple[int, ...]], tuple[_Standing, list[Preview]]] = OrderedDict()

    def of(self, proposal: Proposal, reader: int | None) -> list[Preview]:
        """Every message, for one contact of the sample or for whoever of it shows most."""
        if reader is not None and reader not in proposal.audience.sample:
            raise NotFoundError("This contact is not in the sample.", remedy="Choose one of those offered.")
        sample = proposal.audience.sample if reader is None else (reader,)
        key, opened = (proposal.digest, sample), self._frame.opened
        with self._frame.lock:
            self._drop_outdated()
            if key not in self._kept:
                # Looked up before: what changes while they are written makes them outdated.
                standing = self._standing(sample)
                written = preview_messages(
                    opened.store,
                    opened.lake,
                    proposal.play,
                    sample,
                    at=opened.clock.now(),
                    currency=opened.settings.currency,
                )
                self._kept[key] = standing, written
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[key][1]

    def _drop_outdated(self) -> None:
        now = self._standing({one for _, sample in self._kept for one in sample})
        for key, (before, _) in [*self._kept.items()]:
            if before != {one: now[one] for one in key[1] if one in now}:
                del self._kept[key]

    def _standing(self, sample: Collection[int]) -> _Standing:
        columns = contacts.c.contact_id, contacts.c.updated_at, contacts.c.erased_at, contacts.c.merged_into
        with self._frame.opened.store.read() as connection:
            rows = connection.execute(select(*columns).where(contacts.c.contact_id.in_(sample))).all()
        return {row.contact_id: tuple(row[1:]) for row in rows}


def routes(frame: Frame) -> APIRouter:
    """The page, the messages in it, and the records behind the evidence."""
    router, previews = APIRouter(), Previews(frame)

    @router.get("/proposals/{proposal_id}")
    def show(
        request: Request, user: Viewer, proposal_id: str, since: Version | None = None, reader: RowNumber | None = None
    ) -> Response:
        with frame.opened.store.read() as connection:
            stored = proposals.get(connection, proposal_id)
        return page(
            frame, request, user, stored, since=since, previews=previews.of(stored.proposal, reader), reader=reader
        )

    @router.get("/proposals/{proposal_id}/message/{number}")
    def message(_user: Viewer, proposal_id: str, number: RowNumber, reader: RowNumber | None = None) -> Response:
        with frame.opened.store.read() as connection:
            proposal = proposals.get(connection, proposal_id).proposal
        found = dict(enumerate(previews.of(proposal, reader))).get(number)
        if found is None or found.message is None or not found.message.html:
            raise NotFoundError("There is no such message.")
        return Response(found.message.html, media_type="text/html", headers=MESSAGE_HEADERS)

    @router.get("/lookups/{lookup_id}")
    def lookup(request: Request, _user: Viewer, lookup_id: str) -> Response:
        with frame.opened.store.read() as connection:
            found = lookups.read(connection, lookup_id)
        told = {
            name: json.dumps(getattr(found, name), ensure_ascii=False, indent=2) for name in ("arguments", "result")
        }
        return frame.page(request, "lookup.html", lookup=found, told=told)

    return router


def page(
    frame: Frame,
    request: Request,
    user: User,
    stored: StoredProposal,
    *,
    since: int | None,
    previews: list[Preview],
    reader: int | None,
) -> Response:
    """Everything about the newest version, and its difference from the version that somebody saw before."""
    opened, proposal, language = frame.opened, stored.proposal, frame.language(request)
    with frame.lock:
        lacking = missing(opened, stored) if stored.status in proposals.WAITING else ""
    with opened.store.read() as connection:
        said = proposals.decisions_on(connection, proposal.proposal_id)
        waiting = {one.decision_id for one in proposals.unconsumed_decisions(connection)}
        standing = [
            one
            for one in said
            if one.version == proposal.version and (one.verdict == "approve" or one.decision_id in waiting)
        ]
        kind = autonomy.kind_of(proposal)
        suggests = kind is not None and autonomy.rung(connection, kind).level == "suggest"
        past = forecasts.newest_scores(connection, kind, _PAST) if kind else []
        tests = staff_mail.newest(connection, user.name, "test", proposal_id=proposal.proposal_id)
        seen, changed = _changed(connection, proposal, said, user, since, language)
        shown: dict[str, Any] = {
            "history": list(journal.entries(connection, subject=proposal.proposal_id)),
            "versions": connection.execute(
                select(versions.c.version, versions.c.author, versions.c.created_at, versions.c.digest)
                .where(versions.c.proposal_id == proposal.proposal_id)
                .order_by(versions.c.version.desc())
            ).all(),
            "notes": lookups.notes_on(connection, proposal),
            "void": voided(connection, proposal.proposal_id),
        }
    play = proposal.play
    launched = stored.status in (ProposalStatus.LAUNCHED, ProposalStatus.LAUNCHING)
    return frame.page(
        request,
        "proposal.html",
        **shown,
        stored=stored,
        p=proposal,
        said=said,
        waiting_on={one.decision_id for one in standing if one.decision_id in waiting},
        approved_by=[one.actor for one in standing if one.verdict == "approve"],
        missing=lacking,
        may_say=allowed(stored, user, standing, now=opened.clock.now(), suggests_only=suggests),
        risk=risk_of(proposal),
        audience=describe(parse(play.audience), language, currency=opened.settings.currency),
        channels=channels_of(proposal),
        seen=seen,
        changed=changed,
        runs_now=_against_what_runs(frame, proposal, language),
        previews=previews,
        reader=reader,
        record=track_record([ForecastScore.model_validate(one) for one in past]),
        against=[one for one in proposal.findings if one.verdict is not Verdict.ALLOW],
        passed=[one for one in proposal.findings if one.verdict is Verdict.ALLOW],
        trigger=tell_trigger(play.trigger, language),
        reentry=tell_reentry(play.reentry, language),
        sequences=[
            (one, tell_sequence(one, language, play.trigger), tree(nodes_of(one, play.trigger, language)))
            for one in play.sequences
        ],
        by_band=by_label(play.bands, play.shares, language),
        tests=tests,
        testable=testable(play),
        parts=parts_of(play),
        campaign_id=campaigns.campaign_id_of(proposal.proposal_id) if launched and kind else None,
    )


def parts_of(play: Play) -> list[tuple[str, str]]:
    """What may be approved apart from the rest: sequences and languages, where there are several, with their names."""
    languages = sorted(written_in(play))
    sequences = [(one.key, one.title) for one in play.sequences]
    return (sequences if len(sequences) > 1 else []) + ([(one, one) for one in languages] if len(languages) > 1 else [])


def _changed(
    connection: Connection, proposal: Proposal, said: list[Decision], user: User, since: int | None, language: str
) -> tuple[int | None, list[Difference]]:
    """The version to compare with: the one asked for, else the one that the person judged last, else the one before."""
    mine = [one.version for one in said if one.actor == user.actor and one.version < proposal.version]
    seen = since or (max(mine) if mine else proposal.version - 1)
    if not 0 < seen < proposal.version:
        return None, []
    before = proposals.get_version(connection, proposal.proposal_id, seen)
    return seen, differences(before, proposal, language)


def _against_what_runs(frame: Frame, proposal: Proposal, language: str) -> list[Difference]:
    """What a change of a running campaign changes in it."""
    replaced = proposal.play.replaces
    if replaced is None:
        return []
    with frame.opened.store.read() as connection:
        runs = campaigns.get_version(connection, replaced.campaign_id, replaced.version).play
    return play_differences(runs, proposal.play, language)
