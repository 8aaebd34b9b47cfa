"""What treated contacts brought in beyond the holdout, in money."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator
from scipy.special import ndtr

from agents.learning.counts import Counts, Frozen, MeasurementError
from agents.learning.intervals import Estimate, critical_value

Floats = NDArray[np.float64]
Claim = Literal["more", "less", "none"]

# Under this many buyers in the holdout any claim about money is luck, and flattering luck at that.
HOLDOUT_BUYERS = 20
DRAWS = 4000
_PERMUTATIONS = 4000
# Beyond this many order values a resampled mean is normal to the third digit; drawing it so saves minutes.
_RESAMPLED_UP_TO = 5000
_CHUNK = 2_000_000


class OrderValues(Frozen):
    """What each buyer brought in during the window, one total per buyer, in cents (negative after returns).

    ``kind`` says what the values are: margin where costs are known, else revenue. ``treated_cost_cents`` is
    what sending to the treated contacts cost in all.
    """

    holdout: tuple[int, ...]
    treated: tuple[int, ...]
    kind: Literal["revenue", "margin"] = "revenue"
    treated_cost_cents: int = 0


class RevenueReadOut(Frozen):
    """The increment in money per treated contact and in all, cents, net of what sending cost.

    ``order_value_difference`` is how much more a treated buyer spends than a holdout buyer; where that is
    credible, the pooled model does not hold and a permutation test decides instead (``method``).
    Without a claim the numbers may be shown, never as a result.
    """

    kind: Literal["revenue", "margin"]
    holdout_buyers: int
    treated_buyers: int
    method: Literal["hurdle", "permutation"]
    per_contact_cents: Estimate
    total_cents: Estimate
    order_value_difference_cents: Estimate | None
    p_value: float | None
    claim: Claim
    reason: str

    @model_validator(mode="after")
    def _claims_rest_on_buyers(self) -> Self:
        if self.claim != "none" and self.holdout_buyers < HOLDOUT_BUYERS:
            raise MeasurementError(f"No claim about money can rest on {self.holdout_buyers} buyers in the holdout.")
        return self


def measure_revenue(
    values: OrderValues,
    *,
    treated_contacts: int,
    holdout_contacts: int,
    critical: float = 1.959964,
    seed: int = 0,
) -> RevenueReadOut | None:
    """The increment in money with its interval at the given critical value; None where nobody bought.

    Hurdle model: share of buyers per arm, Beta(1/2 + buyers, 1/2 + others), times the mean of the pooled order
    values by the Bayesian bootstrap (Rubin 1981). It assumes that the campaign changes whether people buy, not
    how much. The interval's half-widths are those of the 95 % draws, stretched by critical / 1.96.
    """
    treated = Counts(contacts=treated_contacts, conversions=len(values.treated))
    holdout = Counts(contacts=holdout_contacts, conversions=len(values.holdout))
    if not treated.contacts or not holdout.contacts or not treated.plus(holdout).conversions:
        return None
    rng = np.random.default_rng(seed)
    one, two = np.asarray(values.treated, dtype=float), np.asarray(values.holdout, dtype=float)
    pooled = np.concatenate([one, two])
    gap = _order_value_gap(one, two, rng)
    cost = values.treated_cost_cents / treated.contacts
    share_one, share_two = _buyer_shares(treated, rng), _buyer_shares(holdout, rng)
    p_value = None
    if gap is not None and gap.excludes_zero():
        centre = float(one.sum()) / treated.contacts - float(two.sum()) / holdout.contacts
        draws = share_one * _bootstrap_means(one, rng) - share_two * _bootstrap_means(two, rng)
        p_value = _permutation_p(one, two, treated.contacts, holdout.contacts, rng)
    else:
        centre = (treated.rate - holdout.rate) * float(pooled.mean())
        draws = (share_one - share_two) * _bootstrap_means(pooled, rng)
    per_contact = _around(centre - cost, draws - cost, critical)
    claim, reason = _claim(per_contact, p_value, critical, holdout.conversions)
    return RevenueReadOut(
        kind=values.kind,
        holdout_buyers=holdout.conversions,
        treated_buyers=treated.conversions,
        method="hurdle" if p_value is None else "permutation",
        per_contact_cents=per_contact,
        total_cents=Estimate(
            value=per_contact.value * treated.contacts,
            low=per_contact.low * treated.contacts,
            high=per_contact.high * treated.contacts,
        ),
        order_value_difference_cents=gap,
        p_value=p_value,
        claim=claim,
        reason=reason,
    )


def _claim(money: Estimate, p_value: float | None, critical: float, buyers: int) -> tuple[Claim, str]:
    if buyers < HOLDOUT_BUYERS:
        return "none", f"{buyers} buyers in the holdout, {HOLDOUT_BUYERS} are needed for any claim about money"
    if not money.excludes_zero():
        return "none", "the interval includes zero"
    if p_value is not None and p_value > 2 * float(ndtr(-critical)):
        return "none", "order values differ between the arms and shuffling the arms gives as much as often"
    return ("more" if money.value > 0 else "less"), "the whole interval lies on one side of zero"


def _buyer_shares(arm: Counts, rng: np.random.Generator) -> Floats:
    return rng.beta(0.5 + arm.conversions, 0.5 + arm.contacts - arm.conversions, DRAWS)


def _order_value_gap(one: Floats, two: Floats, rng: np.random.Generator) -> Estimate | None:
    if min(len(one), len(two)) < 2:
        return None
    draws = _bootstrap_means(one, rng) - _bootstrap_means(two, rng)
    return _around(float(one.mean() - two.mean()), draws, critical_value(0.05))


def _bootstrap_means(values: Floats, rng: np.random.Generator) -> Floats:
    """Draws of the mean of the values under Dirichlet(1, ..., 1) weights."""
    count = len(values)
    if count == 0:
        return np.zeros(DRAWS)
    if count > _RESAMPLED_UP_TO:
        return rng.normal(values.mean(), values.std() / math.sqrt(count + 1), DRAWS)
    means = []
    rows = max(1, _CHUNK // count)
    for start in range(0, DRAWS, rows):
        weights = rng.standard_exponential((min(rows, DRAWS - start), count))
        means.append(weights @ values / weights.sum(axis=1))
    return np.concatenate(means)


def _permutation_p(one: Floats, two: Floats, n_one: int, n_two: int, rng: np.random.Generator) -> float:
    """How often shuffled arms differ in mean value per contact, before cost, by at least as much; two-sided."""
    pooled = np.concatenate([one, two])
    count, contacts, total = len(pooled), n_one + n_two, float(pooled.sum())

    def gap(sum_two: Floats) -> Floats:
        return (total - sum_two) / n_one - sum_two / n_two

    seen = abs(float(gap(np.array([two.sum()]))[0]))
    if count > _RESAMPLED_UP_TO:
        mean = total / contacts
        variance = float((pooled**2).sum()) / contacts - mean**2
        spread = math.sqrt(variance * (1 / n_one + 1 / n_two))
        return float(2 * ndtr(-seen / spread))
    in_two = rng.hypergeometric(count, contacts - count, n_two, _PERMUTATIONS)
    beyond = 0
    rows = max(1, _CHUNK // count)
    for start in range(0, _PERMUTATIONS, rows):
        taken = in_two[start : start + rows]
        shuffled = rng.permuted(np.broadcast_to(pooled, (len(taken), count)), axis=1)
        sums = np.concatenate([np.zeros((len(taken), 1)), np.cumsum(shuffled, axis=1)], axis=1)
        beyond += int(np.count_nonzero(np.abs(gap(sums[np.arange(len(taken)), taken])) >= seen * (1 - 1e-12)))
    return (beyond + 1) / (_PERMUTATIONS + 1)


def _around(centre: float, draws: Floats, critical: float) -> Estimate:
    low, high = np.quantile(draws, [0.025, 0.975])
    stretch = critical / critical_value(0.05)
    return Estimate(
        value=centre,
        low=centre - stretch * max(0.0, centre - float(low)),
        high=centre + stretch * max(0.0, float(high) - centre),
    )
