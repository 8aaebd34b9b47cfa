"""Bring in what changed in a connected system: page by page, kept as it comes, gone on from there after any stop."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from memory.errors import ConflictError, InvalidInputError, NoriaError
from memory.importing.report import ImportReport, Progress, Reason, no_progress
from memory.journal import append
from memory.snapshot import refresh
from memory.store import Store
from memory.syncs import Standing, keep, standings, take
from tools.crm.connector import Connector, ConnectorError, Page, Record
from tools.crm.intake import Intake, bring_in, file_of, known_of, last_of, take_out
from tools.crm.mapping import Rules
from tools.crm.rows import Rows

_HELD: Final = timedelta(minutes=10)


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
    things, unfit = rows_of(connector, mapping)
    found += [_note(place, connector.system.name, thing, said) for thing, said in unfit.items()]
    beside = connector.system.beside
    for thing in things:
        if beside.get(thing) not in things:
            together = {one: rows for one, rows in things.items() if thing in {one, beside.get(one)}}
            found += _Pull(place, connector, thing, together, progress).run(until, again=again)
    if any(one.written or one.deleted for one in found):
        refresh(place.store, place.lake)
    return found


def rows_of(connector: Connector, mapping: Mapping[str, Rules]) -> tuple[dict[str, Rows], dict[str, str]]:
    """How the records of each thing become rows, by the mapping, else by the names of its columns.

    Beside them, what is wrong with the things whose columns say too little.
    """
    found: dict[str, Rows] = {}
    unfit: dict[str, str] = {}
    for thing in connector.system.things:
        rules = mapping.get(thing, {})
        try:
            own = None if rules else connector.read_as(thing)
        except InvalidInputError as error:
            unfit[thing] = str(error)
            continue
        if rules or own is not None:
            found[thing] = Rows(connector.system, thing, rules, own)
    return found, unfit


def _note(place: Intake, system: str, thing: str, said: str) -> Pulled:
    """Keep what is wrong with a thing that was not begun."""
    holder, now = uuid.uuid4().hex, place.lease_clock.now()
    with place.store.write() as connection:
        standing = take(connection, system, thing, holder=holder, now=now, until=now + _HELD)
        if standing is None:
            return Pulled(system=system, thing=thing, elsewhere=True)
        trouble = standing.model_copy(update={"trouble": said, "failed_at": place.clock.now()})
        keep(connection, trouble, holder=holder, until=None)
    return Pulled(system=system, thing=thing, trouble=said)


class _Pull:
    """One reading of a thing, with those that stand on its pages; they are kept and stopped together."""

    def __init__(
        self, place: Intake, connector: Connector, thing: str, rows: Mapping[str, Rows], progress: Progress
    ) -> None:
        self._place, self._connector, self._thing, self._progress = place, connector, thing, progress
        self._name, self._rows = connector.system.name, rows
        self._holder = uuid.uuid4().hex
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
        last = last_of(self._rows[thing], records)
        brought = self._brought[thing]
        update = {"read": brought.read + len(records)}
        if last:
            report = self._import(thing, last)
            update |= {
                "written": brought.written + report.rows_written,
                "unchanged": brought.unchanged + report.rows_unchanged,
                "set_aside": brought.set_aside + report.rows_quarantined,
            }
            brought = brought.model_copy(update={"reasons": (*brought.reasons, *report.reasons), "notes": report.notes})
        if gone:
            update["deleted"] = brought.deleted + take_out(self._place, self._connector.system, thing, gone)
        self._brought[thing] = brought.model_copy(update=update)

    def _import(self, thing: str, records: Sequence[Record]) -> ImportReport:
        place, rows = self._place, self._rows[thing]
        with place.store.read() as connection:
            known = known_of(connection, self._name, rows, records) if rows.asks_the_record else {}
        with file_of(rows, records, known, f"{self._name} {thing}") as path:
            return bring_in(place, self._name, path, rows.mapping)

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
