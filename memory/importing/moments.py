"""Read dates and times as exports write them: ISO, `31/12/2025`, `Jan 2, 2025 3:04 PM`, `2 janvier 2025`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from memory.importing.amounts import UnreadableError
from memory.schema import to_micros

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_NO_DATE = "this is not a date"
_IMPOSSIBLE = "this date is impossible"

_ISO = re.compile(r"^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(.*)$")
_NUMBERS = re.compile(r"^(\d{1,4})([/.\-])(\d{1,2})\2(\d{1,4})(?:,?[T\s]+(.*))?$")
_WORDS = re.compile(
    r"^(?:[^\W\d]+\.?,?\s+)??(\d{1,2})(?:er|st|nd|rd|th)?[\s-]+([^\W\d]+)\.?,?[\s-]+(\d{4})(?:,?\s+(.*))?$"
)
_WORDS_FIRST = re.compile(r"^(?:[^\W\d]+,\s+)?([^\W\d]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?:,?\s+(.*))?$")
_TIME = re.compile(
    r"^(?:at\s+|à\s+)?(\d{1,2})(?:[:h](\d{2}))?(?::(\d{2})(?:[.,]\d{1,9})?)?\s*([ap]\.?m\.?)?\s*(.*)$", re.IGNORECASE
)
_OFFSET = re.compile(r"^(?:UTC|GMT)?\s*([+-])(\d{2}):?(\d{2})?$")
_STEMS = (
    ("jan",),
    ("feb", "fev", "fév"),
    ("mar",),
    ("apr", "avr"),
    ("may", "mai"),
    ("jun", "juin"),
    ("jul", "juil"),
    ("aug", "aou", "aoû"),
    ("sep",),
    ("oct",),
    ("nov",),
    ("dec", "déc"),
)
_DAY = re.compile(r"^\s*(\d{1,2})[/\-](\d{1,2})[/\-]\d{2,4}")


@dataclass(frozen=True, slots=True)
class DayEvidence:
    """How many dates of a column can only be day first, only month first, or either."""

    day_first: int = 0
    month_first: int = 0
    either: int = 0


def day_evidence(texts: set[str]) -> DayEvidence:
    """What the dates of a column show about the order of day and month."""
    day = month = either = 0
    for text in texts:
        match = _DAY.match(text)
        if match is None:
            continue
        first, second = int(match[1]), int(match[2])
        if first > 12 >= second:
            day += 1
        elif second > 12 >= first:
            month += 1
        elif first != second:
            either += 1
    return DayEvidence(day, month, either)


def read_micros(text: str, *, day_first: bool, zone: tzinfo, end_of_day: bool = False) -> int:
    """A moment as integer UTC microseconds; a date alone is its first moment, or its last with ``end_of_day``.

    Raises UnreadableError for what is no date, for 31 February and for anything before 1990.
    """
    moment, has_time = _read(text.strip(), day_first=day_first)
    try:
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        if end_of_day and not has_time:
            moment += timedelta(days=1)
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise UnreadableError(_IMPOSSIBLE) from error
    if moment < EARLIEST:
        raise UnreadableError(_IMPOSSIBLE)
    return to_micros(moment)


def _read(text: str, *, day_first: bool) -> tuple[datetime, bool]:
    try:
        if match := _ISO.match(text):
            year, month, day, hour, minute, second, fraction, zone = match.groups()
            found = datetime(  # noqa: DTZ001 - the zone follows
                int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
            )
            if fraction:
                found += timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
            return found.replace(tzinfo=_zone(zone)), hour is not None
        if text.isdecimal():
            return _digits(text)
        if match := _NUMBERS.match(text):
            return _with_time(_ordered(match[1], match[2], match[3], match[4], day_first=day_first), match[5])
        if match := _WORDS.match(text):
            return _with_time(date(int(match[3]), _month(match[2]), int(match[1])), match[4])
        if match := _WORDS_FIRST.match(text):
            return _with_time(date(int(match[3]), _month(match[1]), int(match[2])), match[4])
    except UnreadableError:
        raise
    except (ValueError, OverflowError) as error:
        raise UnreadableError(_IMPOSSIBLE) from error
    raise UnreadableError(_NO_DATE)


def _digits(text: str) -> tuple[datetime, bool]:
    if len(text) == 8:
        found = datetime(int(text[:4]), int(text[4:6]), int(text[6:]))  # noqa: DTZ001 - a date alone has no zone yet
        return found, False
    if len(text) in {10, 13}:
        return datetime.fromtimestamp(int(text) / (1 if len(text) == 10 else 1000), UTC), True
    raise UnreadableError(_NO_DATE)


def _ordered(first: str, mark: str, second: str, third: str, *, day_first: bool) -> date:
    if len(first) == 4:
        return date(int(first), int(second), int(third))
    if len(first) == 3 or len(third) == 3:
        raise UnreadableError(_NO_DATE)
    year = int(third) if len(third) == 4 else 2000 + int(third)
    # Dates with points are written day first everywhere.
    if day_first or mark == ".":
        return date(year, int(second), int(first))
    return date(year, int(first), int(second))


def _with_time(day: date, rest: str | None) -> tuple[datetime, bool]:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone follows
    if not rest or not rest.strip():
        return midnight, False
    match = _TIME.match(rest.strip())
    if match is None:
        raise UnreadableError(_NO_DATE)
    hour, half = int(match[1]), (match[4] or "").lower().replace(".", "")
    if half:
        if not 1 <= hour <= 12:
            raise UnreadableError(_IMPOSSIBLE)
        hour = hour % 12 + (12 if half == "pm" else 0)
    found = midnight.replace(hour=hour, minute=int(match[2] or 0), second=int(match[3] or 0))
    return found.replace(tzinfo=_zone(match[5])), True


def _zone(text: str) -> tzinfo | None:
    bare = text.strip()
    if not bare:
        return None
    if bare in {"Z", "z", "UTC", "GMT"}:
        return UTC
    match = _OFFSET.match(bare)
    if match is None:
        raise UnreadableError(_NO_DATE)
    offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return timezone(-offset if match[1] == "-" else offset)


def _month(word: str) -> int:
    lower = word.lower()
    for number, stems in enumerate(_STEMS, start=1):
        if any(lower.startswith(stem) for stem in stems):
            return number
    raise UnreadableError(_NO_DATE)
