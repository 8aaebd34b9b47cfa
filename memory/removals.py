"""Contacts who have left a campaign but still stand on an advertising audience that it put them on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, false, or_, select

from memory.campaigns import CampaignVersion
from memory.errors import NotFoundError
from memory.ledger import Message, message_of
from memory.schema import EPOCH, campaign_versions, campaigns, enrolments, messages
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


@dataclass(frozen=True, slots=True)
class Listed:
    """What is left to do before some contacts are on no advertising audience any more."""

    unplanned: tuple[Message, ...] = ()
    """The rows by which they came onto one, without a removal so far."""
    awaited: tuple[str, ...] = ()
    """Audiences from which a removal is on its way."""
    by_hand: tuple[str, ...] = ()
    """Audiences from which only a person can take them: the removal failed, or nobody knows whether it arrived."""


def listed(connection: Connection, contact_ids: Iterable[int]) -> Listed:
    """On which advertising audiences contacts stand, of whatever campaign and however long ago."""
    mine = messages.c.contact_id.in_(sorted(contact_ids)) & (messages.c.channel == "audience")
    rows = [message_of(row) for row in connection.execute(select(messages).where(mine))]
    rows = [one for one in rows if one.state not in {"suppressed", "withheld"} or one.is_removal]
    steps = {
        (one.campaign_id, one.version, one.sequence_key, one.step.key): one for one in audience_steps(connection, EPOCH)
    }
    unplanned: list[Message] = []
    awaited: list[str] = []
    by_hand: list[str] = []
    for one in rows:
        step = steps.get((one.campaign_id, one.version, one.sequence_key, one.step_key))
        if one.is_removal or (step is not None and step.step.takes_off) or one.state in {"planned", "failed"}:
            continue
        name = step.audience if step is not None else f"of campaign {one.campaign_id}"
        after = [other for other in rows if other.enrolment_id == one.enrolment_id]
        removal = next((other.state for other in after if other.step_key == one.step_key + OFF), None)
        own = {
            key
            for (_, version, _, key), other in steps.items()
            if other.campaign_id == one.campaign_id and version == one.version
            if other.step.takes_off and other.audience == name
        }
        if removal == "sent" or any(other.step_key in own and other.state == "sent" for other in after):
            continue
        if one.state == "claimed" or removal in {"planned", "claimed"}:
            awaited.append(name)
        elif removal is None and step is not None:
            unplanned.append(one)
        else:
            by_hand.append(name)
    return Listed(tuple(unplanned), tuple(sorted(set(awaited))), tuple(sorted(set(by_hand))))


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


def standing_on(connection: Connection, audience: str) -> list[tuple[AudienceStep, list[int]]]:
    """Who was put on an advertising audience and not taken off it since, by the step that put them there.

    Raises NotFoundError for an audience of which no campaign knows.
    """
    known = audience_steps(connection, EPOCH)
    same = [one for one in known if one.audience == audience]
    if not same:
        names = sorted({one.audience for one in known})
        raise NotFoundError(
            f"No campaign puts anybody on an audience {audience}.",
            remedy=f"There are: {', '.join(names)}." if names else "A play with a step on the channel audience does.",
        )
    found = []
    for one in same:
        if not one.step.takes_off:
            query = select(messages.c.contact_id).where(one.sends, ~_taken_off(one, same)).distinct()
            found.append((one, sorted(connection.execute(query).scalars())))
    return found


def _taken_off(one: AudienceStep, same: list[AudienceStep]) -> ColumnElement[bool]:
    later = messages.alias()
    keys = [other.step.key for other in same if other.step.takes_off and other.campaign_id == one.campaign_id]
    removed = and_(later.c.step_key.in_(keys), later.c.state == "sent")
    planned = later.c.step_key == one.step.key + OFF
    theirs = and_(later.c.contact_id == messages.c.contact_id, later.c.enrolment_id == messages.c.enrolment_id)
    return exists().where(theirs, or_(removed, planned))


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
