"""The command line as a marketer uses it, from an export to a lesson."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.wiring import Workspace
from memory import proposals
from memory.errors import ConfigurationError, ConflictError, InvalidInputError, NotFoundError
from memory.workspace import StoreClock
from tests import examples
from tests.console.conftest import BRIEF, Run, run_in
from tests.console.shop import write_exports


def pass_days(shop: Path, days: float) -> None:
    workspace = Workspace(shop, {})
    StoreClock(workspace.store).advance(timedelta(days=days))
    workspace.close()


def test_a_new_workspace_is_sound_and_is_not_made_twice(tmp_path: Path) -> None:
    run = run_in(tmp_path / "new")
    from console.cli.setup import make_workspace

    folder = make_workspace(tmp_path / "new", name='Said "shop"', currency="eur", zone="Europe/Paris")
    assert {"noria.toml", "brand.yaml", "packs", "playbooks", "store.db"} <= {path.name for path in folder.iterdir()}
    states = {one["part"]: one["state"] for one in run("doctor")}
    assert "failure" not in states.values()
    with pytest.raises(ConfigurationError, match="already"):
        make_workspace(folder, name="x", currency="EUR", zone="Europe/Paris")


def test_a_workspace_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    from console.cli.setup import make_workspace

    new, own = tmp_path / "deep" / "new", tmp_path / "own"
    (own / "packs").mkdir(parents=True)
    (own / "packs" / "mine.yaml").touch()
    for folder in (new, own):
        with pytest.raises(ConfigurationError, match="no time zone"):
            make_workspace(folder, name="x", currency="EUR", zone="Nowhere/Else")
    assert not (tmp_path / "deep").exists()
    assert [path.relative_to(own).as_posix() for path in sorted(own.rglob("*"))] == ["packs", "packs/mine.yaml"]
    for folder in (new, own):
        assert (make_workspace(folder, name="x", currency="EUR", zone="Europe/Paris") / "store.db").exists()


def test_the_import_says_who_may_be_written_to(shop: Path, run: Run, tmp_path: Path) -> None:
    again = run("import", str(write_exports(tmp_path / "again")))
    assert all(one["already_imported"] for one in again["reports"])
    assert again["mailable"]["with_proof"] == 144
    assert "consent_proof_share" in again["quality"]["measures"]


def test_without_consents_nobody_may_be_written_to_and_the_import_says_so(tmp_path: Path) -> None:
    from console.cli.setup import make_workspace

    folder = make_workspace(tmp_path / "w", name="Shop", currency="EUR", zone="Europe/Paris")
    found = run_in(folder)("import", str(write_exports(tmp_path / "e", contacts=5, consents=False)))
    assert found["mailable"]["with_consent"] == 0
    assert "consent" in found["mailable"]["sentence"].lower()


def test_a_dry_run_shows_the_mapping_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("E-Mail;Vorname\nnew@example.com;Eva\n", encoding="utf-8")
    shown = run("import", str(file), "--kind", "contacts", "--map", "Vorname=first_name", "--dry-run")
    assert {one["column"]: one["field"] for one in shown[0][1]["columns"]} == {
        "E-Mail": "email",
        "Vorname": "first_name",
    }
    with pytest.raises(NotFoundError):
        run("explain", "new@example.com")


def test_an_unclear_brief_comes_back_with_its_questions(run: Run) -> None:
    found = run("plan", "--metric", "orders")
    assert found["proposals"] == []
    assert {one["question_id"] for one in found["questions"]} == {"intention", "owner", "stop_rule", "decision"}


@pytest.mark.slow
def test_from_a_brief_to_a_lesson(shop: Path, run: Run) -> None:
    made = run("plan", *BRIEF)["proposals"]
    assert made
    first = made[0]
    shown = run("proposals", "show", first["proposal_id"])
    assert shown["digest"] == first["digest"]
    assert shown["proposal"]["evidence"]
    edited = run("proposals", "edit", first["proposal_id"], "--holdout", "0.3", "--seen", first["digest"][:12])
    assert edited["verdict"] == "edit"
    run("work", "--once")
    second = run("proposals", "show", first["proposal_id"])
    assert (second["version"], second["status"]) == (2, "open")
    with pytest.raises(ConflictError, match="version 2"):
        run("proposals", "approve", first["proposal_id"], "--seen", first["digest"][:12])
    run("proposals", "approve", first["proposal_id"], "--seen", second["digest"][:12])
    for _ in range(14):
        run("work", "--once")
        pass_days(shop, 0.5)
    running = run("campaigns")
    assert running["reconciled"]
    [campaign] = running["campaigns"]
    assert campaign["states"]["sent"] == len(list((shop / "outbox").glob("*.eml"))) > 0
    assert campaign["states"]["withheld"] > 0
    for _ in range(5):
        pass_days(shop, 7)
        run("work", "--once")
    looks = run("readout", campaign["campaign_id"])
    assert [one["look"] for one in looks] == [1, 2, 3, 4]
    assert looks[-1]["verdict"] in {"works", "harms", "inconclusive"}
    picture = shop / "calibration.svg"
    told = run("forecasts", "--picture", str(picture))
    assert [one["campaign_id"] for one in told["forecasts"]] == [campaign["campaign_id"]]
    assert told["forecasts"][0]["score"]["crps"] > 0
    assert told["record"]["forecasts"] == 1
    assert picture.read_text().startswith("<svg")
    [lesson] = run("lessons")
    why = run("lessons", "why", lesson["lesson_id"])
    assert why["evidence"]
    assert [one["action"] for one in why["story"]] == ["lesson.written"]
    assert run("lessons", "search", "win back customers who stopped")[0]["kind"] in {"lesson", "campaign"}
    assert run("lessons", "withdraw", lesson["lesson_id"], "--reason", "wrong prices")["state"] == "withdrawn"
    assert run("journal", "verify")["intact"]
    assert run("lessons", "reindex")["documents"] > 0


def test_a_plan_ends_with_what_came_of_it_and_what_to_do_next(shop: Path) -> None:
    said = CliRunner().invoke(app, ["plan", *BRIEF, "--workspace", str(shop)]).output.splitlines()
    first = next(place for place, line in enumerate(said) if "for you to decide on" in line)
    assert "Nothing is sent before a yes." in said[first]
    assert "noria proposals show p" in said[first + 1]
    assert len(said) - first <= 5
    again = CliRunner().invoke(app, ["plan", *BRIEF, "--workspace", str(shop)]).output.splitlines()
    assert any("Nothing is proposed" in line for line in again[-2:])


@pytest.mark.parametrize(
    ("room", "ending"),
    [(1, r"1 proposal for you to decide on, [1-9]\d* waits? (its|their) turn"), (0, r"\d+ proposals wait their turn")],
)
def test_a_plan_tells_apart_what_waits_for_people_and_what_waits_its_turn(shop: Path, room: int, ending: str) -> None:
    settings = shop / "noria.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("open_proposals = 5", "open_proposals = 1"), encoding="utf-8")
    if not room:
        fill = Workspace(shop, {})
        with fill.store.write() as connection:
            proposals.submit(connection, examples.proposal(play=examples.play(owner="marie")), author="noria",
                             at=fill.clock.now(), open_limit=1)  # fmt: skip
        fill.close()
    said = CliRunner().invoke(app, ["plan", *BRIEF, "--workspace", str(shop)]).output
    assert re.search(ending, said)
    listed = {one["proposal_id"]: one["status"] for one in run_in(shop)("proposals", "list")}
    shown = re.findall(r"noria proposals show (\w+)", said)
    assert [listed[one] for one in shown] == ["open"] * room


def test_reject_needs_a_reason_and_ask_gets_an_answer(shop: Path, run: Run) -> None:
    made = run("plan", *BRIEF)["proposals"][0]["proposal_id"]
    run("proposals", "ask", made, "How many are held out?")
    run("work", "--once")
    asked = run("proposals", "show", made)
    assert asked["status"] == "open"
    assert asked["decisions"][0]["changes"]["answer"]
    with pytest.raises(ConflictError, match="reason"):
        run("proposals", "reject", made, "--reason", " ")
    run("proposals", "reject", made, "--reason", "Not this month.")
    run("work", "--once")
    assert made not in {one["proposal_id"] for one in run("proposals", "list")}
    assert made in {one["proposal_id"] for one in run("proposals", "list", "--all")}


def test_a_stopped_workspace_sends_nothing_until_it_is_resumed(shop: Path, run: Run) -> None:
    made = run("plan", *BRIEF)["proposals"][0]
    run("proposals", "approve", made["proposal_id"])
    run("stop", "--reason", "a wrong price")
    for _ in range(4):
        switch = run("work", "--once")["switch"]
        assert (switch["stopped"], switch["reason"]) == (True, "a wrong price")
        pass_days(shop, 0.5)
    assert list((shop / "outbox").glob("*.eml")) == []
    told = CliRunner().invoke(app, ["work", "--once", "--workspace", str(shop)]).output
    assert "All sending is stopped" in told
    assert "a wrong price" in told
    run("resume")
    assert not run("work", "--once")["switch"]["stopped"]
    for _ in range(4):
        run("work", "--once")
        pass_days(shop, 0.5)
    assert list((shop / "outbox").glob("*.eml"))


def test_explain_tells_features_consents_and_reasons(run: Run) -> None:
    found = run("explain", "person3@example.com")
    names = {one["name"]: one["value"] for one in found["features"]}
    assert names["orders_count"] > 10
    assert found["consents"][0]["proof"] == "checkbox at sign-up"
    assert found["messages_in_window"] == 0
    assert (found["preferences"]["topics"], found["preferences"]["at_most_days"]) == (None, 0)


def test_one_changed_byte_of_the_journal_is_found(shop: Path, run: Run) -> None:
    run("stop")
    assert run("journal", "verify")["intact"]
    assert run("journal", "show", "--action", "switch.stopped")[0]["subject"] == "workspace"
    with sqlite3.connect(shop / "store.db") as connection:
        connection.execute("UPDATE journal SET actor = replace(actor, 'cli', 'clj') WHERE action = 'switch.stopped'")
    connection.close()
    assert run("journal", "verify", fails=True)["reason"] == "the line was changed"


@pytest.mark.parametrize(
    ("assignment", "message"), [("reminder.en=x", "STEP.LANGUAGE.SLOT"), ("nothing", "STEP.LANGUAGE.SLOT")]
)
def test_an_edit_that_says_nothing_readable_is_refused(run: Run, assignment: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        run("proposals", "edit", "p", "--set", assignment)


def test_the_packaged_playbooks_are_sound() -> None:
    assert CliRunner().invoke(app, ["playbook", "check", "--json"]).exit_code == 0


def test_an_error_is_one_clear_message_and_a_status(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "noria", "campaigns", "--workspace", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert "noria init" in done.stderr
    assert "Traceback" not in done.stderr
    as_json = subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert '"code": "configuration"' in as_json.stdout
