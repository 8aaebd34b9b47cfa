"""The mapping of a file: which column means what and how it is read; guessed, shown, corrected and remembered."""

from __future__ import annotations

import re
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from memory.canonical import digest
from memory.errors import InvalidInputError
from memory.importing.report import KINDS, Kind
from memory.importing.rows import MODELS
from memory.importing.vocabulary import (
    SIGNATURES,
    Signature,
    fields_of,
    kinds_by_file_name,
    plain,
)
from memory.schema import import_mappings
from memory.store import upsert

_LIKE_CONSENT = re.compile(
    r"consent|opt.?(in|out)|newsletter|subscri|accepts|permission|gdpr|rgpd|abonn|inscri", re.IGNORECASE
)
_LISTED = 12


class ColumnMapping(BaseModel):
    """What one column means and how its cells are read."""

    model_config = ConfigDict(frozen=True)

    column: str
    field: str = ""
    """Empty: the column is not read."""
    rank: int = 0
    """Where several columns mean one field, the first that is filled counts, lowest rank first."""
    reason: str = ""
    """Why it was taken so, for the person who checks it."""
    day_first: bool | None = None
    """For dates: None takes what the column shows, else the settings."""
    decimal_mark: Literal[".", ","] | None = None
    """For amounts: None takes what the column shows."""


class Mapping(BaseModel):
    """How a file is read. Shown before an import; a corrected one can be passed in, and is then remembered."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    vendor: str = ""
    columns: tuple[ColumnMapping, ...]
    constants: dict[str, str] = Field(default_factory=dict)
    """Fields that the file means without a column, for example {"reason": "unsubscribed"}."""
    notes: tuple[str, ...] = ()

    def of(self, field: str) -> list[ColumnMapping]:
        """The columns that mean a field, in the order in which they are tried."""
        return sorted((one for one in self.columns if one.field == field), key=lambda one: one.rank)

    def has(self, field: str) -> bool:
        return field in self.constants or any(one.field == field for one in self.columns)

    def unread(self) -> list[str]:
        """Sentences about the columns that mean nothing here; those that look like a consent are named first."""
        columns = [one.column for one in self.columns if not one.field and one.column]
        target = {"contacts": "consent", "consents": "state"}.get(self.kind)
        doubtful = [one for one in columns if target and _LIKE_CONSENT.search(one)]
        said = []
        if doubtful:
            said.append(
                f"Not read, though it looks like a consent: {', '.join(doubtful)}. "
                f'If it is one, import again with --map "{doubtful[0]}={target}".'
            )
        others = [one for one in columns if one not in doubtful]
        if others:
            more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
            said.append(f"Not read: {', '.join(others[:_LISTED])}{more}.")
        return said

    def corrected(self, changes: Dict[str, str]) -> Mapping:
        """The mapping with other meanings for some columns: {column: field}, an empty field for "not read"."""
        known = {one.column for one in self.columns}
        if unknown := sorted(set(changes) - known):
            raise InvalidInputError(
                f"The file has no column {unknown[0]}.",
                where="mapping",
                remedy=f"Its columns are {', '.join(sorted(known))}.",
            )
        if wrong := sorted(set(changes.values()) - set(MODELS[self.kind].model_fields) - {""}):
            raise InvalidInputError(
                f"{self.kind} have no field {wrong[0]}.",
                where="mapping",
                remedy=f"The fields are {', '.join(MODELS[self.kind].model_fields)}.",
            )
        columns = tuple(
            ColumnMapping(column=one.column, field=changes[one.column], reason="You said so.")
            if one.column in changes
            else one
            for one in self.columns
        )
        return self.model_copy(update={"columns": columns})


def guess(header: Sequence[str], *, file_name: str = "", kind: Kind | None = None) -> Mapping:
    """Recognise what a file holds and what its columns mean, from its header and name.

    Raises InvalidInputError where it cannot be told, with the columns that were found.
    """
    names = {plain(column) for column in header}
    signature = next((one for one in SIGNATURES if one.columns <= names and kind in {None, one.kind}), None)
    if signature is None and kind is None:
        kind = _recognise(header, file_name)
    found = signature.kind if signature else kind
    assert found is not None
    mapping = _map(header, found, signature)
    missing = _missing(mapping)
    if missing:
        raise InvalidInputError(
            f"It holds {found}, but no column says {' or '.join(missing)}.",
            where=file_name,
            remedy=f"Name that column or correct the mapping. Columns found: {', '.join(header)}. "
            "Nothing was imported.",
        )
    return mapping


def signature_of(header: Sequence[str]) -> str:
    """The name under which the mapping of a header is remembered; order and case do not matter."""
    return digest(sorted(plain(column) for column in header))


def save(connection: Connection, header: Sequence[str], mapping: Mapping, at: datetime) -> None:
    """Remember a corrected mapping for every later file with this header."""
    row = {
        "signature": signature_of(header),
        "kind": mapping.kind,
        "columns": mapping.model_dump(mode="json", exclude={"notes"}),
        "saved_at": at,
    }
    upsert(connection, import_mappings, [row], update=["kind", "columns", "saved_at"])


def remembered(connection: Connection, header: Sequence[str]) -> Mapping | None:
    """The mapping that was saved for this header."""
    found = connection.execute(
        select(import_mappings.c.columns).where(import_mappings.c.signature == signature_of(header))
    ).scalar_one_or_none()
    if found is None:
        return None
    mapping = Mapping.model_validate(found)
    # The same header may come in another order or case.
    here = {plain(column): column for column in header}
    columns = tuple(one.model_copy(update={"column": here[plain(one.column)]}) for one in mapping.columns)
    return mapping.model_copy(update={"columns": columns})


def _map(header: Sequence[str], kind: Kind, signature: Signature | None) -> Mapping:
    known = fields_of(kind)
    prefer = signature.prefer if signature else {}
    vendor = signature.vendor if signature else ""
    columns = []
    for column in header:
        name = plain(column)
        field, rank, reason = "", 0, "No field is known by this name."
        if name in prefer:
            field = prefer[name]
            reason = f"{vendor.capitalize()} exports mean this by it." if field else "Not needed."
        elif name in known:
            field, rank = known[name]
            reason = f"Known name for {field}."
        columns.append(ColumnMapping(column=column, field=field, rank=rank, reason=reason))
    constants = signature.constants if signature else {}
    taken = {field: value for field, value in constants.items() if not any(one.field == field for one in columns)}
    return Mapping(kind=kind, vendor=vendor, columns=tuple(columns), constants=taken)


# Per kind, one field of each group must be there.
_NEEDED: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "products": (("product_id", "handle"), ("name", "price", "category")),
    "contacts": (("contact", "email", "anonymous"),),
    "consents": (("contact", "email"), ("state",), ("at",)),
    "suppressions": (("email", "contact"),),
    "orders": (("order_id",), ("at",), ("total", "amount", "unit_price")),
    "lines": (("order_id",), ("product_id", "product_name"), ("amount", "unit_price")),
    "sends": (("contact", "email"), ("at",), ("campaign", "message_key")),
    "events": (("contact", "email", "anonymous"), ("kind",), ("at",)),
    "deals": (("deal_id",), ("stage", "won", "name")),
    "offers": (("offer_id",), ("kind",), ("starts_at",), ("ends_at",)),
    "codes": (("offer_id",), ("code",)),
    "facts": (("fact_id",), ("language",), ("text",)),
}


def _missing(mapping: Mapping) -> list[str]:
    """The first group of which no field is mapped."""
    groups = (group for group in _NEEDED[mapping.kind] if not any(mapping.has(field) for field in group))
    return list(next(groups, ()))


def check(mapping: Mapping, header: Sequence[str], *, where: str) -> None:
    """Refuse a mapping that does not fit the file. Raises InvalidInputError."""
    absent = sorted({one.column for one in mapping.columns if one.field} - set(header))
    missing = _missing(mapping)
    if absent or missing:
        raise InvalidInputError(
            f"The mapping names a column that is not there: {absent[0]}."
            if absent
            else f"The mapping of {mapping.kind} lacks {' or '.join(missing)}.",
            where=where,
            remedy=f"Correct the mapping. Columns found: {', '.join(header)}. Nothing was imported.",
        )


def _recognise(header: Sequence[str], file_name: str) -> Kind:
    names = [plain(column) for column in header]
    scores: dict[Kind, float] = {}
    for kind in KINDS:
        known = fields_of(kind)
        if _missing(_map(header, kind, None)):
            continue
        matched = [name for name in names if name in known]
        scores[kind] = len({known[name][0] for name in matched}) / len(names)
    named = [kind for kind in kinds_by_file_name(file_name) if kind in scores]
    if named:
        return named[0]
    best = sorted(scores, key=lambda kind: (-scores[kind], KINDS.index(kind)))
    if not best or (len(best) > 1 and scores[best[0]] == scores[best[1]]):
        raise InvalidInputError(
            "It cannot be told what this file holds.",
            where=file_name,
            remedy=f"Say which kind it is ({', '.join(KINDS)}), or name its columns after the docs. "
            f"Columns found: {', '.join(header)}. Nothing was imported.",
        )
    return best[0]
