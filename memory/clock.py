"""Business time: real by default, moved by hand in tests, the demo and simulation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the present moment of the business as an aware UTC datetime."""

    def now(self) -> datetime: ...


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until somebody moves it forward."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def advance(self, step: timedelta) -> datetime:
        if step < timedelta(0):
            raise ValueError("a clock only moves forward")
        self._at += step
        return self._at

    def advance_to(self, at: datetime) -> datetime:
        return self.advance(max(at.astimezone(UTC) - self._at, timedelta(0)))
