"""What a campaign added, measured against the contacts it left alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Literal, Self

from pydantic import Field, model_validator
from scipy.special import expit, logit

from agents.learning.counts import Counts, Frozen, MeasurementError
from agents.learning.dunnett import dunnett_critical
from agents.learning.intervals import (
    Effect,
    Estimate,
    log_odds_effect,
    newcombe,
    pooled_z,
    relative_lift,
    two_sided,
)
from agents.learning.looks import (
    EXPECTED_CONVERSIONS,
    FOUR_LOOKS,
    Verdict,
    confidence_sequence,
    critical_values,
    enough_for_sequence,
    harms_already,
    judge,
)
from agents.learning.power import contacts_needed
from agents.learning.priors import Prior, shrink
from agents.learning.revenue import OrderValues, RevenueReadOut, measure_revenue
from agents.learning.sample_ratio import SampleRatio, sample_ratio
from agents.learning.verdict_text import Facts, verdict_text
from agents.learning.wording import LANGUAGES

HOLDOUT = "holdout"
_NOBODY = Counts(contacts=0, conversions=0)
# A test of more contacts than this will not be run by anybody; the answer is then "none".
_MOST_CONTACTS = 100_000_000


class Arm(Counts):
    """One arm as it was assigned: its planned share, its contacts, and those of them who reached the goal.

    Everybody assigned counts, whether or not a message reached them (intent to treat). ``alike`` is what the arm would
    have counted, had it been drawn by the same share from everybody: by that it is compared with the holdout. ``worth``
    is the contacts, each seen once, that it is worth where each was seen several times; ``conversions`` is then what
    they did on average.
    """

    name: str
    share: float
    alike: Counts | None = None
    worth: Counts | None = None

    @property
    def seen_once(self) -> Counts:
        """What may be judged as contacts who were seen once."""
        return self.worth or Counts(contacts=self.contacts, conversions=self.conversions)

    @model_validator(mode="after")
    def _has_a_share(self) -> Self:
        if not 0 < self.share < 1:
            raise MeasurementError(f"A planned share of {self.share} is not between 0 and 1.", where=self.name)
        return self


class MeasurementPlan(Frozen):
    """When a campaign is read and how often it may be wrong, fixed before it starts.

    ``looks`` are shares of the planned information (of contacts whose window has closed), the last one 1.
    ``base_rate`` is the rate that was planned with; it serves while too few conversions are in.
    """

    looks: tuple[float, ...] = FOUR_LOOKS
    alpha: float = 0.05
    power: float = 0.8
    contacts_planned: int | None = Field(default=None, ge=1)
    base_rate: float | None = Field(default=None, gt=0, lt=1)


class Check(Frozen):
    """Something that must be true before the numbers may be believed, with the fact that decided it."""

    name: Literal["sample_ratio", "enough_conversions", "planned_look"]
    passed: bool
    fact: str


class ArmReadOut(Frozen):
    """One of several sequences against the holdout, judged so that many arms make no false winner.

    ``alike`` is what it would have counted, had all been drawn alike, where that is not what was counted.
    """

    name: str
    contacts: int
    conversions: int
    difference: Estimate
    effect: Effect
    shrunken: Effect
    z: float
    critical: float
    verdict: Verdict
    alike: Counts | None = None

    @property
    def comparable(self) -> Counts:
        """What may be held against other sequences and other campaigns."""
        return self.alike or Counts(contacts=self.contacts, conversions=self.conversions)


class Reactions(Frozen):
    """What an arm said about being written to: contacts who opted out or complained while they were observed."""

    name: str
    contacts: int
    unsubscribed: int
    complained: int


class ReadOut(Frozen):
    """The measured increment of a campaign against its holdout.

    ``look`` is None for a peek between planned looks, which can only say "harms" or "inconclusive" and shows
    intervals at the first, strictest bound. ``rule`` says what decided: the bound of the look, or the sequence.
    ``difference`` is in shares of contacts (0.01 = one point) and ``relative`` in shares of the holdout's rate,
    both at the look's ``confidence``; ``effect`` and ``shrunken`` are on log-odds. ``expected_difference`` is
    the shrunken effect as a share of contacts: what to expect next time. ``sequence`` is the interval that may
    be watched daily. ``contacts_needed`` would settle an inconclusive campaign if its effect has the size that
    is still plausible. ``text`` is one paragraph per language. ``reactions`` covers every arm, the holdout first;
    ``mixed_contacts`` turned out to stand in two arms and were left out, and ``open_windows`` contacts could
    still reach the goal when the look was taken. Of a follow-up letter, ``letters`` are the campaigns of its series
    that are counted together, and ``sequences`` what each sequence of this letter alone did, to be compared with each
    other and with nothing else. Where a campaign tells bands of contacts apart, ``by_band`` counts
    each sequence in each.
    """

    look: int | None
    looks_planned: int
    confidence: float
    critical: float
    z: float
    holdout: Counts
    treated: Counts
    difference: Estimate
    relative: Estimate | None
    effect: Effect
    shrunken: Effect
    expected_difference: float
    incremental_conversions: Estimate
    sequence: Estimate
    checks: tuple[Check, ...]
    sample_ratio: SampleRatio
    arms: tuple[ArmReadOut, ...]
    revenue: RevenueReadOut | None
    verdict: Verdict
    rule: Literal["look", "sequence"]
    contacts_needed: int | None
    text: dict[str, str]
    reactions: tuple[Reactions, ...] = ()
    mixed_contacts: int = 0
    open_windows: int = 0
    letters: tuple[str, ...] = ()
    sequences: dict[str, Counts] = Field(default_factory=dict)
    by_band: tuple[dict[str, Counts], ...] = ()


def measure(
    arms: Sequence[Arm],
    plan: MeasurementPlan,
    look: int | None,
    prior: Prior,
    revenue: OrderValues | None = None,
    seed: int = 0,
) -> ReadOut:
    """Read a campaign at planned look ``look`` (1 is the first), or between looks with None.

    ``arms`` holds exactly one named "holdout" and at least one other. All treated arms together against the
    holdout give the verdict, by the pooled z at the look's bound; with several arms each is also judged against
    the holdout by Dunnett's bound. ``prior`` must come from other campaigns. Randomness (the seed) serves
    only the money.
    """
    held_out, treated_arms = _split(arms)
    shown = reduce(Counts.plus, treated_arms, _NOBODY)
    holdout, treated = held_out.seen_once, reduce(Counts.plus, (arm.seen_once for arm in treated_arms), _NOBODY)
    critical = _critical(plan, look)
    difference, z = newcombe(treated, holdout, critical), pooled_z(treated, holdout)
    effect = log_odds_effect(treated, holdout)
    shrunken = shrink(prior, effect)
    sequence = confidence_sequence(treated, holdout, alpha=plan.alpha, tuned_for_contacts=plan.contacts_planned or 5000)
    ratio = sample_ratio({arm.name: arm.contacts for arm in arms}, {arm.name: arm.share for arm in arms})
    checks = _checks(ratio, treated, holdout, held_out, look, plan)
    readable = all(check.passed for check in checks)
    verdict: Verdict = judge(z, difference, critical) if readable else "inconclusive"
    rule: Literal["look", "sequence"] = "look"
    if verdict != "harms" and harms_already(treated, holdout, sequence):
        verdict, rule = "harms", "sequence"
    if ratio.alert:
        verdict = "invalid"
    expected = expected_difference(shrunken, treated, holdout)
    money = None
    if revenue is not None:
        money = _money(revenue, shown, held_out, critical, seed, trusted=look is not None and not ratio.alert)
    plausible = _plausible_difference(shrunken, treated, holdout, plan)
    needed = _contacts_needed(plausible, treated, holdout, arms, plan) if verdict == "inconclusive" else None
    if needed is not None and treated.contacts + holdout.contacts:
        # Contacts who are seen several times are fewer than it would take of those who are seen once.
        needed = math.ceil(needed * (shown.contacts + held_out.contacts) / (treated.contacts + holdout.contacts))
    if needed is not None and needed <= shown.contacts + held_out.contacts:
        # Enough for such an effect, but the look was early: the planned end may settle it, or nothing will.
        needed = _planned_contacts(shown, held_out, plan, look)
    # With a handful of conversions the sequence is far too narrow, down to no width at all.
    by_sequence = rule == "sequence" or (look is None and enough_for_sequence(treated, holdout))
    facts = Facts(
        verdict=verdict,
        holdout=Counts(contacts=held_out.contacts, conversions=held_out.conversions),
        treated=shown,
        difference=sequence if by_sequence else difference,
        confidence=1 - (plan.alpha if by_sequence else two_sided(critical)),
        expected_difference=expected,
        plausible_difference=plausible,
        contacts_needed=needed,
        sample_ratio=ratio,
        enough_conversions=next(one.passed for one in checks if one.name == "enough_conversions"),
        look=look,
        looks_planned=len(plan.looks),
        money=money,
    )
    return ReadOut(
        look=look,
        looks_planned=len(plan.looks),
        confidence=1 - two_sided(critical),
        critical=critical,
        z=z,
        holdout=facts.holdout,
        treated=shown,
        difference=difference,
        relative=relative_lift(treated, holdout, critical),
        effect=effect,
        shrunken=shrunken,
        expected_difference=expected,
        incremental_conversions=Estimate(
            value=difference.value * shown.contacts,
            low=difference.low * shown.contacts,
            high=difference.high * shown.contacts,
        ),
        sequence=sequence,
        checks=checks,
        sample_ratio=ratio,
        arms=_compare(treated_arms, holdout, critical, prior, readable=readable, invalid=ratio.alert),
        revenue=money,
        verdict=verdict,
        rule=rule,
        contacts_needed=needed,
        text={language: verdict_text(facts, language) for language in LANGUAGES},
    )


def _split(arms: Sequence[Arm]) -> tuple[Arm, list[Arm]]:
    holdouts = [arm for arm in arms if arm.name == HOLDOUT]
    treated = [arm for arm in arms if arm.name != HOLDOUT]
    if len(holdouts) != 1 or not treated or len({arm.name for arm in arms}) != len(arms):
        raise MeasurementError(
            "A campaign is measured with exactly one holdout and at least one other arm, each named once.",
            where=", ".join(arm.name for arm in arms),
        )
    return holdouts[0], treated


def _critical(plan: MeasurementPlan, look: int | None) -> float:
    bounds = critical_values(plan.looks, plan.alpha)
    if look is None:
        return bounds[0]
    if not 1 <= look <= len(bounds):
        raise MeasurementError(f"Look {look} was not planned; there are {len(bounds)}.")
    return bounds[look - 1]


def _checks(
    ratio: SampleRatio, treated: Counts, holdout: Counts, held_out: Arm, look: int | None, plan: MeasurementPlan
) -> tuple[Check, ...]:
    both = treated.plus(holdout)
    smaller = min(treated.contacts, holdout.contacts)
    expected = both.rate * smaller
    planned = f"look {look} of {len(plan.looks)}" if look else "between two planned looks"
    return (
        Check(
            name="sample_ratio",
            passed=not ratio.alert,
            fact=f"{held_out.contacts} contacts in the holdout, {ratio.expected[HOLDOUT]:.0f} planned",
        ),
        Check(
            name="enough_conversions",
            passed=expected >= EXPECTED_CONVERSIONS,
            fact=f"{expected:.1f} conversions expected in the smaller arm without an effect, "
            f"{EXPECTED_CONVERSIONS} needed",
        ),
        Check(name="planned_look", passed=look is not None, fact=planned),
    )


def expected_difference(shrunken: Effect, treated: Counts, holdout: Counts) -> float:
    """The shrunken effect as a share of contacts, anchored at the larger arm, whose rate is known better."""
    anchor = max(treated, holdout, key=lambda arm: arm.contacts)
    known = (anchor.conversions + 0.5) / (anchor.contacts + 1)
    if anchor is treated:
        return known - float(expit(logit(known) - shrunken.estimate))
    return float(expit(logit(known) + shrunken.estimate)) - known


def _plausible_difference(shrunken: Effect, treated: Counts, holdout: Counts, plan: MeasurementPlan) -> float | None:
    """The root mean square of the shrunken effect, as a share of contacts; None without any base rate."""
    rate = _rate(treated.plus(holdout), plan)
    if rate is None:
        return None
    size = math.hypot(shrunken.estimate, shrunken.standard_error)
    return float(expit(logit(rate) + size)) - rate


def _contacts_needed(
    plausible: float | None, treated: Counts, holdout: Counts, arms: Sequence[Arm], plan: MeasurementPlan
) -> int | None:
    rate = _rate(treated.plus(holdout), plan)
    if rate is None or not plausible:
        return None
    share = next(arm.share for arm in arms if arm.name == HOLDOUT) / math.fsum(arm.share for arm in arms)
    needed = contacts_needed(rate, plausible, share, alpha=plan.alpha, power=plan.power)
    return needed if needed <= _MOST_CONTACTS else None


def _planned_contacts(treated: Counts, holdout: Counts, plan: MeasurementPlan, look: int | None) -> int | None:
    seen = treated.contacts + holdout.contacts
    if look is None or look == len(plan.looks):
        planned = plan.contacts_planned
    else:
        planned = plan.contacts_planned or math.ceil(seen / plan.looks[look - 1])
    return planned if planned and planned > seen else None


def _rate(both: Counts, plan: MeasurementPlan) -> float | None:
    if both.conversions < EXPECTED_CONVERSIONS and plan.base_rate is not None:
        return plan.base_rate
    return (both.conversions + 0.5) / (both.contacts + 1) if both.contacts else None


def _compare(
    treated_arms: Sequence[Arm], holdout: Counts, critical: float, prior: Prior, *, readable: bool, invalid: bool
) -> tuple[ArmReadOut, ...]:
    alike = [arm.alike or arm.seen_once for arm in treated_arms]
    if not holdout.contacts or not all(one.contacts for one in alike):
        corrected, readable = critical, False
    elif len(treated_arms) == 1:
        corrected = critical
    else:
        sizes = [one.contacts for one in alike]
        corrected = dunnett_critical(holdout.contacts, sizes, two_sided(critical))
    compared = []
    for arm, counted in zip(treated_arms, alike, strict=True):
        difference, z = newcombe(counted, holdout, corrected), pooled_z(counted, holdout)
        effect = log_odds_effect(counted, holdout)
        enough = counted.plus(holdout).rate * min(counted.contacts, holdout.contacts) >= EXPECTED_CONVERSIONS
        verdict: Verdict = judge(z, difference, corrected) if readable and enough else "inconclusive"
        compared.append(
            ArmReadOut(
                name=arm.name,
                contacts=arm.contacts,
                conversions=arm.conversions,
                difference=difference,
                effect=effect,
                shrunken=shrink(prior, effect),
                z=z,
                critical=corrected,
                verdict="invalid" if invalid else verdict,
                alike=arm.alike,
            )
        )
    return tuple(compared)


def _money(
    values: OrderValues, treated: Counts, holdout: Counts, critical: float, seed: int, *, trusted: bool
) -> RevenueReadOut | None:
    money = measure_revenue(
        values,
        treated_contacts=treated.contacts,
        holdout_contacts=holdout.contacts,
        critical=critical,
        seed=seed,
    )
    if money is None or trusted or money.claim == "none":
        return money
    reason = "the look was not planned or the arms do not have their planned sizes"
    return money.model_copy(update={"claim": "none", "reason": reason})
