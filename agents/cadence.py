"""Whether the letters of a series should come more seldom or more often, by what they did so far; people decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import fsum
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from agents.desk import Desk
from agents.learning.cadence import Floats, Step, weigh_step
from agents.learning.counts import Counts
from agents.learning.intervals import Estimate, wilson
from agents.learning.readout import HOLDOUT
from agents.learning.targeting import one_sided
from agents.letter_counts import windows_of
from agents.outcomes import SERIES, Outcomes, count_outcomes, series_members
from agents.playbook import Playbook
from agents.series import SERIES_DAYS, Series, fewest_days, goal_of, rhythm, series_of
from memory import readouts
from memory.campaigns import Campaign
from memory.events import ORDER
from memory.play import Goal
from memory.sequence_check import most_sends
from policies.rules.reputation import ReputationLimits

SURE: Final = one_sided(3 * SERIES_DAYS // 7)
"""In standard errors: the three questions asked in every week of a series share one chance of 5 % to err."""
_FEWEST_BUYERS: Final = 20
"""Fewer say too little of what an order brings in to weigh it against the cost of a message."""
_AMONG: Final = 1_000
_WRITTEN, _SPARED = "written", "spared"


class Cadence(BaseModel):
    """Another rhythm for the letters of a series, and what speaks for it."""

    model_config = ConfigDict(frozen=True)

    cause: Literal["unsubscribed", "complained", "fewer", "more"]
    now_days: int
    then_days: int
    letters: int
    """Those that were counted."""
    contacts: int
    """For fewer and more: everybody in the series who is not held out; else how often a letter went to somebody."""
    held_out: int
    """The same of those held out."""
    step: Step | None = None
    """For fewer and more."""
    left: int = 0
    """How often somebody left after a letter, or complained."""
    left_anyway: int = 0
    """The same of those held out."""
    share: Estimate | None = None
    """Of all times that a letter went to somebody."""
    limit: float = 0.0

    @property
    def value(self) -> float:
        """What it rests on: the gain, or the share that left."""
        found = self.share if self.step is None else self.step.gain
        assert found is not None
        return found.value

    @property
    def why(self) -> str:
        """What speaks for it, in one sentence."""
        return {
            "complained": "More people complain of a letter than the limit lets pass.",
            "unsubscribed": "More people leave because of a letter than the limit lets pass.",
            "fewer": "Fewer letters surely bring more: one does less, the more of them came before it.",
            "more": "One more letter surely adds something, beyond what it takes from the others.",
        }[self.cause]

    @property
    def sentence(self) -> str:
        """The evidence with its numbers."""
        if self.step is not None:
            gain, now, then = self.step.gain, self.step.each_now * _AMONG, self.step.each_then * _AMONG
            return (
                f"By {self.letters} letters to {self.contacts} contacts with {self.held_out} held out, one every "
                f"{self.then_days} days brings {gain.value * _AMONG:+.2f} of {_AMONG} contacts to the goal each week "
                f"beyond one every {self.now_days} days, and surely at least {gain.low * _AMONG:+.2f}; a letter "
                f"brings {now:+.2f} at the rhythm of today and {then:+.2f} at the other."
            )
        assert self.share is not None
        left = "complained" if self.cause == "complained" else "unsubscribed"
        return (
            f"After {self.letters} letters somebody {left} {self.left} of {self.contacts} times "
            f"({self.share.value:.2%}, surely at least {self.share.low:.2%}), and of those held out {self.left_anyway} "
            f"of {self.held_out} times; {self.limit:.2%} is the limit."
        )


@dataclass(frozen=True, slots=True)
class _Counted:
    """One letter, from its beginning until the next one's or the end of the goal's window."""

    letter: Campaign
    outcomes: Outcomes

    def contacts(self, *arms: str) -> int:
        return sum(one.contacts for one in self.outcomes.arms if one.name in arms)

    @property
    def written(self) -> float:
        """Share of those who are not held out to whom this letter went."""
        return self.contacts(_WRITTEN) / max(self.contacts(_WRITTEN, _SPARED), 1)


def cadence(desk: Desk, playbook: Playbook) -> tuple[str, Cadence] | None:
    """The newest letter of a playbook's series and the rhythm that should follow it; None where it stays as it is.

    One step along the ``rhythms`` of the playbook, none of them ahead of the cap. More seldom where more people leave
    or complain than the rule ``reputation`` lets pass, beyond what the holdout does, or where fewer letters surely
    bring more; more often only where that surely brings more (``agents.learning.cadence``).
    """
    now = desk.clock.now()
    with desk.store.read() as connection:
        series = series_of(connection, playbook, now) if playbook.rhythms else None
        if series is None or series.last.status != "live":
            return None
        verdict = readouts.last_verdict(connection, series.last.campaign_id)
        goal = goal_of(connection, series.last)
        today = rhythm(connection, desk, playbook)
    if verdict in {"invalid", "harms"}:
        return None
    counted = _count(desk, series, goal, now)
    allowed = [one for one in playbook.rhythms if one >= fewest_days(desk)]
    slower = min((one for one in allowed if one > today.days), default=None)
    faster = max((one for one in allowed if one < today.days), default=None)
    # What people did at another rhythm says nothing of this one.
    lately = [one for one in counted if today.since is None or one.letter.starts_at > today.since]
    found = _leaving(desk, lately, today.days, slower or today.days)
    for other in () if found is not None else (slower, faster):
        if found is None and other is not None:
            found = _worth(desk, playbook, counted, today.days, other)
    return None if found is None or found.then_days == today.days else (series.last.campaign_id, found)


def _count(desk: Desk, series: Series, goal: Goal, now: datetime) -> list[_Counted]:
    """Every letter of which all that counts has happened, over everybody who is in the series by then."""
    found = []
    for place, (_, until) in enumerate(windows_of(series.letters, goal, now)):
        letter = series.letters[place]
        ids = [one.campaign_id for one in series.letters[: place + 1]]
        with desk.store.read() as connection:
            members, _ = series_members(connection, ids, until)
            written, _ = series_members(connection, ids[-1:], until)
        got = {one.contact_id for one in written if one.arm == SERIES}
        counts = [
            replace(
                one,
                arm=HOLDOUT if one.arm == HOLDOUT else _WRITTEN if one.contact_id in got else _SPARED,
                since=max(one.since, letter.starts_at),
            )
            for one in members
        ]
        arms = (HOLDOUT, _WRITTEN, _SPARED)
        found.append(_Counted(letter, count_outcomes(desk.store, desk.lake, counts, arms=arms, goal=goal)))
    return [one for one in found if one.written]


def _leaving(desk: Desk, lately: Sequence[_Counted], now_days: int, then_days: int) -> Cadence | None:
    """That after a letter surely more people leave or complain than slows a sender down, and more than of the holdout.

    Wilson's bound (``agents.learning.intervals``) over all letters of this rhythm: each letter to each contact counts,
    and whoever leaves, leaves once.
    """
    limits = desk.pack.limits("reputation", ReputationLimits)
    watched: tuple[tuple[Literal["complained", "unsubscribed"], float], ...] = (
        ("complained", limits.slow_complaint_share),
        ("unsubscribed", limits.slow_unsubscribe_share),
    )
    for cause, limit in watched:
        written, held_out = (_left(lately, arm, cause) for arm in (_WRITTEN, HOLDOUT))
        share = wilson(written, SURE)
        enough = written.conversions >= limits.minimum_reports and written.rate > held_out.rate
        if enough and share.low > limit:
            return Cadence(
                cause=cause, now_days=now_days, then_days=then_days, letters=len(lately), contacts=written.contacts,
                held_out=held_out.contacts, left=written.conversions, left_anyway=held_out.conversions, share=share,
                limit=limit,
            )  # fmt: skip
    return None


def _left(counted: Sequence[_Counted], arm: str, what: str) -> Counts:
    found = [one for each in counted for one in each.outcomes.arms if one.name == arm]
    return Counts(contacts=sum(one.contacts for one in found), conversions=sum(getattr(one, what) for one in found))


def _worth(
    desk: Desk, playbook: Playbook, counted: Sequence[_Counted], now_days: int, then_days: int
) -> Cadence | None:
    """That letters surely bring more at another rhythm, net of what sending them costs."""
    treated, holdout = (_reached(counted, arms) for arms in ((_WRITTEN, _SPARED), (HOLDOUT,)))
    step = weigh_step(
        [one.letter.starts_at.timestamp() / 86_400 for one in counted],
        [one.written for one in counted],
        treated,
        holdout,
        now_days=now_days,
        then_days=then_days,
        critical=SURE,
        cost=_cost(desk, playbook, counted),
    )
    if step is None or step.gain.low <= 0:
        return None
    return Cadence(
        cause="fewer" if then_days > now_days else "more", now_days=now_days, then_days=then_days,
        letters=len(counted), contacts=len(treated), held_out=len(holdout), step=step,
    )  # fmt: skip


def _reached(counted: Sequence[_Counted], arms: Sequence[str]) -> Floats:
    """A row for each contact and a column for each letter, as ``weigh_step`` wants them."""
    who = {one.contact_id for each in counted for one in each.outcomes.members if one.arm in arms}
    row = {contact_id: place for place, contact_id in enumerate(sorted(who))}
    found = np.full((len(row), len(counted)), np.nan)
    for column, each in enumerate(counted):
        for one in each.outcomes.members:
            if one.arm in arms:
                found[row[one.contact_id], column] = one.contact_id in each.outcomes.reached_at
    return found


def _cost(desk: Desk, playbook: Playbook, counted: Sequence[_Counted]) -> float:
    """What a letter costs, in orders; 0 for other goals, and where an order's worth is not known."""
    values = [one for each in counted for one in (*each.outcomes.values.treated, *each.outcomes.values.holdout)]
    if playbook.goal.event != ORDER or len(values) < _FEWEST_BUYERS or sum(values) <= 0:
        return 0.0
    messages = fsum(one.share * most_sends(one) for one in playbook.sequences)
    return desk.settings.message_cost_micros / 1_000_000 * messages / (sum(values) / len(values))
