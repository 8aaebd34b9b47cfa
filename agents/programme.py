"""The programme read-out: once a quarter, contacts outside all marketing against everybody else."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from agents.desk import Desk
from agents.learning.counts import MeasurementError
from agents.learning.priors import Prior
from agents.learning.readout import HOLDOUT, MeasurementPlan, ReadOut
from agents.measure import compare_arms, keep_readout
from agents.outcomes import Member, count_outcomes
from memory import readouts
from memory.assignment import in_programme_holdout, quarter
from memory.readouts import StoredReadOut, readout_id_of
from memory.schema import campaigns, consents, contacts, messages
from memory.workspace import get_value

MARKETED = "marketing"


def programme_readout(desk: Desk, at: datetime) -> ReadOut:
    """What all marketing together added in the quarter of ``at``: the share who ordered, and what they spent.

    Everybody counts who allowed marketing mail when the quarter's first campaign began (or when the quarter did,
    if one was running), by the arm that their hash gave them. A quarter that is over is stored once, with one look;
    before that the answer is a peek. Raises MeasurementError where there is nothing to compare.
    """
    start, end = bounds(at)
    over = desk.clock.now() >= end
    readout_id = readout_id_of(f"programme {quarter(at)}", 1)
    with desk.store.read() as connection:
        known = readouts.find(connection, readout_id)
    if known is not None:
        return ReadOut.model_validate(known.body)
    found = measure_marketing(
        desk,
        start,
        min(end, desk.clock.now()),
        span=quarter(start),
        look=1 if over else None,
        seed=int(readout_id[1:8], 16),
    )
    if over:
        with desk.store.write() as connection:
            keep_readout(connection, found, 1, None, readout_id, planned_at=end, at=desk.clock.now())
    return found


def read_due_quarter(desk: Desk) -> StoredReadOut | None:
    """Read the quarter that ended last, if it saw a campaign and was not read yet."""
    start, _ = bounds(desk.clock.now())
    before, end = bounds(_just_before(start))
    if not desk.settings.programme_share:
        return None
    readout_id = readout_id_of(f"programme {quarter(before)}", 1)
    with desk.store.read() as connection:
        if readouts.find(connection, readout_id) is not None or marketing_began(connection, before, end) is None:
            return None
    programme_readout(desk, before)
    with desk.store.read() as connection:
        return readouts.get(connection, readout_id)


def bounds(at: datetime) -> tuple[datetime, datetime]:
    """First moment of the quarter of ``at``, and first moment after it, in UTC."""
    moment = at.astimezone(UTC)
    first = 3 * ((moment.month - 1) // 3) + 1
    start = datetime(moment.year, first, 1, tzinfo=UTC)
    end = datetime(moment.year + first // 10, (first + 2) % 12 + 1, 1, tzinfo=UTC)
    return start, end


def measure_marketing(desk: Desk, start: datetime, end: datetime, *, span: str, look: int | None, seed: int) -> ReadOut:
    """What all marketing together added from one moment to before another, both in one quarter; nothing is stored.

    ``span`` is what people call that time. Raises MeasurementError where there is nothing to compare.
    """
    share = desk.settings.programme_share
    if not share:
        raise MeasurementError(
            "There is no programme holdout.", remedy="Set programme_holdout_share above 0 in noria.toml."
        )
    with desk.store.read() as connection:
        began = marketing_began(connection, start, end)
        salt = get_value(connection, "salt")
        if began is None or salt is None:
            raise MeasurementError(f"No campaign ran in {span}, so there is nothing to measure.")
        people = _allowed(connection, began)
        sent = connection.execute(
            select(func.count())
            .select_from(messages)
            .where(messages.c.state == "sent", messages.c.sent_at >= began, messages.c.sent_at < end)
        ).scalar_one()
    arms = {True: HOLDOUT, False: MARKETED}
    members = [Member(one, arms[in_programme_holdout(str(salt), one, share, start)], began, end) for one in people]
    outcomes = count_outcomes(
        desk.store,
        desk.lake,
        members,
        arms=(HOLDOUT, MARKETED),
        cost_cents=round(sent * desk.settings.message_cost_micros / 1_000_000),
    )
    shares = {HOLDOUT: share, MARKETED: 1 - share}
    return compare_arms(outcomes, shares, MeasurementPlan(looks=(1.0,)), look, Prior(), seed=seed)


def marketing_began(connection: Connection, start: datetime, end: datetime) -> datetime | None:
    """When in a period the first campaign was running, if any was."""
    query = select(func.min(campaigns.c.starts_at)).where(
        campaigns.c.status != "cancelled", campaigns.c.starts_at < end, campaigns.c.ends_at > start
    )
    first: datetime | None = connection.execute(query).scalar_one()
    return None if first is None else max(first, start)


def _allowed(connection: Connection, at: datetime) -> list[int]:
    """Contacts whose newest word on marketing mail at a moment was yes; it decides nobody's arm and is never undone."""
    newest = (
        func.row_number()
        .over(partition_by=consents.c.contact_id, order_by=(consents.c.at.desc(), consents.c.consent_id.desc()))
        .label("newest")
    )
    said = (
        select(consents.c.contact_id, consents.c.state, newest)
        .where(consents.c.channel == "email", consents.c.purpose == "marketing", consents.c.at <= at)
        .subquery()
    )
    query = (
        select(said.c.contact_id)
        .join(contacts, contacts.c.contact_id == said.c.contact_id)
        .where(said.c.newest == 1, said.c.state == "granted")
        .where(contacts.c.merged_into.is_(None), contacts.c.erased_at.is_(None))
        .order_by(said.c.contact_id)
    )
    return list(connection.execute(query).scalars())


def _just_before(moment: datetime) -> datetime:
    return (
        moment.replace(year=moment.year - 1, month=12) if moment.month == 1 else moment.replace(month=moment.month - 1)
    )
