"""Write the shop's exports: one CSV per table, as another tool would hand them over."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from evals.shop.mailings import PastSend, Suppressed, past_letters, past_sends, suppressions
from evals.shop.people import Person, invent_people
from evals.shop.source import open_source

CUT_OFF = datetime(2017, 10, 1, 6, tzinfo=UTC)
COST_GAP = 0.35
COST_SHARE_OF_PRICE = (0.55, 0.80)


class ShopCounts(BaseModel):
    """How many rows each export holds, and how many voided till lines were left out of it."""

    model_config = ConfigDict(frozen=True)

    contacts: int
    consents: int
    contacts_with_proof: int
    suppressions: int
    products: int
    orders: int
    order_lines: int
    voided_lines: int
    sends: int
    offers: int
    facts: int


def write_shop(
    directory: Path, cut_off: datetime = CUT_OFF, seed: int = 0, *, leads: int = 0, letters: int = 0
) -> ShopCounts:
    """Write the shop's history strictly before ``cut_off`` as CSV files into a directory, which is made if missing.

    All households of the data become contacts with invented identities under example.com. Amounts are decimals with
    two digits in US dollars, times ISO 8601 in UTC. Same arguments, same bytes.

    ``leads`` are further people, made up altogether, who left their details and never bought; ``letters`` so many
    letters that an earlier tool sent to everybody who had agreed. The data knows neither.
    """
    if cut_off.tzinfo is None:
        raise ValueError("a naive cut-off names no moment; attach a time zone")
    directory.mkdir(parents=True, exist_ok=True)
    with open_source(cut_off) as db:
        people = _people(db, cut_off, seed, leads)
        sends = past_sends(people, _targets(db), cut_off=cut_off, seed=seed)
        sends += past_letters(people, sends, count=letters, cut_off=cut_off, seed=seed)
        blocked = suppressions(people, sends, cut_off=cut_off, seed=seed)
        _write_people(directory, people)
        _write_mailings(directory, sends, blocked)
        offers, facts = _write_claims(directory)
        products = _write_products(db, directory, seed)
        orders, order_lines = _write_orders(db, directory)
        voided = _count(db, "SELECT count(*) FROM line WHERE voided")
    return ShopCounts(
        contacts=len(people),
        consents=sum(len(person.consents) for person in people),
        contacts_with_proof=sum(
            bool(person.consents) and person.consents[-1].state == "granted" and bool(person.consents[-1].proof)
            for person in people
        ),
        suppressions=len(blocked),
        products=products,
        orders=orders,
        order_lines=order_lines,
        voided_lines=voided,
        sends=len(sends),
        offers=offers,
        facts=facts,
    )


def _people(db: duckdb.DuckDBPyConnection, cut_off: datetime, seed: int, leads: int) -> list[Person]:
    households = [row[0] for row in db.execute("SELECT DISTINCT household_id FROM transactions ORDER BY 1").fetchall()]
    households.extend(range(households[-1] + 1, households[-1] + 1 + leads))
    first = db.execute("SELECT household_id, min(ordered_at) FROM line GROUP BY 1").fetchall()
    first_orders = {household: at.replace(tzinfo=UTC) for household, at in first}
    return invent_people(households, first_orders, cut_off=cut_off, seed=seed)


def _targets(db: duckdb.DuckDBPyConnection) -> list[tuple[int, str, date, int, date | None]]:
    rows: list[tuple[int, str, date, int, date | None]] = db.execute(
        """
        SELECT c.campaign_id, d.campaign_type, d.start_date::DATE, c.household_id, min(r.redemption_date)::DATE
        FROM campaigns c
        JOIN campaign_descriptions d USING (campaign_id)
        LEFT JOIN coupon_redemptions r USING (campaign_id, household_id)
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return rows


def _write_people(directory: Path, people: Sequence[Person]) -> None:
    _write(
        directory / "contacts.csv",
        "contact_id email first_name last_name language time_zone country created_at notes",
        (
            (
                p.contact_id,
                p.email,
                p.first_name,
                p.last_name,
                p.language,
                p.time_zone,
                p.country,
                _iso(p.created_at),
                p.notes,
            )
            for p in people
        ),
    )
    _write(
        directory / "consents.csv",
        "contact_id channel purpose state at source proof wording",
        (
            (p.contact_id, "email", "marketing", c.state, _iso(c.at), c.source, c.proof, c.wording)
            for p in people
            for c in p.consents
        ),
    )


def _write_mailings(directory: Path, sends: Sequence[PastSend], blocked: Sequence[Suppressed]) -> None:
    _write(
        directory / "sends.csv",
        "send_id contact_id campaign channel sent_at delivered_at bounced_at clicked_at",
        (
            (
                s.send_id,
                s.contact_id,
                s.campaign,
                "email",
                *map(_iso, (s.sent_at, s.delivered_at, s.bounced_at, s.clicked_at)),
            )
            for s in sends
        ),
    )
    _write(
        directory / "suppressions.csv",
        "email channel reason at source",
        ((row.email, "email", row.reason, _iso(row.at), row.source) for row in blocked),
    )


def _write_claims(directory: Path) -> tuple[int, int]:
    """Copy what the shop allows to offer and to say, which is written by hand, beside the exports."""
    claims = Path(__file__).parent / "claims"
    counts = []
    for name in ("offers.csv", "facts.csv"):
        text = (claims / name).read_text(encoding="utf-8")
        (directory / name).write_text(text, encoding="utf-8")
        counts.append(len(text.splitlines()) - 1)
    return counts[0], counts[1]


def _write_products(db: duckdb.DuckDBPyConnection, directory: Path, seed: int) -> int:
    """The products sold before the cut-off, at their median list price; a part of the costs is unknown."""
    ids = np.array([row[0] for row in db.execute("SELECT product_id FROM products ORDER BY 1").fetchall()])
    rng = np.random.default_rng([seed, 4])
    known = rng.random(ids.size) >= COST_GAP
    share = rng.uniform(*COST_SHARE_OF_PRICE, ids.size)
    db.register("cost", pa.table({"product_id": ids, "known": known, "share": share}))
    path = directory / "products.csv"
    _copy(
        db,
        """
        WITH price AS (
            SELECT product_id, round(median((amount_cents + discount_cents) / quantity))::BIGINT AS cents
            FROM line WHERE NOT voided GROUP BY 1
        )
        SELECT product_id, coalesce(name, 'Product ' || product_id) AS name, coalesce(category, 'Various') AS category,
               coalesce(department, 'Various') AS department, coalesce(brand, '') AS brand,
               (cents / 100)::DECIMAL(12, 2) AS price,
               CASE WHEN known AND cents > 0 THEN (round(cents * share) / 100)::DECIMAL(12, 2) END AS cost
        FROM price LEFT JOIN catalogue USING (product_id) LEFT JOIN cost USING (product_id)
        ORDER BY product_id
        """,
        path,
    )
    return _count(db, "SELECT count(DISTINCT product_id) FROM line WHERE NOT voided")


def _write_orders(db: duckdb.DuckDBPyConnection, directory: Path) -> tuple[int, int]:
    _copy(
        db,
        """
        SELECT basket_id AS order_id, printf('C%05d', household_id) AS contact_id,
               strftime(line.ordered_at, '%Y-%m-%dT%H:%M:%SZ') AS ordered_at,
               (sum(amount_cents) / 100)::DECIMAL(12, 2) AS total,
               (sum(discount_cents) / 100)::DECIMAL(12, 2) AS discount, 'USD' AS currency
        FROM line WHERE NOT voided GROUP BY basket_id, household_id, ordered_at
        ORDER BY line.ordered_at, basket_id
        """,
        directory / "orders.csv",
    )
    _copy(
        db,
        """
        SELECT basket_id AS order_id, row_number() OVER (PARTITION BY basket_id ORDER BY product_id) AS line,
               product_id, quantity, (amount_cents / 100)::DECIMAL(12, 2) AS amount,
               (discount_cents / 100)::DECIMAL(12, 2) AS discount
        FROM line WHERE NOT voided ORDER BY ordered_at, basket_id, 2
        """,
        directory / "order_lines.csv",
    )
    return (
        _count(db, "SELECT count(DISTINCT basket_id) FROM line WHERE NOT voided"),
        _count(db, "SELECT count(*) FROM line WHERE NOT voided"),
    )


def _copy(db: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    target = str(path).replace("'", "''")
    db.execute(f"COPY ({query}) TO '{target}' (FORMAT csv, HEADER)")


def _count(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    return int(row[0]) if row else 0


def _write(path: Path, header: str, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split())
        writer.writerows(rows)


def _iso(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
