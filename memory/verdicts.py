"""What ties the verdicts on single messages to the journal: one digest per chunk, over what stands on their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, select

from memory.canonical import digest
from memory.journal import entries
from memory.schema import contacts, messages

GATED: Final = "delivery.gated"


class Comparison(BaseModel):
    """How the rows of the ledger agree with the digests in the journal."""

    model_config = ConfigDict(frozen=True)

    chunks: int
    """How many the journal has."""
    compared: int
    """Those of them whose rows all still carry the verdict that was chained."""
    judged_again: int
    """The others: messages that were held then have another verdict by now."""
    broken: tuple[str, ...] = ()
    """Keys of messages whose row was changed; of a chunk as a whole, the beginning of its digest."""


def judged(state: str, reason: str) -> str:
    """A verdict in one word or two, as it was given: the row's own state goes on from there."""
    return f"{state} {reason}".strip()


def findings_digest(findings: list[dict[str, Any]]) -> str:
    """The digest of the grounds of a verdict; empty where no rule had anything to say."""
    return digest(findings) if findings else ""


def chunk_digest(lines: Iterable[tuple[str, str, str]]) -> str:
    """The digest of a chunk, of (message key, verdict, digest of its findings) of each message in it."""
    return digest(sorted(lines))


def given(connection: Connection) -> Iterator[dict[str, Any]]:
    """The last verdict on every message with its grounds and the chunk that the journal holds; no contact is named."""
    columns = messages.c
    query = select(
        columns.message_key, columns.campaign_id, columns.step_key, columns.channel, columns.state, columns.reason,
        columns.judged, columns.findings, columns.findings_digest, columns.pack_version, columns.chunk,
    )  # fmt: skip
    for row in connection.execute(query.where(columns.judged != "").order_by(columns.message_id)).mappings():
        yield dict(row)


def compare(connection: Connection) -> Comparison:
    """Hold every chunk of verdicts against the journal, as far as its rows still carry them.

    What erasure blotted out of findings is not missed: the digests stand beside them.
    """
    sizes = {
        str(one.payload["verdicts"]): int(one.payload["messages"])
        for one in entries(connection, action=GATED)
        if "messages" in one.payload
    }
    query = (
        select(messages, contacts.c.erased_at)
        .join(contacts, contacts.c.contact_id == messages.c.contact_id)
        .where(messages.c.chunk != "")
        .order_by(messages.c.chunk, messages.c.message_id)
    )
    broken: list[str] = []
    compared = 0
    for chunk, rows in groupby(connection.execute(query), key=lambda row: str(row.chunk)):
        lines = []
        for row in rows:
            lines.append((row.message_key, row.judged, row.findings_digest))
            if row.findings_digest != findings_digest(row.findings) and row.erased_at is None:
                broken.append(row.message_key)
        if chunk not in sizes or len(lines) > sizes[chunk]:
            broken.append(chunk[:16])
        elif len(lines) == sizes[chunk]:
            compared += 1
            if chunk_digest(lines) != chunk:
                broken.append(chunk[:16])
    return Comparison(chunks=len(sizes), compared=compared, judged_again=len(sizes) - compared, broken=tuple(broken))
