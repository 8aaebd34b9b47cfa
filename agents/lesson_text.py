"""A lesson as one sentence or two per language: measured numbers only, no words of a model or a contact."""

from __future__ import annotations

from datetime import datetime

from agents.learning.readout import ReadOut
from agents.learning.wording import LANGUAGES, Language, number, percent
from memory.play import Play


def lesson_text(play: Play, readout: ReadOut, *, observed_from: datetime, observed_to: datetime) -> dict[str, str]:
    """What a campaign taught, in every language that Noria speaks."""
    return {language: _say(play, readout, language, observed_from, observed_to) for language in LANGUAGES}


def _say(play: Play, readout: ReadOut, language: Language, observed_from: datetime, observed_to: datetime) -> str:
    say = _SAY[language]
    difference = readout.difference
    parts = [
        say["measured"].format(
            name=play.name.get(language, play.name["en"]),
            start=observed_from.date().isoformat(),
            end=observed_to.date().isoformat(),
            treated=number(readout.treated.contacts, language),
            treated_rate=percent(readout.treated.rate, language),
            holdout=number(readout.holdout.contacts, language),
            holdout_rate=percent(readout.holdout.rate, language),
            gap=number(100 * difference.value, language, 2, sign=True),
            low=number(100 * difference.low, language, 2, sign=True),
            high=number(100 * difference.high, language, 2, sign=True),
        ),
        say[readout.verdict],
    ]
    if readout.verdict == "inconclusive":
        needed = readout.contacts_needed
        parts.append(say["nobody"] if needed is None else say["needed"].format(contacts=number(needed, language)))
    return " ".join(parts)


_SAY: dict[Language, dict[str, str]] = {
    "en": {
        "measured": "{name}, {start} to {end}: {treated_rate} of {treated} treated contacts reached the goal, "
        "{holdout_rate} of {holdout} held out ({gap} points, interval {low} to {high}).",
        "works": "It worked.",
        "harms": "It did harm.",
        "inconclusive": "Inconclusive: the effect may lie anywhere in that interval.",
        "needed": "About {contacts} contacts would settle it.",
        "nobody": "No list of a realistic size would settle it.",
    },
    "fr": {
        "measured": "{name}, du {start} au {end} : {treated_rate} des {treated} contacts traités ont atteint "
        "l'objectif, {holdout_rate} des {holdout} du groupe témoin ({gap} points, intervalle {low} à {high}).",
        "works": "Cela a marché.",
        "harms": "Cela a nui.",
        "inconclusive": "Non concluant : l'effet peut se trouver n'importe où dans cet intervalle.",
        "needed": "Il faudrait environ {contacts} contacts pour trancher.",
        "nobody": "Aucune liste de taille réaliste ne trancherait.",
    },
}
