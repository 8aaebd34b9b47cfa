"""Bring in what changed in a connected system: page by page, kept as it comes, gone on from there after any stop."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, select

from memory.clock import Clock, SystemClock
from memory.contacts import Contact, find, known_as
from memory.errors import ConflictError, NoriaError, NotFoundError
from memory.importing.load import import_file
from memory.importing.mapping import Mapping as ReadAs
from memory.importing.report import ImportReport, ImportSettings, Progress, Reason, no_progress
from memory.journal import append
from memory.lake import Lake
from memory.schema import contact_aliases
from memory.snapshot import refresh
from memory.store import Store
from memory.syncs import Standing, forget_deals, keep, standings, take
from tools.crm.connector import Connector, ConnectorError, Page, Record, written
from tools.crm.mapping import Rules
from tools.crm.rows import Rows

CHUNK: Final = 20_000
"""Records taken in at a time: so many are read again when a process dies."""
_HELD: Final = timedelta(minutes=10)
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


class Pulled(BaseModel):
    """What one pull of one thing brought."""

    model_config = ConfigDict(frozen=True)

    system: str
    thing: str
    read: int = 0
    written: int = 0
    unchanged: int = 0
    set_aside: int = 0
    deleted: int = 0
    complete: bool = False
    """False where time ran out or something went wrong; the next pull goes on from there."""
    elsewhere: bool = False
    """True when another process is at it."""
    trouble: str = ""
    reasons: tuple[Reason, ...] = ()
    """Why records were set aside; each is in the quarantine."""
    notes: tuple[str, ...] = ()


def pull(
    place: Intake,
    connector: Connector,
    mapping: Mapping[str, Rules],
    *,
    until: float = float("inf"),
    again: bool = False,
    progress: Progress = no_progress,
) -> list[Pulled]:
    """Read everything that changed since the last pull; ``until`` is a moment of time.monotonic.

    ``again`` reads all there is from the beginning. What goes wrong with one thing is reported and stops no other.
    """
    found: list[Pulled] = []
    things, beside = dict(rows_of(connector, mapping)), connector.system.beside
    for thing in things:
        if beside.get(thing) not in things:
            together = {one: rows for one, rows in things.items() if thing in {one, beside.get(one)}}
            found += _Pull(place, connector, thing, together, progress).run(until, again=again)
    if any(one.written or one.deleted for one in found):
        refresh(place.store, place.lake)
    return found


def rows_of(connector: Connector, mapping: Mapping[str, Rules]) -> Iterator[tuple[str, Rows]]:
    """Every thing that is read, with how its records become rows: by the mapping, else by the names of its columns."""
    for thing in connector.system.things:
        rules = mapping.get(thing, {})
        own = None if rules else connector.read_as(thing)
        if rules or own is not None:
            yield thing, Rows(connector.system, thing, rules, own)


class _Pull:
    """One reading of a thing, with those that stand on its pages; they are kept and stopped together."""

    def __init__(
        self, place: Intake, connector: Connector, thing: str, rows: Mapping[str, Rows], progress: Progress
    ) -> None:
        self._place, self._connector, self._thing, self._progress = place, connector, thing, progress
        self._name, self._rows = connector.system.name, rows
        self._holder = uuid.uuid4().hex
        self._settings = place.settings.model_copy(update={"source": self._name, "clock_skew": _SKEW})
        self._brought = {one: Pulled(system=self._name, thing=one) for one in rows}

    def run(self, until: float, *, again: bool) -> list[Pulled]:
        place = self._place
        standing = self._lease()
        if standing is None:
            return self._all(elsewhere=True)
        if again:
            standing = standing.model_copy(update={"cursor": "", "began_at": None})
        if standing.began_at is None:
            standing = standing.model_copy(update={"began_at": place.clock.now(), "records": 0, "total": None})
        try:
            standing = self._read(standing, until)
        except ConflictError:
            return self._all(elsewhere=True)
        except NoriaError as error:
            said = " ".join(filter(None, (error.what, error.remedy)))
            standing = self._in_trouble(said)
        except Exception as error:  # noqa: BLE001 - whatever breaks in one thing, the others are read
            # The text of such an error could name a person.
            standing = self._in_trouble(
                f"What was read could not be taken in ({type(error).__name__}). The next pull tries it again."
            )
        with place.store.write() as connection:
            self._write_down(connection, standing, until=None)
            for one in self._brought.values():
                if one.complete and one.read:
                    self._journal(connection, one)
        return list(self._brought.values())

    def _all(self, **update: object) -> list[Pulled]:
        self._brought = {thing: one.model_copy(update=update) for thing, one in self._brought.items()}
        return list(self._brought.values())

    def _lease(self) -> Standing | None:
        """Where to go on; None while another process is at one of the things."""
        now, mine = self._place.lease_clock.now(), self._holder
        with self._place.store.write() as connection:
            found = [
                take(connection, self._name, thing, holder=mine, now=now, until=now + _HELD) for thing in self._rows
            ]
            taken = [one for one in found if one is not None]
            if len(taken) < len(found):
                for one in taken:
                    keep(connection, one, holder=mine, until=None)
                return None
        standing = next(one for one in taken if one.thing == self._thing)
        if any(one.cursor != standing.cursor for one in taken):
            # One of them was not read along so far: what stands on the pages before would be missing.
            return standing.model_copy(update={"cursor": "", "began_at": None})
        return standing

    def _write_down(self, connection: Connection, standing: Standing, until: datetime | None) -> None:
        for thing in self._rows:
            keep(connection, standing.model_copy(update={"thing": thing}), holder=self._holder, until=until)

    def _in_trouble(self, said: str) -> Standing:
        self._all(trouble=said)
        return self._standing.model_copy(update={"trouble": said, "failed_at": self._place.clock.now()})

    def _read(self, standing: Standing, until: float) -> Standing:
        """Read until there is no more or time is over; raises what went wrong, with what was kept in ``_standing``."""
        self._standing = standing
        waiting: dict[str, list[Record]] = {thing: [] for thing in self._rows}
        cursor, more = standing.cursor, True
        while more:
            page = self._page(cursor)
            for thing, records in {**page.beside, self._thing: page.records}.items():
                waiting.get(thing, []).extend(records)
            cursor, more = page.cursor, page.more
            held = sum(map(len, waiting.values()))
            read = standing.records + held
            total = standing.total if page.total is None else standing.records + page.total
            standing = standing.model_copy(update={"total": standing.total or total})
            self._progress(f"{self._name} {self._thing}", read, standing.total or 0)
            enough = held >= self._place.chunk or time.monotonic() > until
            if held and (enough or not more):
                for thing, records in waiting.items():
                    self._take_in(thing, records)
                standing = standing.model_copy(update={"records": read})
                waiting = {thing: [] for thing in self._rows}
                held = 0
            if not held:
                standing = standing.model_copy(update={"cursor": cursor})
                self._keep(standing)
            if more and time.monotonic() > until:
                return standing
        self._all(complete=True)
        done = {"complete_at": standing.began_at, "began_at": None, "trouble": "", "failed_at": None}
        self._standing = standing.model_copy(update=done)
        return self._standing

    def _page(self, cursor: str) -> Page:
        try:
            return self._connector.read(self._thing, cursor, self._rows[self._thing].wanted)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConnectorError(
                f"{self._connector.system.title} answered in a form that is not known ({type(error).__name__}).",
                where=f"{self._name} {self._thing}",
                remedy="What was read is kept. If the next pull says so again, its interface has changed.",
            ) from error

    def _keep(self, standing: Standing) -> None:
        self._standing = standing
        with self._place.store.write() as connection:
            self._write_down(connection, standing, self._place.lease_clock.now() + _HELD)

    def _take_in(self, thing: str, records: Sequence[Record]) -> None:
        """Take records in, and out what was deleted; the same ones twice change nothing."""
        gone = [one for one in records if one.deleted_at is not None]
        # A record that came twice is one, as it came last; rows of one order share its id, and stay apart.
        last: dict[tuple[str, str | int], Record] = {}
        for number, one in enumerate(records):
            if one.deleted_at is None:
                key = one.id, self._rows[thing].place_of(one, number)
                before = last.get(key)
                last[key] = one._replace(values={**before.values, **one.values}) if before else one
        brought = self._brought[thing]
        update = {"read": brought.read + len(records)}
        if last:
            report = self._import(thing, list(last.values()))
            update |= {
                "written": brought.written + report.rows_written,
                "unchanged": brought.unchanged + report.rows_unchanged,
                "set_aside": brought.set_aside + report.rows_quarantined,
            }
            brought = brought.model_copy(update={"reasons": (*brought.reasons, *report.reasons), "notes": report.notes})
        if gone:
            update["deleted"] = brought.deleted + self._take_out(thing, gone)
        self._brought[thing] = brought.model_copy(update=update)

    def _import(self, thing: str, records: Sequence[Record]) -> ImportReport:
        place, rows, known = self._place, self._rows[thing], {}
        if rows.asks_the_record:
            with place.store.read() as connection:
                known = known_of(connection, self._name, rows, records)
        with tempfile.TemporaryDirectory(prefix="noria-sync-") as folder:
            path = Path(folder) / f"{self._name} {thing}.csv"
            rows.write(path, records, known)
            return self._load(path, rows.mapping)

    def _load(self, path: Path, mapping: ReadAs) -> ImportReport:
        place = self._place
        return import_file(
            place.store,
            place.lake,
            path,
            mapping=mapping,
            settings=self._settings,
            clock=place.clock,
            actor=place.actor,
            from_system=True,
        )

    def _take_out(self, thing: str, gone: Sequence[Record]) -> int:
        """Nobody who was deleted is written to any more; deals are taken off the record."""
        kind = self._connector.system.things[thing]
        if kind == "deals":
            with self._place.store.write() as connection:
                return forget_deals(connection, self._name, [one.id for one in gone])
        if kind != "contacts":
            return 0
        now = self._place.clock.now()
        with self._place.store.read() as connection:
            query = select(contact_aliases.c.alias).where(contact_aliases.c.source == self._name)
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
            path = Path(folder) / f"{self._name} deleted.csv"
            path.write_text("contact,channel,state,at\n" + "".join(lines), encoding="utf-8")
            report = self._load(path, _DELETED)
        return report.rows_written

    def _journal(self, connection: Connection, brought: Pulled) -> None:
        if not (brought.written or brought.deleted or brought.set_aside):
            return
        append(
            connection,
            at=self._place.clock.now(),
            actor=self._place.actor,
            action="sync.finished",
            subject=f"{self._name} {brought.thing}",
            payload=brought.model_dump(include={"read", "written", "unchanged", "set_aside", "deleted"}),
        )


def known_of(connection: Connection, source: str, rows: Rows, records: Sequence[Record]) -> dict[str, Contact]:
    """Contacts of the record by ``Rows.name_of``, found by the id of the system, else by the address."""
    names = {rows.name_of(one): rows.address_of(one) for one in records}
    found = known_as(connection, source, list(names))
    for name, address in names.items():
        if name not in found and address:
            with suppress(NotFoundError):
                found[name] = find(connection, address, own_id=False)
    return found


def due(store: Store, system: str, now: datetime, every: timedelta) -> bool:
    """Whether a system is to be read: never was, was left in the middle, or the last pull is long enough ago."""
    with store.read() as connection:
        found = standings(connection, system)
    if not found:
        return True
    # After trouble it is left alone for as long as after a pull.
    last = [max(filter(None, (one.complete_at, one.failed_at)), default=None) for one in found]
    return any(one.began_at is not None and not one.trouble for one in found) or any(
        at is None or now - at >= every for at in last
    )
