"""RFM: how recently, how often and for how much each buyer bought, in fifths of all buyers, and the named groups.

A score is the fifth in which the middle of all buyers with the same value stands: 1 + floor(5 (r + t / 2) / n), where
r buyers have a lower value, t the same, and n are all. Equal values so have equal scores, whatever the engine.
"""

from __future__ import annotations

import ibis  # type: ignore[import-untyped]  # it ships no types

from memory.features.feature import Column, Period, Table

GROUPS: dict[str, tuple[str, ...]] = {
    # Recency score, and below it the group for the mean of frequency and monetary score, rounded up, from 1 to 5.
    "5": ("promising_new", "potential", "potential", "champions", "champions"),
    "4": ("promising_new", "potential", "loyal", "loyal", "champions"),
    "3": ("about_to_lapse", "needs_attention", "needs_attention", "loyal", "loyal"),
    "2": ("hibernating", "about_to_lapse", "at_risk", "at_risk", "cannot_lose"),
    "1": ("hibernating", "hibernating", "at_risk", "cannot_lose", "cannot_lose"),
}
GROUP_NAMES: dict[str, dict[str, str]] = {
    "champions": {"en": "Champions", "fr": "Champions"},
    "loyal": {"en": "Loyal", "fr": "Fidèles"},
    "potential": {"en": "Potential loyal", "fr": "Fidèles potentiels"},
    "promising_new": {"en": "Promising new", "fr": "Nouveaux prometteurs"},
    "needs_attention": {"en": "Needs attention", "fr": "À suivre"},
    "about_to_lapse": {"en": "About to lapse", "fr": "Sur le départ"},
    "at_risk": {"en": "At risk", "fr": "À risque"},
    "cannot_lose": {"en": "Cannot lose", "fr": "À ne pas perdre"},
    "hibernating": {"en": "Hibernating", "fr": "En hibernation"},
    "none": {"en": "No purchase yet", "fr": "Aucun achat"},
}


def recency_score(table: Table, _period: Period) -> Column:
    return _fifth(table, -table.recency_days)


def frequency_score(table: Table, _period: Period) -> Column:
    return _fifth(table, table.orders_count)


def monetary_score(table: Table, _period: Period) -> Column:
    return _fifth(table, table.spend_cents)


def group(table: Table, _period: Period) -> Column:
    recency = table.rfm_recency
    weight = (table.rfm_frequency + table.rfm_monetary + 1) // 2
    branches = [
        ((recency == int(score)) & (weight == position), name)
        for score, names in GROUPS.items()
        for position, name in enumerate(names, start=1)
    ]
    return ibis.cases(*branches, else_="none")


def _fifth(table: Table, value: Column) -> Column:
    buyer = table.orders_count > 0
    lower = ibis.rank().over(ibis.window(group_by=buyer, order_by=value))
    same = table.contact_id.count().over(ibis.window(group_by=[buyer, value]))
    everyone = table.contact_id.count().over(ibis.window(group_by=buyer))
    score = (1 + (5 * (2 * lower + same)) // (2 * everyone)).cast("int64")
    return ibis.ifelse(buyer, score, ibis.null("int64"))
