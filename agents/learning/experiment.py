"""Read out an experiment that ran anywhere, by the rules that hold for campaigns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from agents.learning.counts import Counts, Frozen, MeasurementError
from agents.learning.cuped import Adjusted, adjust
from agents.learning.intervals import Estimate
from agents.learning.looks import Verdict
from agents.learning.power import DetectionLimit, detection_limit
from agents.learning.priors import Prior
from agents.learning.readout import HOLDOUT, Arm, Check, MeasurementPlan, ReadOut, expected_difference, measure
from agents.learning.revenue import OrderValues, RevenueReadOut, measure_revenue
from agents.learning.sample_ratio import SampleRatio, sample_ratio
from agents.learning.wording import LANGUAGES, Language, number, percent, points
from memory.importing.experiment import ExperimentRows

USUAL_CONTROL_SHARES = (0.05, 0.1, 0.2, 0.25, 0.3, 1 / 3, 0.4, 0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 0.95)
_NEARLY_EQUAL = 0.16
"""A control this far, as a share of its size, from an equal one was meant to be equal."""


class ArmAgainstControl(Frozen):
    """One arm against the control: shares of contacts, and money per contact in minor units.

    ``interval`` stands at the level that keeps the chance of any false claim among all arms at the plan's;
    ``shrunken_effect`` is what to expect next time.
    """

    name: str
    contacts: int
    conversions: int
    verdict: Verdict
    effect: float
    interval: Estimate
    shrunken_effect: float
    revenue: RevenueReadOut | None = None
    adjusted: Adjusted | None = None


class ExperimentReadOut(Frozen):
    """What an experiment shows: ``effect``, ``interval`` and ``shrunken_effect`` are of the arm ``best``.

    With several arms the verdict is "works" if one of them does, else "harms" if one of them does. ``shares`` are the
    planned ones, ``shares_given`` whether they were told or taken from the nearest usual plan. ``broken_on`` is the
    first day on which the sizes of the arms could no longer be chance. ``limit`` is the smallest lift that so many
    contacts can show; ``contacts_needed`` would settle what is inconclusive.
    """

    verdict: Verdict
    control: str
    control_contacts: int
    control_conversions: int
    best: str
    effect: float
    interval: Estimate
    confidence: float
    shrunken_effect: float
    arms: tuple[ArmAgainstControl, ...]
    checks: tuple[Check, ...]
    sample_ratio: SampleRatio
    shares: dict[str, float]
    shares_given: bool
    broken_on: date | None
    limit: DetectionLimit | None
    contacts_needed: int | None
    text: dict[str, str]


def read_out(
    rows: ExperimentRows,
    control: str,
    *,
    shares: Mapping[str, float] | None = None,
    plan: MeasurementPlan | None = None,
    look: int = 1,
    prior: Prior | None = None,
    seed: int = 0,
) -> ExperimentReadOut:
    """Read an experiment at a look of its plan: read once, at the end, unless a plan says otherwise.

    ``shares`` are the planned sizes of all arms, in any unit; ``prior`` what was believed before. Raises
    MeasurementError for an unknown control, a single arm, or shares that do not name every arm.
    """
    plan = plan or MeasurementPlan(looks=(1.0,))
    prior = prior or Prior()
    counts = _counts(rows, control)
    planned = _planned(counts, control, shares)
    whole = measure(_arms(counts, control, planned), plan, look, prior, seed=seed)
    broken_on = _broken_on(rows, planned)
    invalid = whole.verdict == "invalid" or broken_on is not None
    arms = tuple(
        _against(one, rows, control, counts, whole, invalid=invalid, seed=seed)
        for one in sorted(counts)
        if one != control
    )
    best = max(arms, key=lambda one: one.shrunken_effect)
    verdict = "invalid" if invalid else _overall(arms, whole)
    held = counts[control]
    found = ExperimentReadOut(
        verdict=verdict,
        control=control,
        control_contacts=held.contacts,
        control_conversions=held.conversions,
        best=best.name,
        effect=best.effect,
        interval=best.interval,
        confidence=whole.confidence,
        shrunken_effect=best.shrunken_effect,
        arms=arms,
        checks=tuple(
            check.model_copy(update={"passed": not invalid}) if check.name == "sample_ratio" else check
            for check in whole.checks
        ),
        sample_ratio=_renamed(whole.sample_ratio, control),
        shares=planned,
        shares_given=shares is not None,
        broken_on=broken_on,
        limit=_limit(held, counts[best.name], plan),
        contacts_needed=whole.contacts_needed if verdict == "inconclusive" else None,
        text={},
    )
    return found.model_copy(update={"text": {language: _tell(found, whole, language) for language in LANGUAGES}})


def _counts(rows: ExperimentRows, control: str) -> dict[str, Counts]:
    if control not in rows.names:
        raise MeasurementError(
            f"No contact is in an arm called {control}.",
            where="control",
            remedy=f"Name one of {', '.join(rows.names[:20])}.",
        )
    if len(rows.names) == 1:
        raise MeasurementError(
            f"There is only one arm, {control}.",
            where="arms",
            remedy="Give the contacts of every arm, the control among them.",
        )
    size = len(rows.names)
    contacts = np.bincount(rows.arm, rows.contacts, size).astype(np.int64)
    conversions = np.bincount(rows.arm, rows.conversions, size).astype(np.int64)
    return {
        name: Counts(contacts=int(contacts[place]), conversions=int(conversions[place]))
        for place, name in enumerate(rows.names)
    }


def _planned(counts: Mapping[str, Counts], control: str, shares: Mapping[str, float] | None) -> dict[str, float]:
    """The planned share of each arm: as told, else the usual plan that is nearest, other arms being equal."""
    if shares is not None:
        if set(shares) != set(counts) or min(shares.values()) <= 0:
            raise MeasurementError(
                "The shares do not name every arm with a number above zero.",
                where="shares",
                remedy=f"Give one for each of {', '.join(sorted(counts))}.",
            )
        total = math.fsum(shares.values())
        return {name: share / total for name, share in sorted(shares.items())}
    seen = counts[control].contacts / max(sum(one.contacts for one in counts.values()), 1)
    equal = 1 / len(counts)
    nearest = min(USUAL_CONTROL_SHARES, key=lambda share: abs(share - seen))
    share = equal if abs(seen - equal) <= _NEARLY_EQUAL * equal else nearest
    return {name: share if name == control else (1 - share) / (len(counts) - 1) for name in sorted(counts)}


def _arms(counts: Mapping[str, Counts], control: str, shares: Mapping[str, float]) -> list[Arm]:
    return [
        Arm(name=HOLDOUT if name == control else f"arm {name}", share=shares[name], **one.model_dump())
        for name, one in sorted(counts.items())
    ]


def _broken_on(rows: ExperimentRows, shares: Mapping[str, float]) -> date | None:
    """The first day on which the arms' sizes so far were no chance: the test may be looked at every day."""
    if rows.day is None:
        return None
    days, places = np.unique(rows.day, return_inverse=True)
    grown = np.zeros((len(days), len(rows.names)), np.int64)
    np.add.at(grown, (places, rows.arm), rows.contacts)
    for day, sizes in zip(days, grown.cumsum(axis=0), strict=True):
        if sample_ratio(dict(zip(rows.names, sizes.tolist(), strict=True)), shares).alert:
            return date(1970, 1, 1) + timedelta(days=int(day))
    return None


def _against(
    name: str,
    rows: ExperimentRows,
    control: str,
    counts: Mapping[str, Counts],
    whole: ReadOut,
    *,
    invalid: bool,
    seed: int,
) -> ArmAgainstControl:
    found = next(one for one in whole.arms if one.name == f"arm {name}")
    mine, theirs = (rows.arm == rows.names.index(one) for one in (name, control))
    money = _money(rows, mine, theirs, found.critical, seed)
    if money is not None and invalid and money.claim != "none":
        money = money.model_copy(update={"claim": "none", "reason": "the arms do not have their planned sizes"})
    return ArmAgainstControl(
        name=name,
        contacts=found.contacts,
        conversions=found.conversions,
        verdict="invalid" if invalid else found.verdict,
        effect=found.difference.value,
        interval=found.difference,
        shrunken_effect=expected_difference(found.shrunken, counts[name], counts[control]),
        revenue=money,
        adjusted=_adjusted(rows, mine, theirs, found.critical),
    )


def _money(
    rows: ExperimentRows, mine: NDArray[np.bool_], theirs: NDArray[np.bool_], critical: float, seed: int
) -> RevenueReadOut | None:
    if rows.value_cents is None:
        return None
    bought = rows.value_cents != 0
    values = OrderValues(
        holdout=tuple(rows.value_cents[theirs & bought].tolist()),
        treated=tuple(rows.value_cents[mine & bought].tolist()),
    )
    return measure_revenue(
        values,
        treated_contacts=int(rows.contacts[mine].sum()),
        holdout_contacts=int(rows.contacts[theirs].sum()),
        critical=critical,
        seed=seed,
    )


def _adjusted(
    rows: ExperimentRows, mine: NDArray[np.bool_], theirs: NDArray[np.bool_], critical: float
) -> Adjusted | None:
    """Of money where there is any, else of the goal."""
    if rows.before is None:
        return None
    outcome = (rows.conversions if rows.value_cents is None else rows.value_cents).astype(np.float64)
    return adjust(outcome[mine], rows.before[mine], outcome[theirs], rows.before[theirs], critical)


def _overall(arms: Sequence[ArmAgainstControl], whole: ReadOut) -> Verdict:
    if len(arms) == 1:
        return whole.verdict
    said = {one.verdict for one in arms}
    found: Verdict = "works" if "works" in said else "harms" if "harms" in said else "inconclusive"
    return found


def _renamed(ratio: SampleRatio, control: str) -> SampleRatio:
    def renamed(sizes: Mapping[str, float]) -> dict[str, float]:
        return {control if name == HOLDOUT else name.removeprefix("arm "): size for name, size in sizes.items()}

    return ratio.model_copy(update={"contacts": renamed(ratio.contacts), "expected": renamed(ratio.expected)})


def _limit(control: Counts, treated: Counts, plan: MeasurementPlan) -> DetectionLimit | None:
    rate = control.plus(treated).rate
    if not 0 < rate < 1 or not min(control.contacts, treated.contacts):
        return None
    return detection_limit(rate, control.contacts, treated.contacts, alpha=plan.alpha, power=plan.power)


def _tell(found: ExperimentReadOut, whole: ReadOut, language: Language) -> str:
    if len(found.arms) == 1 or found.verdict == "invalid":
        said = whole.text[language]
        if found.broken_on is not None and whole.verdict != "invalid":
            said = _SAY[language]["broke"].format(day=found.broken_on.isoformat())
        return said
    lines = [_SAY[language]["several"].format(arms=number(len(found.arms), language), control=found.control)]
    lines += [
        _SAY[language][one.verdict].format(
            arm=one.name,
            gap=points(one.effect, language),
            low=points(one.interval.low, language),
            high=points(one.interval.high, language),
            expected=points(one.shrunken_effect, language),
            rate=percent(one.conversions / one.contacts if one.contacts else 0.0, language),
        )
        for one in sorted(found.arms, key=lambda arm: -arm.shrunken_effect)
    ]
    return " ".join(lines)


_SAY = {
    "en": {
        "several": "{arms} arms against {control}, judged so that many arms make no false winner.",
        "works": "{arm} works: {gap} ({low} to {high}), at {rate}; expect {expected} next time.",
        "harms": "{arm} harms: {gap} ({low} to {high}), at {rate}.",
        "inconclusive": "{arm} is inconclusive: {gap} ({low} to {high}), at {rate}.",
        "broke": "Invalid: by {day} the arms had sizes that the plan cannot have given them. Find out why first.",
    },
    "fr": {
        "several": "{arms} bras contre {control}, jugés de sorte que leur nombre ne fasse pas de faux gagnant.",
        "works": "{arm} fonctionne : {gap} ({low} à {high}), à {rate} ; attendez {expected} la prochaine fois.",
        "harms": "{arm} nuit : {gap} ({low} à {high}), à {rate}.",
        "inconclusive": "{arm} ne permet pas de conclure : {gap} ({low} à {high}), à {rate}.",
        "broke": "Invalide : au {day}, les bras avaient des tailles que le plan n’a pas pu leur donner. "
        "Cherchez d’abord pourquoi.",
    },
}
