"""A small shop as CSV exports: regulars who buy coffee every two weeks, and some who stopped."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

OPENED = datetime(2024, 1, 1, 10, 0, tzinfo=UTC)
NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
CATEGORIES = ("Coffee", "Tea", "Biscuits")


def write_exports(folder: Path, *, contacts: int = 160, consents: bool = True) -> Path:
    """Write contacts, consents, products, orders, lines and offers; every third contact stopped buying in January."""
    folder.mkdir(parents=True, exist_ok=True)
    people = range(1, contacts + 1)
    _write(
        folder / "contacts.csv",
        "contact_id,email,first_name,last_name,language,time_zone,country,created_at",
        [
            (
                f"C{n}",
                f"person{n}@example.com",
                f"Ann{n}",
                "Lee",
                "fr" if n % 4 == 0 else "en",
                "Europe/Paris",
                "FR",
                _at(OPENED),
            )
            for n in people
        ],
    )
    if consents:
        _write(
            folder / "consents.csv",
            "contact_id,channel,purpose,state,at,source,proof,wording",
            [
                (
                    f"C{n}",
                    "email",
                    "marketing",
                    "granted",
                    _at(OPENED),
                    "shop",
                    "checkbox at sign-up",
                    "Yes, write to me",
                )
                for n in people
                if n % 10
            ],
        )
    _write(
        folder / "products.csv",
        "product_id,name,category,department,brand,price,cost",
        [(f"P{i}", f"House {name}", name, "Grocery", "House", "8.00", "5.00") for i, name in enumerate(CATEGORIES)],
    )
    orders: list[tuple[object, ...]] = []
    lines: list[tuple[object, ...]] = []
    for n in people:
        at, number = OPENED + timedelta(days=n % 14, hours=n % 9), 0
        stops = NOW - timedelta(days=60 if n % 3 == 0 else n % 14 + 1)
        while at < stops:
            number += 1
            order = f"O{n}-{number}"
            product = (n + number // 6) % len(CATEGORIES)
            orders.append((order, f"C{n}", _at(at), "16.00", "0.00", "EUR"))
            lines.append((order, 1, f"P{product}", CATEGORIES[product], 2, "16.00", "0.00"))
            at += timedelta(days=14)
    _write(folder / "orders.csv", "order_id,contact_id,ordered_at,total,discount,currency", orders)
    _write(folder / "order_lines.csv", "order_id,line,product_id,category,quantity,amount,discount", lines)
    return folder


def _at(moment: datetime) -> str:
    return moment.isoformat()


def _write(path: Path, header: str, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
