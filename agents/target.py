"""Whom each sequence of a campaign works for, as far up the ladder as its own contacts surely carry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.desk import Desk
from agents.learning.counts import Frozen, MeasurementError
from agents.learning.readout import HOLDOUT
from agents.learning.targeting import Rung, Split, Step, Trial, climb
from agents.outcomes import Member, campaign_outcomes
from memory import allocations, campaigns
from memory.allocations import NOBODY, Periods
from memory.features.table import Features

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
_LOGGED = ("orders_365d", "spend_365d_cents", "average_order_cents", "clicks_90d", "visits_90d", "sends_30d")
Floats = NDArray[np.float64]


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


def target(desk: Desk, campaign_id: str) -> Target:
    """Value nobody, the best sequence for all, rules on one feature and a model, on contacts that each has not seen.

    Everybody counts whose goal window is over. Nothing is changed by it: a person decides whether to propose the
    campaign for another audience. Raises NotFoundError, and MeasurementError where nobody is left alone or too few
    are in.
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
        raise MeasurementError(
            f"The goal window of {len(members)} contacts is over; {FEWEST} are needed.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Wait until more are through.",
        )
    known = desk.features.at(desk.lake, campaign.starts_at, set(FEATURES))
    trial = Trial(
        features=_table(known, [one.contact_id for one in members]),
        arms=np.asarray([keys.index(one.arm) + 1 if one.arm in keys else 0 for one in members], np.intp),
        probabilities=_probabilities(members, keys, drawn_by, campaign.holdout_share),
        outcomes=np.asarray([float(one.contact_id in outcomes.reached_at) for one in members]),
    )
    ladder = climb(trial, seed=int(campaign.campaign_id[1:8], 16))
    arms = ("nobody", *keys)
    return Target(
        campaign_id=campaign.campaign_id,
        contacts=len(members),
        arms=arms,
        rungs=ladder.rungs,
        reached=ladder.reached,
        rule=_in_words(ladder.arms[ladder.reached], ladder.reached, arms, trial),
    )


def _probabilities(members: Sequence[Member], keys: Sequence[str], drawn_by: Periods, holdout_share: float) -> Floats:
    """Contact by arm, by the shares that were in force as each entered."""
    rows = []
    for shares in drawn_by.shares:
        silent, *drawn = (shares.get(key, 0.0) for key in (NOBODY, *keys))
        # Whoever drew what the campaign no longer has is not among those who count.
        total = silent + sum(drawn) or 1.0
        treated = [(1 - holdout_share) * one / total for one in (silent, *drawn)]
        rows.append([holdout_share + treated[0], *treated[1:]])
    found: Floats = np.asarray(rows)[[drawn_by.place(one.since) for one in members]]
    return found


def _table(known: Features, ids: Sequence[int]) -> Floats:
    """Contact by feature; sums and counts that are not on record are 0, anything else is taken to be the average."""
    rows = known.rows(ids, FEATURES)
    table = np.full((len(ids), len(FEATURES)), np.nan)
    for place, contact_id in enumerate(ids):
        row = rows.get(contact_id, {})
        for column, name in enumerate(FEATURES):
            value = row.get(name)
            if isinstance(value, int | float):
                table[place, column] = np.log1p(max(float(value), 0.0)) if name in _LOGGED else float(value)
    counted = [FEATURES.index(name) for name in _LOGGED]
    table[:, counted] = np.nan_to_num(table[:, counted])
    seen = ~np.isnan(table)
    means = np.where(seen.any(axis=0), np.nansum(table, axis=0) / np.maximum(seen.sum(axis=0), 1), 0.0)
    return np.where(seen, table, means)


def _in_words(policy: object, reached: Step, arms: Sequence[str], trial: Trial) -> str:
    if reached == "nobody":
        return "Nothing surely does better than silence."
    if isinstance(policy, Split):
        name = FEATURES[policy.column]
        cut = float(np.expm1(policy.threshold)) if name in _LOGGED else policy.threshold
        return f"{name} above {cut:.0f}: {arms[policy.above]}; else {arms[policy.below]}."
    assert callable(policy)
    drawn = np.bincount(policy(trial.features), minlength=len(arms)) / len(trial.arms)
    if reached == "best_arm":
        return f"{arms[int(drawn.argmax())]} to everybody."
    said = ", ".join(f"{name} to {share:.0%}" for name, share in zip(arms[1:], drawn[1:], strict=True))
    return f"By a model of each contact: {said}."
