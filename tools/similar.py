"""When contacts last bought something like what a message is about, as far as the pack asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from memory.consents import SIMILAR_PRODUCTS
from memory.events import ORDER
from memory.play import Play, RecordKind
from memory.schema import consent_current, intake
from policies.pack import Pack
from policies.rules.consent import ConsentLimits
from policies.rules.recent_purchase import RecentPurchaseLimits
from tools.bindings import Product
from tools.records import LakeRecords

_CHUNK = 500


def similar_days(pack: Pack) -> int:
    """How far back the pack asks for similar orders; 0 where it does not."""
    consent = pack.limits("consent", ConsentLimits)
    return max(consent.existing_customer_days, pack.limits("recent_purchase", RecentPurchaseLimits).similar_days)


def similar_purchases(
    connection: Connection,
    named: Mapping[int, Mapping[RecordKind, str]],
    play: Play,
    since: datetime,
    records: LakeRecords,
) -> dict[int, datetime]:
    """Each contact's last order since a moment in the category that its message is about; who has none is left out.

    ``named`` are the records that each message speaks of. What a message without a category is about nobody can tell.
    """
    subjects = {one: about(play, its, records.products() if its else {}) for one, its in named.items()}
    past = records.bought_by_category(since)
    found: dict[int, datetime] = {}

    def note(contact_id: int, category: str, at: datetime) -> None:
        if category and category == subjects[contact_id]:
            found[contact_id] = max(at, found.get(contact_id, at))

    for contact_id in subjects:
        for category, at in past.get(contact_id, {}).items():
            note(contact_id, category, at)
    ids = sorted(subjects)
    for start in range(0, len(ids), _CHUNK):
        query = select(intake.c.contact_id, intake.c.at, intake.c.properties).where(
            intake.c.contact_id.in_(ids[start : start + _CHUNK]), intake.c.kind == ORDER, intake.c.at >= since
        )
        for row in connection.execute(query):
            for line in row.properties.get("lines") or []:
                product = records.products().get(str(line.get("product_id") or ""))
                note(row.contact_id, str(line.get("category") or (product.category if product else "")), row.at)
    return found


def about(play: Play, named: Mapping[RecordKind, str], products: Mapping[str, Product]) -> str:
    """The category that a message is about: that of the goal, else that of what it shows; empty where none says."""
    product = products.get(named.get("product", ""))
    return play.goal.category or named.get("category", "") or (product.category if product else "")


def told_customers(connection: Connection, channel: str, ids: list[int]) -> set[int]:
    """Those of some contacts who were told of messages on similar products, with proof, and did not refuse them."""
    found: set[int] = set()
    for start in range(0, len(ids), _CHUNK):
        query = select(consent_current.c.contact_id).where(
            consent_current.c.contact_id.in_(ids[start : start + _CHUNK]),
            consent_current.c.channel == channel,
            consent_current.c.purpose == SIMILAR_PRODUCTS,
            consent_current.c.state == "granted",
            consent_current.c.has_proof,
        )
        found.update(connection.execute(query).scalars())
    return found
