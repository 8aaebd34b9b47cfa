"""What a team sets for Amazon SES, and what SES can do."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from tools.channels.vendor import Options, Vendor


class SesOptions(Options):
    """Mail through Amazon SES; the secret access key is NORIA_SES_KEY."""

    title: ClassVar[str] = "Amazon SES"

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    """As AWS writes it, for example eu-west-3."""
    access_key_id: str = Field(pattern=r"^[A-Z0-9]{16,128}$")
    configuration_set: str = ""
    """The set whose events SES publishes; without one nothing is reported of a message."""


VENDOR: Final = Vendor(
    name="ses",
    title="Amazon SES",
    carries="email",
    options=SesOptions,
    scope="the action ses:SendEmail",
    per_request=1,
    idempotency="",
    test_mode="",
    reports=(ACCEPTED, DELIVERED, DEFERRED, BOUNCE, COMPLAINT, CLICK, UNSUBSCRIBE),
    proof="signature (SNS)",
)
