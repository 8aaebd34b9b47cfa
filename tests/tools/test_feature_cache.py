"""Features are computed again when the lake or the hour changed, and only then."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from memory.features.table import Features
from memory.lake import Lake, LakeTable
from tests.examples import NOW
from tests.memory.builders import as_rows, write_lake
from tools.feature_cache import FeatureCache

NAMES = ["orders_count"]
PERSON = {"contact_id": 1, "created_at": NOW - timedelta(days=9)}


def order(number: int) -> dict[str, object]:
    return {"order_id": f"o{number}", "contact_id": 1, "at": NOW - timedelta(days=number), "total_cents": 100}


def test_the_same_hour_of_the_same_lake_is_computed_once(tmp_path: Path) -> None:
    lake, cache = write_lake(tmp_path / "lake", contacts=[PERSON], orders=[order(1)]), FeatureCache()
    found = cache.at(lake, NOW, NAMES)
    assert cache.at(lake, NOW + timedelta(minutes=40), NAMES) is found
    assert cache.at(lake, NOW + timedelta(hours=1), NAMES) is not found
    assert cache.at(lake, NOW, ["recency_days"]) is not found


def test_a_write_to_the_lake_is_seen_and_a_copy_goes_its_own_way(tmp_path: Path) -> None:
    lake, cache = write_lake(tmp_path / "lake", contacts=[PERSON], orders=[order(1)]), FeatureCache()
    before = cache.at(lake, NOW, NAMES)
    shutil.copytree(tmp_path / "lake", tmp_path / "copy")
    copy = Lake(tmp_path / "copy")
    assert cache.at(copy, NOW, NAMES) is before
    copy.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order(2)]))
    assert cache.at(copy, NOW, NAMES).row(1) == {"orders_count": 2}
    assert cache.at(lake, NOW, NAMES).row(1) == {"orders_count": 1}


def test_large_lists_are_kept_less_often_and_the_newest_always(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.feature_cache._CONTACTS", 2)
    lake, cache = write_lake(tmp_path / "lake", contacts=[PERSON, PERSON | {"contact_id": 2}]), FeatureCache()
    found = cache.at(lake, NOW, NAMES)
    assert cache.at(lake, NOW, NAMES) is found
    cache.at(lake, NOW, ["recency_days"])
    assert cache.at(lake, NOW, NAMES) is not found


def test_each_thread_has_its_own(tmp_path: Path) -> None:
    lake, cache = write_lake(tmp_path / "lake", contacts=[PERSON]), FeatureCache()
    own, others = cache.at(lake, NOW, NAMES), list[Features]()
    runner = threading.Thread(target=lambda: others.append(cache.at(lake, NOW, NAMES)))
    runner.start()
    runner.join()
    assert others[0] is not own
