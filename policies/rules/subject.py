"""Subject and sender name are honest: no false reply, no badge, no alarm."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from pydantic import Field

from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, Wording, refuse
from policies.wording import bare, plain, written

_REPLY: Final = re.compile(r"^\W*(?:re|fwd?|tr|aw|wg|rv|ref)\s*(?:\[\d+\]\s*)?:")
_BADGES: Final = frozenset("✓✔☑✅🗸🔵🛡🔒🔔⚠🚨")
_POSING: Final = re.compile(
    r"\b(?:order confirmation|invoice|payment (?:failed|due|received)|account (?:suspended|locked|closed)|"
    r"security alert|delivery (?:failed|notice)|action required|final notice|facture|confirmation de commande|"
    r"paiement (?:refuse|recu)|compte (?:suspendu|bloque)|alerte de securite|votre colis|action requise|dernier avis)\b"
)
_ALARM: Final = re.compile(r"\burgent\w*|\blast chance\b|\bderniere chance\b|\bhurry\b|\bact now\b|\bfinal notice\b")


class SubjectLimits(Parameters):
    """How loud a subject may be."""

    maximum_exclamation_marks: int = Field(default=1, ge=0)
    maximum_capitals_share: float = Field(default=0.5, gt=0, le=1)
    """Of the letters in a subject of at least eight letters."""


def read(wording: Wording, limits: SubjectLimits) -> list[Ruling]:
    return [ruling for slot, text in written(wording) if slot == "subject" for ruling in _read(wording, text, limits)]


def _read(wording: Wording, text: str, limits: SubjectLimits) -> list[Ruling]:
    simple = bare(plain(text))
    letters = [char for char in text if char.isalpha()]
    capitals = sum(char.isupper() for char in letters)
    posing = _POSING.search(simple)
    problems = [
        (_REPLY.match(simple), "poses as a reply", "Re: or Fwd:"),
        (_badge(text), "wears a badge", _badge(text)),
        (posing, "poses as a service message", posing[0] if posing else ""),
        (
            len(letters) >= 8 and capitals > limits.maximum_capitals_share * len(letters),
            "shouts in capitals",
            f"{capitals} of {len(letters)} letters",
        ),
        (
            simple.count("!") > limits.maximum_exclamation_marks,
            "shouts",
            f"{simple.count('!')} exclamation marks",
        ),
    ]
    return [
        refuse(f"The subject of {wording.where} {what}.", fact=found, limit="an honest subject", part="copy")
        for broken, what, found in problems
        if broken
    ]


def review(facts: ProposalFacts, limits: SubjectLimits, context: Context) -> list[Ruling]:
    name = facts.play.brand.sender_name
    simple = bare(plain(name))
    subjects = {plain(copy.subject) for _, step in facts.play.sends() for copy in step.copies.values() if copy.subject}
    problems = [
        (_ALARM.search(simple) or _REPLY.match(simple), "raises an alarm or poses as a reply"),
        (any(unicodedata.category(char) in ("So", "Sk", "Cf") for char in name), "wears an emoji or badge"),
        (re.search(r"\(\d+\)", name), "poses as a counter of messages"),
        ("@" in name or "{" in name, "holds an address or a binding"),
        (plain(name) in subjects, "repeats the subject"),
    ]
    return [
        refuse(f"The sender's name {what}.", fact=name, limit="the name of the sender, nothing else", part="copy")
        for broken, what in problems
        if broken
    ]


def _badge(text: str) -> str:
    return "".join(sorted(_BADGES & set(text)))


RULE = Rule(id="subject", parameters=SubjectLimits, review=review, read=read)
