"""What a team sets for SendGrid, and what SendGrid can do."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, SENT, UNSUBSCRIBE
from tools.channels.vendor import Options, Vendor


class SendGridOptions(Options):
    """Mail through SendGrid; its key is NORIA_SENDGRID_KEY."""

    title: ClassVar[str] = "SendGrid"

    region: Literal["global", "eu"] = "global"
    test: bool = False
    """Let SendGrid check messages and deliver none."""


VENDOR: Final = Vendor(
    name="sendgrid",
    title="SendGrid",
    carries="email",
    options=SendGridOptions,
    scope="the permission Mail Send",
    per_request=1,
    idempotency="",
    test_mode="sandbox mode",
    reports=(ACCEPTED, DELIVERED, DEFERRED, BOUNCE, COMPLAINT, CLICK, UNSUBSCRIBE, SENT),
    proof="signature (ECDSA)",
)
