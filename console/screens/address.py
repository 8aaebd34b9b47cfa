"""One's own e-mail address: said on the page of one's account, and kept once a code that went there comes back."""

from __future__ import annotations

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from fastapi import APIRouter, Form
from starlette.responses import Response

from console.screens.door import Viewer
from console.screens.frame import Frame, go
from memory import staff_mail
from memory.errors import InvalidInputError
from tools.staff_mail import hash_code


def routes(frame: Frame) -> APIRouter:
    """The two forms; the worker sends the code."""
    router, store = APIRouter(), frame.opened.store

    @router.post("/account/email")
    def claim(user: Viewer, address: Annotated[str, Form()]) -> Response:
        try:
            found = validate_email(address.strip(), check_deliverability=False)
        except EmailNotValidError as error:
            raise InvalidInputError("This is no e-mail address.", remedy="Write it as name@example.com.") from error
        with store.write() as connection:
            staff_mail.ask_code(connection, user, found.normalized, frame.watch.now())
        return go("/account#email")

    @router.post("/account/email/confirm")
    def confirm(user: Viewer, code: Annotated[str, Form()]) -> Response:
        with store.write() as connection:
            staff_mail.confirm(connection, user, hash_code(code), frame.watch.now())
        return go("/account#email")

    return router
