"""Single values of the organisation: its salt, its business clock and the switch that stops all sending."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Text, bindparam, cast, select, update

from memory.clock import Clock, SystemClock
from memory.journal import append
from memory.schema import from_micros, to_micros, workspace
from memory.store import Store, upsert

DRAIN_PENDING = "drain_pending"
"""Key of the batch of live events that is being written to the lake."""
_TROUBLES = "troubles"
_ROUND = "worker_round"
_CLOCK = "clock"
_LAG = "lag_micros"
# Put together once: the time is asked for so often that wording the question took longer than its answer.
_VALUE = select(workspace.c.value).where(workspace.c.key == bindparam("key"))


class Switch(BaseModel):
    """Whether all sending is stopped, and who said so."""

    model_config = ConfigDict(frozen=True)

    stopped: bool = False
    actor: str = ""
    reason: str = ""
    at: AwareDatetime | None = None


class Trouble(BaseModel):
    """A part of the worker's rounds that fails again and again."""

    model_config = ConfigDict(frozen=True)

    part: str
    error: str
    where: str = ""
    what: str = ""
    remedy: str = ""
    since: AwareDatetime
    rounds: int = 1
    """How many rounds in a row it failed."""


def get_value(connection: Connection, key: str) -> Any:
    """The value kept under a key, or None."""
    return connection.execute(_VALUE, {"key": key}).scalar_one_or_none()


def set_value(connection: Connection, key: str, value: Any) -> None:
    """Keep a JSON value under a key."""
    upsert(connection, workspace, [{"key": key, "value": value}], update=["value"])


def swap_value(connection: Connection, key: str, expected: Any, value: Any) -> bool:
    """Keep a value under a key that still holds the expected one (None: nothing); False where another was faster."""
    if expected is None:
        return upsert(connection, workspace, [{"key": key, "value": value}]) == 1
    same = cast(workspace.c.value, Text) == json.dumps(expected)
    changed = connection.execute(update(workspace).where(workspace.c.key == key, same).values(value=value))
    return changed.rowcount == 1


def salt(connection: Connection) -> str:
    """The organisation's secret salt, drawn once: holdouts, hashes and tokens depend on it."""
    found = get_value(connection, "salt")
    if found is None:
        found = secrets.token_hex(32)
        set_value(connection, "salt", found)
    return str(found)


def read_switch(connection: Connection) -> Switch:
    """The switch as it stands; read inside every claim."""
    found = get_value(connection, "switch")
    return Switch() if found is None else Switch.model_validate(found)


def turn_switch(connection: Connection, *, stopped: bool, actor: str, reason: str, at: datetime) -> Switch:
    """Stop or allow all sending, and journal it."""
    switch = Switch(stopped=stopped, actor=actor, reason=reason, at=at)
    set_value(connection, "switch", switch.model_dump(mode="json"))
    append(
        connection,
        at=at,
        actor=actor,
        action="switch.stopped" if stopped else "switch.resumed",
        subject="workspace",
        payload={"reason": reason},
    )
    return switch


def note_round(connection: Connection, at: datetime) -> None:
    """Remember when a worker last finished a round, in the machine's time."""
    set_value(connection, _ROUND, to_micros(at))


def last_round(connection: Connection) -> datetime | None:
    """When a worker last finished a round, in its machine's time; None if none ever did."""
    micros = get_value(connection, _ROUND)
    return None if micros is None else from_micros(int(micros))


def read_troubles(connection: Connection) -> list[Trouble]:
    """What failed in the worker's last round."""
    return [Trouble.model_validate(one) for one in get_value(connection, _TROUBLES) or []]


def keep_troubles(connection: Connection, found: Sequence[Trouble]) -> list[Trouble]:
    """Keep what failed in a round, continuing the count of what failed before; what works again is forgotten."""
    before = {one.part: one for one in read_troubles(connection)}
    kept = [
        one.model_copy(update={"since": old.since, "rounds": old.rounds + 1})
        if (old := before.get(one.part)) is not None
        else one
        for one in found
    ]
    if kept or before:
        set_value(connection, _TROUBLES, [one.model_dump(mode="json") for one in kept])
    return kept


class StoreClock:
    """Business time of a workspace: the machine's, unless the workspace keeps a clock of its own.

    Demo and test workspaces keep one, so that several processes share the same moved time. It stands still until
    somebody moves it, or lags behind the machine's and runs on with it.
    """

    def __init__(self, store: Store, machine: Clock | None = None) -> None:
        self._store = store
        self._machine = machine or SystemClock()

    def now(self) -> datetime:
        with self._store.read() as connection:
            return self._read(connection)

    def advance_to(self, at: datetime) -> datetime:
        """Set the workspace's own clock and let it stand there; one of its own never goes back."""
        with self._store.write() as connection:
            kept = get_value(connection, _CLOCK) is not None
            later = max(self._read(connection), at) if kept else at
            set_value(connection, _CLOCK, to_micros(later))
        return from_micros(to_micros(later))

    def advance(self, step: timedelta) -> datetime:
        return self.advance_to(self.now() + step)

    def run_on(self) -> None:
        """Let the workspace's own clock run on from where it stands, as fast as the machine's."""
        with self._store.write() as connection:
            lag = self._machine.now() - self._read(connection)
            if get_value(connection, _CLOCK) is not None:
                set_value(connection, _CLOCK, {_LAG: lag // timedelta(microseconds=1)})

    def _read(self, connection: Connection) -> datetime:
        kept = get_value(connection, _CLOCK)
        if isinstance(kept, dict):
            return self._machine.now() - timedelta(microseconds=int(kept[_LAG]))
        return self._machine.now() if kept is None else from_micros(int(kept))
