"""Approved offers and approved facts: the only prices, codes and claims that copy may carry."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, or_, select

from memory.brand import Brand
from memory.errors import NotFoundError
from memory.play import Fact, Offer
from memory.schema import facts, offer_codes, offers

# An offer with a pool gives codes of that pool, also when the pool is empty.
_OFFERS = select(offers, exists().where(offer_codes.c.offer_id == offers.c.offer_id).label("single_use"))


def read_offer(connection: Connection, offer_id: str) -> Offer:
    """The offer as its record stands now. Raises NotFoundError."""
    row = connection.execute(_OFFERS.where(offers.c.offer_id == offer_id, offers.c.approved_by != "")).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no approved offer {offer_id}.", remedy="Import it, with who approved it.")
    return _offer(row)


def open_offers(connection: Connection, at: datetime) -> list[Offer]:
    """Approved offers that hold at a moment, in the order of their ids."""
    query = _OFFERS.where(offers.c.approved_by != "", offers.c.starts_at <= at, offers.c.ends_at > at).order_by(
        offers.c.offer_id
    )
    return [_offer(row) for row in connection.execute(query)]


def approved_facts(connection: Connection, at: datetime, language: str | None = None) -> list[Fact]:
    """Approved claims that hold at a moment, optionally in one language."""
    query = (
        select(facts)
        .where(facts.c.approved_by != "", or_(facts.c.valid_until.is_(None), facts.c.valid_until > at))
        .order_by(facts.c.fact_id, facts.c.language)
    )
    if language is not None:
        query = query.where(facts.c.language == language)
    return [_fact(row) for row in connection.execute(query)]


def keep_brand_facts(connection: Connection, brand: Brand) -> int:
    """Keep the claims of the brand file beside the imported ones, as they stand there now; returns how many."""
    rows = [
        {
            "fact_id": f"brand-{fact.id}",
            "language": language,
            "text": words,
            "approved_by": fact.approved_by,
            # The last day still counts, everywhere on earth.
            "valid_until": None
            if fact.valid_until is None
            else datetime.combine(fact.valid_until + timedelta(days=1), time(12), UTC),
        }
        for fact in brand.facts
        for language, words in fact.texts.items()
    ]
    connection.execute(delete(facts).where(facts.c.fact_id.startswith("brand-")))
    if rows:
        connection.execute(insert(facts), rows)
    return len(rows)


def _offer(row: Row[Any]) -> Offer:
    values = {name: getattr(row, name) for name in Offer.model_fields}
    # A pool stands in the place of the one code.
    return Offer.model_validate(values | ({"code": ""} if row.single_use else {}))


def _fact(row: Row[Any]) -> Fact:
    return Fact.model_validate({name: getattr(row, name) for name in Fact.model_fields})
