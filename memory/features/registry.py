"""Every feature of a contact by name; each is defined once, with its expression, its unit and its words."""

from __future__ import annotations

from memory.features.about_categories import CATEGORIES
from memory.features.about_contacts import CONTACT
from memory.features.about_engagement import ENGAGEMENT
from memory.features.about_orders import ORDERS, RFM
from memory.features.categories import NEXT
from memory.features.feature import Feature

REGISTRY: dict[str, Feature] = {
    feature.name: feature for feature in (*CONTACT, *ORDERS, *RFM, *CATEGORIES, *ENGAGEMENT)
}

COMPARING = frozenset(
    {*(feature.name for feature in RFM), *NEXT, "lifecycle_stage", "favourite_hour", "favourite_weekday"}
)
"""Features of a contact that depend on what others did."""
