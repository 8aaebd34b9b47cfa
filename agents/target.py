"""Whom each sequence of a campaign works for, as far up the ladder as its own contacts surely carry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from agents.desk import Desk
from agents.learning.counts import Frozen, MeasurementError
from agents.learning.off_policy import Value
from agents.learning.readout import HOLDOUT
from agents.learning.targeting import ERROR, NOBODY_PLACE, Ladder, Rung, Split, Step, Trial, climb, one_sided
from agents.outcomes import Member, campaign_outcomes
from memory import allocations, campaigns
from memory.allocations import NOBODY, Periods

FEATURES: Final = (
    "recency_days",
    "orders_365d",
    "spend_365d_cents",
    "average_order_cents",
    "days_overdue",
    "days_since_created",
    "clicks_90d",
    "visits_90d",
    "sends_30d",
)
"""What is known of a contact as the campaign begins; sums and counts enter by their logarithm."""
FEWEST: Final = 200
"""Of fewer contacts whose window is over nothing is said."""
FEWEST_REACHED: Final = 20
"""Nobody is left out by what fewer did who were left alone, or who were written to."""
_LOGGED = ("orders_365d", "spend_365d_cents", "average_order_cents", "clicks_90d", "visits_90d", "sends_30d")
_SEEN_EVERY: Final = timedelta(days=28)
Floats = NDArray[np.float64]


class Stop(Frozen):
    """A condition outside of which the campaign surely does less than nothing would."""

    field: str
    operator: Literal[">", "<="]
    value: int
    sequence: str
    """What is best for those who meet it."""
    share: float
    """Contacts who meet it."""
    gain: Value
    """Over the last step that holds: nobody, or the best sequence for all."""
    over_all: Value
    """Over the best sequence for all."""
    lower_bound: float
    """One-sided, of the lesser of the two."""


class Target(Frozen):
    """The ladder of one campaign, valued in the share of contacts who reach its goal."""

    campaign_id: str
    contacts: int
    arms: tuple[str, ...]
    """By place; the first is nobody."""
    rungs: tuple[Rung, ...]
    reached: Step
    rule: str
    """What the highest step that holds gives to whom."""
    stop: Stop | None = None
    """Whom alone the campaign should go on for, where that surely does better than silence and than all."""
    lets_in: bool = True
    """False where it began once: nobody else comes in for whom anything could change."""


def target(desk: Desk, campaign_id: str, *, error: float = ERROR) -> Target:
    """Value nobody, the best sequence for all, rules on one feature and a model, on contacts that each has not seen.

    Everybody counts whose goal window is over, with what was known of them at the start, or at the last of every fourth
    week after it, before they entered. ``error`` is the chance that a step holds by luck. Nothing is changed by it:
    what follows is proposed by the weekly round. Raises NotFoundError, and MeasurementError where nobody is left alone
    or too few are in.
    """
    with desk.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        play = campaigns.get_version(connection, campaign.campaign_id, campaign.version).play
        drawn_by = allocations.periods(connection, campaign.campaign_id)
    if not campaign.holdout_share:
        raise MeasurementError(
            "This campaign leaves nobody alone, so nobody knows for whom it works.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Propose it again with a holdout.",
        )
    if campaign.holdout_key:
        raise MeasurementError(
            "This letter follows others, whose effect its holdout cannot tell from its own.",
            where=f"campaign {campaign.campaign_id}",
            remedy=f"Ask for the letter that began the series: {campaign.holdout_key}.",
        )
    now = desk.clock.now()
    keys = sorted(one.key for one in play.sequences)
    outcomes = campaign_outcomes(
        desk.store, desk.lake, campaign.campaign_id, goal=play.goal, arms=(*keys, NOBODY), as_of=now
    )
    window = timedelta(days=play.goal.window_days)
    members = [one for one in outcomes.members if one.since + window <= now and one.arm in {*keys, HOLDOUT, NOBODY}]
    if len(members) < FEWEST:
        some_may_come = play.trigger.runs_days or len(outcomes.members) >= FEWEST
        raise MeasurementError(
            f"The goal window of {len(members)} contacts is over; {FEWEST} are needed.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Wait until more are through." if some_may_come else "It began once, and nobody else comes in.",
        )
    known = _known(desk, members, campaign.starts_at)
    trial = Trial(
        features=_filled(known),
        arms=np.asarray([keys.index(one.arm) + 1 if one.arm in keys else 0 for one in members], np.intp),
        probabilities=_probabilities(members, keys, drawn_by, campaign.holdout_share),
        outcomes=np.asarray([float(one.contact_id in outcomes.reached_at) for one in members]),
    )
    ladder = climb(trial, stop_on=_countable(known), error=error, seed=int(campaign.campaign_id[1:8], 16))
    arms = ("nobody", *keys)
    return Target(
        campaign_id=campaign.campaign_id,
        contacts=len(members),
        arms=arms,
        rungs=ladder.rungs,
        reached=ladder.reached,
        rule=_in_words(ladder.arms[ladder.reached], ladder.reached, arms, trial),
        stop=_stop(ladder, arms, trial, error),
        lets_in=bool(play.trigger.runs_days),
    )


def _stop(ladder: Ladder, arms: Sequence[str], trial: Trial, error: float) -> Stop | None:
    """What the rule that holds leaves out, if that surely beats the best sequence for all, too."""
    rung = next(one for one in ladder.rungs if one.step == "simple_rule")
    if ladder.stopped is None or rung.gain is None or rung.lower_bound is None:
        return None
    silent = trial.arms == NOBODY_PLACE
    if min(trial.outcomes[silent].sum(), trial.outcomes[~silent].sum()) < FEWEST_REACHED:
        return None
    split, over_all = ladder.stopped
    lower = min(rung.lower_bound, over_all.mean - one_sided(1, error) * over_all.standard_error)
    if lower <= 0:
        return None
    inside = split(trial.features) != NOBODY_PLACE
    return Stop(
        field=FEATURES[split.column],
        operator=">" if split.above else "<=",
        value=_cut(split),
        sequence=arms[split.above or split.below],
        share=float(inside.mean()),
        gain=rung.gain,
        over_all=over_all,
        lower_bound=lower,
    )


def _cut(split: Split) -> int:
    """The whole number that parts whole numbers as the threshold does."""
    name = FEATURES[split.column]
    return math.floor((np.expm1(split.threshold) if name in _LOGGED else split.threshold) + 1e-6)


def _probabilities(members: Sequence[Member], keys: Sequence[str], drawn_by: Periods, holdout_share: float) -> Floats:
    """Contact by arm, by the shares that were in force as each entered."""
    rows: dict[tuple[int, int], list[float]] = {}
    found = []
    for one in members:
        drawn_in = drawn_by.place(one.since), one.band
        if drawn_in not in rows:
            shares = drawn_by.at(one.since, one.band)
            silent, *drawn = (shares.get(key, 0.0) for key in (NOBODY, *keys))
            # Whoever drew what the campaign no longer has is not among those who count.
            total = silent + sum(drawn) or 1.0
            treated = [(1 - holdout_share) * share / total for share in (silent, *drawn)]
            rows[drawn_in] = [holdout_share + treated[0], *treated[1:]]
        found.append(rows[drawn_in])
    return np.asarray(found)


def _known(desk: Desk, members: Sequence[Member], starts_at: datetime) -> Floats:
    """Contact by feature as it stood in the four weeks before they entered; what is not on record is missing."""
    turns = np.asarray([max((one.since - starts_at) // _SEEN_EVERY, 0) for one in members])
    table = np.full((len(members), len(FEATURES)), np.nan)
    for turn in np.unique(turns).tolist():
        places = np.flatnonzero(turns == turn).tolist()
        known = desk.features.at(desk.lake, starts_at + turn * _SEEN_EVERY, set(FEATURES))
        rows = known.rows([members[place].contact_id for place in places], FEATURES)
        for place in places:
            row = rows.get(members[place].contact_id, {})
            for column, name in enumerate(FEATURES):
                value = row.get(name)
                if isinstance(value, int | float):
                    table[place, column] = float(value)
    return table


def _filled(known: Floats) -> Floats:
    """Sums and counts by their logarithm, 0 where nothing is on record; of anything else the average is taken."""
    table = known.copy()
    counted = [FEATURES.index(name) for name in _LOGGED]
    table[:, counted] = np.log1p(np.maximum(np.nan_to_num(table[:, counted]), 0.0))
    seen = ~np.isnan(table)
    means = np.where(seen.any(axis=0), np.nansum(table, axis=0) / np.maximum(seen.sum(axis=0), 1), 0.0)
    return np.where(seen, table, means)


def _countable(known: Floats) -> list[int]:
    """Columns of which a condition means the same to whoever decides who comes in: whole numbers, none missing."""
    whole = (known == np.round(known)).all(axis=0) & (known >= 0).all(axis=0)
    return np.flatnonzero(whole).tolist()


def _in_words(policy: object, reached: Step, arms: Sequence[str], trial: Trial) -> str:
    if reached == "nobody":
        return "Nothing surely does better than silence."
    if isinstance(policy, Split):
        return f"{FEATURES[policy.column]} above {_cut(policy)}: {arms[policy.above]}; else {arms[policy.below]}."
    assert callable(policy)
    drawn = np.bincount(policy(trial.features), minlength=len(arms)) / len(trial.arms)
    if reached == "best_arm":
        return f"{arms[int(drawn.argmax())]} to everybody."
    said = ", ".join(f"{name} to {share:.0%}" for name, share in zip(arms[1:], drawn[1:], strict=True))
    return f"By a model of each contact: {said}."
