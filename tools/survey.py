"""Facts about a whole audience at this moment, a column for each: what ``gather`` finds for each message, as sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, and_, case, func, or_, select

from memory import cap, preferences
from memory.address import phone_hash, phone_number
from memory.assignment import all_in_programme_holdout
from memory.cap import Cap
from memory.columns import among, places, read_columns
from memory.play import RecordKind
from memory.preferences import Preferences
from memory.schema import cap_slots, consent_current, contacts, from_micros, intake, messages, suppressions, to_micros
from memory.schema import preferences as chosen_rows
from policies.facts import ANY_TOPIC, NEVER, NO_ADDRESS, NO_PRODUCT, MessageFacts, moment_or_never
from policies.table import NEVER64, Coded, Column, MessageTable, moment
from tools.bindings import Bindings, Person, Recipient, ingredients, resolve, speaks
from tools.gather import (
    Ground,
    bought_live,
    left_under_exemption,
    offer_facts,
    recent_days,
    recent_since,
    unbought,
    zone_of,
)
from tools.records import LakeRecords
from tools.render import EXAMPLE_CODE
from tools.similar import similar_days, similar_purchases, told_customers
from tools.subject import in_barred_segment, stock_units

_NEVER = to_micros(NEVER)
_ASKED = 500
_Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Survey:
    """The facts of contacts who might enter, in their order, and the language each would be written to in."""

    table: MessageTable
    languages: Coded


def survey(
    connection: Connection,
    ids: _Ids,
    *,
    ground: Ground,
    named: Mapping[int, Mapping[RecordKind, str]],
    records: LakeRecords,
) -> Survey:
    """Facts about the first message to some contacts, by sorted ids; nobody is held out and nothing competes yet.

    ``named`` are the records that personal values are read from.
    """
    play, step, at = ground.play, ground.step, ground.at
    people = _people(connection, ids, ground)
    used, newest = _taken(connection, ids, ground)
    chosen = _chosen(connection, ids)
    named = _shown(connection, ids, ground, named, records)
    languages, missing = _values(ids, people, ground, named, chosen, records)
    programme = all_in_programme_holdout(ground.salt, ids, ground.programme_share, at)
    offer = offer_facts(connection, play)
    most = ground.pack.cap.messages
    zones, spoken = people.coded("time_zone"), people.coded("language")
    known = [zone_of(name, play.schedule.fallback_zone) for name in zones.values]
    common = MessageFacts(
        now=at,
        channel=step.channel,
        purpose=step.purpose,
        reaches_contact=step.reaches_contact,
        needs_no_leave=step.needs_no_leave,
        switch_stopped=ground.switch_stopped,
        deadline_at=at + timedelta(days=1),
        approval=ground.approval,
        playbook=play.playbook,
        topic=play.topic,
        rivals=(),
        hibernation_exempt=play.limits.hibernation_exempt,
        recent_purchase_days=play.limits.recent_purchase_days,
        send_from_hour=play.schedule.send_from_hour,
        send_until_hour=play.schedule.send_until_hour,
        weekdays=play.schedule.weekdays,
        in_holdout=False,
        offer=offer,
        product_stock_units=NO_PRODUCT,
        example_parts=play.brand.left_from(ground.example_brand) if ground.example_brand is not None else (),
        sender_address=play.brand.sender_address,
        postal_address=play.brand.postal_address,
        unsubscribe_url=ground.public_url,
    )
    barred = in_barred_segment(ids, play, ground.pack, records, at)
    units = stock_units(play, step, (named.get(one, {}) for one in ids.tolist()), records)
    columns: dict[str, Column] = {
        "contact_erased": ~people.flags("on_record"),
        "suppressed_reason": _suppressed(connection, people, ground),
        "consent_state": people.coded("consent"),
        "consent_has_proof": people.flags("has_proof"),
        "consent_confirmed": people.flags("confirmed"),
        "last_heard_at": np.maximum(
            np.maximum(people.moments("last_human_signal_at"), people.moments("last_order_at")),
            people.moments("agreed_at"),
        ),
        "language_matches": Coded(spoken.codes, [speaks(one, step, play) for one in spoken.values]),
        "sent_in_window": used,
        "room_left": np.maximum(most - used, 0),
        "last_sent_at": newest,
        "tracking_known": people.moments("last_human_signal_at") != NEVER64,
        "last_human_signal_at": people.moments("last_human_signal_at"),
        "sent_since_signal": people.counts("sent_since_signal"),
        "exempt_sent_in_lapse": _exempt_sends(connection, ids, ground),
        "last_purchase_at": _purchases(connection, ids, people, ground, records),
        "local_now": Coded(zones.codes, [at.astimezone(zone) for zone, _ in known]),
        "zone_known": Coded(zones.codes, [found for _, found in known]),
        "in_programme_holdout": programme,
        "bindings_missing": missing,
        **({} if barred is None else {"in_barred_segment": barred}),
        **({} if units is None else {"product_stock_units": units}),
        **_wishes(len(ids), chosen),
        **_customers(connection, ids, ground, named, records),
    }
    return Survey(MessageTable(len(ids), common, columns), languages)


@dataclass(frozen=True, slots=True)
class _People:
    """What the store says of each contact, one row for each in their order; null where it knows none."""

    rows: pa.Table

    def flags(self, name: str) -> NDArray[np.bool_]:
        return _plain(pc.fill_null(self.rows[name], False))

    def counts(self, name: str, otherwise: int = 0) -> _Ids:
        return _plain(pc.fill_null(self.rows[name], otherwise))

    def moments(self, name: str) -> NDArray[np.datetime64]:
        return self.counts(name, _NEVER).view("datetime64[us]")

    def coded(self, name: str) -> Coded:
        known = pc.fill_null(self.rows[name], "").combine_chunks().dictionary_encode()
        return Coded(_plain(known.indices), known.dictionary.to_pylist())


def _people(connection: Connection, ids: _Ids, ground: Ground) -> _People:
    step = ground.step
    agreed = and_(
        consent_current.c.contact_id == contacts.c.contact_id,
        consent_current.c.channel == step.channel,
        consent_current.c.purpose == step.purpose,
    )
    barred = and_(suppressions.c.channel == step.channel, suppressions.c.address_hash == contacts.c.email_hash)
    query = select(
        contacts.c.contact_id,
        and_(contacts.c.erased_at.is_(None), contacts.c.merged_into.is_(None)).label("on_record"),
        (func.coalesce(contacts.c.email, "") != "").label("has_email"),
        contacts.c.phone,
        contacts.c.first_name,
        contacts.c.language,
        contacts.c.time_zone,
        contacts.c.last_human_signal_at,
        contacts.c.last_order_at,
        contacts.c.sent_since_signal,
        consent_current.c.state.label("consent"),
        consent_current.c.has_proof,
        consent_current.c.confirmed,
        case((consent_current.c.state == "granted", consent_current.c.at)).label("agreed_at"),
        suppressions.c.reason,
    ).select_from(contacts.outerjoin(consent_current, agreed).outerjoin(suppressions, barred))
    found = [part for some in among(contacts.c.contact_id, ids) for part in read_columns(connection, query.where(some))]
    return _People(_aligned(ids, pa.concat_tables(found)))


def _aligned(ids: _Ids, found: pa.Table) -> pa.Table:
    """One row for each id, in their order; null where none was found."""
    at, wanted = places(ids, _plain(found["contact_id"]))
    rows = np.full(len(ids), -1)
    rows[at[wanted]] = np.flatnonzero(wanted)
    return found.take(pa.array(rows, mask=rows < 0))


def _suppressed(connection: Connection, people: _People, ground: Ground) -> Coded:
    """Why each gets nothing on the channel, whichever of their addresses was named when they were suppressed."""
    reasons = people.coded("reason")
    codes, values = reasons.codes.copy(), [*reasons.values, NO_ADDRESS]
    reachable = people.flags("has_email")
    if ground.step.channel == "sms":
        numbers = [phone_number(one) for one in people.rows["phone"].to_pylist()]
        reachable = np.asarray([bool(one) for one in numbers], bool)
        listed = select(suppressions.c.address_hash, suppressions.c.reason).where(suppressions.c.channel == "sms")
        barred = {row.address_hash: row.reason for row in connection.execute(listed)}
        for row, number in enumerate(numbers if barred else ()):
            reason = barred.get(phone_hash(ground.salt, number))
            if reason is not None:
                codes[row] = len(values)
                values.append(reason)
    codes[~reachable] = len(reasons.values)
    return Coded(codes, values)


def _taken(connection: Connection, ids: _Ids, ground: Ground) -> tuple[_Ids, NDArray[np.datetime64]]:
    """Places under the cap that each has taken, and when the newest message left."""
    limits = Cap(ground.pack.cap.messages, ground.pack.cap.window_days)
    used, newest = np.zeros(len(ids), np.int64), np.full(len(ids), NEVER64)
    for some in among(cap_slots.c.contact_id, ids):
        for part in read_columns(connection, cap.taken(some, cap=limits, at=ground.at)):
            at, wanted = places(ids, _plain(part["contact_id"]))
            used[at[wanted]] = _plain(part["used"])[wanted]
            newest[at[wanted]] = _plain(part["newest"])[wanted].view("datetime64[us]")
    return used, newest


def _chosen(connection: Connection, ids: _Ids) -> dict[int, Preferences]:
    """What those chose who chose anything, by their place in the order."""
    found: dict[int, Preferences] = {}
    for some in among(chosen_rows.c.contact_id, ids):
        for one in preferences.read_where(connection, some):
            at, wanted = places(ids, np.asarray([one.contact_id]))
            if wanted[0]:
                found[int(at[0])] = one
    return found


def _wishes(size: int, chosen: Mapping[int, Preferences]) -> dict[str, Column]:
    topics: dict[Any, int] = {ANY_TOPIC: 0}
    codes = np.zeros(size, np.int32)
    days = np.zeros(size, np.int64)
    paused_until = np.full(size, NEVER64)
    for row, one in chosen.items():
        codes[row] = topics.setdefault(ANY_TOPIC if one.topics is None else one.topics, len(topics))
        days[row] = one.at_most_days
        paused_until[row] = moment(moment_or_never(one.paused_until))
    return {"topics_wanted": Coded(codes, list(topics)), "at_most_days": days, "paused_until": paused_until}


def _purchases(
    connection: Connection, ids: _Ids, people: _People, ground: Ground, records: LakeRecords
) -> NDArray[np.datetime64]:
    """Last order of each that counts, from the lake and from what has happened since it was last written."""
    bought = np.full(len(ids), NEVER64)
    days = recent_days(ground.play, ground.pack)
    if days == 0:
        return bought
    category = ground.play.goal.category
    since = recent_since(ground.at, days)
    past = records.purchases(category, since)
    at, wanted = places(ids, _plain(past["contact_id"]))
    bought[at[wanted]] = _plain(past["at"])[wanted].view("datetime64[us]")
    if not category:
        return np.maximum(bought, people.moments("last_order_at"))
    for some in among(intake.c.contact_id, ids):
        for contact_id, moment_of in bought_live(connection, some, category, since):
            at, wanted = places(ids, np.asarray([contact_id]))
            if wanted[0]:
                bought[at[0]] = max(bought[at[0]], moment(moment_of))
    return bought


def _exempt_sends(connection: Connection, ids: _Ids, ground: Ground) -> _Ids:
    """How many messages each got under a hibernation exemption since the last sign of life."""
    sent = np.zeros(len(ids), np.int64)
    if not ground.play.limits.hibernation_exempt:
        return sent
    signal, left_at = contacts.c.last_human_signal_at, func.coalesce(messages.c.sent_at, messages.c.claimed_at)
    query = (
        select(messages.c.contact_id, func.count().label("sent"))
        .join(contacts, contacts.c.contact_id == messages.c.contact_id)
        .where(left_under_exemption(), left_at.is_not(None), or_(signal.is_(None), left_at > signal))
        .group_by(messages.c.contact_id)
    )
    for some in among(messages.c.contact_id, ids):
        for part in read_columns(connection, query.where(some)):
            at, wanted = places(ids, _plain(part["contact_id"]))
            sent[at[wanted]] = _plain(part["sent"])[wanted]
    return sent


def _shown(
    connection: Connection,
    ids: _Ids,
    ground: Ground,
    named: Mapping[int, Mapping[RecordKind, str]],
    records: LakeRecords,
) -> Mapping[int, Mapping[RecordKind, str]]:
    """The records that may be shown: without those bought lately, where the step asks for that."""
    if not ground.step.unbought_days:
        return named
    having = [one for one in ids.tolist() if named.get(one)]
    found: dict[int, Mapping[RecordKind, str]] = {}
    for start in range(0, len(having), _ASKED):
        some = having[start : start + _ASKED]
        found |= unbought(connection, {one: named[one] for one in some}, ground, records)
    return found


def _customers(
    connection: Connection,
    ids: _Ids,
    ground: Ground,
    named: Mapping[int, Mapping[RecordKind, str]],
    records: LakeRecords,
) -> dict[str, Column]:
    """Who was told of messages on similar products, and when each last bought such; nothing where nobody asks."""
    days = similar_days(ground.pack)
    if not days:
        return {}
    people, since = ids.tolist(), recent_since(ground.at, days)
    shown = {one: named.get(one, {}) for one in people}
    bought = np.full(len(ids), NEVER64)
    for contact_id, at in similar_purchases(connection, shown, ground.play, since, records).items():
        bought[np.searchsorted(ids, contact_id)] = moment(at)
    told = told_customers(connection, ground.step.channel, people)
    return {"similar_bought_at": bought, "customer_told": np.isin(ids, np.asarray(sorted(told), np.int64))}


def _values(
    ids: _Ids,
    people: _People,
    ground: Ground,
    named: Mapping[int, Mapping[RecordKind, str]],
    chosen: Mapping[int, Preferences],
    records: LakeRecords,
) -> tuple[Coded, Coded]:
    """(language, bindings missing) of each: whoever is alike in all that decides is asked about once."""
    play, step = ground.play, ground.step
    decides = ingredients(play, step)
    spoken = people.coded("language")
    alike = spoken.codes.astype(np.int64)
    parts: list[NDArray[Any]] = []
    if "first_name" in decides:
        parts.append(people.coded("first_name").codes)
    if "last_order" in decides:
        parts.append(people.moments("last_order_at") != NEVER64)
    if "records" in decides:
        parts.append(_numbered(tuple(sorted(named.get(one, {}).items())) for one in ids.tolist()))
    if "answers" in decides:
        parts.append(
            _numbered(tuple(sorted(chosen[row].answers.items())) if row in chosen else () for row in range(len(ids)))
        )
    for part in parts:
        # Kept small after each part, so that the product never grows beyond an integer.
        _, alike = np.unique(alike * (int(part.max(initial=0)) + 1) + part, return_inverse=True)
    _, first, codes = np.unique(alike, return_index=True, return_inverse=True)
    products = records.products() if play.reads_records else {}
    languages, missing = [], []
    for row in first.tolist():
        contact_id, told = int(ids[row]), people.rows.slice(row, 1).to_pylist()[0]
        ordered = told["last_order_at"]
        person = Person(
            told["first_name"] or "",
            told["language"] or "",
            "",
            told["time_zone"] or "",
            None if ordered is None else from_micros(ordered),
        )
        way = ground.public_url
        answers = chosen[row].answers if row in chosen else {}
        recipient = Recipient(contact_id, named.get(contact_id, {}), way, way, way, answers, EXAMPLE_CODE)
        found = resolve(play, step, person, recipient, products=products, currency=ground.currency)
        languages.append(found.language if isinstance(found, Bindings) else "")
        missing.append(() if isinstance(found, Bindings) else (found.where,))
    return Coded(codes.astype(np.int32), languages), Coded(codes.astype(np.int32), missing)


def _numbered(values: Iterable[Any]) -> _Ids:
    """A number for each, the same for equal ones."""
    known: dict[Any, int] = {}
    return np.fromiter((known.setdefault(one, len(known)) for one in values), np.int64)


def _plain(column: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    """A column without nulls as an array that may be written to."""
    return np.array(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy())
