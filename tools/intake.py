"""Live events: kept and deduplicated first, acted on at once, written to the lake in batches afterwards.

Imported history never comes through here: it is past, and fires nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, func, or_, select, update

from memory import campaigns, enrolments, ledger
from memory import contacts as people
from memory.errors import NotFoundError
from memory.events import BOUNCE, COMPLAINT, ORDER, SIGNALS, UNSUBSCRIBE
from memory.play import Goal
from memory.schema import contacts, intake, messages
from memory.store import Store, upsert
from tools.unsubscribe import opt_out, stop_contact, suppress_address

CART: Final = "cart"
DELIVERED: Final = "delivered"
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One event as a shop, a mail provider or a page reports it."""

    event_id: str
    """The source's own id: the same event twice counts once."""
    kind: str
    at: datetime
    contact: int | str
    """Contact id, or an address or id that some source uses."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """For an order: order_id, currency, total_cents, discount_cents, lines. For what a provider says: message_key."""
    source: str = ""
    human: bool = True
    """False for scanners and other machines: stored, never counted."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch of events."""

    accepted: int
    duplicates: int
    strangers: int
    """Accepted, but of nobody on record."""


def receive(store: Store, events: Sequence[Incoming], at: datetime) -> Receipt:
    """Keep events for good, then act on them in the same transaction: hot facts, suppressions, exits.

    A moment in the future counts as ``at``.
    """
    accepted = duplicates = strangers = 0
    for start in range(0, len(events), _CHUNK):
        with store.write() as connection:
            new = _keep(connection, events[start : start + _CHUNK], at)
            duplicates += len(events[start : start + _CHUNK]) - len(new)
            for contact_id, event in sorted(new, key=lambda pair: (pair[0] or 0, pair[1].at)):
                accepted += 1
                if contact_id is None:
                    strangers += 1
                elif event.human or event.kind in _MACHINE_WORDS:
                    _act(connection, contact_id, event, min(event.at, at), at)
    return Receipt(accepted, duplicates, strangers)


def _keep(connection: Connection, events: Sequence[Incoming], at: datetime) -> list[tuple[int | None, Incoming]]:
    ids = [event.event_id for event in events]
    known = set(connection.execute(select(intake.c.event_id).where(intake.c.event_id.in_(ids))).scalars())
    first: dict[str, Incoming] = {}
    for event in events:
        if event.event_id not in known:
            first.setdefault(event.event_id, event)
    new = [(_contact(connection, event.contact), event) for event in first.values()]
    rows = [
        {
            "event_id": event.event_id,
            "contact_id": contact_id,
            "kind": event.kind,
            "at": min(event.at, at),
            "properties": dict(event.properties),
            "source": event.source,
            "human": event.human,
            "received_at": at,
        }
        for contact_id, event in new
    ]
    upsert(connection, intake, rows, keys=["event_id"])
    return new


def _contact(connection: Connection, name: int | str) -> int | None:
    try:
        found = people.get(connection, name) if isinstance(name, int) else people.find(connection, name)
    except NotFoundError:
        return None
    return found.contact_id


def _act(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    if event.human and event.kind in (*SIGNALS, ORDER):
        _alive(connection, contact_id, happened_at)
    act = _ACTS.get(event.kind)
    if act is not None:
        act(connection, contact_id, event, happened_at, at)


def _alive(connection: Connection, contact_id: int, happened_at: datetime) -> None:
    """A sign of life, and how many messages have gone unanswered since."""
    since = (
        select(func.count())
        .select_from(messages)
        .where(messages.c.contact_id == contact_id, messages.c.state == "sent", messages.c.purpose == "marketing")
        .where(messages.c.sent_at > happened_at)
        .scalar_subquery()
    )
    older = or_(contacts.c.last_human_signal_at.is_(None), contacts.c.last_human_signal_at < happened_at)
    connection.execute(
        update(contacts)
        .where(contacts.c.contact_id == contact_id, older)
        .values(last_human_signal_at=happened_at, sent_since_signal=since)
    )


def _cart(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    older = or_(contacts.c.open_cart_at.is_(None), contacts.c.open_cart_at < happened_at)
    bought_since = and_(contacts.c.last_order_at.is_not(None), contacts.c.last_order_at >= happened_at)
    connection.execute(
        update(contacts)
        .where(contacts.c.contact_id == contact_id, older, ~bought_since)
        .values(open_cart_at=happened_at)
    )


def _order(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    mine = contacts.c.contact_id == contact_id
    older = or_(contacts.c.last_order_at.is_(None), contacts.c.last_order_at < happened_at)
    connection.execute(update(contacts).where(mine, older).values(last_order_at=happened_at))
    connection.execute(update(contacts).where(mine, contacts.c.open_cart_at <= happened_at).values(open_cart_at=None))
    _reach_goals(connection, contact_id, event, happened_at, at)


def _reach_goals(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    """Whoever did what a campaign wanted leaves it at once, and its pending messages are cancelled."""
    merged = select(contacts.c.contact_id).where(contacts.c.merged_into == contact_id)
    names = [contact_id, *connection.execute(merged).scalars()]
    reached = []
    for one in enrolments.active(connection, names):
        body = campaigns.get_version(connection, one.campaign_id, one.version).body
        wanted = "goal" in body.get("exits", []) and happened_at >= one.entered_at
        if wanted and _is_goal(Goal.model_validate(body["goal"]), event):
            reached.append(one.enrolment_id)
    if reached:
        ledger.cancel(connection, messages.c.enrolment_id.in_(reached), "goal")
        enrolments.leave(connection, dict.fromkeys(reached, "goal"), at)


def _is_goal(goal: Goal, event: Incoming) -> bool:
    lines = event.properties.get("lines", [])
    return not goal.category or any(line.get("category") == goal.category for line in lines)


def _unsubscribe(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    opt_out(connection, contact_id, _channel(event), f"{event.source} event {event.event_id}", at)


def _complain(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    suppress_address(connection, contact_id, _channel(event), "complained", at, event.source)
    stop_contact(connection, contact_id, _channel(event), "suppressed", at)


def _bounce(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    key = event.properties.get("message_key")
    if isinstance(key, str):
        ledger.settle_unknown(connection, key, sent_at=None, reason="the provider reported a bounce")
    if event.properties.get("bounce") == "hard":
        suppress_address(connection, contact_id, _channel(event), "hard_bounce", at, event.source)
        stop_contact(connection, contact_id, _channel(event), "suppressed", at)


def _delivered(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    key = event.properties.get("message_key")
    if isinstance(key, str):
        ledger.settle_unknown(connection, key, sent_at=happened_at, reason="the provider reported the delivery")


def _channel(event: Incoming) -> str:
    return str(event.properties.get("channel", "email"))


# Said by mail providers on behalf of nobody in particular, and true all the same.
_MACHINE_WORDS = frozenset({BOUNCE, COMPLAINT, DELIVERED, ORDER, UNSUBSCRIBE})
_ACTS: Final[dict[str, Callable[[Connection, int, Incoming, datetime, datetime], None]]] = {
    CART: _cart,
    ORDER: _order,
    UNSUBSCRIBE: _unsubscribe,
    COMPLAINT: _complain,
    BOUNCE: _bounce,
    DELIVERED: _delivered,
}
