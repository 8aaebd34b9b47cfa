"""Another system calls contacts into a running campaign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from memory import arrivals, campaigns
from memory import contacts as people
from memory.arrivals import Arrival
from memory.errors import ConflictError, InvalidInputError, NotFoundError


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
    rows = [
        Arrival(campaign_id=campaign.campaign_id, contact_id=one, event_id=f"call:{request_id}:{one}", at=at)
        for one in dict.fromkeys(_found(connection, names))
    ]
    announced = arrivals.announce(connection, rows)
    return Called(campaign.campaign_id, announced, len(rows) - announced)


def _found(connection: Connection, names: Sequence[str]) -> Iterator[int]:
    for place, name in enumerate(names, start=1):
        try:
            yield people.find(connection, name).contact_id
        except NotFoundError as error:
            # Its place, not its name: an error may be written down where no address belongs.
            raise NotFoundError(
                f"Nobody was called. {error.what}", where=f"contact {place} of {len(names)}", remedy=error.remedy
            ) from error
