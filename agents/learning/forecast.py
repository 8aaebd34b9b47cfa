"""What a campaign is expected to add, said before it starts and scored when it is over."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import bdtr, expit, logit, ndtr, ndtri

from agents.learning.counts import Frozen, MeasurementError
from agents.learning.intervals import Effect, critical_value
from agents.learning.looks import critical_values
from agents.learning.priors import Prior

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Under this many finished forecasts a score says more about luck than about skill.
SCORES_FROM = 10
RECALIBRATE_FROM = 20


class Quantiles(Frozen):
    """The values that the outcome stays below in 5, 25, 50, 75 and 95 of 100 cases."""

    q05: float
    q25: float
    q50: float
    q75: float
    q95: float

    def pairs(self) -> tuple[tuple[float, float], ...]:
        """(probability, value) pairs in rising order."""
        return tuple(zip(QUANTILES, (self.q05, self.q25, self.q50, self.q75, self.q95), strict=True))


class Forecast(Frozen):
    """What is believed of a campaign before it starts; stored then and never changed.

    ``effect_mean`` and ``effect_sd`` are the belief on log-odds, everything else follows from them.
    ``lift`` is a share of contacts, ``relative_lift`` a share of the base rate, ``margin_cents`` is net of
    the campaign's cost. ``chance_of_proof`` is the chance that the planned read-out says "works".
    """

    effect_mean: float
    effect_sd: float
    base_rate: float
    treated_contacts: int
    holdout_contacts: int
    lift: Quantiles
    relative_lift: Quantiles
    incremental_conversions: Quantiles
    margin_cents: Quantiles | None
    chance_of_gain: float
    chance_of_proof: float
    widened: float = 1.0
    lowered: float = 0.0


class ForecastScore(Frozen):
    """How one forecast compares with what was then observed; all losses are on log-odds, smaller is better."""

    observed: float
    error: float
    z: float
    crps: float
    crps_no_effect: float
    crps_same_as_last: float | None
    pinball: float
    brier: float
    within_50: bool
    within_80: bool
    within_95: bool
    widened: float = 1.0
    lowered: float = 0.0


class Calibration(Frozen):
    """How often outcomes lay in the intervals that promised to hold them so often."""

    promised: float
    kept: float


class Recalibration(Frozen):
    """What past errors say about new forecasts: by how much to widen them, and how much to lower their mean."""

    sd_factor: float
    lower_mean_by: float


class Record(Frozen):
    """How all finished forecasts did; under ten of them, only how many there are."""

    forecasts: int
    mean_crps: float | None = None
    mean_pinball: float | None = None
    mean_brier: float | None = None
    covered_50: float | None = None
    covered_80: float | None = None
    covered_95: float | None = None
    skill_against_no_effect: float | None = None
    skill_against_same_as_last: float | None = None
    recalibration: Recalibration | None = None


def forecast(
    prior: Prior,
    *,
    base_rate: float,
    treated_contacts: int,
    holdout_contacts: int,
    margin_per_conversion_cents: float | None = None,
    cost_cents: float = 0.0,
) -> Forecast:
    """Predict a campaign's increment from the prior on its effect, its sizes and the rate without it.

    The effect is normal on log-odds; its quantiles are pushed through to lift, conversions and margin, which
    all rise with it. The base rate and the margin per conversion are taken as known. The chance of proof is
    Phi((mean - 2.024 se) / sqrt(sd^2 + se^2)), se being the standard error that these sizes will leave.
    """
    if not 0 < base_rate < 1:
        raise MeasurementError(
            f"A conversion rate of {base_rate} cannot be forecast from.",
            remedy="Give the share of contacts that reach the goal without the campaign, between 0 and 1.",
        )
    if treated_contacts < 1 or holdout_contacts < 0:
        raise MeasurementError("A forecast needs at least one treated contact.")
    effects = [prior.mean + prior.sd * float(ndtri(q)) for q in QUANTILES]
    lifts = [float(expit(logit(base_rate) + effect)) - base_rate for effect in effects]
    increments = [treated_contacts * lift for lift in lifts]
    margin = None
    if margin_per_conversion_cents is not None:
        if margin_per_conversion_cents < 0:
            raise MeasurementError("A conversion that loses money has no margin to forecast.")
        margin = _quantiles([margin_per_conversion_cents * one - cost_cents for one in increments])
    proof = 0.0
    if holdout_contacts:
        information = base_rate * (1 - base_rate)
        noise2 = (1 / treated_contacts + 1 / holdout_contacts) / information
        bound = critical_values()[-1] * math.sqrt(noise2)
        proof = float(ndtr((prior.mean - bound) / math.sqrt(prior.sd**2 + noise2)))
    return Forecast(
        effect_mean=prior.mean,
        effect_sd=prior.sd,
        base_rate=base_rate,
        treated_contacts=treated_contacts,
        holdout_contacts=holdout_contacts,
        lift=_quantiles(lifts),
        relative_lift=_quantiles([lift / base_rate for lift in lifts]),
        incremental_conversions=_quantiles(increments),
        margin_cents=margin,
        chance_of_gain=float(ndtr(prior.mean / prior.sd)),
        chance_of_proof=proof,
        widened=prior.widened,
        lowered=prior.lowered,
    )


def normal_crps(mean: float, sd: float, observed: float) -> float:
    """Continuous ranked probability score of a normal forecast, in the unit of the outcome.

    Closed form of Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation".
    """
    z = (observed - mean) / sd
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return sd * (z * (2 * float(ndtr(z)) - 1) + 2 * density - 1 / math.sqrt(math.pi))


def pinball_loss(quantile: float, predicted: float, observed: float) -> float:
    """The quantile loss: how far off, weighted by how seldom that side was promised (Koenker, Bassett 1978)."""
    return max(quantile * (observed - predicted), (quantile - 1) * (observed - predicted))


def score(made: Forecast, observed: Effect, *, last: Effect | None = None) -> ForecastScore:
    """Compare a forecast with the effect that its campaign's read-out then showed.

    What is observed carries sampling noise, so each forecast is widened by the read-out's standard error:
    normal(mean, sqrt(sd^2 + se^2)). References: no effect at all, and the same effect as the ``last`` campaign.
    """
    mean, seen, noise2 = made.effect_mean, observed.estimate, observed.standard_error**2
    sd = math.sqrt(made.effect_sd**2 + noise2)
    z = (seen - mean) / sd
    losses = [pinball_loss(q, mean + sd * float(ndtri(q)), seen) for q in QUANTILES]
    same = None
    if last is not None:
        same = normal_crps(last.estimate, math.sqrt(last.standard_error**2 + noise2), seen)
    return ForecastScore(
        observed=seen,
        error=seen - mean,
        z=z,
        crps=normal_crps(mean, sd, seen),
        crps_no_effect=normal_crps(0.0, math.sqrt(noise2), seen),
        crps_same_as_last=same,
        pinball=math.fsum(losses) / len(losses),
        brier=(float(ndtr(mean / sd)) - (1.0 if seen > 0 else 0.0)) ** 2,
        within_50=abs(z) <= critical_value(0.50),
        within_80=abs(z) <= critical_value(0.20),
        within_95=abs(z) <= critical_value(0.05),
        widened=made.widened,
        lowered=made.lowered,
    )


def track_record(scores: Sequence[ForecastScore]) -> Record:
    """Sum up all finished forecasts: counts only under ten, a recalibration from twenty on.

    Skill is 1 - CRPS / CRPS of the reference: above 0 is better than it. The recalibration scales the
    predictive sd by the root mean squared z; the mean is lowered only by a bias beyond two standard errors. Both speak
    of forecasts as they would have been without an earlier recalibration, so that corrections do not add up.
    """
    n = len(scores)
    if n < SCORES_FROM:
        return Record(forecasts=n)
    followed = [one for one in scores if one.crps_same_as_last is not None]
    return Record(
        forecasts=n,
        mean_crps=_mean([one.crps for one in scores]),
        mean_pinball=_mean([one.pinball for one in scores]),
        mean_brier=_mean([one.brier for one in scores]),
        covered_50=_mean([one.within_50 for one in scores]),
        covered_80=_mean([one.within_80 for one in scores]),
        covered_95=_mean([one.within_95 for one in scores]),
        skill_against_no_effect=_skill([one.crps for one in scores], [one.crps_no_effect for one in scores]),
        skill_against_same_as_last=_skill(
            [one.crps for one in followed], [one.crps_same_as_last or 0.0 for one in followed]
        )
        if len(followed) >= SCORES_FROM
        else None,
        recalibration=_recalibration(scores) if n >= RECALIBRATE_FROM else None,
    )


def is_calibrated(record: Record) -> bool | None:
    """Whether outcomes lay in the 80 % intervals about as often as promised; None while there are too few to say.

    False where so few hits would come in less than one of twenty records of honest forecasts (binomial, one-sided):
    intervals that are too wide promise too little, and harm nobody.
    """
    if record.covered_80 is None:
        return None
    return bool(bdtr(round(record.covered_80 * record.forecasts), record.forecasts, 0.8) >= 0.05)


def recalibrated(prior: Prior, recalibration: Recalibration | None) -> Prior:
    """The prior after what past errors taught; unchanged where they taught nothing yet."""
    if recalibration is None:
        return prior
    return Prior(
        mean=prior.mean - recalibration.lower_mean_by,
        sd=prior.sd * recalibration.sd_factor,
        campaigns=prior.campaigns,
        widened=recalibration.sd_factor,
        lowered=recalibration.lower_mean_by,
    )


def calibration(scores: Sequence[ForecastScore]) -> tuple[Calibration, ...]:
    """Intervals that promise 10 to 90 of 100 outcomes, and what share they held; nothing under ten forecasts."""
    if len(scores) < SCORES_FROM:
        return ()
    return tuple(
        Calibration(promised=level / 10, kept=_mean([abs(one.z) <= critical_value(1 - level / 10) for one in scores]))
        for level in range(1, 10)
    )


def _recalibration(scores: Sequence[ForecastScore]) -> Recalibration:
    errors = [one.error - one.lowered for one in scores]
    bias = _mean(errors)
    variance = math.fsum((error - bias) ** 2 for error in errors) / (len(errors) - 1)
    promised_too_much = bias < -2 * math.sqrt(variance / len(errors))
    return Recalibration(
        sd_factor=math.sqrt(_mean([(one.z * one.widened) ** 2 for one in scores])),
        lower_mean_by=-bias if promised_too_much else 0.0,
    )


def _skill(losses: Sequence[float], reference: Sequence[float]) -> float | None:
    total = math.fsum(reference)
    return 1 - math.fsum(losses) / total if total > 0 else None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _quantiles(values: Sequence[float]) -> Quantiles:
    q05, q25, q50, q75, q95 = values
    return Quantiles(q05=q05, q25=q25, q50=q50, q75=q75, q95=q95)
