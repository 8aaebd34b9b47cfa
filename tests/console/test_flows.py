"""Flows on the command line and in the report."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from markupsafe import escape
from typer.testing import CliRunner

from console.cli import app
from console.report.facts import read_facts
from console.report.page import write_report
from memory.clock import ManualClock
from memory.errors import InvalidInputError, NotFoundError
from memory.step_text import tell_sequence
from memory.store import Store
from memory.trigger import OnceTrigger
from tests.console.conftest import Run, run_in
from tests.memory.sequences import cart
from tests.tools.scene import add_contacts, mailable, play, start, workplace
from tools.worker import tick


def said(folder: Path, *words: str) -> str:
    """What a command prints for people."""
    result = CliRunner().invoke(app, [*words, "--workspace", str(folder)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_flow_of_a_playbook_is_printed_or_drawn_in_its_languages(shop: Path, run: Run, tmp_path: Path) -> None:
    told = said(shop, "playbook", "flow", "win_back")
    assert "◷ five_days: Wait 5 days" in told
    assert "nobody comes in twice" in told
    assert "attendre 5 jours" in run("playbook", "flow", "win_back", "--language", "fr")[1]["sentence"]
    drawn = run("playbook", "flow", "win_back", "--out", str(tmp_path / "way.svg"))
    assert [Path(one["file"]).name for one in drawn] == ["way.reminder.svg", "way.reminder_then_offer.svg"]
    for one in drawn:
        assert ET.parse(one["file"]).getroot().tag.endswith("svg")


def test_a_flow_that_cannot_be_shown_says_why(run: Run, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nope"):
        run("playbook", "flow", "nope")
    with pytest.raises(InvalidInputError, match="not written in"):
        run("playbook", "flow", "win_back", "--language", "de")
    with pytest.raises(InvalidInputError, match="cannot be written"):
        run("playbook", "flow", "win_back", "--out", str(tmp_path / "nowhere" / "way.svg"))
    with pytest.raises(NotFoundError, match="nope"):
        run("campaigns", "flow", "nope")


def test_a_running_campaign_shows_how_many_stand_where(proposed: Path) -> None:
    run = run_in(proposed)
    first = next(one for one in run("proposals", "list") if one["playbook"] == "win_back")["proposal_id"]
    assert "once, for everybody in the audience: send the e-mail" in said(proposed, "proposals", "show", first)
    run("proposals", "approve", first)
    run("work", "--once")
    run("work", "--once")
    [campaign] = run("campaigns")["campaigns"]
    flows = run("campaigns", "flow", campaign["campaign_id"])
    assert sum(one["progress"]["entered"] for one in flows) == campaign["treated"] > 0
    assert sum(one["progress"]["held_out"] for one in flows) == campaign["holdout"] > 0
    assert f"{campaign['treated']} entered · {campaign['holdout']} held out" in said(
        proposed, "campaigns", "flow", campaign["campaign_id"]
    )


def test_the_report_draws_sequences_that_branch_or_send_twice_and_no_others(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = workplace(store, clock, tmp_path)
    add_contacts(store, range(1, 41))
    branching = mailable(cart())
    start(place, play(sequences=(branching,)), range(1, 21))
    start(place, play(), range(21, 41), proposal_id="p2")
    tick(place)
    with store.read() as connection:
        facts = read_facts(connection)
    page = write_report(facts, tmp_path / "report.html", title="Report", simulated=False).read_text(encoding="utf-8")
    assert page.count('class="flow"') == 1
    assert "20 here now" in page
    told = tell_sequence(branching, "en", OnceTrigger())
    assert str(escape(told[1:])) in page
    assert "What would happen." in page
