"""What a team sets for Postmark, and what Postmark can do."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from memory.events import BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from tools.channels.vendor import Options, Vendor


class PostmarkOptions(Options):
    """Mail through Postmark; the token of the server is NORIA_POSTMARK_KEY."""

    title: ClassVar[str] = "Postmark"

    connections: int = Field(default=2, ge=1, le=50)
    """Requests at once, of up to 200 messages each."""
    stream: str = "broadcast"
    """The message stream; Postmark keeps bulk mail apart from the mail of a service."""
    test: bool = False
    """Let Postmark check messages and deliver none."""


VENDOR: Final = Vendor(
    name="postmark",
    title="Postmark",
    carries="email",
    options=PostmarkOptions,
    scope="the API token of one server",
    per_request=200,
    idempotency="",
    test_mode="test token",
    reports=(DELIVERED, DEFERRED, BOUNCE, COMPLAINT, CLICK, UNSUBSCRIBE),
    proof="user and password",
)
