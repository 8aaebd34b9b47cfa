"""The audience bench plans the same messages in every way that it compares, on a few hundred contacts."""

from __future__ import annotations

import json

import pytest

from evals.bench import audience, shop
from evals.bench.audience import main, measure
from memory.errors import NoriaError


def test_all_three_ways_find_the_same_contacts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--contacts", "200", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert 0 < said["planned"] < said["selected"] < said["contacts"] == 200
    assert said["events"] == 2000
    assert min(said["noria"], said["query"], said["plain"]) > 0
    assert said["at_target_size"] == pytest.approx(said["noria"] * 5000)


def test_a_query_that_selects_others_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "_VIEWS", audience._VIEWS + 1)
    with pytest.raises(NoriaError, match="The query selects"):
        measure(200)


def test_the_shop_has_contacts_who_must_not_be_written_to() -> None:
    everybody = range(1, 101)
    assert sum(not shop.has_consent(one) for one in everybody) == 5
    assert sum(shop.is_suppressed(one) for one in everybody) == 2
    assert sum(shop.may_be_written_to(one) for one in everybody) == 93
