"""What an import is told, and what it reports back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

Kind = Literal[
    "products",
    "contacts",
    "consents",
    "suppressions",
    "orders",
    "lines",
    "sends",
    "events",
    "deals",
    "offers",
    "codes",
    "facts",
]
# Also the order in which a folder is loaded: what others refer to comes first.
KINDS: tuple[Kind, ...] = get_args(Kind)

Progress = Callable[[str, int, int], None]
"""Called with (what is done, how much of it, out of how much); 0 of 0 where the end is not known."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""


class ImportSettings(BaseModel):
    """How a workspace's files are to be read where they do not say so themselves."""

    model_config = ConfigDict(frozen=True)

    currency: str = "EUR"
    """The one currency of the workspace; amounts in another are quarantined."""
    day_first: bool = True
    """Whether 03/04/2025 is 3 April, where no date of the column settles it."""
    time_zone: str = "UTC"
    """Zone of dates and times that name none."""
    source: str = ""
    """Name of the system the ids belong to; empty takes the recognised vendor, else "import"."""
    clock_skew: timedelta = timedelta()
    """By how much the clock that wrote the moments may be ahead of ours."""

    @field_validator("currency")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.strip().upper()

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        ZoneInfo(value)
        return value


class BadRow(BaseModel):
    """One row that was left out: where it stands and why."""

    model_config = ConfigDict(frozen=True)

    line: int
    column: str = ""
    reason: str
    raw: dict[str, str] = Field(default_factory=dict, repr=False)
    """The row as it came. Personal data: kept in the quarantine only."""


class Reason(BaseModel):
    """How many rows were left out for one reason, and the first of them."""

    model_config = ConfigDict(frozen=True)

    reason: str
    column: str
    rows: int
    first_line: int


class Mailable(BaseModel):
    """How many contacts may be mailed for marketing, and what is missing where they are few."""

    model_config = ConfigDict(frozen=True)

    contacts: int
    with_consent: int
    with_proof: int
    """Consent granted, with proof, and not suppressed."""
    suppressed: int
    sentence: str


class ImportReport(BaseModel):
    """What one file brought: rows read, written, unchanged and left out."""

    model_config = ConfigDict(frozen=True)

    import_id: str
    kind: Kind
    vendor: str
    file_name: str
    rows_read: int
    rows_written: int
    rows_unchanged: int
    rows_quarantined: int
    rows_skipped: int = 0
    """Rows that are well formed and yet bring nothing: cancelled orders, people who were erased."""
    already_imported: bool = False
    written: dict[str, int] = Field(default_factory=dict)
    """Rows added or changed per table, for example {"orders": 12, "lines": 30}."""
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()
    mailable: Mailable | None = None
    left_out: frozenset[int] = Field(default=frozenset(), exclude=True, repr=False)
    """The lines that were not taken in, for whatever reason."""


def reasons_of(bad: list[BadRow]) -> tuple[Reason, ...]:
    """Count rows per reason and column, the commonest first."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for row in bad:
        rows, first = found.get((row.reason, row.column), (0, row.line))
        found[row.reason, row.column] = (rows + 1, min(first, row.line))
    reasons = [Reason(reason=key[0], column=key[1], rows=rows, first_line=line) for key, (rows, line) in found.items()]
    return tuple(sorted(reasons, key=lambda one: (-one.rows, one.first_line, one.column)))
