"""What a team sets for Resend, and what Resend can do."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED
from tools.channels.vendor import Options, Vendor


class ResendOptions(Options):
    """Mail through Resend; its key is NORIA_RESEND_KEY."""

    title: ClassVar[str] = "Resend"

    connections: int = Field(default=2, ge=1, le=50)
    """Requests at once, of up to 100 messages each."""


VENDOR: Final = Vendor(
    name="resend",
    title="Resend",
    carries="email",
    options=ResendOptions,
    scope="the permission Sending access",
    per_request=100,
    idempotency="24 hours",
    test_mode="",
    reports=(ACCEPTED, DELIVERED, DEFERRED, BOUNCE, COMPLAINT, CLICK),
    proof="signature (HMAC)",
)
