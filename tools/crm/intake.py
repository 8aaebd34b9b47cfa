"""What was read of a system goes on record the same way, whether it is meant or only tried."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from memory.clock import Clock, SystemClock
from memory.contacts import Contact, find, known_as
from memory.errors import NotFoundError
from memory.importing.load import import_file
from memory.importing.mapping import Mapping as ReadAs
from memory.importing.report import ImportReport, ImportSettings
from memory.lake import Lake
from memory.schema import contact_aliases
from memory.store import Store
from memory.syncs import forget_deals
from tools.crm.connector import Record, System, written
from tools.crm.rows import Rows

CHUNK: Final = 20_000
"""Records taken in at a time: so many are read again when a process dies."""
_SKEW: Final = timedelta(hours=1)


_DELETED: Final = ReadAs.model_validate(
    {
        "kind": "consents",
        "columns": [
            {"column": name, "field": name, "day_first": False} for name in ("contact", "channel", "state", "at")
        ],
        "constants": {"source": "deleted in the CRM"},
    }
)


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Where what is read goes."""

    store: Store
    lake: Lake
    clock: Clock
    """Business time."""
    settings: ImportSettings
    actor: str = "worker"
    chunk: int = CHUNK
    lease_clock: Clock = field(default_factory=SystemClock)
    """Real time, whatever the business clock says."""


def last_of(rows: Rows, records: Sequence[Record]) -> list[Record]:
    """Those that are there still. One that came twice is one, as it came last; rows of one order stay apart."""
    last: dict[tuple[str, str | int], Record] = {}
    for number, one in enumerate(records):
        if one.deleted_at is None:
            key = one.id, rows.place_of(one, number)
            before = last.get(key)
            last[key] = one._replace(values={**before.values, **one.values}) if before else one
    return list(last.values())


def known_of(connection: Connection, source: str, rows: Rows, records: Sequence[Record]) -> dict[str, Contact]:
    """Contacts of the record by ``Rows.name_of``, found by the id of the system, else by the address."""
    names = {rows.name_of(one): rows.address_of(one) for one in records}
    found = known_as(connection, source, list(names))
    for name, address in names.items():
        if name not in found and address:
            with suppress(NotFoundError):
                found[name] = find(connection, address, own_id=False)
    return found


@contextmanager
def file_of(rows: Rows, records: Sequence[Record], known: Mapping[str, Contact], name: str) -> Iterator[Path]:
    """Records as a file that an import reads, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="noria-sync-") as folder:
        path = Path(folder) / f"{name}.csv"
        rows.write(path, records, known)
        yield path


def settings_of(place: Intake, system: str) -> ImportSettings:
    """How the files of a system are read."""
    return place.settings.model_copy(update={"source": system, "clock_skew": _SKEW})


def bring_in(place: Intake, system: str, path: Path, mapping: ReadAs, *, rehearsed: bool = False) -> ImportReport:
    """Put the rows of a file on record; ``rehearsed`` where all of it is undone afterwards."""
    return import_file(
        place.store,
        place.lake,
        path,
        mapping=mapping,
        settings=settings_of(place, system),
        clock=place.clock,
        actor=place.actor,
        from_system=True,
        rehearsed=rehearsed,
    )


def take_out(place: Intake, system: System, thing: str, gone: Sequence[Record], *, rehearsed: bool = False) -> int:
    """Nobody who was deleted is written to any more, deals are taken off the record; returns how many there were."""
    kind = system.things[thing]
    if kind == "deals":
        with place.store.write() as connection:
            return forget_deals(connection, system.name, [one.id for one in gone])
    if kind != "contacts":
        return 0
    now = place.clock.now()
    with place.store.read() as connection:
        query = select(contact_aliases.c.alias).where(contact_aliases.c.source == system.name)
        here = set(connection.execute(query).scalars())
    lines = [
        f"{one.id},{channel},withdrawn,{written(min(one.deleted_at or now, now))}\n"
        for one in gone
        if one.id in here
        for channel in ("email", "sms")
    ]
    if not lines:
        return 0
    with tempfile.TemporaryDirectory(prefix="noria-sync-") as folder:
        path = Path(folder) / f"{system.name} deleted.csv"
        path.write_text("contact,channel,state,at\n" + "".join(lines), encoding="utf-8")
        return bring_in(place, system.name, path, _DELETED, rehearsed=rehearsed).rows_written
