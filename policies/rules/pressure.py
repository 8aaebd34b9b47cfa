"""Where messages compete for the last room that a contact has, the one that is worth more goes first."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from policies.facts import MessageFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, hold
from policies.table import MessageTable, Verdicts, hold_where

_ASK_AGAIN = timedelta(minutes=15)


class PressureLimits(Parameters):
    """How far ahead rivals are looked for."""

    look_ahead_hours: int = Field(default=24, ge=0, le=168)


def gate(facts: MessageFacts, limits: PressureLimits, context: Context) -> Ruling | None:
    if not (facts.reaches_contact and is_marketing(facts)):
        return None
    room, rivals = need(facts.room_left, "room_left"), need(facts.rivals, "rivals")
    ahead = [due_at for due_at in rivals if due_at <= facts.now + timedelta(hours=limits.look_ahead_hours)]
    if room < 1 or len(ahead) < room:
        return None
    return hold(
        "A message that is worth more to this contact needs the room.",
        fact=f"{len(ahead)} such messages within {limits.look_ahead_hours} hours, room for {room}",
        limit="room for one more than these",
        retry_at=max(ahead[room - 1], facts.now) + _ASK_AGAIN,
    )


def sift(table: MessageTable, limits: PressureLimits, context: Context) -> Verdicts:
    if not (table.common.reaches_contact and is_marketing(table.common)):
        return table.allow()
    until = table.common.now + timedelta(hours=limits.look_ahead_hours)
    ahead = table.count("rivals", lambda rivals: sum(due_at <= until for due_at in rivals))
    room = table.column("room_left")
    return hold_where((room >= 1) & (ahead >= room))


RULE = Rule(id="pressure", parameters=PressureLimits, gate=gate, sift=sift)
