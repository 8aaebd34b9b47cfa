"""Load contacts, what they allowed and whom nobody may write to."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from memory.address import channel_named, phone_hash
from memory.canonical import address_hash
from memory.consents import Consent, record
from memory.importing.identity import Identities, Reference, live_contacts
from memory.importing.job import ERASED, Job, Outcome
from memory.schema import accounts, consent_current, contacts, from_micros, suppressions
from memory.store import upsert

_TEXTS = ("phone", "first_name", "last_name", "company", "language", "time_zone", "country", "notes")
_ATTRIBUTES = ("address", "postal_code", "city")
_NOBODY = "the row has neither an id nor an e-mail address"
_UNKNOWN = "no contact with this id is known; import the contacts first"
_TWO_PEOPLE = "the id belongs to one contact and the address to another"


def load_contacts(job: Job) -> Outcome:
    """People, found by the source's id or their address; in one transaction with the consents they carry."""
    outcome = Outcome()
    job.refuse(
        "SELECT line FROM rows WHERE contact IS NULL AND anonymous IS NULL AND email IS NULL ORDER BY line",
        _NOBODY,
        "email",
    )
    job.refuse_second_meanings(["contact"])
    rows = job.read("SELECT * FROM rows ORDER BY line")
    with job.store.write() as connection:
        people = Identities(connection, source=job.source, salt=job.salt, now=job.now)
        account_ids = _accounts(connection, rows)
        refused: list[tuple[int, str, str]] = []
        placed: list[tuple[int, dict[str, Any]]] = []
        erased: list[int] = []
        for row in rows:
            who = Reference(row["contact"], row["anonymous"], row["email"])
            if people.was_erased(who):
                erased.append(row["line"])
            elif people.disagrees(who):
                refused.append((row["line"], "email", _TWO_PEOPLE))
            else:
                contact_id = people.resolve(who, create=True, update_email=True)
                assert contact_id is not None
                values = _values(row, account_ids)
                if (new := people.values(contact_id)) is not None:
                    new.update({name: value for name, value in values.items() if value})
                    new["attributes"] = {**new["attributes"], **_attributes(row)}
                placed.append((contact_id, row))
        created = people.write()
        changed = _change(
            connection, job, [(people.canonical(one), row) for one, row in placed if one >= 0], account_ids
        )
        granted = _consents(connection, job, [(people.canonical(one), row) for one, row in placed])
    job.refuse_lines(refused)
    job.skip_lines(erased, ERASED)
    outcome.add("contacts", created + changed)
    outcome.add("consents", granted)
    outcome.rows_written = created + changed or min(granted, len(placed))
    return outcome


def load_consents(job: Job) -> Outcome:
    """Consents with their proof, as history; the newest is in force.

    Whoever is not known becomes a contact: a withdrawal counts before the contacts are there.
    """
    outcome = Outcome()
    job.refuse(
        "SELECT line FROM rows WHERE contact IS NULL AND anonymous IS NULL AND email IS NULL ORDER BY line",
        _NOBODY,
        "email",
    )
    job.skip("SELECT line FROM rows WHERE state = ''", "it says neither granted nor withdrawn")
    job.resolve(create_for="email", known_id_reason=_UNKNOWN)
    rows = job.read("SELECT r.*, p.contact_id FROM rows r JOIN people p USING (line) ORDER BY r.line")
    entries = [
        Consent(
            contact_id=row["contact_id"],
            channel=channel_named(row["channel"]),
            purpose=(row["purpose"] or "marketing").lower(),
            state=row["state"],
            at=from_micros(row["at"]),
            source=row["source"] or job.source,
            proof=_proof(row),
            wording=row["wording"] or "",
            confirmed=row["state"] == "granted" and row["confirmed_at"] is not None,
        )
        for row in rows
    ]
    with job.store.write() as connection:
        written = record(connection, entries)
    outcome.add("consents", written)
    outcome.rows_written = written
    return outcome


def load_suppressions(job: Job) -> Outcome:
    """Addresses that nobody may write to; kept as keyed hashes, so that no contact is needed for it."""
    outcome = Outcome()
    job.refuse("SELECT line FROM rows WHERE email IS NULL AND contact IS NULL ORDER BY line", _NOBODY, "email")
    job.resolve(create_for="")
    job.refuse(
        """SELECT r.line FROM rows r JOIN people p USING (line)
        WHERE r.email IS NULL AND p.contact_id IS NULL ORDER BY r.line""",
        _UNKNOWN,
        "contact",
    )
    rows = job.read("SELECT r.*, p.contact_id FROM rows r JOIN people p USING (line) ORDER BY r.line")
    with job.store.write() as connection:
        named = live_contacts(connection, sorted({row["contact_id"] for row in rows if row["email"] is None}))
        listed = []
        nowhere: list[tuple[int, str, str]] = []
        for row in rows:
            channel = channel_named(row["channel"])
            if row["email"]:
                hashed = address_hash(job.salt, row["email"])
            else:
                person = named[row["contact_id"]]
                number = phone_hash(job.salt, person.phone) if channel == "sms" else None
                hashed = number or person.email_hash
            if hashed is None:
                nowhere.append((row["line"], "contact", "this contact has no address that could be suppressed"))
                continue
            listed.append(
                {
                    "channel": channel,
                    "address_hash": hashed,
                    "reason": row["reason"] or "imported",
                    "at": job.now if row["at"] is None else from_micros(row["at"]),
                    "source": row["source"] or job.source,
                }
            )
        written = upsert(connection, suppressions, listed)
    job.refuse_lines(nowhere)
    outcome.add("suppressions", written)
    outcome.rows_written = written
    return outcome


def _values(row: dict[str, Any], account_ids: dict[str, int]) -> dict[str, Any]:
    """The columns of a contact that a row fills."""
    first, last = row["first_name"], row["last_name"]
    if first is None and last is None and row["full_name"]:
        first, _, last = row["full_name"].partition(" ")
    values = {name: row[name] for name in _TEXTS}
    values |= {"first_name": first, "last_name": last}
    if row["account"]:
        values["account_id"] = account_ids[row["account"]]
    if row["created_at"] is not None:
        values["created_at"] = from_micros(row["created_at"])
    return {name: value for name, value in values.items() if value is not None}


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    own = {name: row[name] for name in _ATTRIBUTES if row[name]}
    return {**own, **json.loads(row["attributes"])} if row["attributes"] else own


def _change(
    connection: Connection, job: Job, placed: list[tuple[int, dict[str, Any]]], account_ids: dict[str, int]
) -> int:
    """Bring contacts that were known before up to date; empty cells change nothing."""
    known = live_contacts(connection, sorted({contact_id for contact_id, _ in placed}))
    wanted: dict[int, dict[str, Any]] = {}
    for contact_id, row in placed:
        values = wanted.setdefault(contact_id, {"attributes": dict(known[contact_id].attributes)})
        values.update(_values(row, account_ids))
        values["attributes"] |= _attributes(row)
    names = (*_TEXTS, "account_id", "created_at", "attributes")
    rows = []
    for contact_id, values in sorted(wanted.items()):
        old = known[contact_id]
        if any(getattr(old, name) != value for name, value in values.items()):
            rows.append(
                {
                    "of": contact_id,
                    "now": job.now,
                    **{f"new_{name}": values.get(name, getattr(old, name)) for name in names},
                }
            )
    if rows:
        statement = (
            update(contacts)
            .where(contacts.c.contact_id == bindparam("of"))
            .values(updated_at=bindparam("now"), **{name: bindparam(f"new_{name}") for name in names})
        )
        connection.execute(statement, rows)
    return len(rows)


def _accounts(connection: Connection, rows: list[dict[str, Any]]) -> dict[str, int]:
    """The companies that rows name by an id, created where they are new."""
    named = {row["account"]: row["company"] or "" for row in rows if row["account"]}
    listed = [{"external_id": key, "name": name, "domain": "", "attributes": {}} for key, name in sorted(named.items())]
    upsert(connection, accounts, listed, keys=["external_id"])
    found: dict[str, int] = {}
    keys = sorted(named)
    for start in range(0, len(keys), 1000):
        chunk = keys[start : start + 1000]
        query = select(accounts.c.external_id, accounts.c.account_id).where(accounts.c.external_id.in_(chunk))
        found.update({row.external_id: row.account_id for row in connection.execute(query)})
    return found


def _consents(connection: Connection, job: Job, placed: list[tuple[int, dict[str, Any]]]) -> int:
    """Consent that a contact's own row carries; a grant without a date adds nothing where anything is on record."""
    if not job.mapping.has("consent") and not job.mapping.has("opted_out"):
        return 0
    current = {
        row.contact_id: row
        for row in connection.execute(
            select(consent_current).where(
                consent_current.c.channel == "email", consent_current.c.purpose == "marketing"
            )
        )
    }
    entries = []
    for contact_id, row in placed:
        state = "withdrawn" if row["opted_out"] else row["consent"]
        if not state:
            continue
        at = row["consent_at"] if state == "granted" else None
        if at is None:
            now = current.get(contact_id)
            # An export without dates repeats itself; and who never consented has nothing to withdraw.
            # A grant that may be older than the withdrawal must not undo it.
            if now is not None and state in {now.state, "granted"}:
                continue
            if now is None and state == "withdrawn" and not row["opted_out"]:
                continue
            at_moment = job.now
            if now is None and row["created_at"] is not None and state == "granted":
                at_moment = from_micros(row["created_at"])
        else:
            at_moment = from_micros(at)
        entries.append(
            Consent(
                contact_id=contact_id,
                channel="email",
                purpose="marketing",
                state=state,
                at=at_moment,
                source=row["consent_source"] or job.source,
                proof=_proof(row) if state == "granted" else "",
                wording=row["consent_wording"] or "",
                confirmed=state == "granted" and row["confirmed_at"] is not None,
            )
        )
    return record(connection, entries)


def _proof(row: dict[str, Any]) -> str:
    """What an export can show for a consent, in one line; empty if it shows nothing."""
    said = row.get("proof") or row.get("consent_proof") or ""
    parts = [said] if said else []
    if row["consent_ip"]:
        parts.append(f"opted in from {row['consent_ip']}")
    if row["confirmed_at"] is not None:
        where = f" from {row['confirmed_ip']}" if row["confirmed_ip"] else ""
        parts.append(f"confirmed {from_micros(row['confirmed_at']).isoformat(timespec='seconds')}{where}")
    return "; ".join(parts)
