"""Read-outs as they were taken: one row per look of a campaign, or per quarter of the programme, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Row, select

from memory.canonical import digest
from memory.errors import NotFoundError
from memory.journal import append
from memory.schema import readouts
from memory.store import upsert

Verdict = Literal["works", "harms", "inconclusive", "invalid"]


class StoredReadOut(BaseModel):
    """One look, with the whole read-out as JSON."""

    model_config = ConfigDict(frozen=True)

    readout_id: str
    campaign_id: str | None
    """None for the programme: all campaigns together."""
    look: int
    looks_planned: int
    verdict: Verdict
    body: dict[str, Any]
    planned_at: AwareDatetime
    """What happened before this moment counts, whenever the look is taken."""
    read_at: AwareDatetime


def readout_id_of(subject: str, look: int) -> str:
    """The id of a look at a campaign, or at "programme 2025Q1": always the same, however often it is taken."""
    return "r" + digest(["readout", subject, look])[:15]


def keep(connection: Connection, readout: StoredReadOut, *, facts: dict[str, int]) -> bool:
    """Write a look and journal it with a few counts; False when it was taken before, and then nothing changes."""
    if not upsert(connection, readouts, [readout.model_dump()]):
        return False
    append(
        connection,
        at=readout.read_at,
        actor="noria",
        action="campaign.read" if readout.campaign_id else "programme.read",
        subject=readout.campaign_id or readout.readout_id,
        payload={
            "readout": readout.readout_id,
            "look": readout.look,
            "looks_planned": readout.looks_planned,
            "verdict": readout.verdict,
            "body": digest(readout.body),
            **facts,
        },
    )
    return True


def find(connection: Connection, readout_id: str) -> StoredReadOut | None:
    """The read-out of that id, if it was taken."""
    row = connection.execute(select(readouts).where(readouts.c.readout_id == readout_id)).one_or_none()
    return None if row is None else _readout(row)


def get(connection: Connection, readout_id: str) -> StoredReadOut:
    """Raises NotFoundError."""
    found = find(connection, readout_id)
    if found is None:
        raise NotFoundError(f"There is no read-out {readout_id}.", remedy="`noria readout` shows those of a campaign.")
    return found


def of_campaign(connection: Connection, campaign_id: str) -> list[StoredReadOut]:
    """The looks at a campaign so far, first look first."""
    query = select(readouts).where(readouts.c.campaign_id == campaign_id).order_by(readouts.c.look)
    return [_readout(row) for row in connection.execute(query)]


def last_verdict(connection: Connection, campaign_id: str) -> Verdict | None:
    """What the newest look at a campaign says; None before the first one."""
    looks = of_campaign(connection, campaign_id)
    return looks[-1].verdict if looks else None


def any_harms(connection: Connection, campaign_ids: Iterable[str]) -> bool:
    """Whether the newest look at one of these campaigns says that it harms."""
    return any(last_verdict(connection, one) == "harms" for one in campaign_ids)


def of_programme(connection: Connection) -> list[StoredReadOut]:
    """The quarterly read-outs of all marketing together, oldest first."""
    query = select(readouts).where(readouts.c.campaign_id.is_(None)).order_by(readouts.c.planned_at)
    return [_readout(row) for row in connection.execute(query)]


def verdicts(connection: Connection) -> dict[str, dict[int, Verdict]]:
    """Every look's verdict, by campaign and look."""
    query = select(readouts.c.campaign_id, readouts.c.look, readouts.c.verdict)
    found: dict[str, dict[int, Verdict]] = {}
    for row in connection.execute(query.where(readouts.c.campaign_id.is_not(None))):
        found.setdefault(row.campaign_id, {})[row.look] = row.verdict
    return found


def _readout(row: Row[Any]) -> StoredReadOut:
    return StoredReadOut.model_validate(row._asdict())
