"""What the lake knows and a send needs: the catalogue, and who bought what lately."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from memory.canonical import canonical_json
from memory.lake import Lake, LakeTable
from memory.schema import from_micros, to_micros
from tools.bindings import Product
from tools.feature_cache import state_of

Bought = tuple[str, str]
"""Product id and category of something that was bought; either may be empty."""
# Written in SQL: putting so small a question together as an expression costs many times the answer.
_OF_ANYTHING = """
    SELECT contact_id, max("at") AS "at" FROM orders
    WHERE contact_id IS NOT NULL AND "at" >= $since
    GROUP BY contact_id
"""
_OF_CATEGORY = """
    SELECT contact_id, max("at") AS "at" FROM lines
    WHERE contact_id IS NOT NULL AND "at" >= $since AND category = $category
    GROUP BY contact_id
"""
_BOUGHT = """
    SELECT DISTINCT contact_id, product_id, category FROM lines
    WHERE contact_id IS NOT NULL AND quantity > 0 AND "at" >= $since
"""
_BOUGHT_BY_CATEGORY = """
    SELECT contact_id, category, max("at") AS "at" FROM lines
    WHERE contact_id IS NOT NULL AND quantity > 0 AND category <> '' AND "at" >= $since
    GROUP BY contact_id, category
"""


class LakeRecords:
    """Reads each part of the lake once, when it is first asked for; make a new one for each pass."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._products: dict[str, Product] | None = None
        self._purchases: dict[tuple[str, datetime], pa.Table] = {}
        self._moments: dict[tuple[str, datetime], dict[int, datetime]] = {}
        self._lines: dict[datetime, dict[int, set[Bought]]] = {}
        self._categories: dict[datetime, dict[int, dict[str, datetime]]] = {}

    def products(self) -> dict[str, Product]:
        """The catalogue by product id."""
        if self._products is None:
            self._products = _catalogue(self._lake.folder, self._lake.state_of(LakeTable.PRODUCTS))
        return self._products

    def last_purchases(self, category: str, since: datetime) -> dict[int, datetime]:
        """Last order of each contact since a moment, optionally only orders with a line of one category."""
        if (category, since) not in self._moments:
            last = self.purchases(category, since)
            pairs = zip(last["contact_id"].to_pylist(), last["at"].to_pylist(), strict=True)
            self._moments[category, since] = {contact_id: from_micros(at) for contact_id, at in pairs}
        return self._moments[category, since]

    def purchases(self, category: str, since: datetime) -> pa.Table:
        """The same as columns: (contact_id, at), in integer microseconds."""
        known = (category, since)
        if known not in self._purchases:
            given = {"since": to_micros(since)}
            self._purchases[known] = (
                self._ask(_OF_CATEGORY, given | {"category": category}) if category else self._ask(_OF_ANYTHING, given)
            )
        return self._purchases[known]

    def bought(self, since: datetime) -> dict[int, set[Bought]]:
        """What each contact bought since a moment."""
        if since not in self._lines:
            lines: dict[int, set[Bought]] = {}
            for row in self._ask(_BOUGHT, {"since": to_micros(since)}).to_pylist():
                lines.setdefault(row["contact_id"], set()).add((row["product_id"], row["category"]))
            self._lines[since] = lines
        return self._lines[since]

    def bought_by_category(self, since: datetime) -> dict[int, dict[str, datetime]]:
        """When each contact last bought in each category since a moment."""
        if since not in self._categories:
            found: dict[int, dict[str, datetime]] = {}
            for row in self._ask(_BOUGHT_BY_CATEGORY, {"since": to_micros(since)}).to_pylist():
                found.setdefault(row["contact_id"], {})[row["category"]] = from_micros(row["at"])
            self._categories[since] = found
        return self._categories[since]

    def _ask(self, question: str, given: Mapping[str, Any]) -> pa.Table:
        engine = self._lake.connect()
        try:
            return engine.con.sql(question, params=dict(given)).to_arrow_table()
        finally:
            engine.disconnect()

    def within(self, segment: Mapping[str, Any], at: datetime) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of all contacts that the lake knows, and of those in a segment at the beginning of the hour."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        return _members(self._lake.folder, state_of(self._lake), hour, canonical_json(segment))


@lru_cache(maxsize=4)
def _members(folder: Path, _state: str, hour: datetime, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Computed once while the lake stands still."""
    from memory.features.table import compute
    from memory.segments.grammar import EVERYBODY, fields, parse

    segment = parse(text)
    features = compute(Lake(folder), hour, names=fields(segment))
    return np.asarray(features.select(EVERYBODY), np.int64), np.asarray(features.select(segment), np.int64)


@lru_cache(maxsize=2)
def _catalogue(folder: Path, _state: str) -> dict[str, Product]:
    """The whole catalogue, read again only after somebody wrote to it."""
    engine = Lake(folder).connect()
    names = ["product_id", "name", "category", "price_cents", "url", "image_url", "stock_units"]
    rows = engine.table("products").select(*names).to_pyarrow().to_pylist()
    engine.disconnect()
    return {row["product_id"]: Product(**row) for row in rows}
