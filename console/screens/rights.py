"""A person's rights: no more messages, all that is known handed out, erased, and two entries made one."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console.cli.output import plain
from console.dossier import dossier
from console.merging import foresee_merge, merge_two
from console.screens.door import Admin, Operator, RowNumber
from console.screens.frame import Frame, go
from memory import contacts, erasure
from memory.contacts import Contact
from memory.errors import InvalidInputError, NoriaError, NotFoundError
from memory.journal import append
from memory.steps import ConsentChannel
from tools.erase import ask_to_erase
from tools.unsubscribe import unsubscribe_by_hand

Text = Annotated[str, Form()]


def routes(frame: Frame) -> APIRouter:
    """The forms, each of which asks for the contact's number to be typed before anything is done for good."""
    router, opened = APIRouter(), frame.opened

    def read(contact_id: int) -> Contact:
        with opened.store.read() as connection:
            return contacts.get(connection, contact_id)

    @router.post("/contacts/{contact_id}/export")
    def export(user: Admin, contact_id: RowNumber) -> Response:
        found = plain(dossier(opened, contact_id))
        with opened.store.write() as connection:
            append(
                connection,
                at=opened.clock.now(),
                actor=user.actor,
                action="contact.exported",
                subject=f"contact {found['contact_id']}",
                payload={},
            )
        name = f"contact-{found['contact_id']}.json"
        return Response(
            json.dumps(found, ensure_ascii=False, indent=2),
            media_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @router.post("/contacts/{contact_id}/unsubscribe")
    def unsubscribe(
        user: Operator, contact_id: RowNumber, channel: Annotated[ConsentChannel, Form()], reason: Text = ""
    ) -> Response:
        if not reason.strip():
            raise InvalidInputError(
                "Nothing was done: it must be said how you know.", where="reason", remedy="Such as: asked by phone."
            )
        with opened.store.write() as connection:
            unsubscribe_by_hand(
                connection, str(contact_id), channel, actor=user.actor, reason=reason, at=opened.clock.now()
            )
        return go(f"/contacts/{contact_id}")

    @router.get("/contacts/{contact_id}/erase")
    def ask(request: Request, _user: Admin, contact_id: RowNumber) -> Response:
        return _erasing(request, contact_id)

    def _erasing(request: Request, contact_id: int, status: int = 200, problem: NoriaError | None = None) -> Response:
        found = read(contact_id)
        with opened.store.read() as connection:
            asked_at = erasure.asked_at(connection, found.contact_id)
        shown = {"who": found, "asked_at": asked_at, "problem": problem}
        return frame.page(request, "erase.html", status, **shown)

    @router.post("/contacts/{contact_id}/erase")
    def erase(request: Request, user: Admin, contact_id: RowNumber, typed: Text = "", taken_off: Text = "") -> Response:
        found = read(contact_id)
        if typed.strip() != str(found.contact_id):
            return _erasing(request, contact_id, 400, _not_typed(found.contact_id))
        with opened.store.write() as connection:
            ask_to_erase(
                connection,
                found.contact_id,
                at=opened.clock.now(),
                actor=user.actor,
                taken_off=bool(taken_off),
            )
        return go(f"/contacts/{found.contact_id}/erase")

    @router.get("/contacts/{contact_id}/merge")
    def foresee(request: Request, _user: Admin, contact_id: RowNumber, other: str = "") -> Response:
        if not other.strip():
            return _merging(request, contact_id, "")
        try:
            with opened.store.read() as connection:
                merged = contacts.find(connection, other).contact_id
        except NotFoundError as error:
            return _merging(request, contact_id, other, status=400, problem=error)
        return _merging(request, contact_id, other, merged)

    def _merging(
        request: Request,
        contact_id: int,
        other: str,
        merged: int | None = None,
        status: int = 200,
        problem: NoriaError | None = None,
    ) -> Response:
        preview = None
        if merged is not None:
            try:
                preview = foresee_merge(opened, contact_id, merged)
            except NoriaError as error:
                problem, status = problem or error, 400
        shown = {"who": read(contact_id), "other": other, "preview": preview, "problem": problem}
        return frame.page(request, "merge.html", status, **shown)

    @router.post("/contacts/{contact_id}/merge")
    def merge(
        request: Request, user: Admin, contact_id: RowNumber, merged: Annotated[RowNumber, Form()], typed: Text = ""
    ) -> Response:
        if typed.strip() != str(merged):
            return _merging(request, contact_id, str(merged), merged, 400, _not_typed(merged))
        kept, _ = merge_two(opened, contact_id, merged, user.actor)
        return go(f"/contacts/{kept}")

    return router


def _not_typed(contact_id: int) -> InvalidInputError:
    return InvalidInputError(
        f"Nothing was done: type {contact_id} to confirm.", remedy="It cannot be taken back, so it is asked twice."
    )
