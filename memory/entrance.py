"""Contacts enter a campaign as a set: their enrolments in one statement, their first messages in another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    MetaData,
    Select,
    String,
    Table,
    and_,
    false,
    literal,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from memory import ledger
from memory.canonical import canonical_json
from memory.columns import stage
from memory.play import RecordKind
from memory.schema import RowId, enrolments, messages, to_micros

_entering = Table(
    "entering",
    MetaData(),
    Column("contact_id", RowId, primary_key=True, autoincrement=False),
    Column("occurrence", BigInteger, nullable=False),
    Column("in_holdout", Boolean, nullable=False),
    Column("entered_at", BigInteger, nullable=False),
    Column("bindings", JSON, nullable=False),
    Column("message_key", String(64)),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DELETE ROWS",
)
_ENTRY = ("campaign_id", "contact_id", "occurrence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Where those of one band enter who drew one sequence of a campaign version."""

    campaign_id: str
    version: int
    sequence_key: str
    band: int
    """Which band of contacts they are in."""
    probability: float
    """With which that band draws the sequence."""
    step_key: str | None
    wait: timedelta | None
    """How long after the entry they go on; None while their message has not ended."""
    channel: str = ""
    """By which the message of the first step goes; empty where that step sends none at once."""
    purpose: str = ""
    deadline: timedelta = timedelta()
    """How long after the entry that message may still leave."""
    exit_reason: str = ""
    """Why they leave as they enter; empty for those who stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Contacts of one band who drew the same sequence, as columns of one order."""

    contact_ids: Sequence[int]
    occurrences: Sequence[int]
    in_holdout: Sequence[bool]
    entered_at: Sequence[int]
    """Integer UTC microseconds."""
    records: Mapping[int, Mapping[RecordKind, str]]
    """By contact, the records that personal values are read from; a contact without any is left out."""


def enter(connection: Connection, threshold: Threshold, entries: Entries, *, actor: str, at: datetime) -> int:
    """Enrol contacts and plan their first messages; returns how many were new. Who is in already stays as they are."""
    stage(connection, _entering, _rows(threshold, entries))
    staged = select().select_from(_entering).order_by(_entering.c.contact_id)
    entered = _insert(connection, enrolments, _ENTRY, staged, _enrolment(threshold))
    if threshold.channel:
        inside = staged.join(
            enrolments,
            and_(
                enrolments.c.campaign_id == threshold.campaign_id,
                enrolments.c.contact_id == _entering.c.contact_id,
                enrolments.c.occurrence == _entering.c.occurrence,
                enrolments.c.state == "active",
                enrolments.c.sequence_key == threshold.sequence_key,
                enrolments.c.step_key == threshold.step_key,
            ),
        )
        planned = _insert(connection, messages, ["message_key"], inside, _message(threshold, at))
        ledger.note_planned(connection, threshold.campaign_id, planned, actor=actor, at=at)
    return entered


def _rows(threshold: Threshold, entries: Entries) -> Iterator[tuple[Any, ...]]:
    bindings = [json.dumps(entries.records.get(one, {})) if entries.records else "{}" for one in entries.contact_ids]
    keys = _message_keys(threshold, entries) if threshold.channel else [None] * len(bindings)
    return zip(
        entries.contact_ids, entries.occurrences, entries.in_holdout, entries.entered_at, bindings, keys, strict=True
    )


def _message_keys(threshold: Threshold, entries: Entries) -> list[str]:
    """``ledger.message_key`` of each, written out as canonical JSON writes it: a call for each takes far longer."""
    begun, then = f"[{canonical_json(threshold.campaign_id)},", f",{canonical_json(threshold.step_key)},"
    return [
        sha256(f"{begun}{contact_id}{then}{occurrence}]".encode()).hexdigest()
        for contact_id, occurrence in zip(entries.contact_ids, entries.occurrences, strict=True)
    ]


def _enrolment(threshold: Threshold) -> dict[str, Any]:
    entered_at = _entering.c.entered_at
    return {
        "campaign_id": literal(threshold.campaign_id),
        "contact_id": _entering.c.contact_id,
        "occurrence": _entering.c.occurrence,
        "version": literal(threshold.version),
        "in_holdout": _entering.c.in_holdout,
        "band": literal(threshold.band),
        "sequence_key": literal(threshold.sequence_key),
        "probability": literal(threshold.probability, Float),
        "state": literal("exited" if threshold.exit_reason else "active"),
        "step_key": literal(threshold.step_key, String),
        "due_at": null() if threshold.wait is None else entered_at + _micros(threshold.wait),
        "entered_at": entered_at,
        "exited_at": entered_at if threshold.exit_reason else null(),
        "exit_reason": literal(threshold.exit_reason),
        "bindings": _entering.c.bindings,
    }


def _message(threshold: Threshold, at: datetime) -> dict[str, Any]:
    return {
        "message_key": _entering.c.message_key,
        "campaign_id": enrolments.c.campaign_id,
        "contact_id": enrolments.c.contact_id,
        "enrolment_id": enrolments.c.enrolment_id,
        "version": enrolments.c.version,
        "sequence_key": enrolments.c.sequence_key,
        "step_key": enrolments.c.step_key,
        "occurrence": enrolments.c.occurrence,
        "channel": literal(threshold.channel),
        "purpose": literal(threshold.purpose),
        "state": literal("planned"),
        "reason": literal(""),
        "findings": literal([], JSON),
        "pack_version": literal(""),
        "planned_at": literal(to_micros(at), BigInteger),
        "due_at": _entering.c.entered_at,
        "deadline_at": _entering.c.entered_at + _micros(threshold.deadline),
        "in_flight": false(),
        "provider": literal(""),
        "attempts": literal(0),
    }


def _insert(
    connection: Connection, table: Table, keys: Sequence[str], found: Select[Any], values: Mapping[str, Any]
) -> int:
    """Write a row for each that is found, unless its key is there; returns how many were new."""
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    rows = found.add_columns(*values.values())
    statement = insert(table).from_select(list(values), rows).on_conflict_do_nothing(index_elements=list(keys))
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def _micros(of: timedelta) -> int:
    return of // timedelta(microseconds=1)
