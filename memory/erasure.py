"""Erasure in the store: what is known of a contact goes, what counts stays, under a number that leads to nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Connection, Table, Text, cast, delete, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from memory import campaigns
from memory.address import phone_number
from memory.canonical import keyed_hash
from memory.contacts import ADDRESS
from memory.schema import (
    arrivals,
    consent_current,
    consents,
    contact_aliases,
    contacts,
    deals,
    enrolments,
    erasures,
    intake,
    messages,
    metadata,
    preferences,
    quarantine,
    replies,
    reputation_counts,
    reputation_reports,
    reputation_standings,
)
from memory.standing import domain_of
from memory.store import upsert
from memory.workspace import salt

BLANK: Final = "(erased)"
# What an order, a bounce or a click must still say so that sums and counts stay what they were.
_COUNTED: Final = frozenset(
    {"order_id", "currency", "total_cents", "discount_cents", "value_cents", "lines", "product_id", "category"}
    | {"message_key", "campaign", "step", "channel", "purpose", "bounce", "reading", "objection"}
)
_LINE: Final = ("product_id", "category", "quantity", "amount_cents", "discount_cents")
# Under a digest or a chain: to change them would break what they prove.
_SEALED: Final = frozenset({"journal", "proposals", "proposal_versions", "campaign_versions", "steps"})
_NAMES: Final = frozenset({"contact_aliases", "suppressions"})
_PEOPLE: Final = frozenset({"contacts", "accounts", "deals"})
_SHORTEST: Final = 6


@dataclass(frozen=True, slots=True)
class Traces:
    """By what a contact may be recognised where nothing says that a text speaks of them."""

    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """First and last name together."""
    aliases: tuple[tuple[str, str], ...] = ()
    """(source, id) by which systems know them."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What may be looked for in any text: shorter ones would be found in the words of others."""
        return tuple(one for one in (*self.emails, *self.phones, *self.names) if len(one) >= _SHORTEST)


def family(connection: Connection, contact_id: int) -> list[int]:
    """A contact and everybody who was merged into them, however many merges ago."""
    found = [contact_id]
    while True:
        query = select(contacts.c.contact_id).where(
            contacts.c.merged_into.in_(found), contacts.c.contact_id.not_in(found)
        )
        more = connection.execute(query.order_by(contacts.c.contact_id)).scalars().all()
        if not more:
            return found
        found += more


def ask(connection: Connection, contact_id: int, *, actor: str, at: datetime, taken_off: bool) -> bool:
    """Note that a contact is to be erased; False when it was noted before."""
    new = upsert(connection, erasures, [{"contact_id": contact_id, "asked_at": at, "actor": actor}]) == 1
    if taken_off:
        connection.execute(update(erasures).where(erasures.c.contact_id == contact_id).values(taken_off=True))
    return new


def is_taken_off(connection: Connection, contact_id: int) -> bool:
    """Whether a person said that they took the contact off the advertising audiences."""
    return bool(
        connection.execute(select(erasures.c.taken_off).where(erasures.c.contact_id == contact_id)).scalar_one()
    )


def finish(connection: Connection, contact_id: int, at: datetime) -> bool:
    """Note that nothing of the contact is left; False when it was noted before."""
    open_one = (erasures.c.contact_id == contact_id, erasures.c.finished_at.is_(None))
    return connection.execute(update(erasures).where(*open_one).values(finished_at=at)).rowcount == 1


def unfinished(connection: Connection) -> list[tuple[int, str]]:
    """Erasures that wait for something, as (contact, who asked), oldest first."""
    query = select(erasures.c.contact_id, erasures.c.actor).where(erasures.c.finished_at.is_(None))
    rows = connection.execute(query.order_by(erasures.c.asked_at, erasures.c.contact_id))
    return [(row.contact_id, row.actor) for row in rows]


def traces(connection: Connection, ids: Sequence[int]) -> Traces:
    """By what a contact may be recognised, as long as it is still known."""
    people = connection.execute(select(contacts).where(contacts.c.contact_id.in_(ids))).all()
    named = select(contact_aliases.c.source, contact_aliases.c.alias).where(contact_aliases.c.contact_id.in_(ids))
    aliases = [(row.source, row.alias) for row in connection.execute(named)]
    written = {one.phone for one in people if one.phone}
    return Traces(
        emails=_sorted({one.email for one in people} | {alias for source, alias in aliases if source == ADDRESS}),
        phones=_sorted(written | {phone_number(one) for one in written}),
        names=_sorted({f"{one.first_name} {one.last_name}" for one in people if one.first_name and one.last_name}),
        aliases=tuple(sorted(one for one in aliases if one[0] != ADDRESS)),
    )


def close(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    """From now on no event, page or import knows the contact; what events said is cut down to what counts."""
    connection.execute(update(contacts).where(contacts.c.contact_id.in_(ids)).values(erased_at=at))
    kept = _COUNTED | _asked_by_goals(connection, ids)
    for row in connection.execute(select(intake).where(intake.c.contact_id.in_(ids))).all():
        mine = update(intake).where(intake.c.intake_id == row.intake_id)
        connection.execute(mine.values(properties=_cut(row.properties, kept)))


def empty(connection: Connection, ids: Sequence[int], known: Traces, at: datetime, actor: str) -> None:
    """Take everything out that says who the contact was; rows that are counted stay, without it."""
    close(connection, ids, at)
    mine = {table.name: table.c.contact_id.in_(ids) for table in metadata.sorted_tables if "contact_id" in table.c}
    for table in (consent_current, contact_aliases, preferences, arrivals, replies):
        connection.execute(delete(table).where(mine[table.name]))
    for table, values in (
        (consents, {"source": "", "proof": "", "wording": ""}),
        (deals, {"contact_id": None, "name": ""}),
        (enrolments, {"bindings": {}}),
        (messages, {"provider_id": None}),
        (contacts, _NOBODY | {"updated_at": at}),
    ):
        connection.execute(update(table).where(mine[table.name]).values(**values))
    tasks = metadata.tables["alerts"]
    connection.execute(update(tasks).where(mine["alerts"]).values(note=""))
    waiting = update(tasks).where(mine["alerts"], tasks.c.done_at.is_(None))
    connection.execute(waiting.values(done_at=at, done_by=actor))
    aside = update(quarantine).where(quarantine.c.quarantine_id.in_(quarantined(connection, known)))
    connection.execute(aside.values(raw={}, email_hash=None))
    _rename_domains(connection, {domain_of(one) for one in known.emails})
    for table in metadata.sorted_tables:
        if table.name not in _SEALED | _NAMES:
            _blank(connection, table, [*known.emails, *known.phones] if table.name in _PEOPLE else known.texts)


def quarantined(connection: Connection, known: Traces) -> list[int]:
    """Ids of the rows that imports set aside, wherever one of their cells is a name of the contact."""
    names = {one.lower() for one in (*known.emails, *known.phones, *known.names, *(one for _, one in known.aliases))}
    parts = [{part.lower() for part in one.split(" ", 1)} for one in known.names]
    found = []
    for row in connection.execute(select(quarantine.c.quarantine_id, quarantine.c.raw)):
        cells = {str(cell).strip().lower() for cell in row.raw.values()}
        numbers = {phone_number(cell) for cell in cells} - {""}
        if names & (cells | numbers) or any(one <= cells for one in parts):
            found.append(row.quarantine_id)
    return found


def sealed_mentions(connection: Connection, known: Traces) -> dict[str, int]:
    """Rows that name the contact and may not be changed, because a digest or the chain covers them, by table."""
    found = {}
    for table in metadata.sorted_tables:
        if table.name in _SEALED and (columns := list(_texts(table))) and known.texts:
            query = select(func.count()).select_from(table)
            if number := connection.execute(query.where(_says(columns, known.texts))).scalar_one():
                found[table.name] = number
    return found


_NOBODY: Final[dict[str, Any]] = {
    **dict.fromkeys(("email", "email_hash", "phone", "account_id"), None),
    **dict.fromkeys(("first_name", "last_name", "company", "language", "time_zone", "country", "notes"), ""),
    **dict.fromkeys(("last_human_signal_at", "last_order_at", "open_cart_at", "open_cart_cents"), None),
    "attributes": {},
    "sent_since_signal": 0,
}


def _rename_domains(connection: Connection, domains: Collection[str]) -> None:
    """A domain at which nobody else has an address names its owner; what became of its mail is still counted."""
    secret = salt(connection)
    for domain in sorted(domains):
        others = select(contacts.c.contact_id).where(contacts.c.email.endswith(f"@{domain}", autoescape=True))
        if connection.execute(others.limit(1)).first() is None:
            for table in (reputation_counts, reputation_standings, reputation_reports):
                mine = update(table).where(table.c.domain == domain)
                connection.execute(mine.values(domain=f"{keyed_hash(secret, domain)[:16]}.erased"))


def _sorted(found: Collection[str | None]) -> tuple[str, ...]:
    return tuple(sorted(one for one in found if one))


def _asked_by_goals(connection: Connection, ids: Sequence[int]) -> set[str]:
    """Properties by which a campaign that the contact was in counts who reached its goal."""
    pairs = select(enrolments.c.campaign_id, enrolments.c.version).where(enrolments.c.contact_id.in_(ids)).distinct()
    versions = [campaigns.get_version(connection, *pair) for pair in connection.execute(pairs).all()]
    return {one.property for version in versions if version.is_untouched for one in version.play.goal.where}


def _cut(said: dict[str, Any], kept: Collection[str]) -> dict[str, Any]:
    left = {name: value for name, value in said.items() if name in kept}
    if isinstance(lines := left.get("lines"), list):
        left["lines"] = [{name: one[name] for name in _LINE if name in one} for one in lines if isinstance(one, dict)]
    return left


def _blank(connection: Connection, table: Table, texts: Sequence[str]) -> None:
    """Write BLANK over what names the contact in texts that people or systems wrote about something else."""
    columns = list(_texts(table))
    if not columns or not texts:
        return
    pattern = re.compile("|".join(re.escape(one) for one in sorted(texts, key=len, reverse=True)), re.IGNORECASE)
    keys = list(table.primary_key)
    for row in connection.execute(select(*keys, *columns).where(_says(columns, texts))).mappings().all():
        values = {one.name: _without(row[one], pattern) for one in columns}
        if "event_id" in values and values["event_id"] != row["event_id"]:
            values["event_id"] = keyed_hash(salt(connection), row["event_id"])
        connection.execute(update(table).where(*(key == row[key] for key in keys)).values(**values))


def _texts(table: Table) -> Iterator[Any]:
    for column in table.c:
        # A short text is a key or a word of Noria's own; what two people may share stays with the other one.
        is_text = isinstance(column.type, JSON | Text) or column is intake.c.event_id
        if is_text and not column.primary_key and column.name not in {"email", "phone", "external_id"}:
            yield column


def _says(columns: Sequence[Any], texts: Sequence[str]) -> ColumnElement[bool]:
    # JSON is stored in ASCII, and SQLite makes only ASCII lower.
    spellings = {one for text in texts for one in (text.lower(), _lower(text), json.dumps(text)[1:-1].lower())}
    return or_(
        *(
            func.lower(cast(column, Text)).contains(one, autoescape=True)
            for column in columns
            for one in sorted(spellings)
        )
    )


def _lower(text: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in text)


def _without(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(BLANK, value)
    if isinstance(value, dict):
        return {_without(name, pattern): _without(one, pattern) for name, one in value.items()}
    if isinstance(value, list):
        return [_without(one, pattern) for one in value]
    return value
