"""Live events: kept and deduplicated first, acted on at once, written to the lake in batches afterwards.

Imported history never comes through here: it is past, and fires nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Connection, and_, bindparam, func, or_, select, update

from memory import cap, unknown
from memory.address import channel_named
from memory.events import (
    ACCEPTED,
    BOUNCE,
    COMPLAINT,
    CONFIRM,
    DEFERRED,
    DELIVERED,
    ORDER,
    SENT,
    SIGNALS,
    SIGNUP_PENDING,
    UNSUBSCRIBE,
)
from memory.reputation import Said, count_said
from memory.schema import contacts, intake, messages
from memory.steps import REACHING
from memory.store import Store, upsert
from tools import opt_in, replies
from tools.bounces import keeps_bouncing
from tools.identity import by_number, whose
from tools.reaction import Deed, react
from tools.replies import Answer, Answered
from tools.unsubscribe import opt_out, stop_contact, suppress_address

CART: Final = "cart"
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
    """For an order: order_id, currency, total_cents, discount_cents, lines. For a cart: value_cents. For
    what a provider says: message_key."""
    source: str = ""
    human: bool = True
    """False for scanners and other machines: stored, never counted."""
    answer: Answer | None = None
    """What somebody wrote back, kept apart from what is counted. Never from a shop: its word for it would be taken."""
    beside: str = ""
    """The event that one report told together with this one: where that one came before, this one is not new either."""


@dataclass(frozen=True, slots=True)
class _Done:
    """An event of somebody on record, and when it counts as having happened."""

    contact_id: int
    event: Incoming
    at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch of events."""

    new: frozenset[str]
    """Ids of the events that were not there before."""
    duplicates: int
    strangers: int
    """New, but of nobody on record."""

    @property
    def accepted(self) -> int:
        """How many are on record now that were not before."""
        return len(self.new)


def last_heard_at(connection: Connection, source: str) -> datetime | None:
    """When a source last reported anything; None when it never did."""
    query = select(func.max(intake.c.received_at)).where(intake.c.source == source)
    found: datetime | None = connection.execute(query).scalar_one()
    return found


def receive(store: Store, events: Sequence[Incoming], at: datetime) -> Receipt:
    """Keep events for good, then act on them in the same transaction: hot facts, suppressions, exits.

    A moment in the future counts as ``at``.
    """
    ids: set[str] = set()
    duplicates = strangers = 0
    for start in range(0, len(events), _CHUNK):
        chunk = events[start : start + _CHUNK]
        new = _take(store, chunk, at, by_number(store, chunk))
        duplicates += len(chunk) - len(new)
        ids.update(event.event_id for _, event in new)
        strangers += sum(1 for contact_id, _ in new if contact_id is None)
    return Receipt(frozenset(ids), duplicates, strangers)


class _TakenMeanwhileError(Exception):
    """Another process has kept one of the same events since they were looked up."""


def _take(
    store: Store, events: Sequence[Incoming], at: datetime, numbers: Mapping[str, int]
) -> list[tuple[int | None, Incoming]]:
    """Keep and act in one transaction, which is begun anew where another process was faster with the same event."""
    while True:
        try:
            with store.write() as connection:
                new = _keep(connection, events, at, numbers)
                _act(connection, new, at)
        except _TakenMeanwhileError:
            continue
        return new


# What is asked for each transaction is built once: to build it costs more than to run it.
_KNOWN: Final = select(intake.c.event_id).where(intake.c.event_id.in_(bindparam("these", expanding=True)))


def _keep(
    connection: Connection, events: Sequence[Incoming], at: datetime, numbers: Mapping[str, int]
) -> list[tuple[int | None, Incoming]]:
    ids = [name for event in events for name in (event.event_id, event.beside) if name]
    known = set(connection.execute(_KNOWN, {"these": ids}).scalars())
    first: dict[str, Incoming] = {}
    for event in events:
        if known.isdisjoint((event.event_id, event.beside)):
            first.setdefault(event.event_id, event)
    fresh = list(first.values())
    new = list(zip(whose(connection, fresh, numbers), fresh, strict=True))
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
    if upsert(connection, intake, rows, keys=["event_id"]) < len(rows):
        raise _TakenMeanwhileError
    return new


def _act(connection: Connection, new: Sequence[tuple[int | None, Incoming]], at: datetime) -> None:
    """What events change at once; those of machines only where a machine's word counts."""
    done = [
        _Done(contact_id, event, min(event.at, at))
        for contact_id, event in new
        if contact_id is not None and (event.human or event.kind in _MACHINE_WORDS)
    ]
    done.sort(key=lambda one: (one.contact_id, one.at))
    _alive(connection, [one for one in done if one.event.human and one.event.kind in (*SIGNALS, ORDER)])
    for one in done:
        act = _ACTS.get(one.event.kind)
        if act is not None:
            act(connection, one.contact_id, one.event, one.at, at)
    _opened(connection, [one for one in done if one.event.kind == CART])
    # After the carts: an order closes every cart that was opened before it.
    _ordered(connection, [one for one in done if one.event.kind == ORDER])
    deeds = [Deed(one.contact_id, one.event.event_id, one.event.kind, one.event.properties, one.at) for one in done]
    react(connection, deeds, at)
    count_said(connection, [_said(one) for one in done if _channel(one.event) == "email"])
    replies.keep(connection, [_answered(one) for one in done if one.event.answer is not None], at)


def _answered(one: _Done) -> Answered:
    assert one.event.answer is not None
    key = one.event.properties.get("message_key")
    return Answered(
        event_id=one.event.event_id,
        contact_id=one.contact_id,
        at=one.at,
        channel=_channel(one.event),
        answer=one.event.answer,
        message_key=key if isinstance(key, str) else "",
    )


def _said(one: _Done) -> Said:
    key = one.event.properties.get("message_key")
    hard = one.event.properties.get("bounce") == "hard"
    return Said(one.contact_id, one.event.kind, one.at, key if isinstance(key, str) else "", hard)


def _newest(done: Sequence[_Done]) -> list[dict[str, Any]]:
    """The last moment of each contact, as parameters of a statement."""
    return [{"who": contact_id, "then": then} for contact_id, then in {one.contact_id: one.at for one in done}.items()]


def _unless_later(moment: Any) -> ColumnElement[bool]:
    return or_(moment.is_(None), moment < _THEN)


_THEN: Final[BindParameter[Any]] = bindparam("then")
_MINE: Final = contacts.c.contact_id == bindparam("who")
_ALIVE: Final = (
    update(contacts)
    .where(_MINE, _unless_later(contacts.c.last_human_signal_at))
    .values(
        last_human_signal_at=_THEN,
        sent_since_signal=select(func.count())
        .select_from(messages)
        .where(messages.c.contact_id == bindparam("who"), messages.c.state == "sent")
        # One statement for many contacts cannot hold a list of values that is written out as it runs.
        .where(messages.c.purpose == "marketing", or_(*(messages.c.channel == channel for channel in REACHING)))
        .where(messages.c.sent_at > _THEN)
        .scalar_subquery(),
    )
)
_BOUGHT_SINCE: Final = and_(contacts.c.last_order_at.is_not(None), contacts.c.last_order_at >= _THEN)
_OPENED: Final = (
    update(contacts)
    .where(_MINE, _unless_later(contacts.c.open_cart_at), ~_BOUGHT_SINCE)
    .values(open_cart_at=_THEN, open_cart_cents=bindparam("cents"))
)
_ORDERED: Final = update(contacts).where(_MINE, _unless_later(contacts.c.last_order_at)).values(last_order_at=_THEN)
_CLOSED: Final = (
    update(contacts).where(_MINE, contacts.c.open_cart_at <= _THEN).values(open_cart_at=None, open_cart_cents=None)
)


def _alive(connection: Connection, done: Sequence[_Done]) -> None:
    """A sign of life, and how many messages have gone unanswered since."""
    if done:
        connection.execute(_ALIVE, _newest(done))


def _opened(connection: Connection, done: Sequence[_Done]) -> None:
    """The newest cart of each contact, unless an order closed it since."""
    if not done:
        return
    connection.execute(
        _OPENED,
        [
            {"who": one.contact_id, "then": one.at, "cents": value if _is_amount(value) else None}
            for one in done
            for value in [one.event.properties.get("value_cents")]
        ],
    )


def _is_amount(value: object) -> bool:
    """Whether what a shop sent can be an amount in minor units; a cart without one meets no minimum."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15


def _ordered(connection: Connection, done: Sequence[_Done]) -> None:
    if not done:
        return
    newest = _newest(done)
    connection.execute(_ORDERED, newest)
    connection.execute(_CLOSED, newest)


def _unsubscribe(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    opt_out(connection, contact_id, _channel(event), f"{event.source} event {event.event_id}", at)


def _complain(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    suppress_address(connection, contact_id, _channel(event), "complained", at, event.source)
    stop_contact(connection, contact_id, _channel(event), "suppressed", at)


def _bounce(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    key = event.properties.get("message_key")
    if isinstance(key, str):
        unknown.settle(connection, key, sent_at=None, reason="the provider reported a bounce")
    hard, channel = event.properties.get("bounce") == "hard", _channel(event)
    if hard or keeps_bouncing(connection, contact_id, channel):
        reason = "hard_bounce" if hard else "soft_bounces"
        suppress_address(connection, contact_id, channel, reason, at, event.source)
        stop_contact(connection, contact_id, channel, "suppressed", at)


def _delivered(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    key = event.properties.get("message_key")
    if isinstance(key, str):
        what = "that it took it" if event.kind == ACCEPTED else "the delivery"
        unknown.settle(connection, key, sent_at=happened_at, reason=f"the provider reported {what}")


def _sent_elsewhere(
    connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime
) -> None:
    """Another system wrote to them: marketing takes its place under the cap, and waits for an answer like our own."""
    if event.properties.get("purpose", "marketing") != "marketing":
        return
    cap.seed(connection, [(contact_id, event.event_id, happened_at)], cap.MOST_PLACES)
    signal = contacts.c.last_human_signal_at
    connection.execute(
        update(contacts)
        .where(contacts.c.contact_id == contact_id, or_(signal.is_(None), signal < happened_at))
        .values(sent_since_signal=contacts.c.sent_since_signal + 1)
    )


def _pending(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    opt_in.ask(connection, contact_id, event.event_id, event.properties, event.source, happened_at)


def _confirm(connection: Connection, contact_id: int, event: Incoming, happened_at: datetime, at: datetime) -> None:
    opt_in.confirm(connection, contact_id, event.event_id, event.properties, event.source, happened_at)


def _channel(event: Incoming) -> str:
    return channel_named(str(event.properties.get("channel") or ""))


# Said by mail providers on behalf of nobody in particular, and true all the same.
_MACHINE_WORDS = frozenset({ACCEPTED, BOUNCE, COMPLAINT, DEFERRED, DELIVERED, ORDER, SENT, UNSUBSCRIBE})
_ACTS: Final[dict[str, Callable[[Connection, int, Incoming, datetime, datetime], None]]] = {
    UNSUBSCRIBE: _unsubscribe,
    COMPLAINT: _complain,
    BOUNCE: _bounce,
    ACCEPTED: _delivered,
    DELIVERED: _delivered,
    SENT: _sent_elsewhere,
    SIGNUP_PENDING: _pending,
    CONFIRM: _confirm,
}
