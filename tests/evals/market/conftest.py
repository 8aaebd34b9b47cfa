"""Histories of the demo's shop and of an invented one, read once; contacts are numbered in the order of the export."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from evals.market.history import Histories, read_histories
from evals.market.population import OPENS_AT, write_population
from evals.shop.export import CUT_OFF, ShopCounts


@pytest.fixture(scope="session")
def histories(shop: tuple[Path, ShopCounts]) -> Histories:
    """All contacts of the shop up to the default cut-off."""
    with (shop[0] / "contacts.csv").open(encoding="utf-8", newline="") as file:
        ids = {row["contact_id"]: 10_000 + number for number, row in enumerate(csv.DictReader(file))}
    return read_histories(shop[0], ids, cut_off=CUT_OFF)


@pytest.fixture(scope="session")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Histories:
    """Three hundred invented customers up to the day on which their shop is handed over."""
    folder = tmp_path_factory.mktemp("population")
    write_population(folder, 300, opens_at=OPENS_AT, seed=1)
    return read_histories(folder, {f"C{number}": number for number in range(1, 301)}, cut_off=OPENS_AT)
