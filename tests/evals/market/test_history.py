"""Histories say what the exports say, and nothing from after the cut-off."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from evals.market.buying import BuyingModel, fit_buying
from evals.market.history import Histories, read_histories
from evals.shop.export import CUT_OFF, ShopCounts
from memory.errors import InvalidInputError


def _write(path: Path, header: str, *rows: str) -> None:
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three contacts: a regular, one who bought once, and one who never did."""
    _write(tmp_path / "contacts.csv", "contact_id,created_at", "a,2017-01-01T00:00:00Z", "b,2017-01-01T00:00:00Z",
           "c,2017-09-01T06:00:00Z")  # fmt: skip
    regular = [f"o{n},a,2017-0{n}-01T18:30:00Z,10.00" for n in range(1, 9)]
    _write(tmp_path / "orders.csv", "order_id,contact_id,ordered_at,total", *regular, "p1,b,2017-09-01T06:00:00Z,40.00",
           "late,b,2017-10-01T06:00:00Z,9999.00")  # fmt: skip
    lines = [f"o{n},{product}" for n in range(1, 9) for product in (1, 1, 2)]
    _write(tmp_path / "order_lines.csv", "order_id,product_id", *lines, "p1,3", "late,2")
    _write(tmp_path / "products.csv", "product_id,category,price", "1,Bread,2.00", "2,Milk,1.50", "3,Cheese,8.00")
    return tmp_path


def test_a_history_counts_orders_days_hours_and_products(small: Path) -> None:
    histories = read_histories(small, {"a": 30, "b": 20, "c": 10}, cut_off=CUT_OFF)
    assert histories.contact_ids.tolist() == [10, 20, 30]
    assert histories.repeat_orders.tolist() == [0, 0, 7]
    assert histories.observed_days.tolist() == pytest.approx([30, 30, 272.48], abs=0.01)
    assert histories.recency_days.tolist() == [0, 0, 212]
    assert histories.hour_shares[2].argmax() == 18
    assert histories.hour_shares.sum(axis=1).tolist() == pytest.approx([1, 1, 1])
    assert np.exp(histories.log_value_mean[2]) < np.exp(histories.log_value_mean[1])
    bread = histories.shelf.product_ids.index("1")
    assert histories.shelf.favourite_products[histories.shelf.favourite_keys > 2].tolist()[0] == bread


def test_orders_from_the_cut_off_on_are_not_seen(small: Path) -> None:
    seen = read_histories(small, {"b": 1}, cut_off=CUT_OFF)
    later = read_histories(small, {"b": 1}, cut_off=datetime(2017, 11, 1, tzinfo=UTC))
    assert seen.repeat_orders.tolist() == [0]
    assert later.repeat_orders.tolist() == [1]
    assert seen.log_value_mean[0] < later.log_value_mean[0]


def test_a_contact_that_the_exports_lack_is_refused(small: Path) -> None:
    with pytest.raises(InvalidInputError, match="not in the exports"):
        read_histories(small, {"a": 1, "nobody": 2}, cut_off=CUT_OFF)


def test_the_whole_shop_is_read(histories: Histories, shop: tuple[Path, ShopCounts]) -> None:
    assert histories.size == shop[1].contacts
    with (shop[0] / "orders.csv").open(encoding="utf-8", newline="") as file:
        buyers = len({row["contact_id"] for row in csv.DictReader(file)})
    assert int(histories.repeat_orders.sum()) + buyers == shop[1].orders


def test_the_fit_finds_the_process_that_made_the_data() -> None:
    rng = np.random.default_rng(5)
    true = BuyingModel(shape=1.2, scale_days=8.0, leave=1.0, stay=9.0)
    rates = rng.gamma(true.shape, 1 / true.scale_days, 3000)
    leaves = rng.beta(true.leave, true.stay, 3000)
    repeat, recency = np.zeros(3000, dtype=np.int64), np.zeros(3000)
    for row in range(3000):
        day = 0.0
        # Nobody leaves before the first repeat purchase in this process.
        while (day := day + rng.exponential(1 / rates[row])) < 180:
            repeat[row], recency[row] = repeat[row] + 1, day
            if rng.random() < leaves[row]:
                break
    fitted = fit_buying(repeat, recency, np.full(3000, 180.0))
    assert fitted.shape == pytest.approx(true.shape, rel=0.15)
    assert fitted.scale_days == pytest.approx(true.scale_days, rel=0.2)
    assert fitted.leave / (fitted.leave + fitted.stay) == pytest.approx(0.1, rel=0.2)


def test_a_lapsed_regular_is_likelier_gone_than_a_recent_one() -> None:
    model = BuyingModel(shape=1.2, scale_days=8.0, leave=0.7, stay=2.2)
    repeat, observed = np.array([30, 30, 0]), np.full(3, 270.0)
    recent, lapsed, newcomer = model.alive_share(repeat, np.array([268.0, 150.0, 0.0]), observed)
    assert lapsed < 0.01 < 0.9 < recent < newcomer == 1.0
