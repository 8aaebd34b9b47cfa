"""Trying a proposal before anybody is written to: a test in one's own mailbox, and a dry run."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console.dry_run import dry_run
from console.screens.door import Operator, Version, Viewer
from console.screens.frame import Frame, go
from memory import proposals, staff_mail
from memory.errors import InvalidInputError
from memory.play import Play


def routes(frame: Frame) -> APIRouter:
    """The form of the test and the page of the dry run; neither writes to a contact."""
    router, opened = APIRouter(), frame.opened

    @router.post("/proposals/{proposal_id}/test")
    def test(
        user: Operator, proposal_id: str, version: Annotated[Version, Form()], message: Annotated[str, Form()]
    ) -> Response:
        step, _, language = message.partition("|")
        with opened.store.write() as connection:
            proposal = proposals.get_version(connection, proposal_id, version)
            if (step, language) not in testable(proposal.play):
                raise InvalidInputError("There is no such e-mail in this version.", remedy="Choose one of those shown.")
            staff_mail.ask_test(
                connection,
                user,
                proposal_id=proposal.proposal_id,
                version=version,
                step=step,
                language=language,
                at=frame.watch.now(),
            )
        return go(f"/proposals/{proposal_id}#test")

    @router.get("/proposals/{proposal_id}/dry-run")
    def rehearse(request: Request, _user: Viewer, proposal_id: str) -> Response:
        with opened.store.read() as connection:
            proposal = proposals.get(connection, proposal_id).proposal
        with frame.lock:
            opened.take_up_policy()
            pack = opened.pack
        return frame.page(request, "dry_run.html", p=proposal, found=dry_run(opened, proposal, pack))

    return router


def testable(play: Play) -> list[tuple[str, str]]:
    """Every e-mail of a play, as SEQUENCE.STEP and language."""
    return [
        (f"{sequence.key}.{step.key}", language)
        for sequence, step in play.sends()
        if step.channel == "email"
        for language in sorted(step.copies)
    ]
