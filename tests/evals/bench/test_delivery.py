"""The delivery bench sends the same messages in every way that it compares, on a few dozen contacts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.bench import delivery, shop
from evals.bench.delivery import WAYS, Way, main, measure_rate, measure_wait
from memory.errors import NoriaError


def stores(folder: Path) -> Iterator[str]:
    return (f"sqlite:///{folder / f'store{number}.db'}" for number in range(2))


@pytest.mark.slow(seconds=15)
@pytest.mark.parametrize("way", WAYS[::3])
def test_all_ways_write_to_the_same_people_once_each(way: Way, tmp_path: Path) -> None:
    found = measure_rate(stores(tmp_path), tmp_path, way, 40, engine="sqlite")
    assert found.messages == sum(shop.may_be_written_to(one) for one in range(1, 41)) == 36
    assert min(found.noria, found.two, found.raw, found.plain) > 0
    assert min(found.of_raw, found.two_of_raw, found.of_plain, found.cpu_of_raw) > 0


@pytest.mark.slow(seconds=10)
def test_a_way_that_writes_to_others_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = shop.may_be_written_to
    monkeypatch.setattr(shop, "may_be_written_to", lambda one: one != 30 and everybody(one))
    with pytest.raises(NoriaError, match="36 instead of 35"):
        measure_rate(stores(tmp_path), tmp_path, WAYS[1], 40, engine="sqlite")


@pytest.mark.slow(seconds=20)
def test_every_event_comes_out_as_a_message_after_it_came_in(tmp_path: Path) -> None:
    found = measure_wait(f"sqlite:///{tmp_path / 'store.db'}", tmp_path, 20, 1.0, engine="sqlite")
    assert found.events == 20
    assert 0 < found.p50 <= found.p99
    assert found.cpu_ms > 0


def test_the_command_tells_what_could_not_be_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(number: int, *, seconds: float, engines: list[str]) -> tuple[list[delivery.Rate], list[delivery.Wait]]:
        if engines == ["postgresql"]:
            raise shop.NoPostgresError("No PostgreSQL can start here.")
        return [delivery.Rate("sqlite", "HTTP", number, 60.0, 80.0, 100.0, 30.0, 2.0, 1.0)], []

    monkeypatch.setattr(delivery, "measure", measured)
    assert main(["--contacts", "40", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["lacking"] == "No PostgreSQL can start here."
    assert [said["rates"][0][name] for name in ("of_raw", "two_of_raw", "of_plain")] == [0.6, 0.8, 2.0]
