"""Several arms against one holdout, without a false winner merely because there were many."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from agents.learning.counts import MeasurementError

_REACH = 8.5


def dunnett_critical(holdout_contacts: int, arm_contacts: Sequence[int], alpha: float = 0.05) -> float:
    """The |z| that any arm must reach so that the chance of one false claim among all arms stays at ``alpha``.

    Dunnett (1955), "A multiple comparison procedure for comparing several treatments with a control", for
    proportions with large-sample normality. Two arms of n_i and n_j contacts correlate through the shared
    holdout by l_i * l_j, l_i = sqrt(n_i / (n_i + n_0)); that product form turns the multivariate normal
    probability into one integral.
    """
    if holdout_contacts < 1 or not arm_contacts or min(arm_contacts) < 1:
        raise MeasurementError("Comparing arms needs contacts in the holdout and in every arm.")
    loads = np.sqrt([n / (n + holdout_contacts) for n in arm_contacts])
    rest = np.sqrt(1 - loads**2)
    # The trapezium rule is exact to rounding once its step is finer than the narrowest bend of the integrand,
    # which is sharp where an arm is many times the holdout.
    step = min(0.1, max(0.001, float(rest.min()) / 2))
    shared = np.arange(-_REACH, _REACH + step, step)
    weights = step * np.exp(-0.5 * shared**2) / math.sqrt(2 * math.pi)
    shift = loads[:, None] * shared[None, :]

    def any_beyond(critical: float) -> float:
        inside = ndtr((critical - shift) / rest[:, None]) - ndtr((-critical - shift) / rest[:, None])
        return float(weights @ (1 - np.prod(inside, axis=0)))

    return float(brentq(lambda critical: any_beyond(critical) - alpha, 0.0, 12.0, xtol=1e-9))
