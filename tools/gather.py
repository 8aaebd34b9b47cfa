"""Facts about many messages at once, as they stand at this moment, for the gate to judge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import ColumnElement, Connection, func, select

from memory import ledger, preferences, reputation
from memory.address import address_on, phone_hash
from memory.assignment import in_programme_holdout
from memory.brand import Brand
from memory.cap import Cap, Slot, newest
from memory.errors import NotFoundError
from memory.events import ORDER
from memory.offers import read_offer
from memory.play import Play, RecordKind
from memory.preferences import Preferences
from memory.schema import campaign_versions, consent_current, contacts, intake, messages, suppressions
from memory.standing import FINE, Standing, domain_of, standing_with
from memory.steps import SendStep
from policies.facts import (
    ANY_TOPIC,
    NEVER,
    NO_ADDRESS,
    NO_OFFER,
    NO_PRODUCT,
    ApprovalFacts,
    MessageFacts,
    OfferFacts,
    moment_or_never,
)
from policies.pack import Pack
from policies.rules.pressure import PressureLimits
from policies.rules.recent_purchase import RecentPurchaseLimits
from policies.table import value_at
from tools import opt_in
from tools.bindings import Bindings, Product, Recipient, resolve_many, shows_code, speaks
from tools.records import Bought, LakeRecords
from tools.similar import similar_days, similar_purchases, told_customers
from tools.subject import in_barred_segment, stock_units
from tools.unsubscribe import WayOut, link, preferences_link, sign

_CHUNK = 500
_PEOPLE = select(
    contacts.c.contact_id,
    contacts.c.email,
    contacts.c.email_hash,
    contacts.c.phone,
    contacts.c.language,
    contacts.c.time_zone,
    contacts.c.last_human_signal_at,
    contacts.c.last_order_at,
    contacts.c.sent_since_signal,
    contacts.c.merged_into,
    contacts.c.erased_at,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One message that might leave, or one contact that might enter."""

    contact_id: int
    message_key: str
    in_holdout: bool
    deadline_at: datetime
    records: Mapping[RecordKind, str]
    code: str = ""
    """The contact's own code of a single-use offer; empty where the pool has none left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all messages of one step have in common."""

    campaign_id: str
    play: Play
    step: SendStep
    approval: ApprovalFacts
    pack: Pack
    at: datetime
    salt: str
    switch_stopped: bool
    programme_share: float
    public_url: str
    currency: str
    example_brand: Brand | None = None
    """The brand in whose name nothing may reach people."""


@dataclass(frozen=True, slots=True)
class Case:
    """A candidate with its facts, and what it takes to write the message."""

    candidate: Candidate
    facts: MessageFacts
    address: str
    bindings: Bindings | None
    unsubscribe_url: str


@dataclass(frozen=True, slots=True)
class _WaysOut:
    unsubscribe: str
    preferences: str
    confirm: str


def gather(
    connection: Connection,
    candidates: Sequence[Candidate],
    *,
    ground: Ground,
    slots: Mapping[int, Sequence[Slot]],
    records: LakeRecords,
) -> list[Case]:
    """The facts of each candidate, in order; a contact comes once.

    ``slots`` come from ``cap.lock`` where a claim depends on them, from ``cap.read`` for a preview.
    """
    cases: list[Case] = []
    offer = offer_facts(connection, ground.play)
    standings: Mapping[str, Standing] = {}
    if ground.step.channel == "email":
        standings = reputation.standings_of(connection, domain_of(ground.play.brand.sender_address))
    for start in range(0, len(candidates), _CHUNK):
        cases += _gather(connection, candidates[start : start + _CHUNK], ground, slots, records, offer, standings)
    return cases


def _gather(
    connection: Connection,
    candidates: Sequence[Candidate],
    ground: Ground,
    slots: Mapping[int, Sequence[Slot]],
    records: LakeRecords,
    offer: OfferFacts,
    standings: Mapping[str, Standing],
) -> list[Case]:
    play, step, at = ground.play, ground.step, ground.at
    ids = [candidate.contact_id for candidate in candidates]
    people: dict[int, Any] = {
        row.contact_id: row for row in connection.execute(_PEOPLE.where(contacts.c.contact_id.in_(ids)))
    }
    consent = _consents(connection, ids, step)
    addresses = {
        one: address_on(step.channel, email=person.email, phone=person.phone) for one, person in people.items()
    }
    suppressed = _suppressions(connection, people, ground)
    chosen = preferences.read(connection, ids)
    bought = _purchases(connection, ids, people, ground, records)
    shown = unbought(connection, {one.contact_id: one.records for one in candidates}, ground, records)
    told_of = {one.contact_id: shown.get(one.contact_id, one.records) for one in candidates}
    customers = _customers(connection, told_of, ground, records)
    exempt = _exempt_sends(connection, ids, people) if play.limits.hibernation_exempt else {}
    ways_out = {candidate.contact_id: _ways_out(ground, candidate) for candidate in candidates}
    resolution = resolve_many(
        connection,
        play,
        step,
        [
            Recipient(
                one.contact_id,
                told_of[one.contact_id],
                ways_out[one.contact_id].unsubscribe,
                ways_out[one.contact_id].preferences,
                ways_out[one.contact_id].confirm,
                chosen[one.contact_id].answers if one.contact_id in chosen else {},
                one.code,
            )
            for one in candidates
        ],
        products=records.products() if play.reads_records else {},
        currency=ground.currency,
    )
    limits = Cap(ground.pack.cap.messages, ground.pack.cap.window_days)
    # Nobody competes yet where a contact is only counted.
    competing = [one.contact_id for one in candidates if one.message_key]
    ahead = at + timedelta(hours=ground.pack.limits("pressure", PressureLimits).look_ahead_hours)
    rivals = ledger.rivals(connection, ground.campaign_id, competing, until=ahead) if competing else {}
    needs_code = play.offer is not None and play.offer.single_use and shows_code(play, step)
    barred = in_barred_segment(np.asarray(ids, np.int64), play, ground.pack, records, at)
    units = stock_units(play, step, [told_of[one] for one in ids], records)
    cases = []
    for row, candidate in enumerate(candidates):
        contact_id = candidate.contact_id
        person = people.get(contact_id)
        agreed = consent.get(contact_id)
        told, similar_at = customers.get(contact_id, (None, None))
        zone, zone_known = zone_of(person.time_zone if person else "", play.schedule.fallback_zone)
        mine = slots.get(contact_id, ())
        sent = limits.used(mine, at, besides=candidate.message_key)
        own = chosen.get(contact_id) or Preferences(contact_id=contact_id)
        lacking = resolution.missing.get(contact_id)
        facts = MessageFacts(
            now=at,
            channel=step.channel,
            purpose=step.purpose,
            reaches_contact=step.reaches_contact,
            needs_no_leave=step.needs_no_leave,
            switch_stopped=ground.switch_stopped,
            deadline_at=candidate.deadline_at,
            approval=ground.approval,
            contact_erased=person is None or person.erased_at is not None or person.merged_into is not None,
            suppressed_reason=suppressed.get(contact_id, "") if addresses.get(contact_id) else NO_ADDRESS,
            consent_state=agreed.state if agreed else "",
            consent_has_proof=agreed is not None and agreed.has_proof,
            consent_confirmed=agreed is not None and agreed.confirmed,
            customer_told=told,
            similar_bought_at=similar_at,
            last_heard_at=_last_heard(person, agreed),
            playbook=play.playbook,
            language_matches=speaks(person.language if person else "", step, play),
            topic=play.topic,
            topics_wanted=ANY_TOPIC if own.topics is None else own.topics,
            paused_until=moment_or_never(own.paused_until),
            at_most_days=own.at_most_days,
            last_sent_at=moment_or_never(newest(mine, besides=candidate.message_key)),
            sent_in_window=sent,
            cap_frees_at=limits.room_at(mine, at) if sent >= limits.limit else None,
            room_left=max(limits.limit - sent, 0),
            rivals=tuple(rivals.get(contact_id, ())),
            tracking_known=person is not None and person.last_human_signal_at is not None,
            last_human_signal_at=moment_or_never(person.last_human_signal_at if person else None),
            sent_since_signal=person.sent_since_signal if person else 0,
            hibernation_exempt=play.limits.hibernation_exempt,
            exempt_sent_in_lapse=sum(1 for key in exempt.get(contact_id, ()) if key != candidate.message_key),
            last_purchase_at=bought.get(contact_id, NEVER),
            recent_purchase_days=play.limits.recent_purchase_days,
            local_now=at.astimezone(zone),
            zone_known=zone_known,
            send_from_hour=play.schedule.send_from_hour,
            send_until_hour=play.schedule.send_until_hour,
            weekdays=play.schedule.weekdays,
            in_holdout=candidate.in_holdout,
            in_programme_holdout=in_programme_holdout(ground.salt, contact_id, ground.programme_share, at),
            offer=replace(offer, pool_empty=needs_code and not candidate.code),
            standing=standing_with(standings, domain_of(addresses.get(contact_id, ""))) if standings else FINE,
            product_stock_units=NO_PRODUCT if units is None else int(units[row]),
            in_barred_segment=None if barred is None else value_at(barred, row),
            bindings_missing=(lacking.where,) if lacking else (),
            example_parts=play.brand.left_from(ground.example_brand) if ground.example_brand is not None else (),
            sender_address=play.brand.sender_address,
            postal_address=play.brand.postal_address,
            unsubscribe_url=ways_out[contact_id].unsubscribe,
        )
        address = addresses.get(contact_id, "")
        way_out = ways_out[contact_id].unsubscribe
        cases.append(Case(candidate, facts, address, resolution.ready.get(contact_id), way_out))
    return cases


def _consents(connection: Connection, ids: Sequence[int], step: SendStep) -> dict[int, Any]:
    """The row in force of each contact who ever agreed or withdrew."""
    query = select(consent_current).where(
        consent_current.c.contact_id.in_(ids),
        consent_current.c.channel == step.channel,
        consent_current.c.purpose == step.purpose,
    )
    return {row.contact_id: row for row in connection.execute(query)}


def _last_heard(person: Any, agreed: Any) -> datetime:
    """The newest thing that came from a contact; a withdrawal is none that invites an answer."""
    moments = [person.last_human_signal_at, person.last_order_at] if person else []
    if agreed is not None and agreed.state == "granted":
        moments.append(agreed.at)
    return max((one for one in moments if one is not None), default=NEVER)


def _customers(
    connection: Connection, named: Mapping[int, Mapping[RecordKind, str]], ground: Ground, records: LakeRecords
) -> dict[int, tuple[bool, datetime]]:
    """Who was told of messages on similar products, and when each last bought such; empty where nobody asks."""
    days = similar_days(ground.pack)
    if not days:
        return {}
    told = told_customers(connection, ground.step.channel, sorted(named))
    bought = similar_purchases(connection, named, ground.play, recent_since(ground.at, days), records)
    return {one: (one in told, bought.get(one, NEVER)) for one in named}


def _suppressions(connection: Connection, people: Mapping[int, Any], ground: Ground) -> dict[int, str]:
    """Why contacts get nothing on the channel, whichever of their addresses was named when they were suppressed."""
    channel = ground.step.channel
    named = {one: {person.email_hash} for one, person in people.items()}
    if channel == "sms":
        for one, person in people.items():
            named[one].add(phone_hash(ground.salt, person.phone))
    hashes = sorted({found for its in named.values() for found in its if found})
    query = select(suppressions.c.address_hash, suppressions.c.reason).where(
        suppressions.c.channel == channel, suppressions.c.address_hash.in_(hashes)
    )
    reasons = {row.address_hash: row.reason for row in connection.execute(query)}
    return {one: reasons[found] for one, its in named.items() for found in its if found in reasons}


def _purchases(
    connection: Connection, ids: Sequence[int], people: Mapping[int, Any], ground: Ground, records: LakeRecords
) -> dict[int, datetime]:
    """Last order that counts, from the lake and from what has happened since it was last written."""
    days = recent_days(ground.play, ground.pack)
    category = ground.play.goal.category
    if days == 0:
        return {}
    since = recent_since(ground.at, days)
    past = records.last_purchases(category, since)
    found = {contact_id: past[contact_id] for contact_id in ids if contact_id in past}
    if category:
        live = bought_live(connection, intake.c.contact_id.in_(ids), category, since)
    else:
        live = [(one, row.last_order_at) for one, row in people.items() if row.last_order_at is not None]
    for contact_id, at in live:
        found[contact_id] = max(at, found.get(contact_id, at))
    return found


def bought_live(
    connection: Connection, among: ColumnElement[bool], category: str, since: datetime
) -> list[tuple[int, datetime]]:
    """Orders of a category, by contact, that came in since a moment and may not have reached the lake yet."""
    query = select(intake.c.contact_id, intake.c.at, intake.c.properties).where(
        among, intake.c.kind == ORDER, intake.c.at >= since
    )
    return [
        (row.contact_id, row.at)
        for row in connection.execute(query)
        if any(line.get("category") == category for line in row.properties.get("lines") or [])
    ]


def unbought(
    connection: Connection, named: Mapping[int, Mapping[RecordKind, str]], ground: Ground, records: LakeRecords
) -> dict[int, dict[RecordKind, str]]:
    """The records that may be shown, without those bought lately, where the step asks for that."""
    if not ground.step.unbought_days:
        return {}
    since = recent_since(ground.at, ground.step.unbought_days)
    ids = list(named)
    past, catalogue = records.bought(since), records.products()
    bought = {one: set(past.get(one, ())) for one in ids}
    query = select(intake.c.contact_id, intake.c.properties).where(
        intake.c.contact_id.in_(ids), intake.c.kind == ORDER, intake.c.at >= since
    )
    for row in connection.execute(query):
        for line in row.properties.get("lines") or []:
            bought[row.contact_id].add((str(line.get("product_id") or ""), str(line.get("category") or "")))
    return {one: _without(shown, bought[one], catalogue) for one, shown in named.items()}


def _without(
    shown: Mapping[RecordKind, str], bought: Collection[Bought], catalogue: Mapping[str, Product]
) -> dict[RecordKind, str]:
    products = {product for product, _ in bought}
    known = {catalogue[product].category for product in products if product in catalogue}
    categories = ({category for _, category in bought} | known) - {""}

    def is_bought(kind: RecordKind, record: str) -> bool:
        if kind == "category":
            return record in categories
        return record in products or (record in catalogue and catalogue[record].category in categories)

    return {kind: record for kind, record in shown.items() if not is_bought(kind, record)}


def recent_days(play: Play, pack: Pack) -> int:
    """Days after a purchase during which the play or the pack leaves a contact alone."""
    return max(play.limits.recent_purchase_days, pack.limits("recent_purchase", RecentPurchaseLimits).minimum_days)


def recent_since(at: datetime, days: int) -> datetime:
    """From when on purchases count; by the whole day, so that one look at the lake serves a whole pass."""
    return (at - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def left_under_exemption() -> ColumnElement[bool]:
    """The messages of plays that declare the win-back exemption which left, or may have."""
    declared = select(campaign_versions.c.campaign_id).where(
        campaign_versions.c.body["limits"]["hibernation_exempt"].as_boolean()
    )
    return messages.c.campaign_id.in_(declared) & messages.c.state.in_(["claimed", "sent", "unknown"])


def _exempt_sends(connection: Connection, ids: Sequence[int], people: Mapping[int, Any]) -> dict[int, list[str]]:
    """Keys of what each contact got under a hibernation exemption since the last sign of life."""
    left_at = func.coalesce(messages.c.sent_at, messages.c.claimed_at)
    query = select(messages.c.contact_id, messages.c.message_key, messages.c.sent_at, messages.c.claimed_at).where(
        messages.c.contact_id.in_(ids),
        left_under_exemption(),
        left_at.is_not(None),
    )
    found: dict[int, list[str]] = {}
    for row in connection.execute(query):
        person = people.get(row.contact_id)
        signal = person.last_human_signal_at if person else None
        if signal is None or (row.sent_at or row.claimed_at) > signal:
            found.setdefault(row.contact_id, []).append(row.message_key)
    return found


def offer_facts(connection: Connection, play: Play) -> OfferFacts:
    """The offer of a play, and its record as it stands."""
    if play.offer is None:
        return NO_OFFER
    try:
        return OfferFacts(planned=play.offer, recorded=read_offer(connection, play.offer.offer_id))
    except NotFoundError:
        return OfferFacts(planned=play.offer, recorded=None)


def _ways_out(ground: Ground, candidate: Candidate) -> _WaysOut:
    url = ground.public_url
    if not url or not candidate.message_key:
        # A preview has no message to sign for.
        return _WaysOut(url, url, url)
    way_out = WayOut(candidate.contact_id, ground.step.channel, ground.campaign_id, candidate.message_key)
    token = sign(ground.salt, way_out)
    confirm = opt_in.link(url, opt_in.sign(ground.salt, way_out))
    return _WaysOut(link(url, token), preferences_link(url, token), confirm)


@lru_cache(maxsize=1024)
def zone_of(name: str, fallback: str) -> tuple[ZoneInfo, bool]:
    """The zone of that name, or the fallback and False where the name is empty or unknown."""
    try:
        if name:
            return ZoneInfo(name), True
    except (ValueError, OSError):
        pass
    return ZoneInfo(fallback), False
