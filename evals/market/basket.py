"""What lies in a simulated basket: products that the contact really buys, at amounts that add up to the total."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from evals.market.demand import Candidates
from evals.market.history import Histories, Shelf
from evals.market.noise import Floats, Ints, Purpose, uniforms
from evals.market.world import World

MOST_LINES = 40
MOST_OF_ONE = 24


class OrderLine(TypedDict):
    """One line of a simulated order."""

    product_id: str
    category: str
    quantity: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Purchases:
    """Orders about to be filled: when and by whom, the total, and the category that a message sold, if one did."""

    made: Candidates
    total_cents: Ints
    sold_categories: list[str | None]


def fill_baskets(world: World, histories: Histories, purchases: Purchases) -> list[list[OrderLine]]:
    """The lines of each order; a purchase that a message caused holds something of the category it spoke of."""
    made, shelf = purchases.made, histories.shelf
    if not made.row.size or not shelf.product_ids:
        return [[] for _ in range(made.row.size)]
    usual = np.exp(histories.log_value_mean[made.row] + histories.log_value_sd[made.row] ** 2 / 2)
    lines = np.rint(histories.lines_per_order[made.row] * purchases.total_cents / usual).astype(np.int64)
    lines = np.clip(lines, 1, MOST_LINES)
    order = np.repeat(np.arange(made.row.size), lines)
    place = np.arange(order.size) - np.repeat(np.cumsum(lines) - lines, lines)

    def draw(purpose: Purpose) -> Floats:
        key = made.number[order] * (MOST_LINES + 1) + place
        return uniforms(world.seed, purpose, made.day[order], histories.contact_ids[made.row[order]], key)

    chosen = draw(Purpose.PRODUCT)
    products = _favourites(shelf, made.row[order], chosen)
    weights = shelf.prices_cents[products] * (0.7 + 0.6 * draw(Purpose.SPLIT))
    starts = np.cumsum(lines) - lines
    baskets: list[list[OrderLine]] = []
    for index, (start, count) in enumerate(zip(starts.tolist(), lines.tolist(), strict=True)):
        taken = products[start : start + count].tolist()
        category = purchases.sold_categories[index]
        if category is not None and category in shelf.best_of_category:
            best = shelf.best_of_category[category]
            taken[0] = int(best[int(chosen[start] * best.size)])
        total = int(purchases.total_cents[index])
        baskets.append(_lines(shelf, taken, weights[start : start + count].tolist(), total))
    return baskets


def _favourites(shelf: Shelf, rows: Ints, draws: Floats) -> Ints:
    """One of the contact's own products per draw, as often as it bought them."""
    return shelf.favourite_products[np.searchsorted(shelf.favourite_keys, rows + draws)]


def _lines(shelf: Shelf, taken: list[int], weights: list[float], total_cents: int) -> list[OrderLine]:
    merged: dict[int, float] = {}
    for product, weight in zip(taken, weights, strict=True):
        merged[product] = merged.get(product, 0.0) + weight
    scale = total_cents / sum(merged.values())
    amounts = {product: int(weight * scale) for product, weight in merged.items()}
    # Cents lost to rounding go to the first line.
    amounts[taken[0]] += total_cents - sum(amounts.values())
    return [
        OrderLine(
            product_id=shelf.product_ids[product],
            category=shelf.categories[product],
            quantity=min(max(round(amount / int(shelf.prices_cents[product])), 1), MOST_OF_ONE),
            amount_cents=amount,
        )
        for product, amount in amounts.items()
    ]
