"""Where the rows of an export stand: from a contact and a moment back to file and line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from memory.clock import Clock
from memory.importing.columns import RowReader, settle
from memory.importing.export import open_export
from memory.importing.identity import reassignments
from memory.importing.load import look
from memory.importing.report import ImportSettings, no_progress
from memory.schema import contact_aliases, contacts
from memory.store import Store

Place = tuple[int, int]
"""A contact, and a moment in microseconds."""


def lines_of(
    store: Store, path: Path, wanted: Collection[Place], *, settings: ImportSettings, clock: Clock
) -> dict[Place, int]:
    """The first line of a file of sends, events or orders that speaks of each contact at that moment, where it has one.

    The file must have been imported into the store, which knows its people by then.
    """
    export = open_export(path)
    mapping, _ = settle(export, look(store, path, settings=settings), settings, no_progress)
    names = _names_of(store, {contact_id for contact_id, _ in wanted})
    moments = sorted({at for _, at in wanted})
    found: dict[Place, int] = {}
    for parsed in RowReader(export, mapping, settings, clock.now()).blocks():
        rows = parsed.rows.filter(pc.is_in(parsed.rows["at"], value_set=pa.array(moments, pa.int64())))
        for row in rows.select(["line", "contact", "email", "at"]).to_pylist():
            contact_id = names.get(row["contact"] or "") or names.get((row["email"] or "").lower())
            if contact_id is not None and (contact_id, row["at"]) in wanted:
                found.setdefault((contact_id, row["at"]), row["line"])
    return found


def _names_of(store: Store, wanted: set[int]) -> dict[str, int]:
    """Every id and address under which an export may speak of these contacts."""
    with store.read() as connection:
        kept = reassignments(connection)
        named = connection.execute(select(contact_aliases.c.alias, contact_aliases.c.contact_id)).all()
        mailed = connection.execute(
            select(contacts.c.email, contacts.c.contact_id).where(contacts.c.email.is_not(None))
        ).all()
    pairs = [(name, kept.get(contact_id, contact_id)) for name, contact_id in (*named, *mailed)]
    return {name: contact_id for name, contact_id in pairs if name and contact_id in wanted}
