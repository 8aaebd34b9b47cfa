"""The guardian bench gets the same verdict on every contact in every way that it compares."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evals.bench import guardian
from evals.bench.guardian import main, measure
from memory.errors import NoriaError


def test_the_ways_agree_on_every_contact_and_every_rule_stops_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--contacts", "2000", "--compared", "500", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["against"]) == {
        "suppression", "consent", "preferences", "data_age", "hibernation", "recent_purchase", "frequency", "holdout",
        "bindings",
    }  # fmt: skip
    assert 0 < sum(said["against"].values()) < said["contacts"] == 2000
    assert said["compared"] == 500
    assert min(said["together"], said["alone"]) > 0


def test_a_way_that_judges_otherwise_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def lenient(rows: Any, pack: Any) -> list[str]:
        return ["" for _ in rows]

    monkeypatch.setattr(guardian, "_loop", lenient)
    with pytest.raises(NoriaError, match="the loop says"):
        measure(300, 200)
