"""The ladder of autonomy as a team uses it: raised by a person, used by the worker, taken down by an override."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memory.errors import ConflictError
from tests.console.conftest import BRIEF, Run

OWN = """schema_version: 1
name: own
extends: base
rules:
  approval: {parameters: {one_person_when_new: false}}
"""


def one_off(run: Run) -> Any:
    return next(one for one in run("autonomy") if one["kind"] == "one_off")


def test_at_first_each_kind_asks_and_its_record_is_told(run: Run) -> None:
    assert [(one["kind"], one["level"]) for one in run("autonomy")] == [
        ("one_off", "approve"),
        ("triggered", "approve"),
    ]
    assert (one_off(run)["agreements"], one_off(run)["calibrated"], one_off(run)["supports_auto"]) == (0, None, False)


def test_a_kind_that_is_only_suggested_is_not_launched(proposed: Path) -> None:
    from tests.console.conftest import run_in

    run = run_in(proposed)
    run("autonomy", "lower", "one_off", "suggest", "--reason", "we only look")
    waiting = next(one["proposal_id"] for one in run("proposals", "list") if one["playbook"] == "win_back")
    with pytest.raises(ConflictError, match="only suggested"):
        run("proposals", "approve", waiting)


@pytest.mark.slow(seconds=20)
def test_at_auto_a_campaign_starts_without_a_click_and_stopping_it_takes_the_kind_down(shop: Path, run: Run) -> None:
    (shop / "packs" / "own.yaml").write_text(OWN, encoding="utf-8")
    settings = shop / "noria.toml"
    settings.write_text(
        settings.read_text(encoding="utf-8").replace('"base"', '"own"\nplaybooks = ["win_back"]'), encoding="utf-8"
    )
    raised = run("autonomy", "raise", "one_off", "auto", "--reason", "small letters may go")
    assert (raised["level"], raised["supported"]) == ("auto", False)
    made = {one["playbook"]: one["status"] for one in run("plan", *BRIEF)["proposals"]}
    assert made["win_back"] == "approved"
    run("work", "--once")
    campaign = next(one for one in run("campaigns")["campaigns"] if one["playbook"] == "win_back")
    assert campaign["status"] == "live"
    run("campaigns", "stop", campaign["campaign_id"], "--reason", "not this week")
    now = one_off(run)
    assert (now["level"], now["actor"]) == ("approve", "noria")
    assert "stopped the campaign" in now["reason"]
    assert "Noria asks again" in run("alerts")[0]["task"]["en"]
