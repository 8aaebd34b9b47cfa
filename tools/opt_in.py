"""The way in: an address that was left is asked for confirmation, and only the confirmation is a consent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from memory import consents
from memory import contacts as people
from memory.consents import Consent
from memory.events import CONFIRM, SIGNUP_PENDING
from memory.journal import append
from memory.schema import intake
from memory.store import Store
from memory.workspace import salt
from tools.token import seal, unseal
from tools.unsubscribe import UNSUBSCRIBED, WayOut, suppressed_as

_KIND = "noria confirm 1"


def sign(secret: str, way_in: WayOut) -> str:
    """A token for a confirmation link; ``secret`` is the workspace salt."""
    return seal(secret, _KIND, [way_in.contact_id, way_in.channel, way_in.campaign_id, way_in.message_key])


def verify(store: Store, token: str) -> WayOut:
    """Whom a confirmation link was sent to, and with which message. Raises InvalidInputError, NotFoundError."""
    with store.read() as connection:
        contact_id, channel, campaign_id, message_key = unseal(salt(connection), _KIND, token)
        now = people.get(connection, int(contact_id)).contact_id
        return WayOut(now, str(channel), str(campaign_id), str(message_key))


def link(public_url: str, token: str) -> str:
    """The address behind a confirmation link."""
    return f"{public_url.rstrip('/')}/confirm/{token}"


def ask(
    connection: Connection, contact_id: int, event_id: str, said: Mapping[str, Any], source: str, at: datetime
) -> None:
    """Whoever leaves an address asks for the message that confirms it, and for no other."""
    proof = f"the address was left in {source or 'a form'} on {_when(at)}, event {event_id}"
    _record(connection, contact_id, said, "transactional", at, source, proof, str(said.get("text", "")))


def confirm(
    connection: Connection, contact_id: int, event_id: str, said: Mapping[str, Any], source: str, at: datetime
) -> None:
    """A consent to marketing: who, when, and which text, as the confirmation or the form before it names it.

    Where neither names a text, the consent has no proof. One with proof ends what an unsubscription before it began;
    a complaint, a bounce or an erasure stays.
    """
    query = (
        select(intake.c.event_id, intake.c.at, intake.c.source, intake.c.properties)
        .where(intake.c.contact_id == contact_id, intake.c.kind == SIGNUP_PENDING, intake.c.at <= at)
        .order_by(intake.c.at.desc(), intake.c.intake_id.desc())
        .limit(1)
    )
    asked = connection.execute(query).first()
    text = str(said.get("text") or (asked.properties.get("text") if asked else "") or "")
    left = f"address left in {asked.source or 'a form'} on {_when(asked.at)}, event {asked.event_id}; " if asked else ""
    proof = f"{left}confirmed on {_when(at)}, event {event_id}; text: {text}" if text else ""
    channel = _channel(said)
    _record(connection, contact_id, said, "marketing", at, source, proof, text, confirmed=True)
    mine = suppressed_as(connection, contact_id, channel)
    is_back = bool(proof and mine) and people.lift(
        connection, channel=channel, address_hash=mine, reason=UNSUBSCRIBED, since=at
    )
    append(
        connection,
        at=at,
        actor="contact",
        action="contact.confirmed",
        subject=f"contact {contact_id}",
        payload={"channel": channel, "proof": bool(proof), "unsubscribed_before": is_back},
    )


def _record(
    connection: Connection,
    contact_id: int,
    said: Mapping[str, Any],
    purpose: str,
    at: datetime,
    source: str,
    proof: str,
    text: str,
    *,
    confirmed: bool = False,
) -> None:
    entry = Consent(
        contact_id=contact_id,
        channel=_channel(said),
        purpose=purpose,
        state="granted",
        at=at,
        source=source or CONFIRM,
        proof=proof,
        wording=text,
        confirmed=confirmed,
    )
    consents.record(connection, [entry])


def _channel(said: Mapping[str, Any]) -> str:
    return str(said.get("channel", "email"))


def _when(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
