"""Every number, price, percentage, date, code, link and address in copy comes from a record."""

from __future__ import annotations

import re
import unicodedata

from policies.rule import Parameters, Rule, Ruling, Wording, refuse
from policies.wording import bare, plain, unapproved, written

_NUMBER = re.compile(
    r"([€$£]\s?)?(\d+(?: \d{3})+(?:[.,]\d+)?|\d+(?:[.,:/'-]\d+)*)\s?(%|€|\$|£|per cent|pour cent|[^\W\d_]+)?"
)
_UNITS = {
    **dict.fromkeys(("%", "percent", "per cent", "pour cent", "pct"), "%"),
    **dict.fromkeys(("€", "euro", "euros", "eur"), "€"),
    **dict.fromkeys(("$", "dollar", "dollars", "usd"), "$"),
    **dict.fromkeys(("£", "pound", "pounds", "gbp"), "£"),
    **dict.fromkeys(("point", "points", "pts"), "points"),
    **dict.fromkeys(("minute", "minutes", "min", "mn"), "minutes"),
    **dict.fromkeys(("hour", "hours", "heure", "heures", "h"), "hours"),
    **dict.fromkeys(("day", "days", "jour", "jours", "j"), "days"),
    **dict.fromkeys(("week", "weeks", "semaine", "semaines"), "weeks"),
    **dict.fromkeys(("month", "months", "mois"), "months"),
    **dict.fromkeys(("year", "years", "an", "ans", "année", "années"), "years"),
    **dict.fromkeys(("x", "times", "fois"), "times"),
}
_SPELLED = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety|hundred|thousand|un|une|deux|trois|quatre|cinq|sept|huit|neuf|dix|onze|douze|quinze|vingt|trente|"
    r"quarante|cinquante|soixante|cent|mille"
)
_SPELLED_AMOUNT = re.compile(
    rf"\b(?:{_SPELLED})(?:[ -](?:and|et|{_SPELLED}))* "
    r"(?:percent|per cent|pour cent|%|euros?|dollars?|pounds?|cents|centimes|points)\b"
)
_DAY = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september|october|"
    r"november|december|tonight|tomorrow|midnight|noon|weekend|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|"
    r"janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre|demain|minuit|midi|ce soir"
)
_SPELLED_DATE = re.compile(
    r"\b(?:until|till|before|by|ends?|ending|expires?|jusqu'(?:au|a)|avant|d'ici|termine|expire|finit)\b"
    rf"(?: \S+){{0,2}}? (?:{_DAY})\b"
)
_LINK = re.compile(
    r"https?:|//|\bwww\.|\bdot (?:com|net|org|fr|io|shop)\b|\b[\w-]+ \.(?:com|net|org|fr|io|shop)\b|"
    r"\b[^\W_][\w-]+\.[a-z]{2,}\b|\S@\S"
)
_MONEY_SIGNS = re.compile(r"[€$£] ?[€$£]")
_CAPITALS = re.compile(r"(?<![\w])[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ0-9_-]{4,}(?![\w])")
_NAMED_CODE = re.compile(r"\bcode\b ?[:\"«] ?\w")


class CopyFactLimits(Parameters):
    """Nothing to set: the records decide."""


def read(wording: Wording, limits: CopyFactLimits) -> list[Ruling]:
    approved = [*wording.approved_texts(), wording.brand.name]
    if wording.offer and wording.offer.code:
        approved.append(wording.offer.code)
    stated = {quantity for text in approved for quantity in quantities(text)}
    known_words = set(re.findall(r"\w[\w-]*", " ".join(plain(text) for text in approved)))
    said = []

    def against(slot: str, what: str, found: str) -> None:
        said.append(
            refuse(
                f"The {slot} of {wording.where} {what} that no record gives.",
                fact=found.strip(),
                limit="a binding, an approved fact or the offer's own label",
                part="copy",
            )
        )

    for slot, text in written(wording):
        rest = unapproved(text, approved)
        for quantity in quantities(rest):
            if quantity not in stated:
                against(slot, "states a number", "".join(quantity))
        simple = bare(rest)
        for pattern, what in (
            (_MONEY_SIGNS, "shows money signs"),
            (_SPELLED_AMOUNT, "states an amount"),
            (_SPELLED_DATE, "states a date"),
            (_LINK, "writes out a link or address"),
            (_NAMED_CODE, "writes out a code"),
        ):
            found = pattern.search(simple)
            if found:
                against(slot, what, found[0])
        for match in _CAPITALS.finditer(unicodedata.normalize("NFKC", text)):
            if plain(match[0]) not in known_words:
                against(slot, "writes what looks like a code", match[0])
    return said


def quantities(text: str) -> list[tuple[str, str]]:
    """The numbers in a text, each with its unit in one spelling ("" where no unit follows)."""
    found = []
    for match in _NUMBER.finditer(plain(text)):
        before, digits, after = match.groups()
        number = digits.replace(" ", "").replace("'", "").replace(",", ".")
        found.append((number, _UNITS.get((before or "").strip()) or _UNITS.get(after or "", "")))
    # A digit that the pattern cannot read (in a word, in another script) is still a digit.
    seen = "".join(number for number, _ in found)
    found += [(char, "") for char in plain(text) if char.isnumeric() and not char.isdecimal() and char not in seen]
    return found


RULE = Rule(id="copy_facts", parameters=CopyFactLimits, read=read, locked=True)
