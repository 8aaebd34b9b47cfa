"""The journal and the verdict on every message as lines that anybody can check without Noria."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from memory import journal, verdicts
from memory.canonical import canonical_json
from memory.schema import to_micros


def journal_lines(connection: Connection, *, after: int = 0) -> Iterator[str]:
    """Every line of the journal after a number, as JSON."""
    for entry in journal.entries(connection, after=after):
        yield canonical_json({"type": "journal", "at_micros": to_micros(entry.at), **entry.model_dump()}) + "\n"


def verdict_lines(connection: Connection) -> Iterator[str]:
    """The last verdict on each message, as JSON; no contact is named."""
    for verdict in verdicts.given(connection):
        yield canonical_json({"type": "verdict", **verdict}) + "\n"
