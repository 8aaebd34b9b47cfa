"""Who reached the goal, arm by arm, counted over everybody who entered and not over those who got mail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, func, select

from agents.learning.readout import HOLDOUT, Reactions
from agents.learning.revenue import OrderValues
from memory import campaigns
from memory.allocations import NOBODY
from memory.engine import Engine
from memory.events import COMPLAINT, ORDER
from memory.lake import Lake
from memory.live_orders import LiveOrders, live_orders
from memory.play import Goal
from memory.schema import consents, contacts, enrolments, from_micros, intake, messages, to_micros
from memory.store import Store

SERIES = "series"
"""The arm of everybody whom the letters of a series write to."""


@dataclass(frozen=True, slots=True)
class Member:
    """One contact in one arm, and the time during which what they do counts."""

    contact_id: int
    arm: str
    since: datetime
    until: datetime
    band: int = 0
    probability: float | None = None
    """By which they drew their sequence, as it was written down when they did."""


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """One arm: everybody in it, and what became of them while they were observed."""

    name: str
    contacts: int
    conversions: int
    unsubscribed: int
    complained: int

    @property
    def reactions(self) -> Reactions:
        return Reactions(
            name=self.name, contacts=self.contacts, unsubscribed=self.unsubscribed, complained=self.complained
        )


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Every arm (the holdout first) and what its buyers brought in."""

    arms: tuple[ArmOutcome, ...]
    values: OrderValues
    mixed_contacts: int
    """People who turned out to stand in two arms, after a merge; they are in none of the counts."""
    open_windows: int
    """Contacts whose goal window was still open."""
    members: tuple[Member, ...] = ()
    """Everybody who counts."""
    reached_at: Mapping[int, datetime] = field(default_factory=dict)
    """When each of them who reached the goal did so first."""


def campaign_outcomes(
    store: Store,
    lake: Lake,
    campaign_id: str,
    *,
    goal: Goal,
    arms: Sequence[str],
    as_of: datetime,
    message_cost_micros: int = 0,
) -> Outcomes:
    """Count a campaign's arms as they stood at a moment: intention to treat, the holdout included.

    Everybody who had entered by then counts in the arm they were drawn into, mailed or not. Only what a contact did
    from entering until the goal window closed, or until ``as_of`` if that is earlier, counts for them. Those who drew
    nobody (``memory.allocations``), held out or not, are an arm of their own where ``arms`` names it. Whoever drew
    anything else that ``arms`` does not name, held out or not, is left out: what is left of both sides was drawn alike.
    """
    window = timedelta(days=goal.window_days)
    with store.read() as connection:
        kept = _kept_ids(connection)
        # The event that let a contact in is no effect of the campaign.
        by_event = campaigns.get(connection, campaign_id).trigger_kind == "event"
        after = timedelta(microseconds=1 if by_event else 0)
        query = (
            select(
                enrolments.c.contact_id,
                enrolments.c.in_holdout,
                enrolments.c.sequence_key,
                enrolments.c.entered_at,
                enrolments.c.band,
                enrolments.c.probability,
            )
            .where(enrolments.c.campaign_id == campaign_id, enrolments.c.entered_at <= as_of)
            .order_by(enrolments.c.entered_at, enrolments.c.enrolment_id)
        )
        entered = [
            (
                row.contact_id,
                Member(
                    kept.get(row.contact_id, row.contact_id),
                    _arm(row.sequence_key, arms, in_holdout=row.in_holdout),
                    row.entered_at + after,
                    min(row.entered_at + window, as_of),
                    row.band,
                    row.probability,
                ),
            )
            for row in connection.execute(query)
        ]
        sent = connection.execute(
            select(func.count())
            .select_from(messages)
            .where(messages.c.campaign_id == campaign_id, messages.c.state == "sent", messages.c.sent_at <= as_of)
        ).scalar_one()
    members, mixed = _one_arm_each(entered)
    members = [one for one in members if one.arm in {HOLDOUT, *arms}]
    return count_outcomes(
        store,
        lake,
        members,
        arms=(HOLDOUT, *arms),
        goal=goal,
        cost_cents=round(sent * message_cost_micros / 1_000_000),
        mixed_contacts=mixed,
        open_windows=sum(one.since + window > as_of for one in members),
    )


def series_outcomes(
    store: Store,
    lake: Lake,
    campaign_ids: Sequence[str],
    *,
    goal: Goal,
    as_of: datetime,
    message_cost_micros: int = 0,
) -> Outcomes:
    """Count several letters of one holdout as one arm, ``SERIES``, from each person's first letter until a moment.

    Whether somebody comes into a later letter may be an effect of an earlier one; the first entry is not. So everybody
    counts from there, and all of them until the same moment.
    """
    with store.read() as connection:
        members, mixed = series_members(connection, campaign_ids, as_of)
        sent = connection.execute(
            select(func.count())
            .select_from(messages)
            .where(messages.c.campaign_id.in_(campaign_ids), messages.c.state == "sent", messages.c.sent_at <= as_of)
        ).scalar_one()
    return count_outcomes(
        store,
        lake,
        members,
        arms=(HOLDOUT, SERIES),
        goal=goal,
        cost_cents=round(sent * message_cost_micros / 1_000_000),
        mixed_contacts=mixed,
    )


def series_members(connection: Connection, campaign_ids: Sequence[str], as_of: datetime) -> tuple[list[Member], int]:
    """Everybody in several letters of one holdout, from their first until a moment; and who stands on both sides."""
    kept = _kept_ids(connection)
    query = (
        select(enrolments.c.contact_id, enrolments.c.in_holdout, enrolments.c.entered_at)
        .where(enrolments.c.campaign_id.in_(campaign_ids), enrolments.c.entered_at <= as_of)
        .order_by(enrolments.c.entered_at, enrolments.c.enrolment_id)
    )
    entered = [
        (
            row.contact_id,
            Member(
                kept.get(row.contact_id, row.contact_id), HOLDOUT if row.in_holdout else SERIES, row.entered_at, as_of
            ),
        )
        for row in connection.execute(query)
    ]
    return _one_arm_each(entered)


def windows_reached(
    store: Store, lake: Lake, members: Sequence[Member], windows: Sequence[tuple[datetime, datetime]], goal: Goal
) -> Counter[int]:
    """In how many of some windows, which do not overlap, each member reached the goal while they were observed."""
    if not members or not windows:
        return Counter()
    doings = None
    with store.read() as connection:
        kept = _kept_ids(connection)
        live = live_orders(connection, min(one.since for one in members), max(one.until for one in members))
        if goal.event != ORDER:
            doings = list(_doings(connection, members, kept, goal))
    if doings is not None:
        inside = {
            (contact_id, place)
            for contact_id, at in doings
            for place, (begins_at, ends_at) in enumerate(windows)
            if begins_at <= at < ends_at
        }
        return Counter(contact_id for contact_id, _ in inside)
    engine = lake.connect()
    try:
        _bring(engine, members, kept, live)
        asked: dict[str, Any] = {"category": goal.category} if goal.category else {}
        asked["begins"] = [to_micros(one) for one, _ in windows]
        asked["ends"] = [to_micros(one) for _, one in windows]
        rows = engine.con.execute(_WINDOWS_OF_CATEGORY if goal.category else _WINDOWS, asked).fetchall()
    finally:
        engine.disconnect()
    return Counter(dict(rows))


def contacts_planned(connection: Connection, *campaign_ids: str) -> int:
    """Everybody who will have entered by a campaign's end: a launch enrols them all at once, some for later days."""
    query = select(func.count(enrolments.c.contact_id.distinct())).where(enrolments.c.campaign_id.in_(campaign_ids))
    return connection.execute(query).scalar_one()


def count_outcomes(
    store: Store,
    lake: Lake,
    members: Sequence[Member],
    *,
    arms: Sequence[str],
    goal: Goal | None = None,
    cost_cents: int = 0,
    mixed_contacts: int = 0,
    open_windows: int = 0,
) -> Outcomes:
    """Count what members did while they were observed: reached the goal, or (None) ordered anything that was paid.

    A buyer's value is all they paid meanwhile, net of discounts and returns, less what the goods cost where the cost
    of every line is known; else it is revenue.
    """
    sizes = Counter(one.arm for one in members)
    if not members:
        nobody = tuple(ArmOutcome(arm, 0, 0, 0, 0) for arm in arms)
        return Outcomes(nobody, OrderValues(holdout=(), treated=()), mixed_contacts, open_windows)
    arm_of = {one.contact_id: one.arm for one in members}
    silent = {one for one, arm in arm_of.items() if arm in {HOLDOUT, NOBODY}}
    with store.read() as connection:
        kept = _kept_ids(connection)
        # Before the lake is read: an order that is drained in between is then seen twice, and counted once.
        live = live_orders(connection, min(one.since for one in members), max(one.until for one in members))
        unsubscribed = _withdrawn(connection, members)
        complained = _live_complaints(connection, members, kept)
        doers = _doers(connection, members, kept, goal) if goal is not None and goal.event != ORDER else None
    engine = lake.connect()
    try:
        _bring(engine, members, kept, live)
        buyers = _buyers(engine, goal.category if goal is not None else "")
        complained |= _ids(engine, _COMPLAINTS, {"kind": COMPLAINT})
        values = _values(engine, sorted(buyers), silent, cost_cents)
    finally:
        engine.disconnect()
    reached = buyers if doers is None else doers
    bought, gone, angry = (Counter(arm_of[one] for one in found) for found in (reached, unsubscribed, complained))
    return Outcomes(
        arms=tuple(ArmOutcome(arm, sizes[arm], bought[arm], gone[arm], angry[arm]) for arm in arms),
        values=values,
        mixed_contacts=mixed_contacts,
        open_windows=open_windows,
        members=tuple(members),
        reached_at=reached,
    )


def _arm(drawn: str, arms: Sequence[str], *, in_holdout: bool) -> str:
    """The arm of a contact by what they drew; a held-out one who drew what is not compared is in no arm either."""
    return HOLDOUT if in_holdout and drawn != NOBODY and drawn in arms else drawn


def _one_arm_each(entered: Iterable[tuple[int, Member]]) -> tuple[list[Member], int]:
    """The first entry of each person, without those who after a merge stand in two arms; and how many those are.

    Each comes with the contact that entered. One who enters again may draw another sequence: the first entry counts.
    """
    first: dict[int, tuple[int, Member]] = {}
    mixed: set[int] = set()
    for contact_id, one in entered:
        before, known = first.setdefault(one.contact_id, (contact_id, one))
        if known.arm != one.arm and before != contact_id:
            mixed.add(one.contact_id)
    return [one for _, one in first.values() if one.contact_id not in mixed], len(mixed)


def _kept_ids(connection: Connection) -> dict[int, int]:
    """Merged contact → the contact it became part of, however many merges ago."""
    query = select(contacts.c.contact_id, contacts.c.merged_into).where(contacts.c.merged_into.is_not(None))
    step = {row.contact_id: row.merged_into for row in connection.execute(query)}
    found: dict[int, int] = {}
    for start, at in step.items():
        seen = {start}
        while at in step and at not in seen:
            seen.add(at)
            at = step[at]
        found[start] = at
    return found


def _withdrawn(connection: Connection, members: Sequence[Member]) -> set[int]:
    """Members who withdrew a consent while they were observed."""
    of = {one.contact_id: one for one in members}
    query = select(consents.c.contact_id, consents.c.at).where(consents.c.state == "withdrawn")
    return {row.contact_id for row in connection.execute(query) if _observed(of, row.contact_id, row.at)}


def _live_complaints(connection: Connection, members: Sequence[Member], kept: Mapping[int, int]) -> set[int]:
    of = {one.contact_id: one for one in members}
    query = select(intake.c.contact_id, intake.c.at).where(intake.c.kind == COMPLAINT)
    found = [(kept.get(row.contact_id, row.contact_id), row.at) for row in connection.execute(query)]
    return {contact_id for contact_id, at in found if _observed(of, contact_id, at)}


def _doers(
    connection: Connection, members: Sequence[Member], kept: Mapping[int, int], goal: Goal
) -> dict[int, datetime]:
    """Members who did what the campaign wanted, where that is no order, and when first."""
    found: dict[int, datetime] = {}
    for contact_id, at in _doings(connection, members, kept, goal):
        found[contact_id] = min(at, found.get(contact_id, at))
    return found


def _doings(
    connection: Connection, members: Sequence[Member], kept: Mapping[int, int], goal: Goal
) -> Iterator[tuple[int, datetime]]:
    """Who did what the campaign wanted while they were observed, where that is no order, each time with its moment."""
    of = {one.contact_id: one for one in members}
    query = select(intake.c.contact_id, intake.c.at, intake.c.properties).where(
        intake.c.kind == goal.event, intake.c.human, intake.c.at >= min(one.since for one in members)
    )
    for row in connection.execute(query):
        contact_id = kept.get(row.contact_id, row.contact_id)
        if _observed(of, contact_id, row.at) and all(one.accepts(row.properties) for one in goal.where):
            yield contact_id, row.at


def _observed(of: Mapping[int, Member], contact_id: int, at: datetime) -> bool:
    return contact_id in of and of[contact_id].since <= at < of[contact_id].until


def _bring(engine: Engine, members: Sequence[Member], kept: Mapping[int, int], live: LiveOrders) -> None:
    """Lay members, merges and live orders beside the tables of the lake, and pick out what members did meanwhile."""
    given = {
        "members": pa.table(
            {
                "contact_id": pa.array([one.contact_id for one in members], pa.int64()),
                "since": pa.array([to_micros(one.since) for one in members], pa.int64()),
                "until": pa.array([to_micros(one.until) for one in members], pa.int64()),
            }
        ),
        "merges": pa.table({"merged": pa.array(kept.keys(), pa.int64()), "kept": pa.array(kept.values(), pa.int64())}),
        "live_orders": live.orders,
        "live_lines": live.lines,
    }
    for name, rows in given.items():
        engine.con.register(name, rows)
    for statement in _SEEN:
        engine.con.execute(statement)


# Written in SQL: it is one fixed question, and putting it together as expressions would cost more than the answer.
_SEEN = (
    """
    CREATE TEMP VIEW all_lines AS
    SELECT order_id, contact_id, "at", product_id, category, quantity, amount_cents FROM lines
    UNION ALL
    SELECT order_id, contact_id, "at", product_id, category, quantity, amount_cents
    FROM live_lines ANTI JOIN orders USING (order_id)
    """,
    """
    CREATE TEMP TABLE seen_orders AS
    SELECT found.order_id, members.contact_id, found.total_cents, found.at
    FROM (
        SELECT order_id, contact_id, "at", total_cents FROM orders
        UNION ALL
        SELECT order_id, contact_id, "at", total_cents FROM live_orders ANTI JOIN orders USING (order_id)
    ) AS found
    LEFT JOIN merges ON merges.merged = found.contact_id
    JOIN members ON members.contact_id = coalesce(merges.kept, found.contact_id)
    WHERE found.at >= members.since AND found.at < members.until
    """,
)
_BUYERS = "SELECT contact_id, min(seen_orders.at) FROM seen_orders WHERE total_cents > 0 GROUP BY contact_id"
_BUYERS_OF_CATEGORY = """
    SELECT members.contact_id, min(all_lines.at)
    FROM all_lines
    LEFT JOIN merges ON merges.merged = all_lines.contact_id
    JOIN members ON members.contact_id = coalesce(merges.kept, all_lines.contact_id)
    WHERE all_lines.at >= members.since AND all_lines.at < members.until
    AND all_lines.category = $category AND all_lines.amount_cents > 0
    GROUP BY members.contact_id
"""
_WINDOWS = """
    WITH windows AS (SELECT unnest($begins) AS begins, unnest($ends) AS ends)
    SELECT contact_id, count(DISTINCT windows.begins)
    FROM seen_orders JOIN windows ON seen_orders.at >= windows.begins AND seen_orders.at < windows.ends
    WHERE total_cents > 0 GROUP BY contact_id
"""
_WINDOWS_OF_CATEGORY = """
    WITH windows AS (SELECT unnest($begins) AS begins, unnest($ends) AS ends)
    SELECT members.contact_id, count(DISTINCT windows.begins)
    FROM all_lines
    LEFT JOIN merges ON merges.merged = all_lines.contact_id
    JOIN members ON members.contact_id = coalesce(merges.kept, all_lines.contact_id)
    JOIN windows ON all_lines.at >= windows.begins AND all_lines.at < windows.ends
    WHERE all_lines.at >= members.since AND all_lines.at < members.until
    AND all_lines.category = $category AND all_lines.amount_cents > 0
    GROUP BY members.contact_id
"""
_COMPLAINTS = """
    SELECT DISTINCT members.contact_id
    FROM events
    LEFT JOIN merges ON merges.merged = events.contact_id
    JOIN members ON members.contact_id = coalesce(merges.kept, events.contact_id)
    WHERE events.at >= members.since AND events.at < members.until AND events.kind = $kind
"""
# An order without lines has no known cost.
_VALUES = """
    SELECT contact_id, sum(total_cents) AS paid, sum(cost) AS cost, sum(coalesce(unknown, 1)) AS unknown
    FROM seen_orders LEFT JOIN (
        SELECT order_id, sum(quantity::BIGINT * cost_cents) AS cost, count(*) FILTER (cost_cents IS NULL) AS unknown
        FROM all_lines LEFT JOIN products USING (product_id)
        SEMI JOIN seen_orders USING (order_id)
        GROUP BY order_id
    ) USING (order_id)
    GROUP BY contact_id
"""


def _buyers(engine: Engine, category: str) -> dict[int, datetime]:
    """Members who reached the goal, and when first."""
    rows = engine.con.execute(_BUYERS_OF_CATEGORY, {"category": category}) if category else engine.con.execute(_BUYERS)
    return {contact_id: from_micros(at) for contact_id, at in rows.fetchall()}


def _ids(engine: Engine, query: str, parameters: Mapping[str, str]) -> set[int]:
    return {row[0] for row in engine.con.execute(query, dict(parameters)).fetchall()}


def _values(engine: Engine, buyers: Sequence[int], silent: set[int], cost_cents: int) -> OrderValues:
    """What each buyer paid while they were observed; margin only where the cost of everything is known."""
    found = {row[0]: row[1:] for row in engine.con.execute(_VALUES).fetchall()}
    margin = bool(buyers) and all(one in found and found[one][2] == 0 for one in buyers)
    values: dict[bool, list[int]] = {True: [], False: []}
    for one in buyers:
        paid, cost, _ = found.get(one, (0, 0, 1))
        values[one in silent].append(int(paid) - int(cost) if margin else int(paid))
    return OrderValues(
        holdout=tuple(values[True]),
        treated=tuple(values[False]),
        kind="margin" if margin else "revenue",
        treated_cost_cents=cost_cents,
    )
