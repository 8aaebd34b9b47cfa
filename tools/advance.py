"""Enrolments on their way through the steps of their sequence: plan a message, wait, go on, leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from memory import campaigns, enrolments, ledger
from memory.campaigns import CampaignVersion
from memory.enrolments import Enrolment
from memory.journal import append
from memory.ledger import Message
from memory.play import Play
from memory.steps import SendStep, WaitStep
from memory.steps import Sequence as PlaySequence
from tools.campaign import end
from tools.workplace import Workplace

_CHUNK = 500
COMPLETED = "completed"


def advance(place: Workplace, *, most: int | None = None) -> int:
    """Move every due enrolment of a live campaign on; returns how many moved."""
    moved = 0
    while most is None or moved < most:
        with place.store.write() as connection:
            at = place.clock.now()
            due = enrolments.due(connection, at=at, limit=_CHUNK)
            if not due:
                break
            _move(connection, due, at, place.actor)
            moved += len(due)
    return moved


def finish(place: Workplace) -> list[str]:
    """Close campaigns, live or paused, whose last goal window is over; returns their ids."""
    with place.store.write() as connection:
        at = place.clock.now()
        over = [one for one in campaigns.list_campaigns(connection, ["live", "paused"]) if one.ends_at <= at]
        for campaign in over:
            end(connection, campaign.campaign_id, "finished", at, place.actor)
        return [campaign.campaign_id for campaign in over]


def first_place(sequence: PlaySequence, enters_at: datetime) -> tuple[str | None, datetime | None]:
    """Where an enrolment stands when it enters, and when it is next due; (None, None) when it is out at once."""
    return _place(sequence, 0, enters_at)


def message_at(enrolment: Enrolment, play: Play, at: datetime, due_at: datetime) -> Message | None:
    """The message of the step at which an enrolment stands, if that step sends."""
    sequence = sequence_of(play, enrolment.sequence_key)
    step = next((one for one in sequence.steps if one.key == enrolment.step_key), None)
    if not isinstance(step, SendStep):
        return None
    return Message(
        message_key=ledger.message_key(enrolment.campaign_id, enrolment.contact_id, step.key, enrolment.occurrence),
        campaign_id=enrolment.campaign_id,
        contact_id=enrolment.contact_id,
        enrolment_id=enrolment.enrolment_id,
        version=enrolment.version,
        sequence_key=enrolment.sequence_key,
        step_key=step.key,
        occurrence=enrolment.occurrence,
        channel=step.channel,
        purpose=step.purpose,
        planned_at=at,
        due_at=due_at,
        deadline_at=due_at + timedelta(days=play.schedule.deadline_days),
    )


def sequence_of(play: Play, key: str) -> PlaySequence:
    """The sequence of that name."""
    return next(one for one in play.sequences if one.key == key)


def _move(connection: Connection, due: Sequence[Enrolment], at: datetime, actor: str) -> None:
    versions: dict[tuple[str, int], CampaignVersion] = {}
    moves: list[tuple[int, str, datetime | None]] = []
    exits: dict[int, str] = {}
    planned: list[Message] = []
    for one in due:
        known = (one.campaign_id, one.version)
        if known not in versions:
            versions[known] = campaigns.get_version(connection, *known)
        if versions[known].digest_found != versions[known].digest:
            # The gate stops a campaign that drifted; nothing moves until then.
            moves.append((one.enrolment_id, one.step_key or "", at + timedelta(hours=1)))
            continue
        play = versions[known].play
        sequence = sequence_of(play, one.sequence_key)
        position = next((place for place, step in enumerate(sequence.steps) if step.key == one.step_key), None)
        step_key, due_at = (None, None) if position is None else _place(sequence, position + 1, at)
        if step_key is None:
            exits[one.enrolment_id] = COMPLETED
            continue
        moves.append((one.enrolment_id, step_key, due_at))
        message = message_at(replace(one, step_key=step_key), play, at, at)
        if message is not None:
            planned.append(message)
    enrolments.move(connection, moves)
    enrolments.leave(connection, exits, at)
    ledger.plan(connection, planned, actor=actor, at=at)
    if exits:
        append(
            connection,
            at=at,
            actor=actor,
            action="enrolments.completed",
            subject="campaigns",
            payload={"contacts": len(exits)},
        )


def _place(sequence: PlaySequence, position: int, at: datetime) -> tuple[str | None, datetime | None]:
    """The step at a position: a send waits for its message, a wait for its days, everything else is the end."""
    if position >= len(sequence.steps):
        return None, None
    step = sequence.steps[position]
    if isinstance(step, SendStep):
        return step.key, None
    if isinstance(step, WaitStep):
        return step.key, at + timedelta(days=step.days)
    return None, None
