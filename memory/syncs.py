"""How far each connected system was read, who is reading it now, and what went wrong last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, delete, or_, select, update

from memory.errors import ConflictError
from memory.schema import deals, syncs
from memory.store import upsert


class Standing(BaseModel):
    """How far one kind of thing was read from one system."""

    model_config = ConfigDict(frozen=True)

    system: str
    thing: str
    cursor: str = ""
    records: int = 0
    """What the pull under way, or the last one, brought."""
    total: int | None = None
    """How many there are, where the system says so."""
    complete_at: datetime | None = None
    """When the last pull that came to an end had begun: the record knows what the system knew then."""
    began_at: datetime | None = None
    """When the pull under way began; None between two."""
    failed_at: datetime | None = None
    trouble: str = ""
    """What went wrong and what to do; empty when the last pull went well."""


def standings(connection: Connection, system: str = "") -> list[Standing]:
    """Everything that was ever read, or what was read from one system."""
    query = select(*(syncs.c[name] for name in Standing.model_fields)).order_by(syncs.c.system, syncs.c.thing)
    rows = connection.execute(query.where(syncs.c.system == system) if system else query)
    return [Standing.model_validate(row._asdict()) for row in rows]


def take(
    connection: Connection, system: str, thing: str, *, holder: str, now: datetime, until: datetime
) -> Standing | None:
    """Keep everybody else from reading this until then, by real time; None while somebody else is at it."""
    upsert(connection, syncs, [{"system": system, "thing": thing}], keys=["system", "thing"])
    free = or_(syncs.c.held_until.is_(None), syncs.c.held_until < now)
    done = connection.execute(
        update(syncs)
        .where(syncs.c.system == system, syncs.c.thing == thing, free)
        .values(holder=holder, held_until=until)
    )
    if not done.rowcount:
        return None
    return next(one for one in standings(connection, system) if one.thing == thing)


def keep(connection: Connection, standing: Standing, *, holder: str, until: datetime | None) -> None:
    """Write down how far it was read; ``until`` None lets go of it. Raises ConflictError if another has taken over."""
    mine = (syncs.c.system == standing.system, syncs.c.thing == standing.thing, syncs.c.holder == holder)
    values = standing.model_dump(exclude={"system", "thing"})
    done = connection.execute(
        update(syncs).where(*mine).values(**values, held_until=until, holder=holder if until else "")
    )
    if not done.rowcount:
        raise ConflictError(
            "Another process has taken over this pull.",
            where=f"{standing.system} {standing.thing}",
            remedy="Nothing is lost: that one goes on.",
        )


def forget_deals(connection: Connection, source: str, ids: Sequence[str]) -> int:
    """Take deals off the record that their system has deleted; returns how many there were."""
    gone = 0
    for start in range(0, len(ids), 1000):
        names = [f"{source}:{one}" for one in ids[start : start + 1000]]
        gone += connection.execute(delete(deals).where(deals.c.external_id.in_(names))).rowcount
    return gone
