"""A playbook leaves a segment alone that the team took away from it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from policies.facts import MessageFacts, ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse
from policies.table import MessageTable, Verdicts, refuse_where


class Pair(BaseModel):
    """A playbook, and whom it leaves alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    playbook: str = Field(min_length=1)
    segment: dict[str, Any]
    """An expression of the grammar of segments."""

    @field_validator("segment")
    @classmethod
    def _is_a_segment(cls, segment: dict[str, Any]) -> dict[str, Any]:
        return _written(segment)


class NotForLimits(Parameters):
    """Which playbooks leave which contacts alone."""

    pairs: tuple[Pair, ...] = ()
    """Playbooks, each with a segment whose contacts get none of its messages."""

    def segments(self, playbook: str) -> list[dict[str, Any]]:
        """The segments that a playbook leaves alone."""
        return [one.segment for one in self.pairs if one.playbook == playbook]


def gate(facts: MessageFacts, limits: NotForLimits, context: Context) -> Ruling | None:
    if not limits.pairs or facts.needs_no_leave:
        return None
    playbook = need(facts.playbook, "playbook")
    if not limits.segments(playbook) or not need(facts.in_barred_segment, "in_barred_segment"):
        return None
    return refuse(
        "The contact is in a segment that this playbook leaves alone.",
        fact=f"playbook {playbook}",
        limit="contacts outside of that segment",
    )


def sift(table: MessageTable, limits: NotForLimits, context: Context) -> Verdicts:
    if not limits.pairs or table.common.needs_no_leave:
        return table.allow()
    if not limits.segments(need(table.common.playbook, "playbook")):
        return table.allow()
    return refuse_where(table.column("in_barred_segment"))


def review(facts: ProposalFacts, limits: NotForLimits, context: Context) -> list[Ruling]:
    play = facts.play
    barred = limits.segments(play.playbook)
    if not barred:
        return []
    # Sure only where the audience says all that the segment says; whoever else is in it is taken out one by one.
    said = _conditions(_written(play.audience))
    if not any(all(one in said for one in _conditions(segment)) for segment in barred):
        return []
    return [
        refuse(
            "This playbook leaves the whole segment alone that the play is for.",
            fact=f"playbook {play.playbook}: {play.audience_sentence}",
            limit="another segment, or another playbook",
            part="audience",
        )
    ]


def _conditions(segment: dict[str, Any]) -> list[dict[str, Any]]:
    """What a contact has to fulfil, each part of it."""
    return list(segment["of"]) if segment["type"] == "all" else [segment]


def _written(segment: dict[str, Any]) -> dict[str, Any]:
    """The one way to write a segment. Raises ValueError for what is none."""
    # Features load a table engine, which a pack without such a segment never needs.
    from memory.errors import InvalidInputError
    from memory.segments.grammar import parse

    try:
        return parse(segment).model_dump(mode="json")
    except InvalidInputError as error:
        raise ValueError(f"this is no segment: {error.what}") from error


RULE = Rule(id="not_for", parameters=NotForLimits, gate=gate, sift=sift, review=review)
