"""The way out: signed links without personal data, and what a click on them does, in one transaction."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from memory import consents, enrolments, ledger
from memory import contacts as people
from memory.canonical import keyed_hash
from memory.errors import InvalidInputError
from memory.events import UNSUBSCRIBE
from memory.journal import append
from memory.schema import contacts, intake, messages
from memory.store import Store, upsert
from memory.workspace import salt

_PURPOSE = "marketing"


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
    content = json.dumps(
        [1, way_out.contact_id, way_out.channel, way_out.campaign_id, way_out.message_key], separators=(",", ":")
    ).encode()
    return f"{_encode(content)}.{_encode(_seal(secret, content))}"


def verify(secret: str, token: str) -> WayOut:
    """What a token stands for. Raises InvalidInputError for one that this workspace did not sign."""
    try:
        content, seal = (_decode(part) for part in token.strip().split("."))
        genuine = hmac.compare_digest(seal, _seal(secret, content))
        version, contact_id, channel, campaign_id, message_key = json.loads(content) if genuine else (0,) * 5
    except (ValueError, binascii.Error):
        version = 0
    if version != 1:
        raise InvalidInputError(
            "This link is incomplete or was changed.",
            where="unsubscribe",
            remedy="Use the link from the newest message, or answer the message.",
        )
    return WayOut(int(contact_id), str(channel), str(campaign_id), str(message_key))


def link(public_url: str, token: str) -> str:
    """The address behind an unsubscribe link."""
    return f"{public_url.rstrip('/')}/u/{token}"


def unsubscribe(store: Store, token: str, at: datetime) -> Unsubscribed:
    """Withdraw consent, suppress the address, leave every campaign and cancel what is planned: all or nothing.

    Effective before the next claim. The same link twice changes nothing more. Raises InvalidInputError.
    """
    with store.write() as connection:
        way_out = verify(salt(connection), token)
        return leave(connection, way_out, at)


def leave(connection: Connection, way_out: WayOut, at: datetime) -> Unsubscribed:
    """The same, inside the caller's transaction."""
    contact = people.get(connection, way_out.contact_id)
    source = f"unsubscribe link of message {way_out.message_key[:12]}"
    changed, exits, cancelled = opt_out(connection, contact.contact_id, way_out.channel, source, at)
    upsert(
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
    return Unsubscribed(way_out, changed, exits, cancelled)


def opt_out(connection: Connection, contact_id: int, channel: str, source: str, at: datetime) -> tuple[bool, int, int]:
    """A contact wants no more on a channel: (whether that is news, exits, cancelled messages)."""
    consents.withdraw(connection, contact_id, channel, _PURPOSE, at, source)
    changed = suppress_address(connection, contact_id, channel, "unsubscribed", at, source)
    return changed, *stop_contact(connection, contact_id, channel, "consent_withdrawn", at)


def suppress_address(
    connection: Connection, contact_id: int, channel: str, reason: str, at: datetime, source: str
) -> bool:
    """Never write to a contact's address again on this channel; False if that was so already."""
    found = people.get(connection, contact_id).email_hash
    return found is not None and people.suppress(
        connection, channel=channel, address_hash=found, reason=reason, at=at, source=source
    )


def stop_contact(connection: Connection, contact_id: int, channel: str, reason: str, at: datetime) -> tuple[int, int]:
    """Cancel what is planned for a contact on a channel, and leave the campaigns: (exits, cancelled messages)."""
    everyone = select(contacts.c.contact_id).where(contacts.c.merged_into == contact_id)
    names = [contact_id, *connection.execute(everyone).scalars()]
    cancelled = ledger.cancel(
        connection,
        messages.c.contact_id.in_(names) & (messages.c.channel == channel) & (messages.c.purpose == _PURPOSE),
        reason,
    )
    inside = {one.enrolment_id: reason for one in enrolments.active(connection, names)}
    return enrolments.leave(connection, inside, at), len(cancelled)


def _seal(secret: str, content: bytes) -> bytes:
    # A key of its own: a token must never pass for another keyed hash of the workspace.
    return hmac.digest(keyed_hash(secret, "noria unsubscribe 1").encode(), content, hashlib.sha256)[:20]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
