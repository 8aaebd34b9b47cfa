"""Who is meant by the ids and addresses of a source: found, created, or an anonymous contact that becomes known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from memory.canonical import address_hash
from memory.contacts import ADDRESS, merge
from memory.forgotten import ANONYMOUS, Forgotten
from memory.schema import contact_aliases, contacts
from memory.store import upsert

ACTOR = "import"


class Reference(NamedTuple):
    """The names that one row gives to a person."""

    contact: str | None
    anonymous: str | None
    email: str | None


class Identities:
    """Everybody known under a source's ids, anonymous ids and addresses; resolves rows in their order.

    Within one transaction: ``resolve`` each reference, then ``write`` once, then ``canonical`` gives the final ids.
    Ids below zero are contacts that are not written yet.
    """

    def __init__(self, connection: Connection, *, source: str, salt: str, now: datetime) -> None:
        self._connection = connection
        self._source = source
        self._salt = salt
        self._now = now
        self._aliases: dict[tuple[str, str], int] = {}
        self._by_email: dict[str, int] = {}
        self._email_of: dict[int, str | None] = {}
        self._into: dict[int, int] = {}
        self._new: list[dict[str, Any]] = []
        self._new_aliases: list[tuple[str, str, int]] = []
        self._merges: list[tuple[int, int]] = []
        self._addresses: dict[int, str] = {}
        self._load()

    def resolve(self, who: Reference, *, create: bool, update_email: bool = False) -> int | None:
        """The contact that a row means, created if wanted and not yet known; None where nobody is known.

        The source's id decides, then the address, then the anonymous id. An anonymous contact that turns up together
        with a known one becomes part of it; two known people never become one.
        """
        named = self._alias(self._source, who.contact)
        addressed = None if who.email is None else self._canonical(self._by_email.get(who.email))
        unnamed = self._alias(ANONYMOUS, who.anonymous)
        found = next((one for one in (named, addressed, unnamed) if one is not None), None)
        if found is None:
            if not create:
                return None
            found = self._create(who)
        for other in (named, addressed, unnamed):
            if other is not None and other != found:
                found = self._join(found, other)
        if who.email is not None and self._email_of.get(found) != who.email:
            nobody_elses = self._canonical(self._by_email.get(who.email)) in {None, found}
            if nobody_elses and (update_email or self._email_of.get(found) is None):
                self._give_address(found, who.email)
        if named is None and who.contact is not None:
            self._name(self._source, who.contact, found)
        if unnamed is None and who.anonymous is not None:
            self._name(ANONYMOUS, who.anonymous, found)
        return found

    def disagrees(self, who: Reference) -> bool:
        """Whether the source's id and the address belong to two different known people."""
        named, by_email = self._alias(self._source, who.contact), self._by_email.get(who.email or "")
        addressed = self._canonical(by_email)
        return (
            named is not None
            and addressed is not None
            and named != addressed
            and self._email_of.get(named) is not None
            and self._email_of.get(addressed) is not None
        )

    def was_erased(self, who: Reference) -> bool:
        """Whether somebody with one of these names was erased, and so must not come back by an import."""
        return self._forgotten.knows(self._source, **who._asdict())

    def values(self, contact_id: int) -> dict[str, Any] | None:
        """The columns of a contact that is not written yet, to be filled; None for one that is in the store."""
        return self._new[-contact_id - 1] if contact_id < 0 else None

    def write(self) -> int:
        """Write new contacts, names, addresses and merges; returns how many contacts were created."""
        changed = [
            {"of": contact_id, "address": email, "hashed": address_hash(self._salt, email), "now": self._now}
            for contact_id, email in self._addresses.items()
            if self._into.get(contact_id) is None
        ]
        if changed:
            # Two people may have exchanged an address: all are cleared before any is set.
            of_contact = contacts.c.contact_id == bindparam("of")
            clear = [{"of": one["of"]} for one in changed]
            self._connection.execute(update(contacts).where(of_contact).values(email=None), clear)
            moved = update(contacts).where(of_contact)
            self._connection.execute(
                moved.values(email=bindparam("address"), email_hash=bindparam("hashed"), updated_at=bindparam("now")),
                changed,
            )
        kept = [number for number in range(len(self._new)) if self._into.get(-number - 1) is None]
        if kept:
            statement = insert(contacts).returning(contacts.c.contact_id, sort_by_parameter_order=True)
            ids = self._connection.execute(statement, [self._new[number] for number in kept]).scalars().all()
            for number, contact_id in zip(kept, ids, strict=True):
                self._into[-number - 1] = contact_id
        upsert(
            self._connection,
            contact_aliases,
            [
                {"source": source, "alias": alias, "contact_id": self.canonical(contact_id)}
                for source, alias, contact_id in self._new_aliases
            ],
            update=["contact_id"],
        )
        for kept_id, merged_id in self._merges:
            merge(self._connection, kept=self.canonical(kept_id), merged=merged_id, actor=ACTOR, at=self._now)
        return len(kept)

    def canonical(self, contact_id: int) -> int:
        """The id of a contact after ``write``."""
        found = self._canonical(contact_id)
        assert found is not None
        return found

    def _load(self) -> None:
        query = select(contact_aliases).where(contact_aliases.c.source.in_([self._source, ANONYMOUS, ADDRESS]))
        for row in self._connection.execute(query):
            if row.source == ADDRESS:
                self._by_email[row.alias] = row.contact_id
            else:
                self._aliases[row.source, row.alias] = row.contact_id
        people = select(contacts.c.contact_id, contacts.c.email, contacts.c.merged_into)
        for contact_id, email, merged_into in self._connection.execute(people):
            self._email_of[contact_id] = email
            if merged_into is not None:
                self._into[contact_id] = merged_into
            elif email is not None:
                self._by_email[email] = contact_id
        self._forgotten = Forgotten(self._connection, self._salt)

    def _alias(self, source: str, alias: str | None) -> int | None:
        return None if alias is None else self._canonical(self._aliases.get((source, alias)))

    def _canonical(self, contact_id: int | None) -> int | None:
        while contact_id is not None and (into := self._into.get(contact_id)) is not None:
            contact_id = into
        return contact_id

    def _create(self, who: Reference) -> int:
        contact_id = -len(self._new) - 1
        self._new.append(
            {
                "email": who.email,
                "email_hash": None if who.email is None else address_hash(self._salt, who.email),
                "phone": None,
                "first_name": "",
                "last_name": "",
                "company": "",
                "account_id": None,
                "language": "",
                "time_zone": "",
                "country": "",
                "notes": "",
                "attributes": {},
                "created_at": self._now,
                "updated_at": self._now,
            }
        )
        self._email_of[contact_id] = who.email
        if who.email is not None:
            self._by_email[who.email] = contact_id
        return contact_id

    def _join(self, one: int, other: int) -> int:
        """Make two contacts one if at most one of them is known by address; returns the one that stays."""
        if self._email_of.get(one) is not None and self._email_of.get(other) is not None:
            return one
        kept, merged = (other, one) if self._email_of.get(one) is None and self._email_of.get(other) else (one, other)
        self._into[merged] = kept
        if merged < 0:
            if kept < 0:
                self._fill(kept, merged)
        else:
            self._merges.append((kept, merged))
        return kept

    def _fill(self, kept: int, merged: int) -> None:
        values, other = self._new[-kept - 1], self._new[-merged - 1]
        for name, value in other.items():
            values[name] = values[name] or value

    def _give_address(self, contact_id: int, email: str) -> None:
        old = self._email_of.get(contact_id)
        if old is not None and self._by_email.get(old) == contact_id:
            del self._by_email[old]
        self._email_of[contact_id] = email
        self._by_email[email] = contact_id
        if contact_id < 0:
            self._new[-contact_id - 1].update(email=email, email_hash=address_hash(self._salt, email))
        else:
            self._addresses[contact_id] = email

    def _name(self, source: str, alias: str, contact_id: int) -> None:
        self._aliases[source, alias] = contact_id
        self._new_aliases.append((source, alias, contact_id))


def resolve_all(
    connection: Connection, references: Sequence[Reference], *, source: str, salt: str, now: datetime, create_for: str
) -> tuple[list[int | None], int]:
    """Resolve references in order; contacts are created for those that carry an "email" or an "anonymous" id.

    ``create_for`` names the fields that are enough to create somebody, for example "email anonymous". Returns the
    contact ids (None for nobody, and for people who were erased) and how many contacts were created.
    """
    people = Identities(connection, source=source, salt=salt, now=now)
    enough = set(create_for.split())
    found: list[int | None] = []
    for who in references:
        if people.was_erased(who):
            found.append(None)
            continue
        create = ("email" in enough and who.email is not None) or ("anonymous" in enough and who.anonymous is not None)
        found.append(people.resolve(who, create=create))
    created = people.write()
    return [None if one is None else people.canonical(one) for one in found], created


def live_contacts(connection: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """Rows of contacts by id."""
    rows: dict[int, Any] = {}
    for start in range(0, len(ids), 1000):
        query = select(contacts).where(contacts.c.contact_id.in_(ids[start : start + 1000]))
        rows.update({row.contact_id: row for row in connection.execute(query)})
    return rows


def reassignments(connection: Connection) -> dict[int, int]:
    """Every merged contact and the one that answers for it now."""
    query = select(contacts.c.contact_id, contacts.c.merged_into).where(contacts.c.merged_into.is_not(None))
    pairs = {row.contact_id: row.merged_into for row in connection.execute(query)}
    result: dict[int, int] = {}
    for merged, kept in pairs.items():
        assert kept is not None
        while kept in pairs:
            following = pairs[kept]
            assert following is not None
            kept = following
        result[merged] = kept
    return result
