"""When purchases happen: a stream of candidates that no message moves, thinned by what messages do to the hazard.

The candidates of a day come at ``LARGEST_LIFT`` times the organic rate and are kept with probability hazard / that
(Lewis and Shedler, 1979). The organic purchases of a contact are thus the same whatever is sent to it; a message that
raises the hazard only adds, one that lowers it only takes away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.market.history import Histories
from evals.market.noise import Floats, Ints, Purpose, uniforms
from evals.market.traits import Traits
from evals.market.world import World

LARGEST_LIFT = 5.0
PULL_LASTS = 3.0
"""Times the decay of a message, over which what it only pulled ahead is missed."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Purchases that may happen, in no order: contact row, day, number within the day, moment, acceptance draw."""

    row: Ints
    day: Ints
    number: Ints
    at: Floats
    accept: Floats

    def where(self, kept: NDArray[np.bool_]) -> Candidates:
        """Those for which the mask is true."""
        return Candidates(self.row[kept], self.day[kept], self.number[kept], self.at[kept], self.accept[kept])


def candidates(
    world: World, histories: Histories, traits: Traits, first_day: int, last_day: int, rows: Ints
) -> Candidates:
    """All candidates of the contacts ``rows`` on the UTC days ``first_day`` to ``last_day`` (both included)."""
    days = np.arange(first_day, last_day + 1, dtype=np.int64)
    day, row = np.repeat(days, rows.size), np.tile(rows, days.size)
    intensity = traits.rate[row] * np.repeat(world.season(days), rows.size) * LARGEST_LIFT
    customer = traits.gone_day[row] > day
    day, row, intensity = day[customer], row[customer], intensity[customer]
    contact, elapsed = histories.contact_ids[row], np.zeros(row.size)
    found: list[tuple[Ints, Ints, Ints, Floats]] = []
    number = 0
    while row.size:
        elapsed = elapsed - np.log(uniforms(world.seed, Purpose.ARRIVAL, day, contact, number)) / intensity
        inside = elapsed < 1.0
        day, row, intensity = day[inside], row[inside], intensity[inside]
        contact, elapsed = contact[inside], elapsed[inside]
        found.append((row, day, np.full(row.size, number), elapsed))
        number += 1
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return Candidates(none, none, none, np.zeros(0), np.zeros(0))
    row, day, numbers, share = (np.concatenate([part[column] for part in found]) for column in range(4))
    at: Floats = day + _hour_of(histories, row, share) / 24
    accept = uniforms(world.seed, Purpose.ACCEPT, day, histories.contact_ids[row], numbers)
    return Candidates(row, day, numbers, at, accept).where(at < traits.gone_day[row])


def log_lift(world: World, row: Ints, at: Floats, sent: Floats, strength: Floats) -> Floats:
    """What past messages add to the log hazard of contacts ``row`` at ``at``.

    ``sent`` and ``strength`` have one row per contact and one column per message, padded with infinity and zero.
    """
    age = at[:, None] - sent[row]
    decayed = np.maximum(age, 0.0) / world.decay_days
    wave = np.exp(-decayed)
    if world.pulled_share:
        # What fades three times as slowly adds up to twice as much as what it is set against.
        wave = wave - world.pulled_share / 2 * (np.exp(-decayed / PULL_LASTS) - wave)
    felt = np.where(age > 0, strength[row] * wave, 0.0)
    lift: Floats = np.minimum(felt.sum(axis=1), np.log(LARGEST_LIFT))
    return lift


def bought(found: Candidates, lift: Floats) -> NDArray[np.bool_]:
    """Which candidates become purchases under that addition to the log hazard."""
    return found.accept * LARGEST_LIFT < np.exp(lift)


def _hour_of(histories: Histories, row: Ints, share: Floats) -> Floats:
    """The hour at which a share of the contact's day of demand has passed."""
    running = np.cumsum(histories.hour_shares, axis=1)
    hour = np.minimum((running[row] <= share[:, None]).sum(axis=1), 23)
    before = running[row, hour] - histories.hour_shares[row, hour]
    within: Floats = hour + np.clip((share - before) / histories.hour_shares[row, hour], 0.0, 1.0 - 1e-9)
    return within
