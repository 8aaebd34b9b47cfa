"""Approved offers and approved facts: the only prices, codes and claims that copy may carry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, or_, select, update

from memory.brand import Brand
from memory.errors import ConflictError, NotFoundError
from memory.journal import append
from memory.play import Fact, Offer
from memory.schema import facts, offer_codes, offers
from memory.store import upsert

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


def every_offer(connection: Connection) -> list[tuple[Offer, str]]:
    """All offers, the one that ends last first, each with who approved it; empty where nobody has yet."""
    query = _OFFERS.order_by(offers.c.ends_at.desc(), offers.c.offer_id)
    return [(_offer(row), row.approved_by) for row in connection.execute(query)]


def add_offer(connection: Connection, offer: Offer, *, actor: str, at: datetime) -> None:
    """Keep an offer that nobody has approved yet. Raises ConflictError for an id that is taken."""
    row = offer.model_dump(exclude={"single_use"}) | {"approved_by": ""}
    if not upsert(connection, offers, [row]):
        raise ConflictError(
            f"There is an offer {offer.offer_id} already.", where="offers", remedy="Choose another name for it."
        )
    _journal(connection, "offer.added", offer.offer_id, actor, at)


def approve_offer(connection: Connection, offer_id: str, *, actor: str, at: datetime) -> None:
    """Let agents and people offer it. Raises ConflictError where there is no such offer that waits for it."""
    waits = (offers.c.offer_id == offer_id) & (offers.c.approved_by == "")
    if connection.execute(update(offers).where(waits).values(approved_by=actor)).rowcount != 1:
        raise ConflictError("No such offer waits for an approval.", where=f"offer {offer_id}")
    _journal(connection, "offer.approved", offer_id, actor, at)


def end_offer(connection: Connection, offer_id: str, *, actor: str, at: datetime) -> None:
    """From now on it is offered to nobody. Raises ConflictError where there is no such open offer."""
    runs = (offers.c.offer_id == offer_id) & (offers.c.ends_at > at)
    if connection.execute(update(offers).where(runs).values(ends_at=at)).rowcount != 1:
        raise ConflictError("There is no such open offer.", where=f"offer {offer_id}")
    _journal(connection, "offer.ended", offer_id, actor, at)


def approve_fact(
    connection: Connection,
    fact_id: str,
    texts: Mapping[str, str],
    *,
    valid_until: datetime | None,
    actor: str,
    at: datetime,
) -> None:
    """Let copy make a claim, in the words of each language. Raises ConflictError for an id that is taken."""
    if connection.execute(select(facts.c.fact_id).where(facts.c.fact_id == fact_id)).first():
        raise ConflictError(f"There is a fact {fact_id} already.", where="facts", remedy="Choose another name for it.")
    row = {"fact_id": fact_id, "approved_by": actor, "valid_until": valid_until}
    connection.execute(insert(facts), [row | {"language": spoken, "text": text} for spoken, text in texts.items()])
    _journal(connection, "fact.approved", fact_id, actor, at)


def end_fact(connection: Connection, fact_id: str, *, actor: str, at: datetime) -> None:
    """From now on no copy may claim it. Raises ConflictError where nothing of that name holds."""
    holds = (facts.c.fact_id == fact_id) & or_(facts.c.valid_until.is_(None), facts.c.valid_until > at)
    if not connection.execute(update(facts).where(holds).values(valid_until=at)).rowcount:
        raise ConflictError("No fact of that name holds.", where=f"fact {fact_id}")
    _journal(connection, "fact.ended", fact_id, actor, at)


def _journal(connection: Connection, action: str, subject: str, actor: str, at: datetime) -> None:
    append(
        connection,
        at=at,
        actor=actor,
        action=action,
        subject=f"{action.split('.', maxsplit=1)[0]} {subject}",
        payload={},
    )


def _offer(row: Row[Any]) -> Offer:
    values = {name: getattr(row, name) for name in Offer.model_fields}
    # A pool stands in the place of the one code.
    return Offer.model_validate(values | ({"code": ""} if row.single_use else {}))


def _fact(row: Row[Any]) -> Fact:
    return Fact.model_validate({name: getattr(row, name) for name in Fact.model_fields})
