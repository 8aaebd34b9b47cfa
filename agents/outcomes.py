"""Who reached the goal, arm by arm, counted over everybody who entered and not over those who got mail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, func, select

from agents.learning.readout import HOLDOUT, Reactions
from agents.learning.revenue import OrderValues
from memory.engine import Engine
from memory.events import COMPLAINT
from memory.lake import Lake
from memory.live_orders import LiveOrders, live_orders
from memory.play import Goal
from memory.schema import consents, contacts, enrolments, intake, messages, to_micros
from memory.store import Store


@dataclass(frozen=True, slots=True)
class Member:
    """One contact in one arm, and the time during which what they do counts."""

    contact_id: int
    arm: str
    since: datetime
    until: datetime


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
    from entering until the goal window closed, or until ``as_of`` if that is earlier, counts for them.
    """
    window = timedelta(days=goal.window_days)
    with store.read() as connection:
        kept = _kept_ids(connection)
        query = (
            select(enrolments.c.contact_id, enrolments.c.in_holdout, enrolments.c.sequence_key, enrolments.c.entered_at)
            .where(enrolments.c.campaign_id == campaign_id, enrolments.c.entered_at <= as_of)
            .order_by(enrolments.c.entered_at, enrolments.c.enrolment_id)
        )
        entered = [
            Member(
                kept.get(row.contact_id, row.contact_id),
                HOLDOUT if row.in_holdout else row.sequence_key,
                row.entered_at,
                min(row.entered_at + window, as_of),
            )
            for row in connection.execute(query)
        ]
        sent = connection.execute(
            select(func.count())
            .select_from(messages)
            .where(messages.c.campaign_id == campaign_id, messages.c.state == "sent", messages.c.sent_at <= as_of)
        ).scalar_one()
    members, mixed = _one_arm_each(entered)
    return count_outcomes(
        store,
        lake,
        members,
        arms=(HOLDOUT, *arms),
        category=goal.category,
        cost_cents=round(sent * message_cost_micros / 1_000_000),
        mixed_contacts=mixed,
        open_windows=sum(one.since + window > as_of for one in members),
    )


def contacts_planned(connection: Connection, campaign_id: str) -> int:
    """Everybody who will have entered by a campaign's end: a launch enrols them all at once, some for later days."""
    query = select(func.count(enrolments.c.contact_id.distinct())).where(enrolments.c.campaign_id == campaign_id)
    return connection.execute(query).scalar_one()


def count_outcomes(
    store: Store,
    lake: Lake,
    members: Sequence[Member],
    *,
    arms: Sequence[str],
    category: str = "",
    cost_cents: int = 0,
    mixed_contacts: int = 0,
    open_windows: int = 0,
) -> Outcomes:
    """Count what members did while they were observed; an order counts if something was paid.

    A buyer's value is all they paid meanwhile, net of discounts and returns, less what the goods cost where the cost
    of every line is known; else it is revenue.
    """
    sizes = Counter(one.arm for one in members)
    if not members:
        nobody = tuple(ArmOutcome(arm, 0, 0, 0, 0) for arm in arms)
        return Outcomes(nobody, OrderValues(holdout=(), treated=()), mixed_contacts, open_windows)
    arm_of = {one.contact_id: one.arm for one in members}
    with store.read() as connection:
        kept = _kept_ids(connection)
        # Before the lake is read: an order that is drained in between is then seen twice, and counted once.
        live = live_orders(connection, min(one.since for one in members), max(one.until for one in members))
        unsubscribed = _withdrawn(connection, members)
        complained = _live_complaints(connection, members, kept)
    engine = lake.connect()
    try:
        _bring(engine, members, kept, live)
        buyers = _buyers(engine, category)
        complained |= _lake_complaints(engine)
        values = _values(engine, buyers, arm_of, cost_cents)
    finally:
        engine.disconnect()
    bought, gone, angry = (Counter(arm_of[one] for one in found) for found in (buyers, unsubscribed, complained))
    return Outcomes(
        arms=tuple(ArmOutcome(arm, sizes[arm], bought[arm], gone[arm], angry[arm]) for arm in arms),
        values=values,
        mixed_contacts=mixed_contacts,
        open_windows=open_windows,
    )


def _one_arm_each(entered: Iterable[Member]) -> tuple[list[Member], int]:
    """The first entry of each person, without those who after a merge stand in two arms; and how many those are."""
    first: dict[int, Member] = {}
    mixed: set[int] = set()
    for one in entered:
        if first.setdefault(one.contact_id, one).arm != one.arm:
            mixed.add(one.contact_id)
    return [one for one in first.values() if one.contact_id not in mixed], len(mixed)


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


def _observed(of: Mapping[int, Member], contact_id: int, at: datetime) -> bool:
    return contact_id in of and of[contact_id].since <= at < of[contact_id].until


def _bring(
    engine: Engine,
    members: Sequence[Member],
    kept: Mapping[int, int],
    live: LiveOrders,
) -> None:
    """Lay members, merges and live orders beside the tables of the lake."""
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
        engine.create_table(name, rows, temp=True)


def _whole(engine: Engine, name: str) -> Any:
    """A table of the lake with what has not been drained yet, under the contact that everybody is today."""
    past = engine.table(name)
    if name in {"orders", "lines"}:
        waiting = engine.table(f"live_{name}")
        past = past.union(waiting.anti_join(engine.table("orders"), "order_id"))
    merges = engine.table("merges")
    joined = past.left_join(merges, past.contact_id == merges.merged)
    return joined.mutate(contact_id=joined.kept.fill_null(joined.contact_id)).drop("merged", "kept")


def _inside(engine: Engine, rows: Any) -> Any:
    """Only rows of members, while they are observed."""
    members = engine.table("members")
    near = rows.filter(rows.contact_id.notnull()).join(members, "contact_id")
    return near.filter((near.at >= near.since) & (near.at < near.until)).drop("since", "until")


def _buyers(engine: Engine, category: str) -> set[int]:
    """Members who reached the goal."""
    rows = _inside(engine, _whole(engine, "lines" if category else "orders"))
    if category:
        rows = rows.filter((rows.category == category) & (rows.amount_cents > 0))
    else:
        rows = rows.filter(rows.total_cents > 0)
    return set(rows.select("contact_id").distinct().to_pyarrow()["contact_id"].to_pylist())


def _lake_complaints(engine: Engine) -> set[int]:
    events = _whole(engine, "events")
    rows = _inside(engine, events.filter(events.kind == COMPLAINT))
    return set(rows.select("contact_id").distinct().to_pyarrow()["contact_id"].to_pylist())


def _values(engine: Engine, buyers: set[int], arm_of: Mapping[int, str], cost_cents: int) -> OrderValues:
    """What each buyer paid while they were observed; margin only where the cost of everything is known."""
    orders = _inside(engine, _whole(engine, "orders"))
    products = engine.table("products")
    lines = _whole(engine, "lines").left_join(products.select("product_id", "cost_cents"), "product_id")
    costs = lines.group_by("order_id").aggregate(
        cost=(lines.quantity.cast("int64") * lines.cost_cents).sum(), unknown=lines.cost_cents.isnull().sum()
    )
    priced = orders.left_join(costs, "order_id")
    per_buyer = priced.group_by("contact_id").aggregate(
        paid=priced.total_cents.sum(),
        cost=priced.cost.sum(),
        # An order without lines has no known cost.
        unknown=priced.unknown.fill_null(1).sum(),
    )
    found = {row["contact_id"]: row for row in per_buyer.to_pyarrow().to_pylist()}
    margin = all(one in found and found[one]["unknown"] == 0 for one in buyers)
    values: dict[bool, list[int]] = {True: [], False: []}
    for one in sorted(buyers):
        paid, cost = (int(found[one][name] or 0) if one in found else 0 for name in ("paid", "cost"))
        values[arm_of[one] == HOLDOUT].append(paid - cost if margin else paid)
    return OrderValues(
        holdout=tuple(values[True]),
        treated=tuple(values[False]),
        kind="margin" if margin and buyers else "revenue",
        treated_cost_cents=cost_cents,
    )
