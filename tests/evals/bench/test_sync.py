"""The sync bench reads the same contacts in every way that it compares, on a few hundred of them."""

from __future__ import annotations

import json

import pytest

from evals.bench.sync import main


def test_every_way_reads_the_same_contacts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--contacts", "250", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["contacts"] == 250
    assert min(said["bare"], said["read"], said["taken_in"], said["again"]) > 0
    assert said["share"] == pytest.approx(said["bare"] / said["read"])
