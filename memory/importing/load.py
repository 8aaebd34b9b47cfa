"""Import one export: recognise it, read it, check it, load it, and keep a receipt of what was left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select

from memory.canonical import address_hash, digest
from memory.clock import Clock
from memory.errors import InvalidInputError
from memory.forgotten import Forgotten
from memory.importing.amounts import UnreadableError
from memory.importing.claims import load_codes, load_deals, load_facts, load_offers
from memory.importing.columns import settle
from memory.importing.export import Export, open_export
from memory.importing.hot_facts import refresh_hot_facts
from memory.importing.job import Job, Outcome
from memory.importing.mapping import Mapping, check, guess, remembered, save
from memory.importing.orders import load_lines, load_orders, load_products
from memory.importing.people import load_consents, load_contacts, load_suppressions
from memory.importing.report import (
    BadRow,
    ImportReport,
    ImportSettings,
    Kind,
    Mailable,
    Progress,
    Reason,
    no_progress,
    reasons_of,
)
from memory.importing.sends import load_events, load_sends
from memory.importing.words import read_email
from memory.journal import append
from memory.lake import Lake
from memory.schema import consent_current, contacts, imports, quarantine, suppressions
from memory.store import Store
from memory.workspace import salt

_LOADERS: dict[Kind, Callable[[Job], Outcome]] = {
    "products": load_products,
    "contacts": load_contacts,
    "consents": load_consents,
    "suppressions": load_suppressions,
    "orders": load_orders,
    "lines": load_lines,
    "sends": load_sends,
    "events": load_events,
    "deals": load_deals,
    "offers": load_offers,
    "codes": load_codes,
    "facts": load_facts,
}
# These bring history, or show that two contacts are one.
_HEATS: frozenset[Kind] = frozenset(
    {"contacts", "consents", "suppressions", "orders", "lines", "sends", "events", "deals"}
)
# More bad rows than anybody reads; the report still counts all.
_KEPT_BAD_ROWS = 20_000


def look(store: Store, path: Path, *, kind: Kind | None = None, settings: ImportSettings | None = None) -> Mapping:
    """How a file would be read, with the reason of each guess; nothing is imported. Raises InvalidInputError."""
    export = open_export(path)
    mapping, _ = settle(export, _choose(store, export, kind), settings or ImportSettings(), no_progress)
    return mapping


def kind_of(store: Store, path: Path) -> Kind:
    """What a file holds, by its header and name alone. Raises InvalidInputError."""
    return _choose(store, open_export(path), None).kind


def import_file(
    store: Store,
    lake: Lake,
    path: Path,
    *,
    kind: Kind | None = None,
    mapping: Mapping | None = None,
    settings: ImportSettings,
    clock: Clock,
    progress: Progress | None = None,
    actor: str = "import",
    from_system: bool = False,
    rehearsed: bool = False,
) -> ImportReport:
    """Load one CSV export and say what was left out and why; the same file twice changes nothing.

    A mapping passed in is remembered for later files with this header. What comes ``from_system`` is one part of many
    under a mapping of its own: that is not remembered, and a part without one good row is no reason to stop.

    Contacts are written first, then the lake, then the receipt: whatever a crash interrupts, running it again
    completes, since every row has a key. History never starts a campaign. ``rehearsed`` leaves out what is worked out
    anew for all contacts afterwards. Raises InvalidInputError for a file that
    cannot be used at all; then nothing was written.
    """
    told = progress or no_progress
    export = open_export(path)
    chosen = mapping or _choose(store, export, kind)
    check(chosen, export.header, where=export.name)
    settled, total = settle(export, chosen, settings, told)
    source = settings.source or settled.vendor or "import"
    import_id = _import_id(export, settled, settings, source)
    with store.read() as connection:
        receipt = connection.execute(select(imports).where(imports.c.import_id == import_id)).one_or_none()
        if receipt is not None and receipt.rows_quarantined == 0:
            return ImportReport(
                import_id=import_id,
                kind=settled.kind,
                vendor=settled.vendor,
                file_name=export.name,
                rows_read=receipt.rows_read,
                rows_written=0,
                rows_unchanged=receipt.rows_read,
                rows_quarantined=0,
                already_imported=True,
                notes=("This file was imported before; nothing changed.",),
                mailable=mailable(connection),
            )
    with store.write() as connection:
        key = salt(connection)
    job = Job(
        store=store,
        lake=lake,
        export=export,
        mapping=settled,
        settings=settings,
        source=source,
        salt=key,
        now=clock.now(),
        progress=told,
    )
    job.stage(total)
    if job.bad and not job.count() and not from_system:
        raise _hopeless(export, settled, job.bad)
    outcome = _LOADERS[settled.kind](job)
    job.fill_raw()
    if settled.kind in _HEATS and not rehearsed:
        told("refreshing contacts", 0, 0)
        refresh_hot_facts(store, lake, at=job.now)
    return _keep_receipt(job, outcome, import_id, remember=None if from_system else mapping, actor=actor)


def mailable(connection: Connection) -> Mailable:
    """How many contacts may be mailed for marketing as the record stands, and what to import where nobody may."""
    blocked = select(suppressions.c.address_hash).where(suppressions.c.channel == "email")
    live = (contacts.c.email.is_not(None), contacts.c.merged_into.is_(None), contacts.c.erased_at.is_(None))
    total = connection.execute(select(func.count()).select_from(contacts).where(*live)).scalar_one()
    listed = connection.execute(
        select(func.count()).select_from(contacts).where(*live, contacts.c.email_hash.in_(blocked))
    ).scalar_one()
    granted = (
        select(consent_current.c.has_proof, func.count())
        .join(contacts, contacts.c.contact_id == consent_current.c.contact_id)
        .where(
            *live,
            consent_current.c.channel == "email",
            consent_current.c.purpose == "marketing",
            consent_current.c.state == "granted",
            contacts.c.email_hash.not_in(blocked),
        )
        .group_by(consent_current.c.has_proof)
    )
    counts = {bool(proof): number for proof, number in connection.execute(granted)}
    consented, proven = sum(counts.values()), counts.get(True, 0)
    if consented:
        sentence = (
            f"{consented} of {total} contacts with an address have consented and are not suppressed, "
            f"{proven} of them with proof; {listed} are suppressed."
        )
    else:
        sentence = (
            f"Nobody of {total} contacts with an address may be mailed: no consent is on record. "
            "Import consents with their proof: a CSV with the columns email, state, at, source, proof and wording."
        )
    return Mailable(contacts=total, with_consent=consented, with_proof=proven, suppressed=listed, sentence=sentence)


def _choose(store: Store, export: Export, kind: Kind | None) -> Mapping:
    with store.read() as connection:
        saved = remembered(connection, export.header)
    if saved is not None and kind in {None, saved.kind}:
        return saved
    return guess(export.header, file_name=export.name, kind=kind)


def _import_id(export: Export, mapping: Mapping, settings: ImportSettings, source: str) -> str:
    read_as = [
        [one.column, one.field, one.rank, one.day_first, one.decimal_mark] for one in mapping.columns if one.field
    ]
    return digest(
        [export.digest, mapping.kind, read_as, mapping.constants, settings.currency, settings.time_zone, source]
    )[:32]


def _hopeless(export: Export, mapping: Mapping, bad: list[BadRow]) -> InvalidInputError:
    first: Reason = reasons_of(bad)[0]
    column = f" (column {first.column})" if first.column else ""
    return InvalidInputError(
        f"No row of it can be read as {mapping.kind}; most often {first.reason}{column}.",
        where=f"{export.name}, line {first.first_line}",
        remedy="Check the separator, the mapping and the kind. Nothing was imported.",
    )


def _keep_receipt(job: Job, outcome: Outcome, import_id: str, *, remember: Mapping | None, actor: str) -> ImportReport:
    bad, skipped = job.bad, sum(job.skipped.values())
    rows_written = min(outcome.rows_written, job.rows_read - len(bad) - skipped)
    notes = [
        *job.mapping.notes,
        *job.mapping.unread(),
        *job.notes,
        *outcome.notes,
        *(f"{rows} rows bring nothing: {why}." for why, rows in job.skipped.items()),
    ]
    if len(bad) > _KEPT_BAD_ROWS:
        notes.append(f"Only the first {_KEPT_BAD_ROWS} of {len(bad)} rows that were left out are listed.")
    with job.store.write() as connection:
        if remember is not None:
            save(connection, job.export.header, remember, job.now)
        known = connection.execute(select(imports).where(imports.c.import_id == import_id)).one_or_none()
        before = connection.execute(
            select(quarantine.c.line, quarantine.c.column, quarantine.c.reason)
            .where(quarantine.c.import_id == import_id)
            .order_by(quarantine.c.quarantine_id)
        ).all()
        after = [(row.line, row.column, row.reason) for row in bad[:_KEPT_BAD_ROWS]]
        if known is None or outcome.written or [tuple(row) for row in before] != after:
            connection.execute(delete(quarantine).where(quarantine.c.import_id == import_id))
            connection.execute(delete(imports).where(imports.c.import_id == import_id))
            connection.execute(
                insert(imports).values(
                    import_id=import_id,
                    kind=job.mapping.kind,
                    file_name=job.export.name,
                    file_digest=job.export.digest,
                    mapping=job.mapping.model_dump(mode="json"),
                    rows_read=job.rows_read,
                    rows_written=rows_written,
                    rows_unchanged=job.rows_read - len(bad) - skipped - rows_written,
                    rows_quarantined=len(bad),
                    finished_at=job.now,
                )
            )
            if bad:
                forgotten = Forgotten(connection, job.salt)
                rows = [_quarantined(import_id, row, job, forgotten) for row in bad[:_KEPT_BAD_ROWS]]
                connection.execute(insert(quarantine), rows)
            append(
                connection,
                at=job.now,
                actor=actor,
                action="import.finished",
                subject=f"import {import_id}",
                payload={
                    "kind": job.mapping.kind,
                    "file_digest": job.export.digest,
                    "rows_read": job.rows_read,
                    "rows_quarantined": len(bad),
                    "written": dict(outcome.written),
                },
            )
        may = mailable(connection)
    return ImportReport(
        import_id=import_id,
        kind=job.mapping.kind,
        vendor=job.mapping.vendor,
        file_name=job.export.name,
        rows_read=job.rows_read,
        rows_written=rows_written,
        rows_unchanged=job.rows_read - len(bad) - skipped - rows_written,
        rows_quarantined=len(bad),
        rows_skipped=skipped,
        written=outcome.written,
        reasons=reasons_of(bad),
        notes=tuple(notes),
        mailable=may,
        left_out=frozenset(job.left_out),
    )


def _quarantined(import_id: str, row: BadRow, job: Job, forgotten: Forgotten) -> dict[str, object]:
    names = {field: _named(row, job, field) for field in ("contact", "anonymous")}
    email = _email_in(row, job)
    erased = forgotten.knows(job.source, email=email, **names)
    return {
        "import_id": import_id,
        "line": row.line,
        "column": row.column,
        "reason": row.reason,
        "raw": {} if erased else row.raw,
        "email_hash": address_hash(job.salt, email) if email and not erased else None,
    }


def _named(row: BadRow, job: Job, field: str) -> str | None:
    return next((row.raw.get(one.column, "").strip() for one in job.mapping.of(field)), None)


def _email_in(row: BadRow, job: Job) -> str | None:
    """The address a bad row speaks of, by whose hash erasure finds it."""
    for one in job.mapping.of("email"):
        try:
            return read_email(row.raw.get(one.column, ""))
        except UnreadableError:
            continue
    return None
