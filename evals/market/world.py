"""One simulated world: every constant drawn from a stated prior, none chosen so that something wins."""

from __future__ import annotations

import math
from datetime import date
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from evals.market.noise import Floats, Ints

WorldKind = Literal["normal", "null", "harmful"]
Family = Literal["steady", "split", "hidden", "drifting", "fading", "pulled"]
"""How messages differ: what sells better sells better to all; to one band of customers and not to another; to one group
that no record tells from another; until the world turns; less each time that it is read; or only ahead of time."""


class World(BaseModel):
    """The constants of one simulated world; contacts draw their own traits around them.

    ``normal``: a message raises the purchase hazard on average, though not for everybody. ``null``: no message changes
    any purchase, though people still click, visit and unsubscribe. ``harmful``: every message lowers the hazard.
    Worlds of one seed differ only by that. The priors and their sources are in docs/simulated-market.md.
    """

    model_config = ConfigDict(frozen=True)

    kind: WorldKind
    seed: int = Field(ge=0)
    family: Family = "steady"

    # What a message does to purchases.
    effect_mean: float  # added to the log purchase hazard right after the delivery
    effect_sd: float  # between contacts
    campaign_scale: float  # Student-t with 4 degrees of freedom, between campaigns
    loyalty_slope: float  # effect lost per unit of log purchase rate above the average contact
    decay_days: float
    hour_rho: float  # response x (1 + rho cos(hour - the contact's peak hour))

    # What sets the families apart; none of it is there in a steady world.
    group_scale: float = 0.0  # Student-t with 4 degrees of freedom, between groups of contacts within one letter
    turns_after_days: float = math.inf  # then every letter draws its effect anew
    wear: float = 1.0  # response x this for each earlier time that the contact read the same letter
    pulled_share: float = 0.0  # of what a message adds, taken from the weeks after it

    # What too many messages do.
    fatigue_decay_days: float
    fatigue_kappa: float  # response x exp(-kappa fatigue)
    unsubscribe_share: float  # per message, x (1 + fatigue) ** 1.2
    complaint_share: float

    # What is seen of people and of machines.
    click_share: float
    click_sd: float  # between contacts, on the log odds
    visit_share: float  # visits by themselves after a message, without a click
    scanner_share: float  # contacts whose mail is followed by a link scanner
    dead_mailbox_share: float
    redeemer_share: float  # contacts who ever redeem an offer
    redeem_share: float  # of their orders within the offer's life

    # What happens without any message.
    demand: float  # all purchase rates x this
    attrition: float  # dropout rate fitted to the history x this
    weekday: tuple[float, ...]  # seven factors from Monday, mean 1
    wave: float  # amplitude of the yearly wave
    wave_peak_day: float  # day of the year
    peak_lift: float  # extra demand at the centre of the peak event
    peak_day: int  # day of the year

    @classmethod
    def draw(cls, kind: WorldKind, seed: int, family: Family = "steady") -> World:
        """The world of that kind, seed and family; worlds of one seed share every other constant."""
        rng = np.random.default_rng([20_171_001, seed])
        weekday = rng.uniform(0.92, 1.16, 7)
        world = cls(
            kind=kind,
            seed=seed,
            family=family,
            effect_mean=float(rng.normal(0.45, 0.20)),
            effect_sd=float(rng.uniform(0.1, 0.5)),
            campaign_scale=float(rng.uniform(0.2, 0.4)),
            loyalty_slope=float(rng.uniform(0.05, 0.25)),
            decay_days=float(rng.uniform(2, 6)),
            hour_rho=float(rng.uniform(0, 0.4)),
            fatigue_decay_days=float(rng.uniform(5, 20)),
            fatigue_kappa=float(rng.uniform(0.05, 0.3)),
            unsubscribe_share=_log_uniform(rng, 0.0005, 0.003),
            complaint_share=_log_uniform(rng, 0.00005, 0.0004),
            click_share=_log_uniform(rng, 0.015, 0.06),
            click_sd=float(rng.uniform(0.4, 1.0)),
            visit_share=_log_uniform(rng, 0.005, 0.03),
            scanner_share=float(rng.uniform(0.1, 0.3)),
            dead_mailbox_share=_log_uniform(rng, 0.002, 0.01),
            redeemer_share=float(rng.uniform(0.2, 0.32)),
            redeem_share=float(rng.uniform(0.3, 0.6)),
            demand=float(np.exp(rng.normal(0, 0.05))),
            attrition=_log_uniform(rng, 0.5, 3.0),
            weekday=tuple((weekday / weekday.mean()).tolist()),
            wave=float(rng.uniform(0, 0.05)),
            wave_peak_day=float(rng.uniform(0, 365)),
            peak_lift=float(rng.uniform(0, 0.3)),
            peak_day=int(rng.integers(325, 360)),
        )
        return world.model_copy(update=_apart(family, np.random.default_rng([20_171_002, seed])))

    def season(self, days: Ints) -> Floats:
        """Factor on all purchase rates for each UTC day (days since 1970): weekday, yearly wave, one peak event."""
        first = int(days.min()) if days.size else 0
        span = np.arange(first, int(days.max()) + 1) if days.size else days
        dates = [date.fromordinal(_EPOCH + day) for day in span.tolist()]
        of_year = np.array([day.timetuple().tm_yday for day in dates], dtype=np.float64)
        weekday = np.array([self.weekday[day.weekday()] for day in dates])
        wave = 1 + self.wave * np.cos(2 * math.pi * (of_year - self.wave_peak_day) / 365)
        peak = 1 + self.peak_lift * np.exp(-((of_year - self.peak_day) ** 2) / 8)
        factors: Floats = weekday * wave * peak
        return factors[days - first]


def _apart(family: Family, rng: np.random.Generator) -> dict[str, float]:
    """What is drawn for a family alone."""
    match family:
        case "split" | "hidden":
            return {"group_scale": float(rng.uniform(0.25, 0.5))}
        case "drifting":
            return {"turns_after_days": float(rng.uniform(28, 56))}
        case "fading":
            return {"wear": float(rng.uniform(0.6, 0.9))}
        case "pulled":
            return {"pulled_share": float(rng.uniform(0.3, 0.9))}
        case "steady":
            return {}


_EPOCH = date(1970, 1, 1).toordinal()


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))
