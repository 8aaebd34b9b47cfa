"""Contacts: read by any of their names, merged when two turn out to be one, suppressed by address."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, func, or_, select, update

from memory import cap, codes, preferences
from memory.address import phone_hash, phone_number
from memory.errors import ConflictError, NotFoundError
from memory.journal import append
from memory.schema import (
    consent_current,
    consents,
    contact_aliases,
    contacts,
    deals,
    erasures,
    intake,
    messages,
    replies,
    suppressions,
)
from memory.steps import REACHING
from memory.store import upsert
from memory.workspace import salt

ADDRESS = "address"
"""The source of former e-mail addresses: of contacts who were merged."""


class Contact(BaseModel):
    """A person as the record knows them."""

    model_config = ConfigDict(frozen=True)

    contact_id: int
    email: str | None
    email_hash: str | None
    phone: str | None
    first_name: str
    last_name: str
    company: str
    account_id: int | None
    language: str
    time_zone: str
    country: str
    notes: str
    attributes: dict[str, Any]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    last_human_signal_at: AwareDatetime | None
    last_order_at: AwareDatetime | None
    open_cart_at: AwareDatetime | None
    sent_since_signal: int
    merged_into: int | None
    erased_at: AwareDatetime | None


def get(connection: Connection, contact_id: int) -> Contact:
    """The contact, following merges. Raises NotFoundError."""
    row = connection.execute(select(contacts).where(contacts.c.contact_id == contact_id)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no contact {contact_id}.", where="contact", remedy="Use an e-mail address or an id of your CRM."
        )
    return get(connection, row.merged_into) if row.merged_into is not None else _contact(row)


def find(connection: Connection, name: str, *, own_id: bool = True) -> Contact:
    """The contact with this e-mail address, id in some source, or (``own_id``) contact id. Raises NotFoundError."""
    wanted = name.strip()
    known = ids_of(connection, [wanted])
    if known:
        return get(connection, known[wanted])
    if own_id and wanted.isdecimal() and len(wanted) < 19:
        return get(connection, int(wanted))
    raise NotFoundError(
        "No contact has that address or id.", where="contact", remedy="Use an e-mail address or an id of your CRM."
    )


# Asked for every event that comes in: to build these anew each time costs more than to run them.
_THESE: Final[BindParameter[Any]] = bindparam("these", expanding=True)
_BY_EMAIL: Final = select(contacts.c.email, contacts.c.contact_id).where(contacts.c.email.in_(_THESE))
_BY_ALIAS: Final = select(contact_aliases).where(contact_aliases.c.alias.in_(_THESE)).order_by(contact_aliases.c.source)
_STANDING: Final = select(contacts.c.contact_id, contacts.c.merged_into, contacts.c.erased_at).where(
    contacts.c.contact_id.in_(_THESE)
)
_MERGED_INTO: Final = select(contacts.c.contact_id, contacts.c.merged_into).where(contacts.c.merged_into.in_(_THESE))


def ids_of(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The contact ids to which e-mail addresses and ids in sources lead, an address first; unknown names are left out.

    The contact may have been merged or erased since: ``standing`` says so.
    """
    wanted = {name: name.strip() for name in names}
    addresses = {one.lower() for one in wanted.values()}
    emails = {row.email: row.contact_id for row in connection.execute(_BY_EMAIL, {"these": addresses})}
    rest = {one for one in wanted.values() if one.lower() not in emails}
    aliases: dict[str, int] = {}
    if rest:
        for row in connection.execute(_BY_ALIAS, {"these": rest}):
            aliases.setdefault(row.alias, row.contact_id)
    found = {name: emails.get(one.lower(), aliases.get(one)) for name, one in wanted.items()}
    return {name: contact_id for name, contact_id in found.items() if contact_id is not None}


def standing(connection: Connection, contact_ids: Collection[int]) -> dict[int, int | None]:
    """Whom each id stands for now, following merges: None where they were erased; ids of nobody are left out."""
    if not contact_ids:
        return {}
    rows = connection.execute(_STANDING, {"these": contact_ids}).all()
    became = standing(connection, {row.merged_into for row in rows if row.merged_into is not None})
    itself = {row.contact_id: None if row.erased_at else row.contact_id for row in rows}
    return itself | {row.contact_id: became[row.merged_into] for row in rows if row.merged_into is not None}


def merged_into(connection: Connection, contact_ids: Collection[int]) -> dict[int, int]:
    """Who was merged into some contacts, each with the one they became."""
    return {row.contact_id: row.merged_into for row in connection.execute(_MERGED_INTO, {"these": contact_ids})}


def known_as(connection: Connection, source: str, aliases: Sequence[str]) -> dict[str, Contact]:
    """Contacts by the ids under which a source knows them, following merges; unknown and erased ones are left out."""
    found: dict[str, Contact] = {}
    for start in range(0, len(aliases), 1000):
        named = contact_aliases.c.alias.in_(aliases[start : start + 1000])
        query = (
            select(contact_aliases.c.alias, contacts)
            .join(contacts, contacts.c.contact_id == contact_aliases.c.contact_id)
            .where(contact_aliases.c.source == source, named)
        )
        for alias, *values in connection.execute(query):
            one = Contact.model_validate(dict(zip(contacts.columns.keys(), values, strict=True)))
            one = get(connection, one.contact_id) if one.merged_into is not None else one
            if one.erased_at is None:
                found[alias] = one
    return found


@dataclass(frozen=True, slots=True)
class Known:
    """Names that a source says are one person's, the surest first."""

    names: tuple[str, ...]


def know_as(connection: Connection, said: Iterable[Known], source: str) -> int:
    """Know contacts by further names; returns how many names are new.

    Whoever goes by none of the names is a stranger and stays one. A name that leads to somebody already goes on to: two
    people may share a browser, and no call of a shop may take a name from one contact and give it to another.
    """
    rows = []
    for one in said:
        contact = next((found for name in one.names if (found := _known_by(connection, name)) is not None), None)
        if contact is not None and contact.erased_at is None:
            new = [name for name in one.names if "@" not in name and _known_by(connection, name) is None]
            rows += [{"source": source, "alias": name, "contact_id": contact.contact_id} for name in new]
    return upsert(connection, contact_aliases, rows)


def _known_by(connection: Connection, name: str) -> Contact | None:
    try:
        return find(connection, name, own_id=False)
    except NotFoundError:
        return None


def with_phone(connection: Connection, number: str) -> Contact | None:
    """The contact, of several the first, whose telephone number is this one, written as +33612345678."""
    # Numbers stand as people wrote them, with blanks or dots between any two digits.
    alike = contacts.c.phone.like(f"%{'%'.join(number[-8:])}")
    query = select(contacts.c.contact_id, contacts.c.phone).where(alike, contacts.c.merged_into.is_(None))
    for row in connection.execute(query.order_by(contacts.c.contact_id)):
        if phone_number(row.phone) == number:
            return get(connection, row.contact_id)
    return None


def by_id(connection: Connection, *, after: int, limit: int) -> list[Contact]:
    """Some of all who are on record, neither merged nor erased, by their ids from beyond one on."""
    query = (
        select(contacts)
        .where(contacts.c.contact_id > after, contacts.c.merged_into.is_(None), contacts.c.erased_at.is_(None))
        .order_by(contacts.c.contact_id)
        .limit(limit)
    )
    return [_contact(row) for row in connection.execute(query)]


def count(connection: Connection) -> int:
    """How many people are on record: neither merged nor erased."""
    return connection.execute(
        select(func.count())
        .select_from(contacts)
        .where(contacts.c.merged_into.is_(None), contacts.c.erased_at.is_(None))
    ).scalar_one()


def suppress(
    connection: Connection, *, channel: str, address_hash: str, reason: str, at: datetime, source: str = ""
) -> bool:
    """Never write to this address again on this channel; False if that was so already."""
    row = {"channel": channel, "address_hash": address_hash, "reason": reason, "at": at, "source": source}
    return upsert(connection, suppressions, [row]) == 1


def lift(connection: Connection, *, channel: str, address_hash: str, reason: str, since: datetime) -> bool:
    """Write to an address again that was suppressed for this reason before ``since``; False if it was not."""
    ours = (suppressions.c.channel == channel, suppressions.c.address_hash == address_hash)
    earlier = (suppressions.c.reason == reason, suppressions.c.at < since)
    return connection.execute(delete(suppressions).where(*ours, *earlier)).rowcount > 0


def is_suppressed(connection: Connection, channel: str, address_hash: str) -> bool:
    """Whether an address is never written to on a channel."""
    query = select(suppressions.c.reason).where(
        suppressions.c.channel == channel, suppressions.c.address_hash == address_hash
    )
    return connection.execute(query).first() is not None


def suppressed(connection: Connection, contact: Contact) -> dict[str, str]:
    """Channels on which a contact is never written to, each with the reason."""
    hashes = [one for one in (contact.email_hash, phone_hash(salt(connection), contact.phone)) if one]
    query = select(suppressions.c.channel, suppressions.c.reason).where(suppressions.c.address_hash.in_(hashes))
    return {row.channel: row.reason for row in connection.execute(query.order_by(suppressions.c.channel))}


def merge(connection: Connection, *, kept: int, merged: int, actor: str, at: datetime) -> None:
    """Make two contacts one: the kept id answers to every name of the other and inherits its consents.

    Ledger rows, enrolments and lake rows keep the id under which they were written; readers follow ``merged_into``.
    Raises ConflictError where one of them is erased, or to be.
    """
    if kept == merged:
        return
    gone = connection.execute(select(contacts).where(contacts.c.contact_id == merged)).one()
    stays = connection.execute(select(contacts).where(contacts.c.contact_id == kept)).one()
    going = select(erasures.c.contact_id).where(erasures.c.contact_id.in_([kept, merged]))
    if gone.erased_at or stays.erased_at or connection.execute(going).first():
        raise ConflictError(
            "Who is erased cannot be merged.", where=f"contacts {kept} and {merged}", remedy="Leave them apart."
        )
    connection.execute(update(contact_aliases).where(contact_aliases.c.contact_id == merged).values(contact_id=kept))
    for table in (deals, intake, replies):
        connection.execute(update(table).where(table.c.contact_id == merged).values(contact_id=kept))
    _inherit_consents(connection, kept, merged)
    cap.merge(connection, kept=kept, merged=merged)
    codes.merge(connection, kept=kept, merged=merged)
    preferences.merge(connection, kept=kept, merged=merged)
    if gone.email and stays.email:
        # Both addresses go on to name the one contact; mail goes to the first.
        upsert(connection, contact_aliases, [{"source": ADDRESS, "alias": gone.email, "contact_id": kept}])
    signal = _later(stays.last_human_signal_at, gone.last_human_signal_at)
    cart = _later(stays.open_cart_at, gone.open_cart_at)
    unanswered = sum(_sent_since(connection, one, signal) for one in (stays, gone))
    connection.execute(
        update(contacts).where(contacts.c.contact_id == merged).values(merged_into=kept, email=None, updated_at=at)
    )
    connection.execute(
        update(contacts)
        .where(contacts.c.contact_id == kept)
        .values(
            last_human_signal_at=signal,
            sent_since_signal=unanswered,
            last_order_at=_later(stays.last_order_at, gone.last_order_at),
            open_cart_at=cart,
            open_cart_cents=stays.open_cart_cents if cart == stays.open_cart_at else gone.open_cart_cents,
            **{name: getattr(stays, name) or getattr(gone, name) for name in _FILLED_FROM_THE_OTHER},
            updated_at=at,
        )
    )
    append(
        connection,
        at=at,
        actor=actor,
        action="contact.merged",
        subject=f"contact {kept}",
        payload={"kept": kept, "merged": merged},
    )


def set_attributes(connection: Connection, values: Iterable[tuple[int, str, Any]], at: datetime) -> None:
    """Write attributes of contacts, each as (contact, attribute, value); a merged contact's go to the one it became."""
    wanted: dict[int, dict[str, Any]] = {}
    for contact_id, name, value in values:
        wanted.setdefault(get(connection, contact_id).contact_id, {})[name] = value
    for contact_id, changes in sorted(wanted.items()):
        known = connection.execute(
            select(contacts.c.attributes).where(contacts.c.contact_id == contact_id).with_for_update()
        ).scalar_one()
        connection.execute(
            update(contacts)
            .where(contacts.c.contact_id == contact_id)
            .values(attributes={**known, **changes}, updated_at=at)
        )


_FILLED_FROM_THE_OTHER = (
    "email",
    "email_hash",
    "phone",
    "first_name",
    "last_name",
    "company",
    "language",
    "time_zone",
    "country",
)


def _sent_since(connection: Connection, one: Row[Any], signal: datetime | None) -> int:
    """Marketing that went to this contact since a signal that either of two gave."""
    if one.last_human_signal_at == signal:
        return int(one.sent_since_signal)
    # Its own count goes further back.
    answers_for = select(contacts.c.contact_id).where(
        or_(contacts.c.contact_id == one.contact_id, contacts.c.merged_into == one.contact_id)
    )
    return connection.execute(
        select(func.count())
        .select_from(messages)
        .where(messages.c.contact_id.in_(answers_for), messages.c.state == "sent", messages.c.sent_at > signal)
        .where(messages.c.purpose == "marketing", messages.c.channel.in_(REACHING))
    ).scalar_one()


def _inherit_consents(connection: Connection, kept: int, merged: int) -> None:
    from memory.consents import history, record

    inherited = [entry.model_copy(update={"contact_id": kept}) for entry in history(connection, merged)]
    connection.execute(consent_current.delete().where(consent_current.c.contact_id == merged))
    connection.execute(consents.delete().where(consents.c.contact_id == merged))
    record(connection, inherited)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _contact(row: Row[Any]) -> Contact:
    return Contact.model_validate(row._asdict())
