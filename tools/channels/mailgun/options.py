"""What a team sets for Mailgun, and what Mailgun can do."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from tools.channels.vendor import Options, Vendor


class MailgunOptions(Options):
    """Mail through Mailgun; its key is NORIA_MAILGUN_KEY."""

    title: ClassVar[str] = "Mailgun"

    domain: str = Field(pattern=r"^[A-Za-z0-9.-]+$")
    """The sending domain as Mailgun knows it."""
    region: Literal["us", "eu"] = "us"
    test: bool = False
    """Let Mailgun check messages and deliver none."""


VENDOR: Final = Vendor(
    name="mailgun",
    title="Mailgun",
    carries="email",
    options=MailgunOptions,
    scope="a sending key of the domain",
    per_request=1,
    idempotency="",
    test_mode="test mode",
    reports=(ACCEPTED, DELIVERED, DEFERRED, BOUNCE, COMPLAINT, CLICK, UNSUBSCRIBE),
    proof="signature (HMAC)",
)
