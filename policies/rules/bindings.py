"""Personal values are named from a closed list and read from records, never written by a model."""

from __future__ import annotations

from typing import Final

from memory.bindings import ANSWER
from memory.slots import SlotError, layout_needs, parse_slot
from policies.facts import MessageFacts, ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, Wording, hold, refuse
from policies.table import MessageTable, Verdicts, hold_where
from policies.wording import MOST_CONDITIONS

_NO_OFFER: Final = "It speaks of an offer that the play does not carry."


class BindingLimits(Parameters):
    """Nothing to set: the list is in memory/bindings.py."""


def gate(facts: MessageFacts, limits: BindingLimits, context: Context) -> Ruling | None:
    missing = need(facts.bindings_missing, "bindings_missing")
    if not missing:
        return None
    return hold(
        "A value that the copy names is not on record for this contact.",
        fact=", ".join(missing),
        limit="every binding filled from a record",
    )


def sift(table: MessageTable, limits: BindingLimits, context: Context) -> Verdicts:
    return hold_where(table.which("bindings_missing", bool))


def read(wording: Wording, limits: BindingLimits) -> list[Ruling]:
    said = []
    for place, text in wording.slots():
        where = f"The {place} of {wording.where}"
        try:
            slot = parse_slot(text)
        except SlotError as error:
            said.append(_against(where, error.what))
            continue
        if wording.offer is None and any(name.startswith("offer.") for name in slot.names):
            said.append(_against(where, _NO_OFFER))
        asked = {f"{ANSWER}{one.id}" for one in wording.brand.questions}
        if any(name.startswith(ANSWER) and name not in asked for name in slot.names):
            said.append(_against(where, "It prints an answer to a question that the brand file does not ask."))
        if len(slot.names) - len(slot.needed) > MOST_CONDITIONS:
            said.append(_against(where, "It asks for too many optional values."))
    return said


def review(facts: ProposalFacts, limits: BindingLimits, context: Context) -> list[Ruling]:
    play = facts.play
    said = []
    for name in play.layouts():
        try:
            needed = layout_needs(play.templates[name])
        except SlotError as error:
            said.append(_against(f"Template {name}", error.what))
            continue
        if not play.offers and any(each.startswith("offer.") for each in needed):
            said.append(_against(f"Template {name}", _NO_OFFER))
    return said


def _against(place: str, problem: str) -> Ruling:
    return refuse(
        f"{place} names a value that it may not.", fact=problem, limit="bindings of the closed list", part="copy"
    )


RULE = Rule(id="bindings", parameters=BindingLimits, gate=gate, sift=sift, review=review, read=read, locked=True)
