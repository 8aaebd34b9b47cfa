"""What each contact did before the market opens: the only thing that the simulated customers are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from evals.market.buying import BuyingModel, fit_buying
from evals.market.noise import Floats, Ints
from memory.errors import InvalidInputError

# Pseudo-orders by which a contact's own mean, spread and hours are drawn towards those of everybody.
VALUE_SHRINKAGE, HOUR_SHRINKAGE = 5.0, 10.0
FAVOURITES, PER_CATEGORY = 24, 12
DAY_SECONDS = 86_400
BANDS = (3, 8)
"""Orders from which a customer is regular, and loyal; with fewer they are new."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Products that customers take: ``own`` rows per contact with running shares, and the best of each category."""

    product_ids: tuple[str, ...]
    categories: tuple[str, ...]
    prices_cents: Ints
    # Row i of the contacts takes favourite_products[j] where favourite_keys[j] is the first key >= i + uniform.
    favourite_keys: Floats
    favourite_products: Ints
    best_of_category: Mapping[str, Ints]


@dataclass(frozen=True, slots=True)
class Histories:
    """One row per contact, ordered by contact id; days are UTC days since 1970, log values those of cents."""

    cut_off: datetime
    contact_ids: Ints
    repeat_orders: Ints
    recency_days: Floats  # first to last order
    observed_days: Floats  # first order (or sign-up) to the cut-off
    log_value_mean: Floats
    log_value_sd: Floats
    lines_per_order: Floats
    hour_shares: Floats  # (contacts, 24), UTC
    peak_hour: Floats  # circular mean, UTC
    buying: BuyingModel
    shelf: Shelf

    @property
    def size(self) -> int:
        """How many contacts there are."""
        return int(self.contact_ids.size)

    @property
    def band(self) -> Ints:
        """Which of the bands of ``BANDS`` each contact belongs to, by its orders up to the cut-off."""
        return np.searchsorted(np.array(BANDS), self.repeat_orders + 1, side="right").astype(np.int64)


def read_histories(directory: Path, contact_ids: Mapping[str, int], *, cut_off: datetime) -> Histories:
    """Histories from the shop's exports, for the contacts named in ``contact_ids`` (export's id to Noria's id).

    Reads ``contacts.csv``, ``orders.csv``, ``order_lines.csv`` and ``products.csv``; rows at or after the cut-off are
    ignored. Shares and means are shrunk towards those of all contacts, the purchase process is fitted to all of them.
    """
    with duckdb.connect() as db:
        _open(db, directory, contact_ids, cut_off)
        people = db.execute(_PEOPLE).fetchnumpy()
        hours = db.execute(_HOURS).fetchnumpy()
        shelf = _shelf(db, len(people["contact"]))
    orders = _filled(people["orders"])
    recency, observed = _filled(people["recency_days"]), _filled(people["observed_days"])
    repeat = np.maximum(orders - 1, 0).astype(np.int64)
    mean, sd = _values(people)
    lines = _shrunk(_filled(people["line_sum"]), orders, VALUE_SHRINKAGE)
    shares = _hour_shares(hours, orders.size)
    angle = np.angle(shares @ np.exp(2j * np.pi * (np.arange(24) + 0.5) / 24))
    return Histories(
        cut_off=cut_off,
        contact_ids=people["contact"].astype(np.int64),
        repeat_orders=repeat,
        recency_days=recency,
        observed_days=observed,
        log_value_mean=mean,
        log_value_sd=sd,
        lines_per_order=lines,
        hour_shares=shares,
        peak_hour=np.mod(angle * 24 / (2 * np.pi), 24),
        buying=fit_buying(repeat, recency, observed),
        shelf=shelf,
    )


_PEOPLE = """
    SELECT p.place, p.contact, count(o.order_id) AS orders,
           (max(o.day) - min(o.day)) AS recency_days,
           greatest((SELECT day FROM until) - coalesce(min(o.day), p.day), 0.5) AS observed_days,
           sum(ln(o.cents)) FILTER (o.cents > 0) AS log_sum,
           sum(ln(o.cents) ** 2) FILTER (o.cents > 0) AS log_square_sum,
           count(*) FILTER (o.cents > 0) AS valued,
           sum(n.lines) AS line_sum
    FROM person p LEFT JOIN purchase o USING (external)
    LEFT JOIN (SELECT order_id, count(*) AS lines FROM bought GROUP BY 1) n USING (order_id)
    GROUP BY p.place, p.contact, p.day ORDER BY p.place
"""
_HOURS = """
    SELECT p.place, o.hour, count(*) AS n FROM person p JOIN purchase o USING (external) GROUP BY ALL ORDER BY ALL
"""
_OWN = f"""
    SELECT place, product_id, n FROM (
        SELECT p.place, l.product_id, count(*) AS n,
               row_number() OVER (PARTITION BY p.place ORDER BY count(*) DESC, l.product_id) AS rank
        FROM bought l JOIN purchase o USING (order_id) JOIN person p USING (external) GROUP BY p.place, l.product_id
    ) WHERE rank <= {FAVOURITES} ORDER BY place, rank
"""  # noqa: S608 -- a constant
_CATALOGUE = """
    SELECT c.product_id, c.category, greatest(round(c.price * 100), 1)::BIGINT AS cents, count(l.order_id) AS n
    FROM catalogue c LEFT JOIN bought l USING (product_id) GROUP BY ALL ORDER BY n DESC, c.product_id
"""


_TABLES = {
    "contacts": """
        CREATE TABLE person AS
        SELECT n.*, epoch(f.created_at::TIMESTAMPTZ) / 86400 AS day
        FROM named n JOIN read_csv($path, all_varchar = true) f ON f.contact_id = n.external
    """,
    "orders": """
        CREATE TABLE purchase AS
        SELECT order_id, contact_id AS external, round(total::DOUBLE * 100) AS cents,
               epoch(ordered_at::TIMESTAMPTZ) / 86400 AS day, extract(hour FROM ordered_at::TIMESTAMPTZ) AS hour
        FROM read_csv($path, all_varchar = true)
        WHERE epoch(ordered_at::TIMESTAMPTZ) / 86400 < (SELECT day FROM until)
    """,
    "order_lines": """
        CREATE TABLE bought AS
        SELECT order_id, product_id FROM read_csv($path, all_varchar = true) SEMI JOIN purchase USING (order_id)
    """,
    "products": """
        CREATE TABLE catalogue AS
        SELECT product_id, category, price::DOUBLE AS price FROM read_csv($path, all_varchar = true)
    """,
}


def _open(db: duckdb.DuckDBPyConnection, directory: Path, ids: Mapping[str, int], cut_off: datetime) -> None:
    ordered = sorted(ids.items(), key=lambda pair: pair[1])
    named = {
        "external": pa.array([name for name, _ in ordered], pa.string()),
        "contact": pa.array([number for _, number in ordered], pa.int64()),
        "place": pa.array(range(len(ordered)), pa.int64()),
    }
    db.execute("SET TimeZone = 'UTC'")
    db.register("named", pa.table(named))
    db.execute("CREATE TABLE until AS SELECT $day::DOUBLE AS day", {"day": cut_off.timestamp() / DAY_SECONDS})
    for file, query in _TABLES.items():
        db.execute(query, {"path": str(directory / f"{file}.csv")})
    missing = len(ordered) - _rows(db, "SELECT count(*) FROM person")[0][0]
    if missing:
        raise InvalidInputError(
            f"{missing} of the {len(ordered)} contacts named are not in the exports.",
            where="contacts.csv",
            remedy="Name only contacts of these exports, each once.",
        )


def _rows(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = db.execute(query).fetchall()
    return rows


def _filled(column: np.ma.MaskedArray[tuple[int], np.dtype[np.float64]] | Floats) -> Floats:
    return np.ma.filled(np.ma.asarray(column, dtype=np.float64), 0.0)


def _shrunk(total: Floats, n: Floats, weight: float) -> Floats:
    """Means of a total over n cases, drawn towards the mean of all cases as if by ``weight`` more cases."""
    everybody = total.sum() / max(n.sum(), 1.0)
    shrunk: Floats = (total + weight * everybody) / (n + weight)
    return shrunk


def _values(people: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of log order value per contact, both shrunk."""
    n, total, squares = (_filled(people[name]) for name in ("valued", "log_sum", "log_square_sum"))
    mean = _shrunk(total, n, VALUE_SHRINKAGE)
    within = np.maximum(squares - np.divide(total**2, n, out=np.zeros_like(n), where=n > 0), 0.0)
    variance = _shrunk(within, np.maximum(n - 1, 0.0), VALUE_SHRINKAGE)
    return mean, np.sqrt(variance)


def _hour_shares(hours: Mapping[str, Floats], size: int) -> Floats:
    counts = np.zeros((size, 24))
    counts[hours["place"].astype(np.int64), hours["hour"].astype(np.int64)] = hours["n"]
    everybody = (counts.sum(axis=0) + 1) / (counts.sum() + 24)
    shares: Floats = (counts + HOUR_SHRINKAGE * everybody) / (counts.sum(axis=1, keepdims=True) + HOUR_SHRINKAGE)
    return shares


def _shelf(db: duckdb.DuckDBPyConnection, size: int) -> Shelf:
    catalogue = db.execute(_CATALOGUE).fetchall()
    place_of = {product: place for place, (product, *_) in enumerate(catalogue)}
    own: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for contact, product, n in db.execute(_OWN).fetchall():
        if product in place_of:
            own[contact].append((place_of[product], n))
    # The catalogue is ordered by sales, so its head is what a newcomer takes.
    newcomer = [(place, max(n, 1)) for place, (*_, n) in enumerate(catalogue[:FAVOURITES])]
    keys: list[Floats] = []
    products: list[int] = []
    for contact, favourites in enumerate(own):
        chosen = favourites or newcomer
        running = np.cumsum([n for _, n in chosen], dtype=np.float64)
        keys.append(contact + running / running[-1])
        products.extend(place for place, _ in chosen)
    best: dict[str, list[int]] = {}
    for place, (_, category, *_) in enumerate(catalogue):
        shelf = best.setdefault(category, [])
        if len(shelf) < PER_CATEGORY:
            shelf.append(place)
    return Shelf(
        product_ids=tuple(row[0] for row in catalogue),
        categories=tuple(row[1] for row in catalogue),
        prices_cents=np.array([row[2] for row in catalogue], dtype=np.int64),
        favourite_keys=np.concatenate(keys) if keys else np.zeros(0),
        favourite_products=np.array(products, dtype=np.int64),
        best_of_category={category: np.array(places, dtype=np.int64) for category, places in best.items()},
    )
