"""What a list can prove, told before the campaign starts."""

from __future__ import annotations

import math

from scipy.special import ndtri

from agents.learning.counts import Frozen, MeasurementError
from agents.learning.intervals import critical_value
from agents.learning.wording import Language, number, percent, points


class DetectionLimit(Frozen):
    """The smallest true lift that a campaign of this size shows in four cases out of five."""

    base_rate: float
    holdout_contacts: int
    treated_contacts: int
    alpha: float
    power: float
    absolute: float
    relative: float

    def sentence(self, language: Language = "en") -> str:
        """One sentence for the plan, for people who will decide on it."""
        holdout = number(self.holdout_contacts, language)
        contacts = number(self.holdout_contacts + self.treated_contacts, language)
        lift, base = percent(self.relative, language), percent(self.base_rate, language)
        gap = points(self.absolute, language)
        if language == "fr":
            return (
                f"Avec {contacts} contacts, dont {holdout} dans le groupe témoin, nous ne pouvons prouver que "
                f"les gains d'au moins {lift} ({gap} sur un taux de {base})."
            )
        return (
            f"With {contacts} contacts, {holdout} of them in the holdout, we can only prove lifts of at least "
            f"{lift} ({gap} on a rate of {base})."
        )


def detection_limit(
    base_rate: float,
    holdout_contacts: int,
    treated_contacts: int,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> DetectionLimit:
    """The smallest lift that a holdout of this size can see, as a share of contacts and of the base rate.

    (z_(1-alpha/2) + z_power) * sqrt(p (1 - p) (1/n_0 + 1/n_1)): the usual two-proportion sample size formula
    at the base rate's variance. Four O'Brien-Fleming looks cost about 2 points of the power.
    """
    _check(base_rate, power)
    if holdout_contacts < 1 or treated_contacts < 1:
        raise MeasurementError(
            "Without contacts in both the holdout and the treated part nothing can be proved.",
            remedy="Widen the audience or set a holdout share between 0 and 1.",
        )
    spread = base_rate * (1 - base_rate) * (1 / holdout_contacts + 1 / treated_contacts)
    absolute = _reach(alpha, power) * math.sqrt(spread)
    return DetectionLimit(
        base_rate=base_rate,
        holdout_contacts=holdout_contacts,
        treated_contacts=treated_contacts,
        alpha=alpha,
        power=power,
        absolute=absolute,
        relative=absolute / base_rate,
    )


def contacts_needed(
    base_rate: float,
    absolute_lift: float,
    holdout_share: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """How many contacts, holdout included, would show a lift of this size (0.01 = one point, either sign)."""
    _check(base_rate, power)
    if not 0 < holdout_share < 1 or absolute_lift == 0:
        raise MeasurementError("The size of a test needs a lift other than 0 and a holdout share between 0 and 1.")
    per_contact = base_rate * (1 - base_rate) * (1 / holdout_share + 1 / (1 - holdout_share))
    return max(2, math.ceil(per_contact * (_reach(alpha, power) / absolute_lift) ** 2))


def _reach(alpha: float, power: float) -> float:
    return critical_value(alpha) + float(ndtri(power))


def _check(base_rate: float, power: float) -> None:
    if not 0 < base_rate < 1:
        raise MeasurementError(
            f"A conversion rate of {base_rate} leaves nothing to compare.",
            remedy="Give the share of contacts that reach the goal without the campaign, between 0 and 1.",
        )
    if not 0 < power < 1:
        raise MeasurementError(f"A power of {power} is not between 0 and 1.")
