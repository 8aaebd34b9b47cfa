"""What every channel must do: take a batch, and say of each message how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from memory.steps import Channel as ChannelName


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to leave."""

    message_key: str
    """Its name in the ledger: the idempotency key where the provider takes one."""
    sender: str
    address: str
    """An e-mail address (for a CRM too), a number as +33612345678, or for an audience the SHA-256 of the address."""
    content: bytes
    """What is sent, as bytes: for e-mail the whole message as it goes over the wire, for SMS its text as UTF-8."""
    fields: Mapping[str, str | int | bool] = field(default_factory=dict)
    """The same in parts, for a channel that is told them one by one."""
    campaign: str = ""
    """The campaign it belongs to, for the provider's own statistics."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiving side took it."""

    message_key: str
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """It was refused for good; it certainly did not arrive."""

    message_key: str
    reason: str
    hard_bounce: bool = False
    """True when the address itself is wrong and must not be written to again."""


@dataclass(frozen=True, slots=True)
class Transient:
    """It certainly did not leave, and may be tried again."""

    message_key: str
    reason: str
    tried: bool = True
    """False when time ran out before it: nothing speaks against trying at once."""
    away: bool = False
    """True when the other side cannot be reached at all, so that nothing else need be tried now."""
    pause_seconds: float = 0.0
    """How long the other side asks to be left alone; 0 when it did not say."""
    deferred: bool = False
    """True when the receiving side put it off; False where the trouble is on our side."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell whether it left."""

    message_key: str
    reason: str


Outcome = Sent | Failed | Transient | Unknown


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do."""

    carries: ChannelName
    idempotent: bool
    """True when the same message key twice arrives once, so that an interrupted send may be repeated."""
    batch_size: int
    """Messages claimed at a time."""
    at_once: int
    """Messages handed over at a time. Without idempotency, so many may become unknown when a worker dies."""
    tells_each: bool = True
    """False when the other side answers for a whole batch, so that one refusal is the refusal of all."""
    max_length: int | None = None
    """Longest text it takes, in characters; None for any."""
    sandbox: bool = False
    """True when nothing leaves the machine."""

    @property
    def html(self) -> bool:
        """Whether a message may have a designed part besides its text."""
        return self.carries == "email"


class Channel(Protocol):
    """One way out. A channel belongs to one thread."""

    @property
    def name(self) -> str:
        """The provider, as the ledger names it."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        """Send a batch: one outcome for each message, in order.

        What could not be started within ``seconds`` comes back as Transient. Trouble with one message or with the
        other side is an outcome, never an exception.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
