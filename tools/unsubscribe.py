"""The way out: signed links without personal data, and what a click on them does, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from memory import campaigns, consents, enrolments, ledger
from memory import contacts as people
from memory.address import phone_hash
from memory.canonical import address_hash, keyed_hash
from memory.enrolments import Enrolment
from memory.errors import NotFoundError
from memory.events import UNSUBSCRIBE
from memory.journal import append
from memory.reputation import Said, count_said
from memory.schema import intake, messages
from memory.sequence_check import channels_from
from memory.steps import ConsentChannel
from memory.store import Store, upsert
from memory.workspace import salt
from tools.token import seal, unseal

UNSUBSCRIBED: Final = "unsubscribed"
"""Reason for which an address is kept out that its owner wants to hear no more at."""
_PURPOSE = "marketing"
_KIND = "noria unsubscribe 1"


@dataclass(frozen=True, slots=True)
class WayOut:
    """What an unsubscribe link stands for."""

    contact_id: int
    channel: str
    campaign_id: str
    message_key: str


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """What one click did."""

    way_out: WayOut
    changed: bool
    """False when the contact was out already."""
    exits: int
    cancelled: int


def sign(secret: str, way_out: WayOut) -> str:
    """A token for a link; ``secret`` is the workspace salt."""
    return seal(secret, _KIND, [1, way_out.contact_id, way_out.channel, way_out.campaign_id, way_out.message_key])


def verify(secret: str, token: str) -> WayOut:
    """What a token stands for. Raises InvalidInputError for one that this workspace did not sign."""
    _, contact_id, channel, campaign_id, message_key = unseal(secret, _KIND, token)
    return WayOut(int(contact_id), str(channel), str(campaign_id), str(message_key))


def link(public_url: str, token: str) -> str:
    """The address behind an unsubscribe link."""
    return f"{public_url.rstrip('/')}/u/{token}"


def preferences_link(public_url: str, token: str) -> str:
    """The address of the page on which the same contact chooses what they get."""
    return f"{public_url.rstrip('/')}/p/{token}"


def has_left(store: Store, token: str) -> bool:
    """Whether the contact whose link it is gets nothing any more. Raises InvalidInputError."""
    with store.read() as connection:
        way_out = verify(salt(connection), token)
        contact = people.get(connection, way_out.contact_id)
        return contact.erased_at is not None or people.is_suppressed(
            connection, way_out.channel, contact.email_hash or ""
        )


def unsubscribe(store: Store, token: str, at: datetime) -> Unsubscribed:
    """Withdraw consent, suppress the address, cancel what is planned, leave what needs the channel: all or nothing.

    Effective before the next claim. The same link twice changes nothing more. Raises InvalidInputError.
    """
    with store.write() as connection:
        way_out = verify(salt(connection), token)
        return leave(connection, way_out, at)


def leave(connection: Connection, way_out: WayOut, at: datetime) -> Unsubscribed:
    """The same, inside the caller's transaction."""
    contact = people.get(connection, way_out.contact_id)
    if contact.erased_at is not None:
        return Unsubscribed(way_out, changed=False, exits=0, cancelled=0)
    source = f"unsubscribe link of message {way_out.message_key[:12]}"
    changed, exits, cancelled = opt_out(connection, contact.contact_id, way_out.channel, source, at)
    new = upsert(
        connection,
        intake,
        [
            {
                "event_id": f"unsubscribe:{way_out.message_key}",
                "contact_id": contact.contact_id,
                "kind": UNSUBSCRIBE,
                "at": at,
                "properties": {"channel": way_out.channel, "message_key": way_out.message_key},
                "source": "noria",
                "human": True,
                "received_at": at,
            }
        ],
        keys=["event_id"],
    )
    if changed:
        append(
            connection,
            at=at,
            actor="contact",
            action="contact.unsubscribed",
            subject=f"contact {contact.contact_id}",
            payload={"channel": way_out.channel, "campaign": way_out.campaign_id, "cancelled": cancelled},
        )
    if new and way_out.channel == "email":
        count_said(connection, [Said(contact.contact_id, UNSUBSCRIBE, at, way_out.message_key)])
    return Unsubscribed(way_out, changed, exits, cancelled)


@dataclass(frozen=True, slots=True)
class TakenOff:
    """What it did that a person was unsubscribed by hand."""

    contact_id: int | None
    """None where nobody on record has the address: it is kept out all the same."""
    changed: bool
    """False when they were out already."""
    exits: int = 0
    cancelled: int = 0


def unsubscribe_by_hand(
    connection: Connection, name: str, channel: ConsentChannel, *, actor: str, reason: str, at: datetime
) -> TakenOff:
    """Somebody said it in person: no more marketing on a channel to this address, id of a source, or contact id.

    Raises NotFoundError for an id that nobody has, and for a number or advertising audience without a contact.
    """
    secret = salt(connection)
    try:
        contact = people.find(connection, name)
    except NotFoundError:
        if channel != "email" or "@" not in name:
            raise
        found, source = address_hash(secret, name), f"by hand, {actor}"
        new = people.suppress(
            connection, channel=channel, address_hash=found, reason=UNSUBSCRIBED, at=at, source=source
        )
        done = TakenOff(None, changed=new)
    else:
        if contact.erased_at is not None:
            return TakenOff(contact.contact_id, changed=False)
        done = TakenOff(contact.contact_id, *opt_out(connection, contact.contact_id, channel, f"by hand, {actor}", at))
    if done.changed:
        append(
            connection,
            at=at,
            actor=actor,
            action="contact.unsubscribed",
            subject="workspace" if done.contact_id is None else f"contact {done.contact_id}",
            payload={"channel": channel, "reason": keyed_hash(secret, reason), "cancelled": done.cancelled},
        )
    return done


def opt_out(connection: Connection, contact_id: int, channel: str, source: str, at: datetime) -> tuple[bool, int, int]:
    """A contact wants no more on a channel: (whether that is news, exits, cancelled messages)."""
    consents.withdraw(connection, contact_id, channel, _PURPOSE, at, source)
    changed = suppress_address(connection, contact_id, channel, UNSUBSCRIBED, at, source)
    return changed, *stop_contact(connection, contact_id, channel, "consent_withdrawn", at)


def suppress_address(
    connection: Connection, contact_id: int, channel: str, reason: str, at: datetime, source: str
) -> bool:
    """Never write to a contact's address again on this channel; False if that was so already."""
    found = suppressed_as(connection, contact_id, channel)
    return bool(found) and people.suppress(
        connection, channel=channel, address_hash=found, reason=reason, at=at, source=source
    )


def suppressed_as(connection: Connection, contact_id: int, channel: str) -> str:
    """The hash under which a contact's address on a channel is kept out; empty for one without an address."""
    person = people.get(connection, contact_id)
    number = phone_hash(salt(connection), person.phone) if channel == "sms" else None
    return number or person.email_hash or ""


def stop_contact(connection: Connection, contact_id: int, channel: str, reason: str, at: datetime) -> tuple[int, int]:
    """Cancel what is planned for a contact on a channel, and leave the campaigns that need it: (exits, cancelled).

    Whoever may still be reached by another channel goes on without this one.
    """
    names = [contact_id, *people.merged_into(connection, [contact_id])]
    cancelled = ledger.cancel(
        connection,
        messages.c.contact_id.in_(names) & (messages.c.channel == channel) & (messages.c.purpose == _PURPOSE),
        reason,
    )
    inside = enrolments.active(connection, names)
    leaving = {one.enrolment_id: reason for one in inside if _needs(connection, one, channel)}
    exits = enrolments.leave(connection, leaving, at)
    # Those who stay wait for a message that is over now.
    enrolments.wake(connection, [one.enrolment_id for one in cancelled], at)
    return exits, len(cancelled)


def _needs(connection: Connection, enrolment: Enrolment, channel: str) -> bool:
    """Whether a campaign has nothing left for a contact without this channel; not so if it never used it."""
    version = campaigns.get_version(connection, enrolment.campaign_id, enrolment.version)
    if not version.is_untouched:
        # Nobody is kept in by what nobody approved.
        return True
    sequence = next(one for one in version.play.sequences if one.key == enrolment.sequence_key)
    ahead = channels_from(sequence, enrolment.step_key)
    return channel in channels_from(sequence, None) and not ahead - {channel}
