"""A read-out in the words of somebody who has to act on it."""

from __future__ import annotations

from agents.learning.counts import Counts, Frozen
from agents.learning.intervals import Estimate
from agents.learning.looks import Verdict
from agents.learning.revenue import RevenueReadOut
from agents.learning.sample_ratio import SampleRatio
from agents.learning.wording import Language, money, number, percent, points


class Facts(Frozen):
    """All that the text of a read-out may mention."""

    verdict: Verdict
    holdout: Counts
    treated: Counts
    difference: Estimate
    confidence: float
    expected_difference: float
    plausible_difference: float | None
    contacts_needed: int | None
    sample_ratio: SampleRatio
    enough_conversions: bool
    look: int | None
    looks_planned: int
    money: RevenueReadOut | None


def verdict_text(facts: Facts, language: Language = "en") -> str:
    """One short paragraph: the verdict, the numbers it rests on, and what would settle it."""
    say = _SAY[language]
    look = say["look"].format(look=facts.look, planned=facts.looks_planned) if facts.look else say["peek"]
    head = say[facts.verdict].format(look=look)
    if facts.verdict == "invalid":
        return f"{head} {_sizes(facts.sample_ratio, language)} {say['find out']}"
    parts = [head, _numbers(facts, language)]
    if facts.verdict == "works":
        parts.append(say["expect"].format(gap=points(facts.expected_difference, language)))
    if facts.verdict == "inconclusive":
        parts.append(_settle(facts, language))
    if facts.money is not None and facts.money.claim != "none":
        parts.append(_money(facts.money, language))
    return " ".join(parts)


def _numbers(facts: Facts, language: Language) -> str:
    confidence = 100 * facts.confidence
    return _SAY[language]["numbers"].format(
        treated_rate=percent(facts.treated.rate, language),
        treated=number(facts.treated.contacts, language),
        holdout_rate=percent(facts.holdout.rate, language),
        holdout=number(facts.holdout.contacts, language),
        gap=points(facts.difference.value, language),
        low=number(100 * facts.difference.low, language, 2, sign=True),
        high=number(100 * facts.difference.high, language, 2, sign=True),
        confidence=number(confidence, language, 1 if confidence < 99.9 else 3),
    )


def _settle(facts: Facts, language: Language) -> str:
    say = _SAY[language]
    parts = [] if facts.enough_conversions else [say["few"]]
    if facts.contacts_needed is not None and facts.plausible_difference is not None:
        size = number(100 * facts.plausible_difference, language, 2)
        contacts = number(facts.contacts_needed, language)
        parts.append(say["settle"].format(contacts=contacts, size=size))
    elif facts.enough_conversions:
        parts.append(say["nobody"])
    return " ".join(parts)


def _sizes(ratio: SampleRatio, language: Language) -> str:
    def surprise(name: str) -> float:
        return (ratio.contacts[name] - ratio.expected[name]) ** 2 / ratio.expected[name]

    worst = max(ratio.expected, key=surprise)
    return _SAY[language]["sizes"].format(
        arm=worst,
        contacts=number(ratio.contacts[worst], language),
        planned=number(ratio.expected[worst], language),
    )


def _money(revenue: RevenueReadOut, language: Language) -> str:
    per_contact = revenue.per_contact_cents
    return _SAY[language][revenue.kind].format(
        value=money(per_contact.value, language),
        low=money(per_contact.low, language),
        high=money(per_contact.high, language),
    )


_SAY: dict[Language, dict[str, str]] = {
    "en": {
        "look": "look {look} of {planned}",
        "peek": "between two planned looks",
        "works": "It works ({look}).",
        "harms": "It harms ({look}): stop it.",
        "inconclusive": "Inconclusive ({look}).",
        "invalid": "Invalid ({look}): nothing can be concluded.",
        "sizes": "“{arm}” has {contacts} contacts where {planned} were planned.",
        "find out": "Find out why before starting again.",
        "numbers": "{treated_rate} of {treated} treated contacts reached the goal, {holdout_rate} of {holdout} "
        "in the holdout: {gap} ({confidence} % interval {low} to {high}).",
        "expect": "Expect {gap} next time.",
        "few": "Too few contacts reached the goal to judge anything.",
        "nobody": "No list of a realistic size would settle what may be left of an effect.",
        "settle": "About {contacts} contacts would settle an effect of a plausible size ({size} points).",
        "revenue": "Revenue per treated contact: {value} ({low} to {high}).",
        "margin": "Margin per treated contact: {value} ({low} to {high}).",
    },
    "fr": {
        "look": "lecture {look} sur {planned}",
        "peek": "entre deux lectures prévues",
        "works": "Cela marche ({look}).",
        "harms": "Cela nuit ({look}) : arrêtez.",
        "inconclusive": "Non concluant ({look}).",
        "invalid": "Non valable ({look}) : on ne peut rien conclure.",
        "sizes": "« {arm} » compte {contacts} contacts au lieu des {planned} prévus.",
        "find out": "Cherchez pourquoi avant de recommencer.",
        "numbers": "{treated_rate} des {treated} contacts traités ont atteint l'objectif, {holdout_rate} des "
        "{holdout} du groupe témoin : {gap} (intervalle à {confidence} % : {low} à {high}).",
        "expect": "Attendez-vous à {gap} la prochaine fois.",
        "few": "Trop peu de contacts ont atteint l'objectif pour juger.",
        "nobody": "Aucune liste de taille réaliste ne trancherait ce qui peut rester d'un effet.",
        "settle": "Il faudrait environ {contacts} contacts pour trancher un effet de taille plausible ({size} points).",
        "revenue": "Chiffre d'affaires par contact traité : {value} ({low} à {high}).",
        "margin": "Marge par contact traité : {value} ({low} à {high}).",
    },
}
