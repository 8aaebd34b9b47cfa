"""What goes into the market and what comes out of it: plain records, all of them labelled as simulated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

EventKind = Literal[
    "order",
    "visit",
    "click",
    "unsubscribe",
    "complaint",
    "bounce",
    "view",
    "cart",
    "signup",
    "form",
    "signup_pending",
    "confirm",
]


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message that a receiving server took for a contact; ``category`` is what it speaks of, if anything.

    ``letter`` says which words it carries where campaigns share them; without it each campaign has its own.
    """

    contact_id: int
    message_key: str
    campaign: str
    category: str | None
    delivered_at: datetime
    is_offer: bool
    letter: str = ""


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """One thing that a simulated contact (or a machine in front of it) did; ``properties["simulated"]`` is true.

    The id is the same in every run of one world. An order holds ``order_id``, ``currency``, ``total_cents``,
    ``discount_cents`` and ``lines`` of ``product_id``, ``category``, ``quantity`` and ``amount_cents``, and
    ``redeemed_message_key`` if it used an offer.
    A reaction to a message holds ``message_key``, ``campaign`` and ``seconds_after_delivery``; a click also
    ``user_agent``, by which (and by its speed) a scanner can be told from a person.
    """

    event_id: str
    contact_id: int
    kind: EventKind
    at: datetime
    properties: dict[str, Any]
