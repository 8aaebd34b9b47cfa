"""Lifecycle: where a contact stands by the rhythm of their own orders, not by a calendar that is the same for all."""

from __future__ import annotations

import ibis  # type: ignore[import-untyped]  # it ships no types

from memory.features.feature import Column, Period, Table

NEW_DAYS = 60
"""A buyer is new for so long after the first order."""
SHORTEST_RHYTHM_DAYS = 7
"""Who buys more often than weekly is not slowing after a few days."""
USUAL_RHYTHM_DAYS = 30
"""Taken where nobody at all has a rhythm of their own."""
STAGES: tuple[tuple[str, float], ...] = (("active", 1.5), ("slowing", 3.0), ("lapsed", 6.0))
"""Stage, and how many of their own intervals may have passed since the last order; beyond that a contact is lost."""
STAGE_NAMES: dict[str, dict[str, str]] = {
    "prospect": {"en": "Prospect", "fr": "Prospect"},
    "new": {"en": "New", "fr": "Nouveau"},
    "active": {"en": "Active", "fr": "Actif"},
    "slowing": {"en": "Slowing", "fr": "Ralentit"},
    "lapsed": {"en": "Lapsed", "fr": "Inactif"},
    "lost": {"en": "Lost", "fr": "Perdu"},
}


def days_overdue(table: Table, _period: Period) -> Column:
    return table.recency_days - table.median_interval_days


def recency_ratio(table: Table, _period: Period) -> Column:
    return table.recency_days / table.median_interval_days


def stage(table: Table, period: Period) -> Column:
    everyone = table.median_interval_days.median().as_scalar()
    rhythm = ibis.greatest(
        ibis.coalesce(table.median_interval_days, everyone, float(USUAL_RHYTHM_DAYS)), float(SHORTEST_RHYTHM_DAYS)
    )
    branches = [
        (table.orders_count == 0, "prospect"),
        (table.first_order_at >= period.ago(NEW_DAYS), "new"),
        *((table.recency_days <= rhythm * intervals, name) for name, intervals in STAGES),
    ]
    return ibis.cases(*branches, else_="lost")
