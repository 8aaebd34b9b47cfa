"""What an event does to campaigns at once: goals let people out, waits end, and triggers put people at the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from memory import arrivals, campaigns, enrolments, ledger
from memory import contacts as people
from memory.arrivals import Arrival
from memory.enrolments import Enrolment
from memory.events import ORDER
from memory.play import Goal
from memory.schema import messages
from memory.steps import WaitEventStep, WaitStep
from memory.trigger import EventTrigger


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a contact on record did."""

    contact_id: int
    event_id: str
    kind: str
    properties: Mapping[str, Any]
    at: datetime


def react(connection: Connection, deeds: Sequence[Deed], at: datetime) -> None:
    """Act on what contacts did: leave campaigns whose goal it is, end waits for it, come to the doors that it opens."""
    _move_those_inside(connection, deeds, at)
    _leave_doors(connection, deeds)
    _announce(connection, deeds)


def is_goal(goal: Goal, deed: Deed) -> bool:
    """Whether this is what the campaign wanted."""
    if deed.kind != goal.event:
        return False
    if goal.event != ORDER:
        return all(one.accepts(dict(deed.properties)) for one in goal.where)
    lines = deed.properties.get("lines") or []
    return not goal.category or any(line.get("category") == goal.category for line in lines)


def _move_those_inside(connection: Connection, deeds: Sequence[Deed], at: datetime) -> None:
    """Whoever did what a campaign wanted leaves it, its pending messages cancelled; a wait for it is over."""
    who = {deed.contact_id for deed in deeds}
    now = {one: one for one in who} | people.merged_into(connection, who)
    bodies: dict[tuple[str, int], dict[str, Any]] = {}
    reached: list[int] = []
    woken: list[int] = []
    for one in enrolments.active(connection, list(now)):
        key = (one.campaign_id, one.version)
        if key not in bodies:
            bodies[key] = campaigns.get_version(connection, *key).body
        since = [deed for deed in deeds if deed.contact_id == now[one.contact_id] and deed.at >= one.entered_at]
        goal = Goal.model_validate(bodies[key]["goal"])
        if "goal" in bodies[key].get("exits", []) and any(is_goal(goal, deed) for deed in since):
            reached.append(one.enrolment_id)
            continue
        if _is_awaited(bodies[key], one, since):
            woken.append(one.enrolment_id)
        _start_anew(connection, bodies[key], one, since)
    if reached:
        ledger.cancel(connection, messages.c.enrolment_id.in_(reached), "goal")
        enrolments.leave(connection, dict.fromkeys(reached, "goal"), at)
    enrolments.hasten(connection, woken, at)


def _leave_doors(connection: Connection, deeds: Sequence[Deed]) -> None:
    """Whoever did what a campaign wanted before they were let in need not come in any more."""
    gone = []
    goals: dict[str, Goal] = {}
    for one in arrivals.of_contacts(connection, {deed.contact_id for deed in deeds}):
        if one.campaign_id not in goals:
            version = campaigns.get(connection, one.campaign_id).version
            body = campaigns.get_version(connection, one.campaign_id, version).body
            goals[one.campaign_id] = Goal.model_validate(body["goal"])
        goal = goals[one.campaign_id]
        if any(deed.contact_id == one.contact_id and deed.at >= one.at and is_goal(goal, deed) for deed in deeds):
            gone.append(one.arrival_id)
    arrivals.send_away(connection, gone)


def _is_awaited(body: Mapping[str, Any], one: Enrolment, deeds: Sequence[Deed]) -> bool:
    sequence: Mapping[str, Any] = next(
        (each for each in body["sequences"] if each["key"] == one.sequence_key), {"steps": []}
    )
    step = next((each for each in sequence["steps"] if each["key"] == one.step_key), None)
    if not deeds or step is None or step["kind"] != "wait_event":
        return False
    awaited = WaitEventStep.model_validate(step)
    return any(awaited.accepts(deed.kind, dict(deed.properties)) for deed in deeds)


def _start_anew(connection: Connection, body: Mapping[str, Any], one: Enrolment, deeds: Sequence[Deed]) -> None:
    """Whoever does again what let them in, before anything left, is waited for anew; messages name what came last."""
    if not isinstance(body["trigger"], dict) or not body["trigger"].get("restarts"):
        return
    trigger = EventTrigger.model_validate(body["trigger"])
    again = [deed for deed in deeds if trigger.accepts(deed.kind, dict(deed.properties))]
    first = next(each["steps"][0] for each in body["sequences"] if each["key"] == one.sequence_key)
    if not again or first["kind"] != "wait":
        return
    last = max(again, key=lambda deed: deed.at)
    until = last.at + WaitStep.model_validate(first).duration
    if one.step_key == first["key"]:
        enrolments.move(connection, [(one.enrolment_id, first["key"], max(one.due_at or until, until))])
    elif not ledger.postpone(connection, one.enrolment_id, until):
        return
    enrolments.rebind(connection, one.enrolment_id, {**one.bindings, **trigger.records_of(last.properties)})


def _announce(connection: Connection, deeds: Sequence[Deed]) -> None:
    """Put contacts at the doors of running campaigns that wait for what they did."""
    waiting = campaigns.waiting_for(connection, {deed.kind for deed in deeds})
    found = []
    for campaign in waiting:
        body = campaigns.get_version(connection, campaign.campaign_id, campaign.version).body
        trigger = EventTrigger.model_validate(body["trigger"])
        found += [
            Arrival(
                campaign_id=campaign.campaign_id,
                contact_id=deed.contact_id,
                event_id=deed.event_id,
                at=deed.at,
                bindings=trigger.records_of(deed.properties),
            )
            for deed in deeds
            if trigger.accepts(deed.kind, dict(deed.properties))
        ]
    arrivals.announce(connection, found)
