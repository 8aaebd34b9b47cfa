"""Another system calls contacts into a running campaign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from memory import arrivals, campaigns
from memory import contacts as people
from memory.arrivals import Arrival
from memory.errors import ConflictError, InvalidInputError


@dataclass(frozen=True, slots=True)
class Called:
    """What a call did."""

    campaign_id: str
    announced: int
    """Contacts who now wait at the door; the campaign's own rules decide who comes in."""
    repeated: int
    """Contacts whom the same request had named before."""


def call_in(connection: Connection, campaign_id: str, names: Sequence[str], request_id: str, at: datetime) -> Called:
    """Put contacts (ids, addresses or names that a source uses) at the door; the same request counts once.

    Raises NotFoundError for an unknown contact, with nothing done, and ConflictError for a campaign without this
    trigger or that does not run.
    """
    campaign = campaigns.get(connection, campaign_id)
    if campaign.trigger_kind != "api" or campaign.status != "live":
        raise ConflictError(
            f"It is {campaign.status} and lets contacts in by “{campaign.trigger_kind}”.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Only a live campaign with the trigger “api” can be called.",
        )
    if not request_id:
        raise InvalidInputError("The request has no id.", where="request", remedy="Give one, so that it counts once.")
    found = [people.find(connection, name).contact_id for name in dict.fromkeys(names)]
    rows = [
        Arrival(campaign_id=campaign.campaign_id, contact_id=one, event_id=f"call:{request_id}:{one}", at=at)
        for one in dict.fromkeys(found)
    ]
    announced = arrivals.announce(connection, rows)
    return Called(campaign.campaign_id, announced, len(rows) - announced)
