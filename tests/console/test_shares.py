"""`noria campaigns shares`: a person reads what was decided, and has the last word."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from console.cli import app
from console.cli.setup import make_workspace
from console.report.facts import read_facts
from console.wiring import Workspace
from memory import allocations, campaigns
from memory.allocations import Allocation, allocation_id_of
from memory.errors import InvalidInputError, NotAllowedError, NotFoundError
from memory.schema import campaigns as campaign_rows
from memory.schema import enrolments
from memory.snapshot import refresh
from tests.agents.test_allocate import play
from tests.agents.trial import launch
from tests.console.conftest import Run, run_in
from tests.tools.scene import address

WAITING = {"one": 0.4, "two": 0.6}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with a running campaign of two sequences, for which other shares wait."""
    folder = make_workspace(tmp_path / "shop", name="Shop", currency="EUR", zone="Europe/Paris")
    opened = Workspace(folder, {})
    campaign_id = launch(opened.store, treated=[1, 2], holdout=[3], play=play())
    at = opened.clock.now() - timedelta(hours=1)
    with opened.store.write() as connection:
        connection.execute(update(campaign_rows).values(trigger_kind="event", trigger_event="cart"))
        found = Allocation(
            allocation_id=allocation_id_of(campaign_id, at),
            campaign_id=campaign_id,
            version=1,
            state="waiting",
            before=campaigns.shares(connection, campaign_id, 1),
            shares=(WAITING,),
            evidence={},
            reason="From what is believed two should be drawn by 83%.",
            decided_at=at,
        )
        assert allocations.keep(connection, found, at=at)
    opened.close()
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    return run_in(folder)


def campaign_id(folder: Path) -> str:
    opened = Workspace(folder, {})
    with opened.store.read() as connection:
        [found] = campaigns.list_campaigns(connection)
    opened.close()
    return found.campaign_id


def test_shares_are_shown_with_what_was_approved_and_what_waits(folder: Path, run: Run) -> None:
    shown = run("campaigns", "shares", campaign_id(folder))
    assert shown["shares"] == [{"one": 0.5, "two": 0.5}]
    assert shown["approved"]["two"] == {"shares": [0.5], "range": [0.0, 1.0]}
    assert [one["state"] for one in shown["decisions"]] == ["waiting"]
    said = CliRunner().invoke(app, ["campaigns", "shares", campaign_id(folder), "-w", str(folder)]).stdout
    assert "waits for a yes" in said


def test_a_yes_puts_them_in_force_and_the_word_back_returns_to_the_plan(folder: Path, run: Run) -> None:
    of = campaign_id(folder)
    accepted = run("campaigns", "shares", of, "--accept")
    assert accepted["shares"] == [WAITING]
    assert accepted["decisions"][-1]["actor"].startswith("cli:")
    assert [one["share"] for one in run("campaigns", "flow", of)] == [0.4, 0.6]
    opened = Workspace(folder, {})
    with opened.store.read() as connection:
        [line] = read_facts(connection).campaigns
    opened.close()
    assert line.shares == WAITING
    back = run("campaigns", "shares", of, "--back", "--reason", "The sale is over")
    assert back["shares"] == [{"one": 0.5, "two": 0.5}]
    assert [one["state"] for one in back["decisions"]] == ["applied", "rolled_back"]


def test_a_no_leaves_them_and_nothing_waits_any_more(folder: Path, run: Run) -> None:
    of = campaign_id(folder)
    assert run("campaigns", "shares", of, "--decline")["shares"] == [{"one": 0.5, "two": 0.5}]
    with pytest.raises(NotFoundError, match="No decision"):
        run("campaigns", "shares", of, "--accept")


def test_one_word_at_a_time_and_only_of_those_who_may_approve(folder: Path, run: Run) -> None:
    with pytest.raises(InvalidInputError, match="Only one"):
        run("campaigns", "shares", campaign_id(folder), "--accept", "--back")
    with (folder / "noria.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[roles]\n"cli:somebody-else" = "admin"\n')
    with pytest.raises(NotAllowedError, match="approver"):
        run("campaigns", "shares", campaign_id(folder), "--accept")


def test_whoever_drew_nobody_is_told_apart_from_the_holdout(folder: Path, run: Run) -> None:
    opened = Workspace(folder, {})
    with opened.store.write() as connection:
        drew = {"sequence_key": allocations.NOBODY, "probability": 0.1, "state": "exited", "exit_reason": "nobody"}
        connection.execute(update(enrolments).where(enrolments.c.contact_id == 1).values(**drew))
    refresh(opened.store, opened.lake)
    opened.close()
    [left_alone] = run("explain", address(1))["campaigns"]
    [held_out] = run("explain", address(3))["campaigns"]
    assert left_alone["standing"] == "left alone"
    assert left_alone["reason"].startswith("Drew nobody on")
    assert held_out["standing"] == "held out"
