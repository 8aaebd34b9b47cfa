"""Whoever has left a campaign leaves the advertising audiences that it put them on."""

from __future__ import annotations

from datetime import datetime, timedelta

from memory import ledger
from memory.ledger import Message
from memory.removals import audience_steps, still_on
from memory.steps import OFF
from tools.workplace import Workplace

_LOOK_BACK = timedelta(days=30)
"""So long after a campaign's end its contacts are still looked for."""
_DEADLINE = timedelta(days=30)
"""The advertising platform may be away for long; whoever left is taken off all the same."""
_CHUNK = 1000


def take_off(place: Workplace) -> int:
    """Plan the removal of everybody who has left a campaign and stands on an audience of it; returns how many."""
    if "audience" not in place.channels:
        return 0
    at = place.clock.now()
    with place.store.read() as connection:
        steps = audience_steps(connection, at - _LOOK_BACK)
        left = still_on(connection, steps, limit=_CHUNK) if steps else []
    if not left:
        return 0
    with place.store.write() as connection:
        return ledger.plan(connection, [removal(one, at) for one in left], actor=place.actor, at=at)


def removal(put_on: Message, at: datetime) -> Message:
    """The row of the ledger that takes a contact off the audience onto which another row put them."""
    key = put_on.step_key + OFF
    return Message(
        message_key=ledger.message_key(put_on.campaign_id, put_on.contact_id, key, put_on.occurrence),
        campaign_id=put_on.campaign_id,
        contact_id=put_on.contact_id,
        enrolment_id=put_on.enrolment_id,
        version=put_on.version,
        sequence_key=put_on.sequence_key,
        step_key=key,
        occurrence=put_on.occurrence,
        channel=put_on.channel,
        purpose="transactional",
        planned_at=at,
        due_at=at,
        deadline_at=at + _DEADLINE,
    )
