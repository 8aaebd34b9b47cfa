"""Alerts: something for a person to do, raised by a step of a campaign about a contact, or about the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from memory.campaigns import Campaign
from memory.canonical import digest
from memory.errors import ConflictError, NotFoundError
from memory.journal import append
from memory.schema import alerts
from memory.store import upsert

REVIEW: Final = "review"
"""Tells apart the alerts of campaigns that paused because nothing shows that they work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One task, about one contact for whoever answers for the campaign, or about no contact for whoever reads it."""

    alert_id: int = 0
    campaign_id: str | None = None
    contact_id: int | None = None
    enrolment_id: int | None = None
    step_key: str
    owner: str = ""
    task: dict[str, str] = field(default_factory=dict)
    """What to do, by language."""
    raised_at: datetime
    done_at: datetime | None = None
    done_by: str = ""
    note: str = ""


def review_alert(one: Campaign, why: str, at: datetime) -> Alert:
    """Asks the owner of a paused campaign to decide."""
    act = f"noria campaigns renew {one.campaign_id} --until DATE --reason"
    end = f"noria campaigns stop {one.campaign_id}"
    english = f"{one.name} is paused: {why}. Read `noria readout {one.campaign_id}`, then `{act} …` or `{end}`."
    french = f"{one.name} est en pause ({why}). Lire `noria readout {one.campaign_id}`, puis `{act} …` ou `{end}`."
    return Alert(
        campaign_id=one.campaign_id,
        step_key=REVIEW,
        owner=one.owner,
        task={"en": english, "fr": french},
        raised_at=at,
    )


def raise_alerts(connection: Connection, rows: Sequence[Alert]) -> int:
    """Write alerts; the same step of the same enrolment raises one only. Returns how many were new."""
    values = [{name: value for name, value in asdict(row).items() if name != "alert_id"} for row in rows]
    return upsert(connection, alerts, values, keys=["enrolment_id", "step_key"])


def list_alerts(connection: Connection, *, everything: bool = False, limit: int = 200) -> list[Alert]:
    """Alerts that wait for somebody, oldest first; with ``everything`` those that are done too."""
    query = select(alerts).order_by(alerts.c.raised_at, alerts.c.alert_id).limit(limit)
    if not everything:
        query = query.where(alerts.c.done_at.is_(None))
    return [_alert(row) for row in connection.execute(query)]


def waits(connection: Connection, step_key: str) -> bool:
    """Whether an alert of this step waits for somebody."""
    query = select(alerts.c.alert_id).where(alerts.c.step_key == step_key, alerts.c.done_at.is_(None))
    return connection.execute(query.limit(1)).first() is not None


def finish_alert(connection: Connection, alert_id: int, *, at: datetime, actor: str, note: str = "") -> Alert:
    """Say that somebody has seen to it. Raises NotFoundError, or ConflictError when it was done already."""
    row = connection.execute(select(alerts).where(alerts.c.alert_id == alert_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no alert {alert_id}.", remedy="`noria alerts` lists those that wait.")
    changed = connection.execute(
        update(alerts)
        .where(alerts.c.alert_id == alert_id, alerts.c.done_at.is_(None))
        .values(done_at=at, done_by=actor, note=note)
    )
    if changed.rowcount != 1:
        raise ConflictError(f"Alert {alert_id} was done already.", remedy="`noria alerts` lists those that wait.")
    append(
        connection,
        at=at,
        actor=actor,
        action="alert.done",
        subject=f"alert {alert_id}",
        # A note may name a person, and the journal is never rewritten.
        payload={"note": digest(note)},
    )
    return _alert(connection.execute(select(alerts).where(alerts.c.alert_id == alert_id)).one())


def settle_alerts(connection: Connection, step_key: str, *, at: datetime, note: str) -> None:
    """Close what nobody has to do any more, because it was settled otherwise."""
    connection.execute(
        update(alerts)
        .where(alerts.c.step_key == step_key, alerts.c.done_at.is_(None))
        .values(done_at=at, done_by="noria", note=note)
    )


def _alert(row: Row[Any]) -> Alert:
    return Alert(**row._asdict())
