"""From counts to a forecast: what a play of this size would add, and what its holdout could prove."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit, logit, ndtri

from agents.learning.forecast import QUANTILES
from agents.learning.forecast import forecast as learned_forecast
from agents.learning.intervals import Effect
from agents.learning.power import detection_limit
from agents.learning.priors import Neighbour, PastEffect, Prior, fit_prior, transfer
from agents.provider import Resembling
from memory.lessons import Lesson
from memory.play import Offer
from memory.proposal import SMALLEST_RATE, Audience, DetectionLimit, Forecast, LessonUse, is_known

SMALLEST_HOLDOUT = 0.10
HOLDOUT_SHARES = (0.10, 0.15, 0.20, 0.25)
"""What is held out; a playbook or a person may ask for more."""
_DAYS_A_MONTH = 30.4375


def prior_from(
    lessons: Sequence[Lesson],
    *,
    segment: str,
    lever: str,
    starting: Prior,
    at: datetime,
    resembling: Sequence[Resembling] = (),
) -> tuple[Prior, tuple[LessonUse, ...]]:
    """The prior that lessons leave of the playbook's own, and how far each of them moved it.

    First those of the playbook itself (one that was narrowed only on its own segment), then those of other playbooks
    that resemble it, by the weight k / (k + 5).
    """
    ordered = sorted(lessons, key=lambda lesson: (lesson.observed_to, lesson.lesson_id))
    ordered = [one for one in ordered if not one.narrowed or one.segment == segment]
    prior, uses = starting, []
    for count, lesson in enumerate(ordered, start=1):
        before = prior
        past = [_past_effect(one, at) for one in ordered[:count]]
        prior = fit_prior(past, segment=segment, lever=lever, starting=starting)
        uses.append(_use(lesson, before, prior))
    own = prior
    for count in range(1, len(resembling) + 1):
        before = prior
        prior = transfer(own, [_neighbour(one, at) for one in resembling[:count]])
        uses.append(_use(resembling[count - 1].lesson, before, prior))
    return prior, tuple(uses)


def _use(lesson: Lesson, before: Prior, after: Prior) -> LessonUse:
    distance = lesson.effect - before.mean
    weight = (after.mean - before.mean) / distance if abs(distance) > 1e-12 else 0.0
    return LessonUse(
        lesson_id=lesson.lesson_id,
        sentence=lesson.text.get("en") or next(iter(lesson.text.values()), ""),
        effect_before=before.mean,
        effect_after=after.mean,
        weight=min(max(weight, 0.0), 1.0),
    )


def _neighbour(one: Resembling, at: datetime) -> Neighbour:
    past = _past_effect(one.lesson, at)
    return Neighbour(effect=past.effect, similarity=one.similarity, months_ago=past.months_ago)


class HoldoutChoice(NamedTuple):
    """How many are held out, and why so many."""

    share: float
    why: str


def choose_holdout(reachable: int, base_rate: float, prior: Prior, wished_share: float) -> HoldoutChoice:
    """The smallest share, from 10 % or the playbook's wish up to 25 %, whose detection limit the play could reach.

    "Could reach" is the lift at the 95 % quantile of the prior. Where no share gets there, or nobody knows the rate,
    more holdout buys no proof and costs what its contacts would have bought: then 10 % or the wish. Such a list is
    proved by the letters of a series together, and by the programme holdout. A playbook that wishes for none, as one
    that only serves does, gets none.
    """
    if wished_share == 0:
        return HoldoutChoice(0.0, "")
    wished = max(wished_share, SMALLEST_HOLDOUT)
    if not is_known(base_rate):
        return HoldoutChoice(
            wished, f"{wished:.0%} held out: while the rate is unknown, no share can promise to prove anything."
        )
    hoped = _lift(base_rate, prior.mean + prior.sd * float(ndtri(0.95)))
    for share in sorted({wished, *(share for share in HOLDOUT_SHARES if share >= wished)}):
        held = round(reachable * share)
        if 0 < held < reachable and detection_limit(_inside(base_rate), held, reachable - held).absolute <= hoped:
            return HoldoutChoice(share, f"{share:.0%} held out: the smallest share that can prove what is hoped for.")
    return HoldoutChoice(
        wished,
        f"{wished:.0%} held out: on this list no share up to {max(wished, HOLDOUT_SHARES[-1]):.0%} can prove what is "
        "hoped for; several campaigns together can.",
    )


def split(audience: Audience, holdout_share: float) -> Audience:
    """The same audience with another share held out, in expectation; the hash decides who it is."""
    holdout = round(audience.reachable * holdout_share)
    return audience.model_copy(update={"holdout": holdout, "treated": audience.reachable - holdout})


def make_forecast(
    prior: Prior,
    *,
    base_rate: float,
    audience: Audience,
    window_days: int,
    value_per_order_cents: float,
    value_kind: Literal["margin", "revenue"],
    discount_per_order_cents: float = 0.0,
    message_cost_cents: float = 0.0,
    currency: str,
    noun: str = "orders",
) -> Forecast:
    """What the treated would do beyond what they do anyway; the discount is paid on their other orders too."""
    rate = _inside(base_rate)
    net = max(value_per_order_cents - discount_per_order_cents, 0.0)
    cost = message_cost_cents + discount_per_order_cents * audience.treated * rate
    found = learned_forecast(
        prior,
        base_rate=rate,
        treated_contacts=max(audience.treated, 1),
        holdout_contacts=audience.holdout,
        margin_per_conversion_cents=net,
        cost_cents=cost,
    )
    mean = max(audience.treated, 0) * _mean_lift(rate, prior)
    increments = {str(share): value for share, value in found.incremental_conversions.pairs()}
    low, high = increments[str(QUANTILES[0])], increments[str(QUANTILES[-1])]
    assert found.margin_cents is not None
    return Forecast(
        window_days=window_days,
        base_rate=rate,
        effect_mean=prior.mean,
        effect_sd=prior.sd,
        widened=prior.widened,
        lowered=prior.lowered,
        incremental_mean=mean,
        incremental_quantiles=increments,
        value_cents_mean=net * mean - cost,
        value_cents_quantiles={str(share): value for share, value in found.margin_cents.pairs()},
        value_kind=value_kind,
        currency=currency,
        sentence=(
            f"Expected: {mean:.1f} additional {noun} in {window_days} days (9 times in 10 between {low:.1f} and "
            f"{high:.1f}), on top of {audience.treated * rate:.1f} that would come anyway."
            if is_known(rate)
            else f"Unknown: nobody like these reached the goal yet, so nobody can say how many {noun} it adds."
        ),
    )


def make_detection(base_rate: float, audience: Audience) -> DetectionLimit:
    """The smallest lift that this holdout would show, in four cases out of five."""
    rate = _inside(base_rate)
    if audience.holdout < 1 or audience.treated < 1:
        return DetectionLimit(
            relative_lift=None,
            absolute_lift=None,
            holdout=audience.holdout,
            treated=audience.treated,
            base_rate=rate,
            sentence="With nobody on one side of the comparison, nothing can be proved.",
        )
    if not is_known(rate):
        return DetectionLimit(
            relative_lift=None,
            absolute_lift=None,
            holdout=audience.holdout,
            treated=audience.treated,
            base_rate=rate,
            sentence="How many reach the goal by themselves is unknown, so no lift can be promised to be provable.",
        )
    limit = detection_limit(rate, audience.holdout, audience.treated)
    provable = rate + limit.absolute <= 1
    return DetectionLimit(
        relative_lift=limit.relative if provable else None,
        absolute_lift=limit.absolute if provable else None,
        holdout=audience.holdout,
        treated=audience.treated,
        base_rate=rate,
        sentence=limit.sentence()
        if provable
        else f"With {audience.reachable} contacts no lift can be proved: whatever comes of it will move later "
        "forecasts by little.",
    )


def discount_per_order_cents(offer: Offer | None, average_order_cents: float) -> float:
    """What an offer takes off the average order, in minor units; gifts and points count nothing here."""
    if offer is None:
        return 0.0
    if offer.kind == "percent":
        return average_order_cents * offer.value / 10_000
    return min(float(offer.value), average_order_cents) if offer.kind == "amount" else 0.0


def _past_effect(lesson: Lesson, at: datetime) -> PastEffect:
    months = max((at - lesson.observed_to).days / _DAYS_A_MONTH, 0.0)
    effect = Effect(estimate=lesson.effect, standard_error=lesson.standard_error)
    return PastEffect(segment=lesson.segment, lever=lesson.lever, effect=effect, months_ago=months)


def _inside(rate: float) -> float:
    # A rate of exactly 0 or 1 has no log-odds; nobody bought yet is not the same as nobody ever will.
    return min(max(rate, SMALLEST_RATE), 1 - SMALLEST_RATE)


def _lift(base_rate: float, effect: float) -> float:
    rate = _inside(base_rate)
    return float(expit(logit(rate) + effect)) - rate


def _mean_lift(base_rate: float, prior: Prior) -> float:
    nodes, weights = hermegauss(21)
    lifts = [_lift(base_rate, prior.mean + prior.sd * float(node)) for node in nodes]
    return float(sum(w * one for w, one in zip(weights, lifts, strict=True)) / math.sqrt(2 * math.pi))
