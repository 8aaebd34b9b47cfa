"""Copy is short enough to be read."""

from __future__ import annotations

from pydantic import Field

from policies.rule import Parameters, Rule, Ruling, Wording, refuse
from policies.wording import written


class LengthLimits(Parameters):
    """Longest text of each slot in characters; a binding counts as one."""

    subject_characters: int = Field(default=80, ge=10)
    preheader_characters: int = Field(default=130, ge=10)
    headline_characters: int = Field(default=90, ge=10)
    paragraph_characters: int = Field(default=600, ge=40)
    button_characters: int = Field(default=40, ge=5)
    """Also of each choice."""
    paragraphs: int = Field(default=8, ge=1)


def read(wording: Wording, limits: LengthLimits) -> list[Ruling]:
    longest = {
        "subject": limits.subject_characters,
        "preheader": limits.preheader_characters,
        "headline": limits.headline_characters,
        "button": limits.button_characters,
    }
    said = []
    for slot, text in written(wording):
        kind = "button" if slot.startswith("choice ") else slot
        size, most = len(text), longest.get(kind, limits.paragraph_characters)
        if size > most:
            said.append(
                refuse(
                    f"The {slot} of {wording.where} is too long.",
                    fact=f"{size} characters",
                    limit=f"{most} characters",
                    part="copy",
                )
            )
    if len(wording.copy.body) > limits.paragraphs:
        said.append(
            refuse(
                f"The copy of {wording.where} has too many paragraphs.",
                fact=f"{len(wording.copy.body)} paragraphs",
                limit=f"{limits.paragraphs} paragraphs",
                part="copy",
            )
        )
    return said


RULE = Rule(id="length", parameters=LengthLimits, read=read)
