"""Contacts who have left a campaign but still stand on an advertising audience that it put them on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, false, or_, select

from memory.campaigns import CampaignVersion
from memory.ledger import Message, message_of
from memory.schema import campaign_versions, campaigns, enrolments, messages
from memory.steps import OFF, SendStep


@dataclass(frozen=True, slots=True)
class AudienceStep:
    """A step of one version of a campaign that puts contacts on an audience or takes them off it."""

    campaign_id: str
    version: int
    sequence_key: str
    step: SendStep

    @property
    def audience(self) -> str:
        """As the advertising platform calls it."""
        assert self.step.listing is not None
        return self.step.listing.audience

    @property
    def sends(self) -> ColumnElement[bool]:
        """Matches the rows of the ledger by which it was, or may have been, carried out."""
        return and_(
            messages.c.campaign_id == self.campaign_id,
            messages.c.version == self.version,
            messages.c.sequence_key == self.sequence_key,
            messages.c.step_key == self.step.key,
            messages.c.state.in_(("sent", "unknown")),
        )


def audience_steps(connection: Connection, since: datetime) -> list[AudienceStep]:
    """The steps on audiences of every campaign whose end is no further back than a moment, as they were approved."""
    query = (
        select(campaign_versions)
        .join(campaigns, campaigns.c.campaign_id == campaign_versions.c.campaign_id)
        .where(or_(campaigns.c.status.in_(("live", "paused")), campaigns.c.ends_at >= since))
    )
    found = []
    for row in connection.execute(query):
        version = CampaignVersion(**row._asdict())
        if version.is_untouched:
            found += [
                AudienceStep(version.campaign_id, version.version, sequence.key, step)
                for sequence, step in version.play.sends()
                if step.listing is not None
            ]
    return found


def still_on(connection: Connection, steps: Iterable[AudienceStep], *, limit: int) -> list[Message]:
    """The rows by which contacts came onto an audience on which, by now, nothing keeps them.

    They have left the campaign, were not taken off since, and no other campaign that they are in wants them there.
    """
    known = list(steps)
    found: list[Message] = []
    for one in known:
        if not one.step.takes_off and len(found) < limit:
            same = [other for other in known if other.audience == one.audience]
            query = (
                select(messages)
                .join(enrolments, enrolments.c.enrolment_id == messages.c.enrolment_id)
                .where(one.sends, enrolments.c.state == "exited", ~_taken_off(one, same), ~_wanted(same))
                .order_by(messages.c.message_id)
                .limit(limit - len(found))
            )
            found += [message_of(row) for row in connection.execute(query)]
    return found


def _taken_off(one: AudienceStep, same: list[AudienceStep]) -> ColumnElement[bool]:
    later = messages.alias()
    keys = [other.step.key for other in same if other.step.takes_off and other.campaign_id == one.campaign_id]
    removed = and_(later.c.step_key.in_(keys), later.c.state == "sent")
    planned = later.c.step_key == one.step.key + OFF
    return exists().where(later.c.enrolment_id == messages.c.enrolment_id, or_(removed, planned))


def _wanted(same: list[AudienceStep]) -> ColumnElement[bool]:
    other, inside = messages.alias(), enrolments.alias()
    puts_on = [
        and_(
            other.c.campaign_id == one.campaign_id,
            other.c.version == one.version,
            other.c.step_key == one.step.key,
        )
        for one in same
        if not one.step.takes_off
    ]
    return (
        exists()
        .where(other.c.contact_id == messages.c.contact_id, other.c.state.in_(("sent", "unknown")))
        .where(inside.c.enrolment_id == other.c.enrolment_id, inside.c.state == "active", or_(false(), *puts_on))
    )
