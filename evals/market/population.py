"""Customers of an invented shop of any size, written as the exports that it would hand over."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from evals.market.noise import Floats, Ints

OPENS_AT = datetime(2025, 3, 3, 10, tzinfo=UTC)
"""A Monday; everything is due and sent at that hour, so that a day takes one round of the worker."""
MARGIN_SHARE = 0.4
"""Of the price, what the shop keeps: an assumption, as in the valuation of Hillstrom's trial."""
_CATEGORIES, _PER_CATEGORY = ("Coffee", "Tea", "Biscuits", "Honey", "Spices", "Jam"), 6
_LONGEST_DAYS, _SHORTEST_DAYS = 540, 20
_MOST_ORDERS = 80


def write_population(directory: Path, contacts: int, *, opens_at: datetime, seed: int) -> None:
    """Write contacts, consents, products, orders and lines up to ``opens_at``; the same arguments, the same bytes.

    Orders follow the BG/NBD process of ``evals.market.buying``. The average customer orders every 15 to 45 days, by
    the world: between CDNOW's (133) and Complete Journey's (6). Values spread as at CDNOW: on the logarithm 0.405
    between contacts, 0.589 within one. Everybody agreed to e-mail, with proof.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([20_171_003, seed])
    observed = rng.uniform(_SHORTEST_DAYS, _LONGEST_DAYS, contacts)
    joined = [opens_at - timedelta(days=one) for one in observed.tolist()]
    who, at = _orders(rng, observed)
    value = np.exp(math.log(4_000) + 0.405 * rng.standard_normal(contacts)[who] + 0.589 * rng.standard_normal(who.size))
    shelves = np.repeat(_CATEGORIES, _PER_CATEGORY).tolist()
    products = [(f"P{place}", category) for place, category in enumerate(shelves)]
    prices = np.round(np.exp(rng.normal(math.log(1_500), 0.5, len(products)))).astype(int)
    taken = (len(products) * rng.uniform(size=who.size) ** 2).astype(int)
    moments = [(joined[one] + timedelta(days=float(day))).astimezone(UTC) for one, day in zip(who, at, strict=True)]
    names = [f"C{number}" for number in range(1, contacts + 1)]
    _write(
        directory / "contacts.csv",
        "contact_id email first_name last_name language time_zone country created_at",
        (
            (name, f"{name.lower()}@example.com", "Kim", f"No. {name[1:]}", "en", "Europe/Paris", "FR", _iso(day))
            for name, day in zip(names, joined, strict=True)
        ),
    )
    _write(
        directory / "consents.csv",
        "contact_id channel purpose state at source proof wording",
        (
            (name, "email", "marketing", "granted", _iso(day), "shop", "box ticked at sign-up", "Yes, write to me")
            for name, day in zip(names, joined, strict=True)
        ),
    )
    _write(
        directory / "products.csv",
        "product_id name category department brand price cost",
        (
            (*row, _money(price), _money(price * (1 - MARGIN_SHARE)))
            for row, price in zip(
                ((one, f"{category} {one}", category, "Grocery", "House") for one, category in products),
                prices.tolist(),
                strict=True,
            )
        ),
    )
    numbered = list(enumerate(zip(who.tolist(), moments, value.tolist(), taken.tolist(), strict=True)))
    _write(
        directory / "orders.csv",
        "order_id contact_id ordered_at total discount currency",
        ((f"O{n}", names[one], _iso(day), _money(cents), "0.00", "USD") for n, (one, day, cents, _) in numbered),
    )
    _write(
        directory / "order_lines.csv",
        "order_id line product_id category quantity amount discount",
        (
            (f"O{n}", 1, *products[product], max(1, round(cents / prices[product])), _money(cents), "0.00")
            for n, (_, _, cents, product) in numbered
        ),
    )


def _orders(rng: np.random.Generator, observed_days: Floats) -> tuple[Ints, Floats]:
    """Contact and day since they joined of every order: the first on joining, the next ones by BG/NBD."""
    shape, interval = rng.uniform(0.6, 1.2), math.exp(rng.uniform(math.log(15), math.log(45)))
    leave = rng.beta(rng.uniform(0.3, 0.8), rng.uniform(4, 8), observed_days.size)
    rate = rng.gamma(shape, 1 / (shape * interval), observed_days.size)
    row, day = np.arange(observed_days.size), np.zeros(observed_days.size)
    found: list[tuple[Ints, Floats]] = []
    for _ in range(_MOST_ORDERS):
        found.append((row, day))
        stays = rng.uniform(size=row.size) >= leave[row]
        row, day = row[stays], day[stays]
        day = day + rng.exponential(size=row.size) / np.maximum(rate[row], 1e-9)
        inside = day < observed_days[row]
        row, day = row[inside], day[inside]
    who, at = (np.concatenate(part) for part in zip(*found, strict=True))
    # People order between eight and ten at night.
    return who, np.minimum(np.floor(at) + rng.uniform(8, 22, at.size) / 24, observed_days[who] - 0.01).clip(0)


def _write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split())
        writer.writerows(rows)


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _money(cents: float) -> str:
    return f"{cents / 100:.2f}"
