"""What the letters of a series did, each counted until the next one, against the holdout that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.desk import Desk
from agents.learning.counts import Counts
from agents.learning.readout import HOLDOUT
from agents.outcomes import SERIES, Outcomes, count_outcomes, series_members
from memory.campaigns import Campaign
from memory.play import Goal

WRITTEN: Final = "written"
"""Got the letter that is counted."""
SPARED: Final = "spared"
"""Got an earlier letter of the series, and not this one."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LetterCount:
    """One letter, from its beginning until the next one's or the end of the goal's window."""

    letter: Campaign
    outcomes: Outcomes

    def contacts(self, *arms: str) -> int:
        return sum(one.contacts for one in self.outcomes.arms if one.name in arms)

    @property
    def written(self) -> float:
        """Share of those who are not held out to whom this letter went."""
        return self.contacts(WRITTEN) / max(self.contacts(WRITTEN, SPARED), 1)


def letter_counts(desk: Desk, letters: Sequence[Campaign], goal: Goal, until: datetime) -> list[LetterCount]:
    """Every letter of which all that counts had happened by a moment, over everybody who was in the series by then."""
    found = []
    nexts = [*(one.starts_at for one in letters[1:]), None]
    for place, (letter, following) in enumerate(zip(letters, nexts, strict=True)):
        ends_at = letter.starts_at + timedelta(days=goal.window_days)
        ends_at = ends_at if following is None else min(ends_at, following)
        if ends_at > until:
            continue
        ids = [one.campaign_id for one in letters[: place + 1]]
        with desk.store.read() as connection:
            members, _ = series_members(connection, ids, ends_at)
            written, _ = series_members(connection, ids[-1:], ends_at)
        got = {one.contact_id for one in written if one.arm == SERIES}
        counts = [
            replace(
                one,
                arm=HOLDOUT if one.arm == HOLDOUT else WRITTEN if one.contact_id in got else SPARED,
                since=max(one.since, letter.starts_at),
            )
            for one in members
        ]
        arms = (HOLDOUT, WRITTEN, SPARED)
        found.append(LetterCount(letter, count_outcomes(desk.store, desk.lake, counts, arms=arms, goal=goal)))
    return [one for one in found if one.written]


def reached(counted: Sequence[LetterCount], arms: Sequence[str]) -> Floats:
    """Contact by letter: 1 where they reached the goal before the next one, 0 where not, nan where they were not in."""
    who = {one.contact_id for each in counted for one in each.outcomes.members if one.arm in arms}
    row = {contact_id: place for place, contact_id in enumerate(sorted(who))}
    found = np.full((len(row), len(counted)), np.nan)
    for column, each in enumerate(counted):
        for one in each.outcomes.members:
            if one.arm in arms:
                found[row[one.contact_id], column] = one.contact_id in each.outcomes.reached_at
    return found


def on_average(counted: Sequence[LetterCount]) -> dict[str, tuple[float, float]]:
    """Of the holdout and of the series: the share who reached the goal, over all letters, and how much that is worth.

    Worth is the number of contacts, each seen once, of whom the share would be as sure. What one contact does after
    many letters is not independent: the variance is that of a ratio over clusters (Cochran 1977, 6.4; Liang and Zeger
    1986), and the design effect by which it is larger than without clusters that of both sides together.
    """
    tables = {HOLDOUT: reached(counted, (HOLDOUT,)), SERIES: reached(counted, (WRITTEN, SPARED))}
    seen = {name: (~np.isnan(table)).sum(axis=1) for name, table in tables.items()}
    rates = {name: float(np.nansum(table) / max(seen[name].sum(), 1)) for name, table in tables.items()}
    spread = sum(
        float(np.square(np.nansum(table, axis=1) - rates[name] * seen[name]).sum()) for name, table in tables.items()
    )
    alone = sum(rates[name] * (1 - rates[name]) * float(seen[name].sum()) for name in tables)
    effect = max(spread / alone, 1.0) if alone else float(max(len(counted), 1))
    return {name: (rates[name], float(seen[name].sum()) / effect) for name in tables}


def counts_of(rate: float, contacts: float) -> Counts:
    """So many contacts of whom that share reached the goal, to the whole contact."""
    return Counts(contacts=round(contacts), conversions=round(rate * round(contacts)))
