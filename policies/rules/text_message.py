"""A text message is short, and says how to get no more of them."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field

from memory.steps import Copy
from policies.rule import Parameters, Rule, Ruling, Wording, refuse
from policies.wording import VALUE, variants

# 3GPP TS 23.038: the characters that take one place of seven bits, and those that take two.
_ONE_PLACE: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWO_PLACES: Final = frozenset("^{}\\[~]|€\f")
_VALUE_CHARACTERS: Final = 20
"""A name, a price or a short link, as long as most are."""


class TextMessageLimits(Parameters):
    """How long a text message may be, and the word that ends them."""

    maximum_segments: int = Field(default=2, ge=1, le=10)
    """Parts it is sent and paid in: 160 characters alone, 153 each of several; 70 and 67 with other signs."""
    opt_out_words: tuple[str, ...] = Field(default=("STOP",), min_length=1)
    """Marketing must contain one of them, written like this."""


def read(wording: Wording, limits: TextMessageLimits) -> list[Ruling]:
    if wording.channel != "sms":
        return []
    said = []
    text = longest_text(wording.copy)
    parts = segments(text)
    if parts > limits.maximum_segments:
        said.append(
            refuse(
                f"The text message {wording.where} is too long.",
                fact=f"{parts} parts, {len(text)} characters",
                limit=f"{limits.maximum_segments} parts",
                part="copy",
            )
        )
    always = [paragraph for paragraph in wording.copy.body if len(variants(paragraph)) == 1]
    words = set(re.findall(r"\w+", " ".join(always)))
    if wording.purpose == "marketing" and not words & set(limits.opt_out_words):
        said.append(
            refuse(
                f"The text message {wording.where} does not say how to get no more of them.",
                fact="no word to answer with",
                limit=", ".join(limits.opt_out_words),
                part="copy",
            )
        )
    return said


def longest_text(copy: Copy) -> str:
    """The longest text that a contact may get; each value stands as so many letters."""
    longest = (max(variants(paragraph), key=len) for paragraph in copy.body)
    return "\n".join(text.replace(VALUE, "x" * _VALUE_CHARACTERS) for text in longest)


def segments(text: str) -> int:
    """How many parts a text message is sent in."""
    if set(text) <= _ONE_PLACE | _TWO_PLACES:
        size, alone, each = sum(2 if sign in _TWO_PLACES else 1 for sign in text), 160, 153
    else:
        size, alone, each = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if size <= alone else -(-size // each)


RULE = Rule(id="text_message", parameters=TextMessageLimits, read=read)
