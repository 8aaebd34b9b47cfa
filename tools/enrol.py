"""Enrol contacts into a campaign, each at the first step of the sequence they drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from memory import enrolments, ledger
from memory.campaigns import Campaign
from memory.enrolments import Enrolment
from memory.play import Play
from memory.steps import SendStep, Step, WaitStep
from tools.advance import message_at, sequence_of
from tools.audience import Entrant
from tools.workplace import Workplace


def enrol(
    connection: Connection,
    place: Workplace,
    campaign: Campaign,
    play: Play,
    entering: Sequence[tuple[Entrant, datetime]],
    occurrences: Mapping[int, int] | None = None,
) -> int:
    """Write enrolments and first messages: both are there, or neither. Returns how many entered.

    Each contact comes with the moment at which they enter; ``occurrences`` numbers the entries of those who were in
    before. One who is in already stays as they are.
    """
    at = place.clock.now()
    numbers = occurrences or {}
    rows = []
    for entrant, enters_at in sorted(entering, key=lambda one: one[0].contact_id):
        step_key, due_at = _first_place(sequence_of(play, entrant.sequence_key).steps[0], enters_at)
        rows.append(
            Enrolment(
                campaign_id=campaign.campaign_id,
                contact_id=entrant.contact_id,
                occurrence=numbers.get(entrant.contact_id, 1),
                version=campaign.version,
                in_holdout=entrant.in_holdout,
                sequence_key=entrant.sequence_key,
                probability=entrant.probability,
                step_key=step_key,
                due_at=due_at,
                entered_at=enters_at,
                bindings=dict(entrant.records),
            )
        )
    new = enrolments.enter(connection, rows)
    inside = enrolments.of_entries(connection, campaign.campaign_id, [(one.contact_id, one.occurrence) for one in rows])
    first = [
        message
        for one in inside
        if one.state == "active" and (message := message_at(one, play, at, one.entered_at)) is not None
    ]
    ledger.plan(connection, first, actor=place.actor, at=at)
    return new


def _first_place(step: Step, enters_at: datetime) -> tuple[str | None, datetime | None]:
    """Where an enrolment stands as it enters, and when it goes on; (None, …) is the door, where nothing was done."""
    if isinstance(step, SendStep) and not step.records:
        return step.key, None
    if isinstance(step, WaitStep):
        return step.key, enters_at + step.duration
    return None, enters_at
