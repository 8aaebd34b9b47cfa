"""The account of a month: what marketing gained, what it took, and what each guardrail kept back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Final, Literal

import pyarrow as pa
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, func, or_, select

from agents.desk import Desk
from agents.learning.counts import MeasurementError
from agents.learning.intervals import Estimate
from agents.learning.readout import ReadOut
from agents.programme import marketing_began, measure_marketing
from memory import campaigns
from memory.canonical import digest
from memory.errors import InvalidInputError
from memory.journal import spoken
from memory.lake import Lake
from memory.live_orders import live_orders
from memory.schema import lookups, messages, to_micros
from memory.store import Store
from policies.pack import Pack
from policies.rules import RULES

PAUSE: Final = timedelta(minutes=15)
"""A person who says nothing for longer has turned to something else."""
READING: Final = timedelta(minutes=2)
"""Counted before the first thing that a person says, for reading what it is about."""
_PEOPLE: Final = ("cli:", "console:", "user:", "inbox:")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Gain(_Frozen):
    """What all marketing added, against contacts outside of it; money in minor units, net of what sending cost."""

    kind: Literal["revenue", "margin"]
    total_cents: Estimate
    orders: Estimate
    confidence: float
    outside: int
    """Contacts outside all marketing."""
    marketed: int
    since: AwareDatetime
    """Counted from here: the first moment of the month at which a campaign ran."""

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves no doubt that marketing brought something in, or that it cost something."""
        return self.total_cents.low > 0 or self.total_cents.high < 0


class Guardrail(_Frozen):
    """Messages that one rule kept from leaving, and what they would have added had each been an average one."""

    rule: str
    sentence: str
    messages: int
    forgone_cents: Estimate | None
    """None while it is not known whether messages add or take away; below zero the rule saved money."""


class Statement(_Frozen):
    """The account of one month. The same record gives the same account; ``digest`` names it."""

    month: str
    since: AwareDatetime
    until: AwareDatetime
    """First moment after it: the end of the month, or now."""
    is_over: bool
    currency: str
    gain: Gain | None
    why_no_gain: str
    sent: dict[str, int]
    """Messages that left, by channel."""
    message_cost_cents: int
    discount_cents: int
    """Given on orders of contacts within the goal window of a message that carried an offer."""
    discounted_orders: int
    model_tokens: int
    model_calls: int
    decisions: int
    people: int
    minutes: int
    """Of people, as the pauses between what they said in the journal tell it."""
    guardrails: tuple[Guardrail, ...]
    digest: str = ""


def month_of(text: str) -> tuple[datetime, datetime]:
    """First moment of a month such as 2025-03, and first moment after it, in UTC."""
    try:
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInputError(
            f"“{text}” is no month.", where="month", remedy="Write year and month, such as 2025-03."
        ) from error
    return start, _next_month(start)


def last_month(now: datetime) -> str:
    """The last month that is over."""
    first = now.astimezone(UTC).replace(day=1)
    return f"{first - timedelta(days=1):%Y-%m}"


def make_statement(desk: Desk, month: str) -> Statement:
    """Draw up the account of one month, such as 2025-03, from the record; nothing is written.

    Raises InvalidInputError for a month that has not begun.
    """
    since, end = month_of(month)
    now = desk.clock.now()
    if since >= now:
        raise InvalidInputError(f"{month} has not begun.", where="month", remedy="Ask for an earlier one.")
    until = min(end, now)
    gain, why = _gain(desk, month, since, until, is_over=end <= now)
    with desk.store.read() as connection:
        sent = _sent(connection, since, until)
        stopped = _stopped(connection, since, until)
        calls, tokens = _models(connection, since, until)
        said = _spoken(connection, since, until)
    number = sum(sent.values())
    orders, discount_cents = _discounts(desk.store, desk.lake, since, until)
    found = Statement(
        month=month,
        since=since,
        until=until,
        is_over=end <= now,
        currency=desk.settings.currency,
        gain=gain,
        why_no_gain=why,
        sent=sent,
        message_cost_cents=round(number * desk.settings.message_cost_micros / 1_000_000),
        discount_cents=discount_cents,
        discounted_orders=orders,
        model_tokens=tokens,
        model_calls=calls,
        decisions=sum(1 for action, _, _ in said if action.startswith("decision.")),
        people=len({who for _, who, _ in said}),
        minutes=_minutes(said),
        guardrails=tuple(_guardrails(desk.pack, stopped, gain, number)),
    )
    return found.model_copy(update={"digest": digest(found.model_dump(mode="json"))})


def _gain(desk: Desk, month: str, since: datetime, until: datetime, *, is_over: bool) -> tuple[Gain | None, str]:
    """What marketing added, or why nobody can say."""
    seed = int(digest(f"statement {month}")[:7], 16)
    try:
        found: ReadOut = measure_marketing(
            desk, since, until, span=f"{since:%B %Y}", look=1 if is_over else None, seed=seed
        )
    except MeasurementError as error:
        return None, str(error)
    if found.verdict == "invalid":
        return None, "More or fewer contacts are outside of marketing than were drawn: the numbers mean nothing."
    if found.revenue is None:
        return None, "Nobody bought anything."
    with desk.store.read() as connection:
        began = marketing_began(connection, since, until)
    return Gain(
        kind=found.revenue.kind,
        total_cents=found.revenue.total_cents,
        orders=found.incremental_conversions,
        confidence=found.confidence,
        outside=found.holdout.contacts,
        marketed=found.treated.contacts,
        since=began or since,
    ), ""


def _sent(connection: Connection, since: datetime, until: datetime) -> dict[str, int]:
    query = (
        select(messages.c.channel, func.count().label("messages"))
        .where(messages.c.state == "sent", messages.c.sent_at >= since, messages.c.sent_at < until)
        .group_by(messages.c.channel)
        .order_by(messages.c.channel)
    )
    return {row.channel: row.messages for row in connection.execute(query)}


def _stopped(connection: Connection, since: datetime, until: datetime) -> dict[str, int]:
    """Messages planned in the period that a rule suppressed, by rule, the most first."""
    query = (
        select(messages.c.reason, func.count().label("messages"))
        .where(messages.c.state == "suppressed", messages.c.reason.in_(sorted(RULES)))
        .where(messages.c.planned_at >= since, messages.c.planned_at < until)
        .group_by(messages.c.reason)
        .order_by(func.count().desc(), messages.c.reason)
    )
    return {row.reason: row.messages for row in connection.execute(query)}


def _models(connection: Connection, since: datetime, until: datetime) -> tuple[int, int]:
    """Calls of a model, and the tokens that they took."""
    query = select(func.count().label("calls"), func.coalesce(func.sum(lookups.c.tokens), 0).label("tokens")).where(
        lookups.c.tokens > 0, lookups.c.at >= since, lookups.c.at < until
    )
    found = connection.execute(query).one()
    return found.calls, int(found.tokens)


def _spoken(connection: Connection, since: datetime, until: datetime) -> list[tuple[str, str, datetime]]:
    """What people did, in the journal's order: action, who, when."""
    return [(one.action, one.actor, one.at) for one in spoken(connection, _PEOPLE, since, until)]


def _minutes(said: list[tuple[str, str, datetime]]) -> int:
    """Minutes that people spent: from the first to the last thing said without a long pause, and the reading before."""
    total = timedelta()
    for _, one_person in groupby(sorted(said, key=lambda one: one[1:]), key=lambda one: one[1]):
        moments = [at for _, _, at in one_person]
        gaps = [later - before for before, later in pairwise(moments)]
        total += READING + sum((gap if gap <= PAUSE else READING for gap in gaps), timedelta())
    return round(total / timedelta(minutes=1))


def _guardrails(pack: Pack, stopped: dict[str, int], gain: Gain | None, sent: int) -> Iterator[Guardrail]:
    for rule, number in stopped.items():
        forgone = None
        if gain is not None and gain.is_certain and sent:
            part, total = number / sent, gain.total_cents
            forgone = Estimate(value=part * total.value, low=part * total.low, high=part * total.high)
        yield Guardrail(rule=rule, sentence=pack.setting(rule).sentence.en, messages=number, forgone_cents=forgone)


def _discounts(store: Store, lake: Lake, since: datetime, until: datetime) -> tuple[int, int]:
    """Orders with a discount after a message with an offer, within the campaign's goal window, and what it came to."""
    with store.read() as connection:
        windows = _offered(connection, since, until)
        # Before the lake is read: an order that is drained in between is then seen twice, and counted once.
        live = live_orders(connection, since, until)
    engine = lake.connect()
    try:
        engine.con.register("offered", windows)
        engine.con.register("live_orders", live.orders)
        found = engine.con.execute(_DISCOUNTED, {"since": to_micros(since), "until": to_micros(until)}).fetchone()
    finally:
        engine.disconnect()
    assert found is not None
    return int(found[0]), int(found[1])


# A fixed question; orders that were reported live count as the lake has them, once it has them.
_DISCOUNTED = """
    SELECT count(*), coalesce(sum(discount_cents), 0)
    FROM (
        SELECT order_id, contact_id, "at", discount_cents FROM orders
        UNION ALL
        SELECT order_id, contact_id, "at", discount_cents FROM live_orders ANTI JOIN orders USING (order_id)
    ) AS found
    WHERE "at" >= $since AND "at" < $until AND discount_cents > 0 AND EXISTS (
        SELECT 1 FROM offered
        WHERE offered.contact_id = found.contact_id AND found.at >= offered.since AND found.at < offered.until
    )
"""


def _offered(connection: Connection, since: datetime, until: datetime) -> pa.Table:
    """Contacts who were written to with an offer, and for how long an order counts as its fruit."""
    windows = {
        (one.campaign_id, one.version): timedelta(days=one.play.goal.window_days)
        for one in campaigns.versions(connection)
        if one.is_untouched and one.play.offers
    }
    rows: list[tuple[int, int, int]] = []
    if windows:
        longest = max(windows.values())
        named = or_(*((messages.c.campaign_id == one) & (messages.c.version == number) for one, number in windows))
        query = select(messages.c.contact_id, messages.c.campaign_id, messages.c.version, messages.c.sent_at).where(
            messages.c.state == "sent", messages.c.sent_at >= since - longest, messages.c.sent_at < until, named
        )
        for row in connection.execute(query):
            window = windows[row.campaign_id, row.version]
            rows.append((row.contact_id, to_micros(row.sent_at), to_micros(row.sent_at + window)))
    names = ("contact_id", "since", "until")
    return pa.table({name: pa.array([row[place] for row in rows], pa.int64()) for place, name in enumerate(names)})


def _next_month(start: datetime) -> datetime:
    return (start + timedelta(days=32)).replace(day=1)
