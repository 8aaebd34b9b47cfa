"""The shop's exports, written once for all tests that read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.shop.export import ShopCounts, write_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ShopCounts]:
    """The directory of the exports at the default cut-off, and what was counted while writing them."""
    directory = tmp_path_factory.mktemp("shop")
    return directory, write_shop(directory)
