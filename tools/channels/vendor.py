"""What one provider can do, and what has to be said of it: read by code, by `noria connectors` and by the documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Field, SecretStr

from memory.errors import ConfigurationError
from memory.steps import Channel as ChannelName
from tools.channels.channel import Outgoing
from tools.options import VendorOptions, sendable

KEY_FIELD: Final = "noria_key"
"""Under this name a provider is told the key of a message, and gives it back with every report."""


class Options(VendorOptions):
    """What a team sets for a provider."""

    connections: int = Field(default=10, ge=1, le=50)
    """Requests at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One provider."""

    name: str
    """As settings, ledger and addresses write it."""
    title: str
    carries: ChannelName
    options: type[Options]
    scope: str
    """The least that its key must be allowed."""
    per_request: int
    """Most messages in one request."""
    longest: int | None = None
    """Longest text it takes, in characters; None for any."""
    idempotency: str
    """How long a repeated request is carried out once; empty where it is carried out again."""
    test_mode: str
    """How a message is accepted and not delivered; empty where it cannot be."""
    reports: Sequence[str]
    """The kinds of event that it reports, as Noria names them."""
    proof: str
    """How a report shows that it comes from the provider."""

    @property
    def key_name(self) -> str:
        """The secret with which messages are handed over."""
        return f"NORIA_{self.name.upper()}_KEY"

    @property
    def webhook_name(self) -> str:
        """The secret with which its reports are checked."""
        return f"NORIA_{self.name.upper()}_WEBHOOK"

    @property
    def page(self) -> str:
        """Its page in the documentation."""
        return f"docs/connectors/{self.name}.md"


def checked_key(vendor: Vendor, key: SecretStr | None, public_url: str) -> str:
    """The key of a provider to which messages may be handed over. Raises ConfigurationError."""
    if key is None or not key.get_secret_value():
        raise ConfigurationError(
            f"There is no key for {vendor.title}.",
            where=f"channel {vendor.carries}",
            remedy=f"Set {vendor.key_name}, as {vendor.page} says.",
        )
    if not public_url.startswith("https://"):
        raise ConfigurationError(
            f"{vendor.title} may not be used without a public address at which people can unsubscribe.",
            where=f"channel {vendor.carries}",
            remedy="Set public_url to the https:// address of this installation.",
        )
    return sendable(vendor.key_name, key).get_secret_value()


def part(message: Outgoing, name: str) -> str:
    """One part of a message; empty when it has none of that name."""
    return str(message.fields.get(name, ""))


def list_headers(message: Outgoing) -> dict[str, str]:
    """Headers that mailbox providers ask of bulk mail (RFC 8058), and the name of the message in the ledger."""
    return {
        "List-Unsubscribe": f"<{part(message, 'unsubscribe_url')}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "X-Noria-Message-Key": message.message_key,
    }
