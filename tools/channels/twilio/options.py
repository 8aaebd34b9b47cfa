"""What a team sets for Twilio, and what Twilio can do."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from memory.events import ACCEPTED, BOUNCE, DELIVERED, REPLY, UNSUBSCRIBE
from tools.channels.vendor import Options, Vendor


class TwilioOptions(Options):
    """Text messages through Twilio; the secret of the API key is NORIA_TWILIO_KEY."""

    title: ClassVar[str] = "Twilio"

    account: str = Field(pattern=r"^AC[0-9a-f]{32}$")
    """The SID of the account."""
    api_key: str = Field(pattern=r"^SK[0-9a-f]{32}$")
    """The SID of the API key."""
    sender: str = Field(pattern=r"^(MG[0-9a-f]{32}|\+[1-9][0-9]{6,14}|[A-Za-z0-9 ]{1,11})$")
    """A messaging service (MG…), a number as +33612345678, or a name of at most 11 characters."""


VENDOR: Final = Vendor(
    name="twilio",
    title="Twilio",
    carries="sms",
    options=TwilioOptions,
    scope="a restricted API key that may create messages",
    per_request=1,
    longest=1600,
    idempotency="",
    test_mode="",
    reports=(ACCEPTED, DELIVERED, BOUNCE, UNSUBSCRIBE, REPLY),
    proof="signature (HMAC)",
)
