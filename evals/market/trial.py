"""The fast path: who buys in a window under a given assignment, without events or baskets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from evals.market.demand import bought, candidates, log_lift
from evals.market.history import DAY_SECONDS, Histories
from evals.market.noise import Floats, Ints, Purpose, uniforms
from evals.market.traits import draw_traits, response
from evals.market.world import World


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What each contact of the histories did in the window, in their order."""

    orders: Ints
    value_cents: Ints

    @property
    def converted(self) -> NDArray[np.bool_]:
        """Who ordered at least once."""
        return self.orders > 0


def simulate_trial(
    world: World,
    histories: Histories,
    treated: NDArray[np.bool_],
    *,
    starts_at: datetime,
    message_days: Sequence[float] = (0.0,),
    window_days: float = 28.0,
    campaign: str = "trial",
) -> Outcomes:
    """Orders in ``[starts_at, starts_at + window_days)`` if treated contacts get messages on those days of it.

    The same customers, noise and effects as a ``Market`` of that world; holdout contacts (not treated) get nothing.
    """
    if treated.shape != histories.contact_ids.shape:
        raise ValueError("one assignment per contact of the histories, in their order")
    start = starts_at.timestamp() / DAY_SECONDS
    end = start + window_days
    traits = draw_traits(world, histories)
    rows = np.arange(histories.size)
    sent = np.where(treated[:, None], start + np.asarray(message_days, dtype=np.float64)[None, :], np.inf)
    strength = np.zeros_like(sent)
    mailed = np.flatnonzero(treated)
    for number, day in enumerate(message_days):
        ages = np.array([day - earlier for earlier in message_days if earlier < day])
        fatigue = np.full(mailed.size, np.exp(-ages / world.fatigue_decay_days).sum())
        moments = np.full(mailed.size, start + day)
        strength[mailed, number] = response(
            world, histories, traits, mailed, moments, fatigue, [campaign] * mailed.size, np.full(mailed.size, number)
        )
    found = candidates(world, histories, traits, int(start // 1), int(np.ceil(end)) - 1, rows)
    found = found.where((found.at >= start) & (found.at < end))
    found = found.where(bought(found, log_lift(world, found.row, found.at, sent, strength)))
    values = order_values(world, histories, found.row, found.day, found.number)
    return Outcomes(
        orders=np.bincount(found.row, minlength=histories.size),
        value_cents=np.bincount(found.row, weights=values, minlength=histories.size).astype(np.int64),
    )


def order_values(world: World, histories: Histories, row: Ints, day: Ints, number: Ints) -> Ints:
    """The total in cents of each order: lognormal around the contact's own mean, at most three deviations away."""
    draws: Floats = ndtri(uniforms(world.seed, Purpose.VALUE, day, histories.contact_ids[row], number))
    logs = histories.log_value_mean[row] + histories.log_value_sd[row] * np.clip(draws, -3, 3)
    return np.maximum(np.rint(np.exp(logs)), 1).astype(np.int64)
