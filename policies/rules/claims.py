"""Copy claims of a product, a price or a stock only what a named person approved as a fact."""

from __future__ import annotations

import re
from typing import Final

from policies.rule import Parameters, Rule, Ruling, Wording, refuse
from policies.wording import bare, plain, unapproved, written

_HARMLESS: Final = re.compile(
    r"\bbest (?:wishes|regards)\b|\bmeilleurs? (?:voeux|sentiments|souvenirs)\b|\ball the best\b"
)
_CLAIM: Final = re.compile(
    r"\bguarant\w+|\bbest\b|\bcheapest\b|\blowest prices?\b|\bfinest\b|\bsafest\b|\bfastest\b|\bunbeatable\b|"
    r"\bclinical\w*|\bscientific\w*|\bproven\b|"
    r"\b(?:doctor|dermatologist|expert)s?[ -](?:recommended|approved|tested)\b|"
    r"\bnumber one\b|\bno\. ?1\b|\bworld's\b|\bleading\b|\baward[ -]winning\b|\bmiracles?\b|"
    r"\bfamous\b|\brenowned\b|\bside effects?\b|\bdoctors?\b|\bmedecins?\b|\beffets? secondaires?\b|"
    r"\bcures?\b|\bheals?\b|"
    r"\brisk[ -]free\b|\bcertified\b|\borganic\b|\beco[ -]?friendly\b|\bsustainabl\w+|\bcarbon[ -]neutral\b|"
    r"\bbiodegradable\b|\bgaranti\w*|\bmeilleure?s?\b|\ble moins cher\b|\bprix le plus bas\b|\bimbattables?\b|"
    r"\bcliniquement\b|\bscientifiquement\b|\bprouvee?s?\b|\brecommandee?s? par\b|\bnumero un\b|\bprimee?s?\b|"
    r"\bgueri\w*|\bsans risque\b|\bcertifiee?s?\b|\bbio(?:logique)?s?\b|\becolo\w*|\beco-?responsables?\b|"
    r"\bneutres? en carbone\b|\bdurables?\b"
)
_URGENCY: Final = re.compile(
    r"\blast chance\b|\bhurry\b|\bact now\b|\burgent\w*|\btoday only\b|\b(?:ends|ending) (?:soon|today|tonight)\b|"
    r"\blimited[ -](?:time|stock|quantit\w+)\b|\bwhile (?:stocks?|supplies) lasts?\b|\balmost gone\b|"
    r"\bselling (?:out|fast)\b|"
    r"\bonly (?:a )?\w+ (?:left|remain\w*)|\b(?:hours|days) left\b|\blast (?:days?|hours?)\b|\bderniere chance\b|"
    r"\bdepechez\b|\bfaites vite\b|\baujourd'hui seulement\b|\b(?:termine|finit) (?:bientot|ce soir|aujourd'hui)\b|"
    r"\b(?:stocks?|quantites?|duree) limitee?s?\b|\bepuisement\b|\bpresque epuise\w*|"
    r"\b(?:plus|reste) que (?:quelques|une?|deux|trois|quatre|cinq|six|sept|huit|neuf|dix)\b|"
    r"\bderniers? (?:jours?|articles?|exemplaires?)\b|\bdernieres? (?:heures?|pieces?)\b"
)


class ClaimLimits(Parameters):
    """Which claims need an approved fact."""

    urgency_needs_fact: bool = True
    """Also for "last chance" and "only a few left"."""
    banned_words: tuple[str, ...] = ()
    """Words that no copy uses, besides those that the brand bans."""


def read(wording: Wording, limits: ClaimLimits) -> list[Ruling]:
    said = []
    for slot, text in written(wording):
        rest = _HARMLESS.sub(" ", bare(unapproved(text, wording.approved_texts())))
        claim = _CLAIM.search(rest)
        if claim:
            said.append(
                refuse(
                    f"The {slot} of {wording.where} makes a claim that nobody approved.",
                    fact=claim[0],
                    limit="the words of an approved fact",
                    part="copy",
                )
            )
        urgency = _URGENCY.search(rest) if limits.urgency_needs_fact else None
        if urgency:
            said.append(
                refuse(
                    f"The {slot} of {wording.where} presses for time without an approved reason.",
                    fact=urgency[0],
                    limit="the words of an approved fact or offer",
                    part="copy",
                )
            )
        simple = plain(text)
        said += [
            refuse(
                f"The {slot} of {wording.where} uses a word that this house does not use.",
                fact=word,
                limit="the brand's voice and the policy",
                part="copy",
            )
            for word in (*wording.brand.voice.banned_words, *limits.banned_words)
            if plain(word) and re.search(rf"(?<!\w){re.escape(plain(word))}(?!\w)", simple)
        ]
    return said


RULE = Rule(id="claims", parameters=ClaimLimits, read=read)
