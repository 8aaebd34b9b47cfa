"""Histories of the demo's shop, read once; contacts are numbered in the order of the export."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from evals.market.history import Histories, read_histories
from evals.shop.export import CUT_OFF, ShopCounts


@pytest.fixture(scope="session")
def histories(shop: tuple[Path, ShopCounts]) -> Histories:
    """All contacts of the shop up to the default cut-off."""
    with (shop[0] / "contacts.csv").open(encoding="utf-8", newline="") as file:
        ids = {row["contact_id"]: 10_000 + number for number, row in enumerate(csv.DictReader(file))}
    return read_histories(shop[0], ids, cut_off=CUT_OFF)
