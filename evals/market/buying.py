"""When customers buy by themselves: the BG/NBD process, fitted to the histories of all contacts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from evals.market.noise import Floats, Ints


@dataclass(frozen=True, slots=True)
class BuyingModel:
    """Purchase rates are Gamma(shape, scale days), the chance to leave after an order is Beta(leave, stay).

    Fader, Hardie and Lee, "Counting your customers the easy way", Marketing Science 24 (2005).
    """

    shape: float
    scale_days: float
    leave: float
    stay: float

    def alive_share(self, repeat: Ints, recency_days: Floats, observed_days: Floats) -> Floats:
        """P(still a customer) given repeat orders, days from first to last order, and days observed."""
        log_odds = (
            np.log(self.leave)
            - np.log(self.stay + np.maximum(repeat, 1) - 1)
            + (self.shape + repeat) * (np.log(self.scale_days + observed_days) - np.log(self.scale_days + recency_days))
        )
        share: Floats = np.where(repeat > 0, 1 / (1 + np.exp(np.minimum(log_odds, 700))), 1.0)
        return share


def fit_buying(repeat: Ints, recency_days: Floats, observed_days: Floats) -> BuyingModel:
    """The maximum-likelihood model of a customer base; every contact counts once."""

    def loss(logs: Floats) -> float:
        shape, scale, leave, stay = np.exp(logs)
        common = gammaln(shape + repeat) - gammaln(shape) + shape * np.log(scale)
        beta = gammaln(leave + stay) + gammaln(stay + repeat) - gammaln(stay) - gammaln(leave + stay + repeat)
        alive = -(shape + repeat) * np.log(scale + observed_days)
        left = (
            np.log(leave) - np.log(stay + np.maximum(repeat, 1) - 1) - (shape + repeat) * np.log(scale + recency_days)
        )
        return -float(np.sum(common + beta + np.where(repeat > 0, np.logaddexp(alive, left), alive)))

    fitted = minimize(loss, np.array([0.0, 2.0, -1.0, 1.0]), method="L-BFGS-B", bounds=[(-7.0, 7.0)] * 4)
    shape, scale, leave, stay = np.exp(fitted.x).tolist()
    return BuyingModel(shape=shape, scale_days=scale, leave=leave, stay=stay)
