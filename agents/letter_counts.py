"""What the letters of a series did on average, each counted until the next one, against their common holdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from agents.desk import Desk
from agents.learning.counts import Counts
from agents.learning.readout import HOLDOUT
from agents.outcomes import SERIES, series_members, windows_reached
from memory.campaigns import Campaign
from memory.play import Goal

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Average:
    """One side of a series: the share who reached the goal, averaged over its letters, and how sure that is."""

    rate: float
    contacts: float
    """So many, each seen once, would make the share as sure."""

    @property
    def worth(self) -> Counts:
        """The same to the whole contact."""
        return Counts(contacts=round(self.contacts), conversions=round(self.rate * round(self.contacts)))


def windows_of(letters: Sequence[Campaign], goal: Goal, until: datetime) -> list[Window]:
    """From each letter's beginning until the next one's or the end of the goal's window, if that was over by then."""
    nexts = [*(one.starts_at for one in letters[1:]), None]
    ends = [
        min(letter.starts_at + timedelta(days=goal.window_days), following or datetime.max.replace(tzinfo=until.tzinfo))
        for letter, following in zip(letters, nexts, strict=True)
    ]
    return [(letter.starts_at, end) for letter, end in zip(letters, ends, strict=True) if end <= until]


def on_average(desk: Desk, letters: Sequence[Campaign], goal: Goal, windows: Sequence[Window]) -> dict[str, Average]:
    """Both sides of a series, over everybody who was in it by the end of a letter's window, in that window."""
    ends_at = max((end for _, end in windows), default=letters[0].starts_at)
    with desk.store.read() as connection:
        members, _ = series_members(connection, [one.campaign_id for one in letters], ends_at)
    times = windows_reached(desk.store, desk.lake, members, windows, goal)
    ends = np.asarray([end.timestamp() for _, end in windows])
    sides: dict[str, list[tuple[int, int]]] = {HOLDOUT: [], SERIES: []}
    for one in members:
        sides[one.arm].append((int((ends > one.since.timestamp()).sum()), times[one.contact_id]))
    return averages({name: np.asarray(pairs, float).reshape(-1, 2) for name, pairs in sides.items()})


def averages(sides: dict[str, np.ndarray]) -> dict[str, Average]:
    """From how often each contact (row) was seen, and reached the goal, of each side.

    What one contact does after many letters is not independent: the variance is that of a ratio over clusters (Cochran
    1977, 6.4; Liang and Zeger 1986), and the design effect, by which it is larger than without clusters, that of both
    sides together.
    """
    rates = {name: float(of[:, 1].sum() / max(of[:, 0].sum(), 1)) for name, of in sides.items()}
    spread = sum(float(np.square(of[:, 1] - rates[name] * of[:, 0]).sum()) for name, of in sides.items())
    alone = sum(rates[name] * (1 - rates[name]) * float(of[:, 0].sum()) for name, of in sides.items())
    # Where nobody reached the goal, or all did, each contact counts once.
    most = max((float(of[:, 0].max()) for of in sides.values() if len(of)), default=1.0)
    effect = max(spread / alone, 1.0) if alone else max(most, 1.0)
    return {name: Average(rates[name], float(of[:, 0].sum()) / effect) for name, of in sides.items()}
