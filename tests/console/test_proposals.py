"""Proposals on the command line: what is checked before it is noted, what is missing, and what a reader would get."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from agents import scheduler
from console.cli import app
from console.cli.place import operator
from console.cli.proposals import print_audience
from console.wiring import Workspace, open_workspace
from memory import proposals
from memory.errors import ConflictError, InvalidInputError, NoriaError, NotAllowedError
from memory.play import Limits, Replacement
from memory.proposal import SMALLEST_RATE, Approvals
from memory.schema import contacts, enrolments
from memory.trigger import EventTrigger, OnceTrigger
from memory.workspace import StoreClock
from tests import examples
from tests.agents.world import add_offer
from tests.console.conftest import BRIEF, Run, run_in
from tests.console.shop import NOW


@pytest.fixture
def run(proposed: Path) -> Run:
    return run_in(proposed)


def win_back(run: Run) -> str:
    return str(next(one["proposal_id"] for one in run("proposals", "list") if one["playbook"] == "win_back"))


def said(run: Run, proposal_id: str) -> list[Any]:
    return list(run("proposals", "show", proposal_id)["decisions"])


@pytest.mark.parametrize(
    ("words", "where", "message"),
    [
        (("--set", "reminder.en.subjekt=Hello"), "reminder.en", "There is no slot subjekt.* There are: subject, prehe"),
        (("--set", "remind.en.subject=Hello"), "copies", "There is no message remind.* There are: .*reminder"),
        (("--set", "reminder.de.subject=Hello"), "reminder.de", "not written in 'de'.* written in: en, fr"),
        (("--set", "reminder.en.subject="), "reminder", "needs a subject"),
        (("--starts-at", "2020-01-01T00:00:00Z"), "starts_at", "in the past.*after 2025-03-03"),
        (("--starts-at", "soon"), "starts_at", "valid datetime.*2025-03-04T09:00:00Z"),
        (("--starts-at", "2025-03-10T09:00:00"), "starts_at", "timezone.*2025-03-04T09:00:00Z"),
        (("--offer", "unheard-of"), "offer_id", "no approved, open offer unheard-of.*Open now: none"),
        (("--sequence", "unheard-of"), "sequences", "There are: "),
        (("--set", "reminder.en.subject=Only 9.99 € today"), "rule ", "The policy would refuse.*9.99"),
        (("--set", "reminder.en.headline={{ contact.address }}"), "copies", "contact.address"),
    ],
    ids=["slot", "step", "language", "empty", "past", "no date", "no zone", "offer", "sequence", "price", "binding"],
)
def test_a_bad_edit_is_refused_at_once_and_not_noted(
    run: Run, words: tuple[str, ...], where: str, message: str
) -> None:
    proposal_id = win_back(run)
    with pytest.raises(InvalidInputError, match=message) as caught:
        run("proposals", "edit", proposal_id, *words)
    assert caught.value.where.startswith(where)
    assert said(run, proposal_id) == []


def test_an_edit_in_a_file_is_checked_like_one_on_the_command_line(run: Run, tmp_path: Path) -> None:
    proposal_id = win_back(run)
    for text, message in (("holdout_share: 0.9", "0.05 and 0.5"), ("owner: mallory", "One may change: copies")):
        (tmp_path / "changes.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(NoriaError, match=message):
            run("proposals", "edit", proposal_id, "--file", str(tmp_path / "changes.yaml"))
    assert said(run, proposal_id) == []


def test_a_good_edit_is_noted(run: Run) -> None:
    proposal_id = win_back(run)
    run("proposals", "edit", proposal_id, "--set", "reminder.en.subject=We would love to see you again")
    assert [one["verdict"] for one in said(run, proposal_id)] == ["edit"]


@pytest.mark.parametrize("then", [("edit", "--holdout", "0.3"), ("approve",)], ids=["edit", "yes"])
def test_what_comes_behind_a_waiting_edit_is_refused_and_not_noted(run: Run, then: tuple[str, ...]) -> None:
    proposal_id = win_back(run)
    run("proposals", "edit", proposal_id, "--holdout", "0.25")
    with pytest.raises(ConflictError, match=f"An edit of version 1 by {operator()} waits.*`noria work` acts on it"):
        run("proposals", then[0], proposal_id, *then[1:])
    run("work", "--once")
    now = run("proposals", "show", proposal_id)
    assert (now["version"], now["proposal"]["play"]["holdout_share"], now["void"]) == (2, 0.25, {})
    assert [one["verdict"] for one in now["decisions"]] == ["edit"]
    run("proposals", then[0], proposal_id, *then[1:])


def test_a_no_behind_a_waiting_edit_is_taken_and_wins(run: Run) -> None:
    proposal_id = win_back(run)
    run("proposals", "edit", proposal_id, "--holdout", "0.25")
    run("proposals", "reject", proposal_id, "-r", "Not in March")
    run("work", "--once")
    now = run("proposals", "show", proposal_id)
    assert (now["version"], now["status"]) == (1, "rejected")
    by_verdict = {one["verdict"]: one["decision_id"] for one in now["decisions"]}
    assert now["void"] == {by_verdict["edit"]: "The proposal was rejected by then."}


def test_a_yes_that_a_later_edit_voids_is_shown_as_void_with_the_reason(proposed: Path, run: Run) -> None:
    proposal_id = win_back(run)
    run("proposals", "approve", proposal_id)
    run("proposals", "edit", proposal_id, "--holdout", "0.25")
    assert run("proposals", "show", proposal_id)["void"] == {}
    run("work", "--once")
    now = run("proposals", "show", proposal_id)
    [yes] = [one["decision_id"] for one in now["decisions"] if one["verdict"] == "approve"]
    assert now["void"] == {yes: "Version 2 had taken the place of version 1."}
    told = CliRunner().invoke(app, ["proposals", "show", proposal_id, "--workspace", str(proposed)]).output
    assert "void: Version 2 had taken the place of version 1." in told


def test_an_approval_says_who_else_has_to_approve(proposed: Path, run: Run) -> None:
    proposal_id = win_back(run)
    workspace = Workspace(proposed, {})
    with workspace.store.write() as connection:
        stored = proposals.get(connection, proposal_id)
        two = Approvals(people=2, second_person=True)
        changed = stored.proposal.model_copy(update={"version": 2, "approvals": two})
        proposals.revise(connection, changed, author="cli:omar", at=workspace.clock.now())
    workspace.close()
    assert "Another person has to approve, signed in" in run("proposals", "approve", proposal_id)["missing"]


def test_an_approval_that_is_enough_misses_nothing(run: Run) -> None:
    assert run("proposals", "approve", win_back(run))["missing"] == ""


def test_a_proposal_is_shown_as_its_readers_would_get_it(run: Run, tmp_path: Path) -> None:
    proposal_id = win_back(run)
    shown = run("proposals", "show", proposal_id, "--html", str(tmp_path / "pages"))
    messages = [one for one in shown["messages"] if "reminder" in one["steps"][0]]
    assert {one["language"] for one in messages} == {"en", "fr"}
    last_order = re.compile(r"\b202[45]\b")
    for language in ("en", "fr"):
        known = next(one for one in messages if one["language"] == language and not one["bare"])
        less = next(one for one in messages if one["language"] == language and one["bare"])
        assert known["reader"].startswith("contact ")
        assert last_order.search(known["text"])
        assert not last_order.search(less["text"])
        assert not any("{{" in one["subject"] + one["preheader"] + one["text"] for one in (known, less))
    pages = [Path(one) for one in shown["pages"]]
    assert len(pages) == len(shown["messages"]) == len(set(pages))
    assert all("<html" in page.read_text(encoding="utf-8") for page in pages)


def test_the_screen_shows_the_previews_and_nothing_is_sent(proposed: Path, run: Run) -> None:
    command = ["proposals", "show", win_back(run), "--workspace", str(proposed)]
    told = CliRunner().invoke(app, command).output
    assert "if name and last order were unknown" in told
    assert "preheader" in told
    assert "{{" not in told
    assert not list((proposed / "outbox").glob("*.eml"))


def test_a_yes_to_one_sequence_covers_a_version_that_holds_only_this_one(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "FEWEST_PER_ARM", 10)
    settings = shop / "noria.toml"
    only = settings.read_text(encoding="utf-8").replace('"base"', '"base"\nplaybooks = ["win_back"]')
    settings.write_text(only, encoding="utf-8")
    workspace = Workspace(shop, {})
    add_offer(workspace.store)
    workspace.close()
    run = run_in(shop)
    run("plan", *BRIEF)
    proposal_id = win_back(run)
    before = run("proposals", "show", proposal_id)
    [_, part] = [one["key"] for one in before["proposal"]["play"]["sequences"]]
    with pytest.raises(InvalidInputError, match=r"no sequence and no language unheard-of.*Languages: en, fr"):
        run("proposals", "approve", proposal_id, "--only", "unheard-of")
    done = run("proposals", "approve", proposal_id, "--only", part, "--seen", before["digest"][:12])
    now = run("proposals", "show", proposal_id)
    assert (done["version"], done["digest"], done["missing"]) == (2, now["digest"], "")
    assert [(one["key"], one["share"]) for one in now["proposal"]["play"]["sequences"]] == [(part, 1.0)]
    assert {(one["verdict"], one["version"]) for one in now["decisions"]} == {("edit", 1), ("approve", 2)}


def test_a_yes_to_one_language_lets_in_only_those_who_read_it(proposed: Path, run: Run) -> None:
    proposal_id = win_back(run)
    before = run("proposals", "show", proposal_id)
    done = run("proposals", "approve", proposal_id, "--only", "en", "--seen", before["digest"][:12])
    now = run("proposals", "show", proposal_id)
    assert (done["version"], done["digest"], done["missing"]) == (2, now["digest"], "")
    assert 0 < now["proposal"]["audience"]["reachable"] < before["proposal"]["audience"]["reachable"]
    workspace = Workspace(proposed, {})
    StoreClock(workspace.store).advance_to(NOW + timedelta(days=1, hours=4))
    workspace.close()
    run("work", "--once")
    workspace = Workspace(proposed, {})
    with workspace.store.read() as connection:
        who = select(contacts.c.language).join(enrolments, enrolments.c.contact_id == contacts.c.contact_id)
        found = connection.execute(who).scalars().all()
    workspace.close()
    assert len(found) == now["proposal"]["audience"]["reachable"]
    assert set(found) == {"en"}


def test_a_role_that_may_not_approve_is_told_so_and_its_yes_would_not_count(proposed: Path, run: Run) -> None:
    settings = proposed / "noria.toml"
    roles = f'\n[roles]\n"cli:ann" = "admin"\n"{operator()}" = "operator"\n'
    settings.write_text(settings.read_text(encoding="utf-8") + roles, encoding="utf-8")
    proposal_id = win_back(run)
    for words in (
        ("proposals", "approve", proposal_id),
        ("policy", "activate", "eu", "--yes"),
        ("autonomy", "raise", "one_off", "auto", "--reason", "x"),
    ):
        with pytest.raises(NotAllowedError, match="is operator; this takes the role"):
            run(*words)
    workspace = Workspace(proposed, {})
    assert not workspace.desk.lets_approve(operator())
    assert workspace.desk.lets_approve("cli:ann")
    workspace.close()
    assert run("proposals", "ask", proposal_id, "How many?")["verdict"] == "ask"
    settings.write_text(settings.read_text(encoding="utf-8").replace('"operator"', '"approver"'), encoding="utf-8")
    assert run("proposals", "approve", proposal_id)["missing"] == ""


@pytest.mark.parametrize(("rate", "known"), [(0.0, False), (0.05, True)])
def test_what_a_play_without_a_rate_adds_is_unknown_on_every_list(
    proposed: Path, run: Run, rate: float, *, known: bool
) -> None:
    def unknown() -> int:
        return CliRunner().invoke(app, ["proposals", "list", "--workspace", str(proposed)]).output.count("unknown")

    proposal_id, unknown_before = win_back(run), unknown()
    with open_workspace(proposed) as opened, opened.store.write() as connection:
        before = proposals.get(connection, proposal_id).proposal
        unsure = before.forecast.model_copy(update={"base_rate": max(rate, SMALLEST_RATE)})
        after = before.model_copy(update={"version": before.version + 1, "forecast": unsure})
        proposals.revise(connection, after, author="noria", at=opened.clock.now())
    listed = next(one for one in run("proposals", "list") if one["proposal_id"] == proposal_id)
    assert (listed["expected_incremental"] is not None) is known
    # Without a history nothing in this shop has a rate: it is one of them, or no longer.
    assert unknown_before - unknown() == (1 if known else 0)
    whole = CliRunner().invoke(app, ["proposals", "show", proposal_id, "--workspace", str(proposed)]).output
    assert ("worth unknown, message cost" in whole) is not known


@pytest.mark.parametrize(
    ("kind", "runs_days"), [("change_campaign", 30), ("change_campaign", 0), ("launch_campaign", 30)]
)
def test_a_change_of_a_campaign_that_lets_people_in_says_whom_its_audience_counts(
    capsys: pytest.CaptureFixture[str], kind: str, runs_days: int
) -> None:
    trigger = EventTrigger(event="cart", runs_days=runs_days) if runs_days else OnceTrigger()
    replaces = Replacement(campaign_id="c1", version=1) if kind == "change_campaign" else None
    running = examples.play(trigger=trigger, replaces=replaces, limits=Limits(contacts_per_day=10))
    print_audience(examples.proposal(kind=kind, play=running))
    inside_only = "counted are those who are in it now" in capsys.readouterr().out
    assert inside_only is (kind == "change_campaign" and runs_days > 0)
