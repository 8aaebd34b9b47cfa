"""Public holidays of a country, and which country a time zone lies in."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from babel.core import get_global


@lru_cache(maxsize=1024)
def country_of(zone: str) -> str:
    """The two-letter country of an IANA time zone, for example FR for Europe/Paris; empty where none is known."""
    return str(get_global("zone_territories").get(zone, ""))


@lru_cache(maxsize=256)
def holidays_in(country: str, year: int) -> frozenset[date]:
    """The public holidays of a whole country in one year; those of single regions are left out."""
    # Loads slowly, and only packs that close on holidays need it.
    import holidays

    return frozenset(holidays.country_holidays(country, years=year))


def knows_country(country: str) -> bool:
    """Whether the holidays of a country are known."""
    import holidays

    return country in holidays.list_supported_countries(include_aliases=False)


def is_holiday(day: date, country: str) -> bool:
    """Whether a day is a public holiday all over a country."""
    return day in holidays_in(country, day.year)
