"""What was known of each contact at a past moment, so that the rules of a pack can judge a message of that moment."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, select

from memory.address import phone_hash
from memory.consents import SIMILAR_PRODUCTS
from memory.events import ORDER, SIGNALS
from memory.importing.identity import reassignments
from memory.lake import Lake
from memory.schema import consents, contacts, from_micros, intake, messages, suppressions, to_micros
from memory.store import Store
from memory.workspace import salt
from policies.facts import NEVER, MessageFacts
from tools.gather import zone_of


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order: what was paid, how much was taken off, and what kinds of things were bought."""

    at: datetime
    order_id: str
    total_cents: int
    discount_cents: int


_Entry = tuple[int, str, bool, bool]
"""When, granted or withdrawn, with proof or without, confirmed or not."""


@dataclass(slots=True)
class _Timeline:
    """One contact's past; moments in microseconds, in order."""

    zone: str = ""
    language: str = ""
    consents: dict[tuple[str, str], list[_Entry]] = field(default_factory=lambda: defaultdict(list))
    suppressed: dict[str, tuple[int, str]] = field(default_factory=dict)
    signals: list[int] = field(default_factory=list)
    purchases: list[tuple[int, str, int, int]] = field(default_factory=list)
    bought: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    sends: list[int] = field(default_factory=list)


class Past:
    """Every contact's consents, suppressions, signals, purchases and imported sends, read once."""

    def __init__(
        self,
        store: Store,
        lake: Lake,
        *,
        fallback_zone: str,
        undated_from: datetime | None = None,
        is_service: Callable[[str], bool] = lambda _campaign: False,
    ) -> None:
        """``undated_from``: consents dated from this moment on came without a date, and count as always given.

        ``is_service`` tells by the name of its campaign which imported message is no marketing, and counts nowhere.
        """
        self._people: dict[int, _Timeline] = defaultdict(_Timeline)
        self._fallback_zone = fallback_zone
        self.tracked_from: datetime | None = None
        """The first sign of life of anybody: before it nothing is known to have tracked."""
        with store.read() as connection:
            self._canonical = reassignments(connection)
            undated = to_micros(undated_from) if undated_from is not None else None
            self._read_people(connection)
            self._read_consents(connection, undated)
            self._read_live(connection)
            mine = set(connection.execute(select(messages.c.message_key)).scalars())
        self._read_lake(lake, mine, is_service)
        for person in self._people.values():
            person.purchases.sort()
            for moments in (person.signals, person.sends, *person.bought.values()):
                moments.sort()
        first = min((person.signals[0] for person in self._people.values() if person.signals), default=None)
        self.tracked_from = None if first is None else from_micros(first)

    def facts(
        self,
        contact_id: int,
        at: datetime,
        *,
        channel: str,
        purpose: str = "marketing",
        category: str = "",
        about: str = "",
        also_sent: Iterable[datetime] = (),
        at_once: int = 0,
        window_days: int,
        assume_tracking: bool = False,
    ) -> MessageFacts:
        """What rules on consent, pressure, silence, purchases and hours look at, as it stood then.

        ``category`` is that in which purchases count, and ``about`` the one that the message is about; empty for none.
        ``also_sent`` are messages that left besides the imported ones, and ``at_once`` counts those of the very same
        moment. With ``assume_tracking`` a contact without any sign of life counts as silent from the first message
        on, once anybody's signs were tracked.
        """
        person = self._person(contact_id)
        now = to_micros(at)
        left = sorted([*person.sends, *(to_micros(one) for one in also_sent)]) if also_sent else person.sends
        before = bisect_left(left, now)
        since = bisect_right(left, to_micros(at - timedelta(days=window_days)))
        signal = _latest(person.signals, now)
        tracked = signal is not None
        if signal is None and assume_tracking and self.tracked_from is not None and self.tracked_from <= at and before:
            signal, tracked = left[0], True
        since_when, state, proof, confirmed = _consent(person.consents.get((channel, purpose), []), now)
        _, told, told_with_proof, _ = _consent(person.consents.get((channel, SIMILAR_PRODUCTS), []), now)
        listed = person.suppressed.get(channel)
        bought = person.bought[category] if category else [one[0] for one in person.purchases]
        purchase = _latest(bought, now)
        similar = _latest(person.bought[about], now) if about else None
        ordered = _latest([one[0] for one in person.purchases], now)
        heard = [one for one in (signal, ordered, since_when if state == "granted" else None) if one is not None]
        zone, zone_known = zone_of(person.zone, self._fallback_zone)
        return MessageFacts(
            now=at,
            channel=channel,
            purpose=purpose,
            contact_erased=False,
            suppressed_reason=listed[1] if listed and listed[0] < now else "",
            consent_state=state,
            consent_has_proof=proof,
            consent_confirmed=confirmed,
            customer_told=told == "granted" and told_with_proof,
            similar_bought_at=_moment(similar),
            last_heard_at=_moment(max(heard, default=None)),
            sent_in_window=before - min(since, before) + at_once,
            tracking_known=tracked,
            last_human_signal_at=_moment(signal),
            sent_since_signal=before - min(bisect_left(left, signal or 0), before),
            exempt_sent_in_lapse=0,
            last_purchase_at=_moment(purchase),
            recent_purchase_days=0,
            local_now=at.astimezone(zone),
            zone_known=zone_known,
            send_from_hour=0,
            send_until_hour=24,
            weekdays=(0, 1, 2, 3, 4, 5, 6),
        )

    def language(self, contact_id: int) -> str:
        """The contact's own language; empty where nobody knows it."""
        return self._person(contact_id).language

    def last_purchase(self, contact_id: int, at: datetime) -> Purchase | None:
        """The last order before a moment."""
        purchases = self._person(contact_id).purchases
        place = bisect_left(purchases, (to_micros(at),))
        if not place:
            return None
        moment, order_id, total, discount = purchases[place - 1]
        return Purchase(from_micros(moment), order_id, total, discount)

    def bought_between(self, contact_id: int, start: datetime, end: datetime) -> bool:
        """Whether the contact ordered from one moment until before another."""
        purchases = self._person(contact_id).purchases
        return bisect_left(purchases, (to_micros(start),)) < bisect_left(purchases, (to_micros(end),))

    def _person(self, contact_id: int) -> _Timeline:
        return self._people[self._canonical.get(contact_id, contact_id)]

    def _read_people(self, connection: Connection) -> None:
        key = salt(connection)
        listed: dict[tuple[str, str], tuple[int, str]] = {
            (row.channel, row.address_hash): (to_micros(row.at), row.reason)
            for row in connection.execute(select(suppressions))
        }
        query = select(
            contacts.c.contact_id,
            contacts.c.time_zone,
            contacts.c.language,
            contacts.c.email_hash,
            contacts.c.phone,
        )
        for row in connection.execute(query):
            person = self._person(row.contact_id)
            person.zone = person.zone or row.time_zone
            person.language = person.language or row.language
            for channel, address in (("email", row.email_hash), ("sms", phone_hash(key, row.phone))):
                if (found := listed.get((channel, address or ""))) is not None:
                    person.suppressed[channel] = found

    def _read_consents(self, connection: Connection, undated: int | None) -> None:
        query = select(consents).order_by(consents.c.at, consents.c.consent_id)
        for row in connection.execute(query):
            at = to_micros(row.at)
            since = 0 if undated is not None and at >= undated and row.state == "granted" else at
            entries = self._person(row.contact_id).consents[row.channel, row.purpose]
            entries.append((since, row.state, bool(row.proof), row.confirmed))
        for person in self._people.values():
            for entries in person.consents.values():
                entries.sort(key=lambda one: one[0])

    def _read_live(self, connection: Connection) -> None:
        """What has happened and is not in the lake yet."""
        query = select(intake.c.contact_id, intake.c.kind, intake.c.at, intake.c.properties).where(
            intake.c.batch_id.is_(None), intake.c.human, intake.c.contact_id.is_not(None)
        )
        for row in connection.execute(query.where(intake.c.kind.in_([*SIGNALS, ORDER]))):
            person, at = self._person(row.contact_id), to_micros(row.at)
            person.signals.append(at)
            if row.kind == ORDER:
                self._buy(person, at, row.properties)

    def _buy(self, person: _Timeline, at: int, properties: dict[str, Any]) -> None:
        total, discount = properties.get("total_cents"), properties.get("discount_cents")
        person.purchases.append((at, str(properties.get("order_id", "")), int(total or 0), int(discount or 0)))
        for line in properties.get("lines") or []:
            if line.get("category"):
                person.bought[line["category"]].append(at)

    def _read_lake(self, lake: Lake, mine: set[str], is_service: Callable[[str], bool]) -> None:
        engine = lake.connect()
        sql = engine.con
        kinds = ", ".join(f"'{kind}'" for kind in SIGNALS)
        for contact_id, at in sql.execute(
            f'SELECT contact_id, "at" FROM events WHERE human AND kind IN ({kinds})'  # noqa: S608 - names of ours
        ).fetchall():
            self._person(contact_id).signals.append(at)
        for contact_id, at, order_id, total, discount in sql.execute(
            'SELECT contact_id, "at", order_id, total_cents, discount_cents FROM orders WHERE contact_id IS NOT NULL'
        ).fetchall():
            person = self._person(contact_id)
            person.purchases.append((at, order_id, total, discount))
            person.signals.append(at)
        for contact_id, at, category in sql.execute(
            """SELECT contact_id, "at", category FROM lines WHERE contact_id IS NOT NULL AND category <> ''"""
        ).fetchall():
            self._person(contact_id).bought[category].append(at)
        for contact_id, at, key, campaign in sql.execute(
            """SELECT contact_id, "at", message_key, campaign FROM sends WHERE bounced <> 'hard'"""
        ).fetchall():
            if key not in mine and not is_service(campaign):
                self._person(contact_id).sends.append(at)
        engine.disconnect()


def _latest(moments: list[int], now: int) -> int | None:
    place = bisect_right(moments, now)
    return moments[place - 1] if place else None


def _moment(micros: int | None) -> datetime:
    return NEVER if micros is None else from_micros(micros)


def _consent(entries: list[_Entry], now: int) -> tuple[int, Literal["granted", "withdrawn", ""], bool, bool]:
    place = bisect_right(entries, now, key=lambda one: one[0])
    if not place:
        return 0, "", False, False
    at, state, proof, confirmed = entries[place - 1]
    return at, "granted" if state == "granted" else "withdrawn", proof, confirmed
