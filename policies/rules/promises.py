"""Copy promises no discount, gift or free delivery that the approved offer does not give."""

from __future__ import annotations

import re
from typing import Final

from policies.rule import Parameters, Rule, Ruling, Wording, refuse
from policies.wording import bare, plain, unapproved, written

_HARMLESS: Final = re.compile(
    r"\b(?:feel|set|gluten|sugar|dairy|cruelty|fat|lactose) free\b|\bfree (?:to|time|of|range)\b|\bfor sale\b|"
    r"\bdeals? with\b|\bsans engagement\b|\bidees cadeaux?\b|\bgift ideas?\b"
)

_PATTERNS: Final[dict[str, re.Pattern[str]]] = {
    "exact": re.compile(
        r"\b(?:half|third|quarter|fiver|tenner) (?:off|less)\b|\b(?:tiers|quart) de moins\b|"
        r"\brembours\w+|\bmoney[ -]back\b|\brefund\w*|"
        r"\bhalf[ -](?:the )?price\b|\bhalf off\b|\bhalf as much\b|\b(?:two|three|2|3) for (?:one|two|1|2)\b|"
        r"\bbuy one\b|\bbogo\b|\bmoitie prix\b|\bmoitie moins\b|\bdemi[ -](?:prix|tarif)\b|\bdivise par\b|"
        r"\ble (?:deuxieme|second) (?:est )?(?:offert|gratuit)|\bun achete\b|\bpour le prix d'une?\b|\bdouble points\b"
    ),
    "free_shipping": re.compile(
        r"\bfree(?: \w+)? (?:shipping|delivery|postage|returns?)\b|\b(?:shipping|delivery|postage) (?:is |are )?"
        r"(?:free|on us)\b|\bno (?:shipping|delivery) (?:fees?|costs?)\b|"
        r"\b(?:livraison|expedition|port|frais de port|retours?) (?:est |sont )?(?:gratuit|offert)e?s?\b"
    ),
    "prize": re.compile(
        r"\byou(?:'ve| have)? (?:just )?won\b|\bwinners?\b|\bprizes?\b|\blotter\w+|\braffles?\b|"
        r"\byou (?:have been|were|are) selected\b|\bgagne[rsz]?\b|\bgagnante?s?\b|\btirage\b|\bconcours\b"
    ),
    "gift": re.compile(
        r"\b(?:pay|costs?)(?: you)? nothing\b|\bon the house\b|\bat our expense\b|\bwe pay\b|"
        r"\ba present (?:from|for)\b|"
        r"\bun present (?:pour|de|offert)\b|\bgracieu\w+|\ba nos frais\b|"
        r"\bfree\b|\bfreebies?\b|\bcomplimentary\b|\bgratis\b|\bon us\b|\b(?:at )?no (?:extra )?(?:cost|charge)\b|"
        r"\b(?:a|your|bonus) (?:\w+ )?gift (?:for you|from us|inside|with|awaits)|\byour gift\b|"
        r"\bgratuit\w*|\bofferte?s?\b|\bon vous offre\b|\bvous offr\w+|\bsans frais\b|\bvotre cadeau\b|"
        r"\bun cadeau (?:pour|vous|de|avec)\b"
    ),
    "points": re.compile(
        r"\b(?:bonus|extra|loyalty) points\b|\bpoints (?:bonus|offerts|supplementaires|de fidelite)\b"
    ),
    "discount": re.compile(
        r"(?:%|percent|per cent|¤|€|\$|£|\d) off\b|\b(?:money|something) off\b|\bdiscount\w*|\breduced\b|"
        r"\bprice (?:cut|drop)s?\b|\bknocked (?:off|down)\b|\b(?:lower|special|slashed|cheaper) prices?\b|\bsavings?\b|"
        r"\bsave (?:money|up|big|more|on|¤|\d|€|\$|£)|\brebates?\b|\bmark(?:ed)? ?downs?\b|\bbargains?\b|\bclearance\b|"
        r"\bcash ?back\b|\bvouchers?\b|\bcoupons?\b|\bpromo\w*|\bdeals?\b|"
        r"\b(?:special|exclusive|limited)(?:\W\w+)? offers?\b|"
        r"\bremises?\b|\breductions?\b|\breduite?s?\b|\brabais\b|\bristournes?\b|"
        r"\bprix (?:casse|barre|en baisse|doux|mini)s?\b|"
        r"\beconomi(?:es|s\w+)|\bbons? (?:d'achat|de reduction|plan)s?\b|\bbonnes affaires\b|\bbonne affaire\b|"
        r"\boffres? (?:speciale|exclusive|limitee|promotionnelle)s?\b|\bmoins cher\w*"
    ),
}
_ENGLISH_SALE: Final = re.compile(r"\b(?:on |the |our |summer |winter |flash )sales?\b|\bsales?$")
_FRENCH_SALE: Final = re.compile(r"\bsoldes?\b|\ben solde\b|\bbraderie\b|\bdestockage\b")

_COVERED: Final[dict[str, frozenset[str]]] = {
    "percent": frozenset({"discount"}),
    "amount": frozenset({"discount"}),
    "free_shipping": frozenset({"free_shipping"}),
    "gift": frozenset({"gift"}),
    "points": frozenset({"points"}),
}


class PromiseLimits(Parameters):
    """Nothing to set: the offer decides."""


def read(wording: Wording, limits: PromiseLimits) -> list[Ruling]:
    covered = _COVERED[wording.offer.kind] if wording.offer else frozenset()
    said = []
    for slot, text in written(wording):
        rest = _HARMLESS.sub(" ", bare(unapproved(text, wording.approved_texts())))
        for kind, pattern in _PATTERNS.items():
            found = pattern.search(rest)
            # "free delivery" is one promise, not also a gift.
            rest = pattern.sub(" ", rest)
            if found and kind not in covered:
                said.append(_against(wording, slot, found[0]))
        sale = (_FRENCH_SALE if wording.language == "fr" else _ENGLISH_SALE).search(rest)
        if sale and "discount" not in covered:
            said.append(_against(wording, slot, sale[0]))
    return said


def promises_something(text: str) -> bool:
    """Whether a text, English or French, speaks of what only an offer gives: a discount, a gift, free delivery."""
    rest = _HARMLESS.sub(" ", bare(plain(text)))
    return any(pattern.search(rest) for pattern in (*_PATTERNS.values(), _ENGLISH_SALE, _FRENCH_SALE))


def _against(wording: Wording, slot: str, found: str) -> Ruling:
    return refuse(
        f"The {slot} of {wording.where} promises what the offer does not give.",
        fact=found.strip(),
        limit=f"an offer of the kind {wording.offer.kind}" if wording.offer else "no offer in this play",
        part="copy",
    )


RULE = Rule(id="promises", parameters=PromiseLimits, read=read, locked=True)
