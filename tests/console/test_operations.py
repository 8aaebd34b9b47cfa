"""What an operator does to what runs: pause, stop, call in, edit, back up, restore, settle."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from console.cli import app
from console.doctor.parts import examine
from console.wiring import open_workspace
from memory import campaigns
from memory.errors import BackupError, ConflictError, InvalidInputError, NotFoundError
from memory.play import Limits, Schedule
from memory.schema import messages
from memory.steps import AlertStep, ExitStep, Sequence
from memory.trigger import ApiTrigger
from tests.console.conftest import BRIEF, Run, run_in
from tests.console.test_commands import pass_days
from tests.tools.scene import approve, play, step


def planned(shop: Path, run: Run) -> dict[str, Any]:
    """The proposal of a workspace that proposes win-backs only."""
    settings = shop / "noria.toml"
    settings.write_text('playbooks = ["win_back"]\n' + settings.read_text("utf-8"), encoding="utf-8")
    [made] = run("plan", *BRIEF)["proposals"]
    return dict(made)


@pytest.mark.slow
def test_a_campaign_is_paused_backed_up_restored_and_sends_nothing_more(shop: Path, run: Run, tmp_path: Path) -> None:
    made = planned(shop, run)
    run("proposals", "approve", made["proposal_id"], "--seen", made["digest"][:12])
    run("work", "--once")
    [campaign] = run("campaigns")["campaigns"]
    assert run("campaigns", "pause", campaign["campaign_id"], "--reason", "a typo")["status"] == "paused"
    assert run("campaigns", "resume", campaign["campaign_id"])["status"] == "live"
    file = tmp_path / "backup.zip"
    assert run("backup", str(file))["files"] > 5

    restored = tmp_path / "restored"
    # The folder is named by the command itself, so no workspace stands there yet.
    done = run_in(restored)("restore", str(file), str(restored))
    assert (done["workspace"], done["campaigns"]) == (str(restored), 1)
    again = run_in(restored)
    left = set((restored / "outbox").glob("*.eml"))
    worked = again("work", "--once")
    assert worked["switch"]["stopped"]
    again("resume", "--reason", "looked at the provider's log")
    again("work", "--once")
    assert set((restored / "outbox").glob("*.eml")) == left
    with open_workspace(restored) as opened, opened.store.write() as connection:
        few = select(messages.c.message_id).limit(3)
        connection.execute(update(messages).where(messages.c.message_id.in_(few)).values(state="unknown"))
    listed = again("messages", "list", campaign["campaign_id"], "--state", "unknown", "--limit", "2")
    last = again(
        "messages", "list", campaign["campaign_id"], "--state", "unknown", "--after", str(listed["next_after"])
    )
    assert (len(listed["messages"]), len(last["messages"]), last["next_after"]) == (2, 1, None)
    assert (
        again("messages", "list", campaign["campaign_id"], "--state", "unknown", "--reason", "no such")["messages"]
        == []
    )
    with pytest.raises(InvalidInputError, match="no state 'lost'"):
        again("messages", "list", campaign["campaign_id"], "--state", "lost")
    unknown = again("messages", "unknown")
    assert unknown["total"] == len(unknown["messages"]) == 3
    first = again("messages", "unknown", "--limit", "1")
    assert (first["total"], first["messages"]) == (unknown["total"], unknown["messages"][:1])
    for one in unknown["messages"]:
        again("messages", "settle", one["message_key"], "--sent")
    every = again("messages", "list", campaign["campaign_id"], "--limit", "100000")["messages"]
    assert {one["message_key"] for one in unknown["messages"]} < {one["message_key"] for one in every}
    assert Counter(one["state"] for one in every) == again("campaigns")["campaigns"][0]["states"]
    assert again("messages", "unknown") == {"total": 0, "messages": []}
    assert again("campaigns")["reconciled"]
    assert again("journal", "verify")["intact"]

    assert run("campaigns", "stop", campaign["campaign_id"])["status"] in {"finished", "cancelled"}
    with pytest.raises(ConflictError, match="nothing left to stop"):
        run("campaigns", "stop", campaign["campaign_id"])


def test_a_restore_must_say_what_to_restore_and_where(run: Run, shop: Path, tmp_path: Path) -> None:
    for words in ([], [str(tmp_path / "a.zip")], ["--here", str(tmp_path / "a.zip"), str(tmp_path / "b")]):
        with pytest.raises(BackupError, match="not clear"):
            run("restore", *words)
    assert run("restore", "--here")["workspace"] == str(shop)


@pytest.fixture
def called(shop: Path, run: Run) -> str:
    """A running campaign that other systems call contacts into: a mail to each, and a task for a person."""
    steps = (step("thanks"), AlertStep(key="phone", task={"en": "Ring them up"}), ExitStep(key="end"))
    settings = shop / "noria.toml"
    # Which of two contacts the programme holds out is drawn anew for each workspace.
    given = settings.read_text("utf-8").replace("programme_holdout_share = 0.02", "programme_holdout_share = 0")
    settings.write_text(given, encoding="utf-8")
    with open_workspace(shop) as opened:
        now = opened.clock.now()
        wanted = play(
            audience={"type": "all", "of": []},
            trigger=ApiTrigger(runs_days=30),
            limits=Limits(contacts_per_day=5),
            sequences=(Sequence(key="one", title="One", steps=steps, share=1),),
            schedule=Schedule(starts_at=now, send_from_hour=8, send_until_hour=20, fallback_zone="Europe/Paris"),
            policy_version=opened.pack.version,
        )
        approve(opened.store, wanted, at=now)
    run("work", "--once")
    return str(run("campaigns")["campaigns"][0]["campaign_id"])


def test_contacts_called_in_get_their_mail_and_a_person_a_task(shop: Path, run: Run, called: str) -> None:
    first = run("campaigns", "enrol", called, "person2@example.com", "person3@example.com", "--request-id", "r1")
    assert (first["announced"], first["repeated"]) == (2, 0)
    again = run("campaigns", "enrol", called, "person2@example.com", "--request-id", "r1")
    assert (again["announced"], again["repeated"]) == (0, 1)
    run("work", "--once")
    run("work", "--once")
    assert len(list((shop / "outbox").glob("*.eml"))) == 2
    first, second = run("alerts")
    assert {first["task"]["en"], second["task"]["en"]} == {"Ring them up"}
    done = run("alerts", "done", str(first["alert_id"]), "--note", "spoke to them")
    assert done["done_by"].startswith("cli:")
    assert [one["alert_id"] for one in run("alerts")] == [second["alert_id"]]
    assert len(run("alerts", "--all")) == 2
    with pytest.raises(ConflictError):
        run("alerts", "done", str(first["alert_id"]))
    assert run("journal", "verify")["intact"]


@pytest.mark.slow
def test_a_campaign_approved_under_another_policy_is_named_until_people_approved_it_again(shop: Path, run: Run) -> None:
    def doctor() -> str:
        with open_workspace(shop) as opened:
            return " ".join(one.sentence for one in examine(opened) if one.state == "warning")

    made = planned(shop, run)
    run("proposals", "approve", made["proposal_id"], "--seen", made["digest"][:12])
    run("work", "--once")
    [campaign] = run("campaigns")["campaigns"]
    assert run("campaigns")["approved_under_another_policy"] == []
    assert campaign["campaign_id"] not in doctor()
    own = "schema_version: 1\nname: own\nextends: base\nrules:\n  frequency: {parameters: {messages: 2}}\n"
    (shop / "packs").mkdir(exist_ok=True)
    (shop / "packs" / "own.yaml").write_text(own, encoding="utf-8")
    told = CliRunner().invoke(app, ["policy", "activate", "own", "--yes", "--workspace", str(shop)])
    assert "noria campaigns edit ID --renew" in told.stdout
    assert run("campaigns")["approved_under_another_policy"] == [campaign["campaign_id"]]
    assert campaign["campaign_id"] in doctor()
    asked = run("campaigns", "edit", campaign["campaign_id"], "--renew")
    [digest] = [one["digest"] for one in run("proposals", "list") if one["proposal_id"] == asked["proposal_id"]]
    run("proposals", "approve", asked["proposal_id"], "--seen", digest[:12])
    run("work", "--once")
    assert run("campaigns")["approved_under_another_policy"] == []
    assert campaign["campaign_id"] not in doctor()


def test_a_campaign_past_its_review_date_waits_until_it_is_renewed(shop: Path, run: Run, called: str) -> None:
    pass_days(shop, 30)
    worked = run("work", "--once")
    assert worked["paused"] == [called]
    [alert] = run("alerts")
    assert "campaigns renew" in alert["task"]["en"]
    with pytest.raises(ConflictError, match="lapsed"):
        run("campaigns", "resume", called)
    done = run("campaigns", "renew", called, "--until", "2025-05-01", "--reason", "the sale is in April")
    assert (done["status"], done["review_at"]) == ("live", "2025-05-01T00:00:00+00:00")
    assert run("alerts") == run("work", "--once")["paused"] == []


def test_a_call_with_a_strangers_name_calls_nobody(run: Run, called: str) -> None:
    with pytest.raises(NotFoundError, match="contact 2 of 2"):
        run("campaigns", "enrol", called, "person2@example.com", "nobody@example.com")
    run("work", "--once")
    assert run("campaigns")["campaigns"][0]["treated"] == 0


def test_journal_and_verdicts_are_handed_out_for_others_to_check(
    shop: Path, run: Run, called: str, tmp_path: Path
) -> None:
    run("campaigns", "enrol", called, "person2@example.com")
    run("work", "--once")
    run("work", "--once")
    file = tmp_path / "journal.jsonl"
    done = run("journal", "export", "--out", str(file))
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    told = [line for line in lines if line["type"] == "journal"]
    [verdict] = [line for line in lines if line["type"] == "verdict"]
    assert (done["lines"], done["verdicts"]) == (len(told), 1)
    previous = "0" * 64
    for line in told:
        names = ("seq", "at_micros", "actor", "action", "subject", "payload", "previous_hash")
        text = json.dumps([line[name] for name in names], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert line["previous_hash"] == previous
        assert line["hash"] == (previous := hashlib.sha256(text.encode()).hexdigest())
    assert verdict["chunk"] in [line["payload"].get("verdicts") for line in told]
    assert (verdict["judged"], "person2" in file.read_text("utf-8")) == ("claimed", False)
    assert run("journal", "verify")["verdicts"]["broken"] == []
    with open_workspace(shop) as opened, opened.store.write() as connection:
        connection.execute(update(messages).values(judged="suppressed consent"))
    assert run("journal", "verify", fails=True)["intact"]


@pytest.mark.slow
def test_a_running_campaign_is_edited_by_a_proposal_that_people_approve(shop: Path, run: Run) -> None:
    made = planned(shop, run)
    run("proposals", "approve", made["proposal_id"])
    run("work", "--once")
    [campaign] = run("campaigns")["campaigns"]
    edited = run("campaigns", "edit", campaign["campaign_id"], "--set", "reminder.en.subject=One last word", "--move")
    assert edited["play"]["replaces"] == {"campaign_id": campaign["campaign_id"], "version": 1, "in_flight": "move"}
    assert version(shop, campaign["campaign_id"]) == 1
    run("proposals", "approve", edited["proposal_id"])
    run("work", "--once")
    assert version(shop, campaign["campaign_id"]) == 2
    now, before = (
        run("campaigns", "flow", campaign["campaign_id"]),
        run("campaigns", "flow", campaign["campaign_id"], "--version", "1"),
    )
    assert sum(one["progress"]["entered"] for one in now) == campaign["treated"] > 0
    assert [one["progress"]["entered"] for one in before] == [0] * len(before)
    with pytest.raises(NotFoundError, match="no version 3"):
        run("campaigns", "flow", campaign["campaign_id"], "--version", "3")


@pytest.mark.parametrize(
    ("words", "message"),
    [((), "Nothing to change"), (("--set", "nothing.en.subject=Hello"), "There is no message nothing")],
)
def test_an_edit_of_a_campaign_that_says_nothing_is_refused(
    run: Run, called: str, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        run("campaigns", "edit", called, *words)
    assert run("proposals", "list") == []


def version(shop: Path, campaign_id: str) -> int:
    with open_workspace(shop) as opened, opened.store.read() as connection:
        return campaigns.get(connection, campaign_id).version
