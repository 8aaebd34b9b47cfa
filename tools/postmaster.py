"""Read what Google Postmaster Tools tells of user-reported spam, as exported to CSV: a share for each day."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from memory.errors import InvalidInputError
from memory.reputation import Report
from memory.standing import domain_of

Unit = Literal["percent", "share"]
GMAIL: Final = "gmail.com"
_DAY: Final = ("date", "day")
_SENDER: Final = ("domain", "sending domain")
# As the dashboard names it, and as the interface does, whose numbers are shares.
_RATE: Final = ("user reported spam rate", "user reported spam", "spam rate")
_SHARE: Final = ("user reported spam ratio", "userreportedspamratio")
_DATES: Final = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%b %d, %Y", "%d %b %Y")


def read_export(text: str, *, where: str, sender: str, unit: Unit | None = None) -> list[Report]:
    """The reported share of each day and sending domain; ``sender`` stands where the file names none.

    A number without a percent sign needs ``unit``, unless the heading tells. Days without a number are left out. Raises
    InvalidInputError with the line that cannot be read.
    """
    lines = csv.reader(text.lstrip("\ufeff").splitlines())
    header = next(lines, [])
    names = [re.sub(r"[\s_-]+", " ", re.sub(r"\(.*?\)|%", "", name)).strip().lower() for name in header]
    day, rate = _place(names, _DAY), _place(names, (*_RATE, *_SHARE))
    if day is None or rate is None:
        raise InvalidInputError(
            "This is no export of user-reported spam: it needs the columns Date and User-reported spam rate.",
            where=f"{where}, line 1",
            remedy="Export the spam rate from Google Postmaster Tools, or name the two columns so.",
        )
    if unit is None and names[rate] in _SHARE:
        unit = "share"
    elif unit is None and re.search(r"%|percent", header[rate], re.IGNORECASE):
        unit = "percent"
    domain = _place(names, _SENDER)
    found: dict[tuple[str, datetime], Report] = {}
    for row in lines:
        line = f"{where}, line {lines.line_num}"
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(day, rate, domain or 0):
            raise InvalidInputError("The line is shorter than the heading.", where=line, remedy="Export it again.")
        if row[rate].strip().lower() in {"", "-", "–", "n/a", "no data"}:
            continue
        named = domain_of(row[domain]) if domain is not None else domain_of(sender)
        at = _day(row[day], line)
        found[named, at] = Report(named, GMAIL, at, _share(row[rate], unit, line))
    return [found[key] for key in sorted(found)]


def _place(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _day(written: str, line: str) -> datetime:
    for pattern in _DATES:
        try:
            return datetime.strptime(written.strip(), pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise InvalidInputError(f"{written[:40]!r} is no date.", where=line, remedy="Write it like 2026-03-31.")


def _share(written: str, unit: Unit | None, line: str) -> float:
    text = written.strip()
    if text.endswith("%"):
        unit = "percent"
    try:
        number = float(text.rstrip("%").strip().replace(",", "."))
    except ValueError as error:
        raise InvalidInputError(f"{text[:40]!r} is no rate.", where=line, remedy="Write it like 0.12%.") from error
    if unit is None:
        raise InvalidInputError(
            f"{text} may be a percentage or a share of one.",
            where=line,
            remedy="Say which with --unit percent or --unit share.",
        )
    share = number / 100 if unit == "percent" else number
    if not 0 <= share <= 1:
        raise InvalidInputError(f"{text} is no rate of messages.", where=line, remedy="Check --unit.")
    return share
