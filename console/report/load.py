"""What weighs on a campaign's contacts and its sender: messages under the cap now, and how domains take its mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, func, select

from memory.cap import Cap
from memory.play import Play
from memory.reputation import standings_of
from memory.schema import cap_slots, enrolments
from memory.standing import OTHERS, Standing, domain_of

_COUNTED: Final = 1_000
"""Of more contacts than this only every so many-th is counted, so that the page waits for no long count."""


@dataclass(frozen=True, slots=True)
class Load:
    """Contacts of a campaign by the messages that they had in the window of the cap, from all campaigns together."""

    cap: Cap
    contacts: dict[int, int]
    """By number of messages, none included."""
    every: int = 1
    """1 where each contact was counted, else that only every so many-th was."""


def load(connection: Connection, campaign_id: str, entered: int, cap: Cap, at: datetime) -> Load:
    """Count those who entered and are not held out, as the cap counts them."""
    every = -(-entered // _COUNTED) or 1
    taken = and_(
        cap_slots.c.contact_id == enrolments.c.contact_id,
        cap_slots.c.reserved_at > at - timedelta(days=cap.window_days),
        func.coalesce(cap_slots.c.message_key, "") != "",
    )
    each = (
        # Distinct, since somebody may have entered more than once.
        select(func.count(cap_slots.c.slot.distinct()).label("used"))
        .select_from(enrolments)
        .outerjoin(cap_slots, taken)
        .where(
            enrolments.c.campaign_id == campaign_id,
            # Told by the index alone, before any row is read.
            enrolments.c.enrolment_id % every == 0,
            enrolments.c.in_holdout.is_(False),
        )
        .group_by(enrolments.c.contact_id)
        .subquery()
    )
    query = select(each.c.used, func.count()).group_by(each.c.used).order_by(each.c.used)
    found = {int(used): int(contacts) for used, contacts in connection.execute(query)}
    return Load(cap, found, every)


def standing_of_sender(connection: Connection, play: Play) -> list[Standing]:
    """How the sender of a campaign's e-mails stands with all domains together, then with those in trouble.

    Empty for a campaign that sends no e-mail.
    """
    if not any(step.channel == "email" for _, step in play.sends()):
        return []
    sender = domain_of(play.brand.sender_address)
    known = standings_of(connection, sender)
    together = known.get(OTHERS, Standing(sender=sender))
    return [together, *(one for domain, one in sorted(known.items()) if domain != OTHERS and one.state != "fine")]
