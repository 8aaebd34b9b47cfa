"""How a workspace fares, in a few counts without any name in them: for programs that watch it."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Table, func, select
from sqlalchemy.sql.elements import ColumnElement

from memory.live_orders import on_the_way
from memory.schema import alerts, campaigns, decisions, intake, messages, plan_requests, proposals, quarantine
from memory.workspace import last_round, read_switch, read_troubles


class Vitals(BaseModel):
    """What waits, what fails, and whether anybody works."""

    model_config = ConfigDict(frozen=True)

    sending_stopped: bool
    worker_round_at: AwareDatetime | None
    """When a worker last finished a round, by its machine's clock; null if none ever did."""
    troubles: list[str]
    """Parts of the worker's last round that failed."""
    decisions_waiting: int
    """Decisions that no worker acted on yet."""
    briefs_waiting: int
    events_waiting: int
    """Live events that the lake does not have yet."""
    messages_planned: int
    rows_quarantined: int
    alerts_open: int
    proposals: dict[str, int]
    """By status."""
    campaigns: dict[str, int]
    """By status."""


def read_vitals(connection: Connection) -> Vitals:
    """Count."""
    return Vitals(
        sending_stopped=read_switch(connection).stopped,
        worker_round_at=last_round(connection),
        troubles=[one.part for one in read_troubles(connection)],
        decisions_waiting=_count(connection, decisions, decisions.c.consumed_at.is_(None)),
        briefs_waiting=_count(connection, plan_requests, plan_requests.c.state.in_(["waiting", "planning"])),
        events_waiting=_count(connection, intake, on_the_way()),
        messages_planned=_count(connection, messages, messages.c.state == "planned"),
        rows_quarantined=_count(connection, quarantine),
        alerts_open=_count(connection, alerts, alerts.c.done_at.is_(None)),
        proposals=_by_status(connection, proposals),
        campaigns=_by_status(connection, campaigns),
    )


def _count(connection: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def _by_status(connection: Connection, table: Table) -> dict[str, int]:
    query = select(table.c.status, func.count()).group_by(table.c.status).order_by(table.c.status)
    return {str(status): int(number) for status, number in connection.execute(query)}
