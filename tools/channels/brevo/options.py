"""What a team sets for Brevo, and what Brevo can do."""

from __future__ import annotations

from typing import ClassVar, Final

from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from tools.channels.vendor import Options, Vendor


class BrevoOptions(Options):
    """Mail through Brevo; its key is NORIA_BREVO_KEY."""

    title: ClassVar[str] = "Brevo"

    test: bool = False
    """Let Brevo check messages and deliver none."""


VENDOR: Final = Vendor(
    name="brevo",
    title="Brevo",
    carries="email",
    options=BrevoOptions,
    scope="an API key of the account",
    per_request=1,
    idempotency="30 minutes",
    test_mode="sandbox header",
    reports=(ACCEPTED, DELIVERED, DEFERRED, BOUNCE, COMPLAINT, CLICK, UNSUBSCRIBE),
    proof="token",
)
