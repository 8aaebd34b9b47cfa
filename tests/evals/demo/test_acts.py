"""The shorter acts of the demo keep their promises, say so in one object, and would say if one were broken."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console.cli.importing import run_import
from evals.cli import add_commands
from evals.demo import attack, cart, crash, drift, own_data
from evals.demo.attack import AttackResult, play_attack
from evals.demo.cart import play_cart
from evals.demo.crash import CrashResult, play_crash
from evals.demo.drift import play_drift
from evals.demo.own_data import play_own_data
from evals.demo.small_shop import OPENS_AT, invent_customers, write_small_shop
from evals.demo.story import ActResult
from memory.errors import InvalidInputError
from memory.importing.folder import FolderReport
from policies.facts import ApprovalFacts
from tests.memory.importing.test_vendors import SHOPIFY_CUSTOMERS, SHOPIFY_ORDERS, SHOPIFY_PRODUCTS


def command(*words: str) -> tuple[int, Any]:
    """Run `noria demo … --json`; returns the exit status and the one object it printed."""
    app = typer.Typer()
    add_commands(app)
    found = CliRunner().invoke(app, ["demo", *words, "--json"])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, json.loads(found.stdout)


def broken(result: ActResult) -> str:
    """The promises that were not kept, in one text."""
    return " ".join(one.sentence for one in result.promises if not one.held)


# --- your own data ---------------------------------------------------------------------------------------------------


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Exports of a small shop in which most customers are late, some are not, and one order cannot be read."""
    folder = tmp_path / "exports"
    people = invent_customers(70)
    write_small_shop(folder, [replace(one, late=one.number > 10, consents=one.number > 5) for one in people])
    with (folder / "orders.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(("O-bad", "C1", "31/31/2024", "20.00", "0.00", "EUR"))
    (folder / "holidays.csv").write_text("day,who\n1,Ann\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_your_own_exports_lead_to_a_first_proposal_and_nothing_is_sent(exports: Path, tmp_path: Path) -> None:
    status, found = command("--act", "own-data", str(exports), "--folder", str(tmp_path / "demo"))
    assert status == 0
    assert all(one["held"] for one in found["promises"])
    assert [one["playbook"] for one in found["proposals"]] == ["win_back", "newsletter"]
    # All who bought bought again, by themselves.
    [regular] = [one["sentence"] for one in found["withheld"] if one["playbook"] == "post_purchase"]
    assert "expected to change nothing" in regular
    assert found["why_none"] == ""
    assert (found["currency"], found["currency_from"]) == ("EUR", "so says orders.csv, currency")
    files = {one["file_name"]: one for one in found["files"]}
    assert files["orders.csv"]["columns"]["ordered_at"] == "at"
    assert files["holidays.csv"]["problem"]
    orders = next(one for one in found["imported"]["reports"] if one["kind"] == "orders")
    assert [(one["column"], one["rows"]) for one in orders["reasons"]] == [("ordered_at", 1)]
    assert found["imported"]["mailable"]["with_proof"] == 65
    # The newest order is long ago: it is as if you had come the day after it.
    assert found["clock_moved"]
    newest = datetime.fromisoformat(found["newest_order_at"])
    assert newest == OPENS_AT - timedelta(days=5, hours=2)
    assert timedelta() < datetime.fromisoformat(found["clock_at"]) - newest < timedelta(days=2)


@pytest.mark.slow
def test_without_consent_that_can_be_proved_nothing_is_proposed_and_it_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "shopify"
    folder.mkdir()
    for name, text in (("customers", SHOPIFY_CUSTOMERS), ("orders", SHOPIFY_ORDERS), ("products", SHOPIFY_PRODUCTS)):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    status, found = command("--act", "own-data", str(folder), "--folder", str(tmp_path / "demo"))
    assert status == 0
    assert found["proposals"] == []
    assert found["imported"]["mailable"]["with_proof"] == 0
    assert found["imported"]["mailable"]["sentence"] in found["why_none"]
    assert {one["vendor"].lower() for one in found["files"]} == {"shopify"}
    assert all(one["sentence"] for one in found["withheld"])


def test_a_folder_that_is_not_there_or_holds_no_export_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no such folder"):
        command("--act", "own-data", str(tmp_path / "nowhere"), "--folder", str(tmp_path / "demo"))
    with pytest.raises(InvalidInputError, match="no CSV file"):
        command("--act", "own-data", str(tmp_path), "--folder", str(tmp_path / "demo"))
    with pytest.raises(InvalidInputError, match="needs the folder"):
        command("--act", "own-data", "--folder", str(tmp_path / "demo"))
    assert not (tmp_path / "demo").exists()


def test_exports_inside_the_folder_that_would_be_replaced_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "mine"
    write_small_shop(folder, invent_customers(2))
    with pytest.raises(InvalidInputError, match="would replace"):
        command("--act", "own-data", str(folder), "--folder", str(tmp_path / "demo"))
    assert (folder / "orders.csv").exists()


@pytest.mark.slow
def test_rows_that_vanish_in_the_import_are_a_broken_promise(
    exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def forgetful(*arguments: Any, **options: Any) -> FolderReport:
        report = run_import(*arguments, **options)
        fewer = [one.model_copy(update={"rows_quarantined": 0, "reasons": ()}) for one in report.reports]
        return report.model_copy(update={"reports": tuple(fewer)})

    monkeypatch.setattr(own_data, "run_import", forgetful)
    status, found = command("--act", "own-data", str(exports), "--folder", str(tmp_path / "demo"))
    assert status == 1
    assert [one["sentence"] for one in found["promises"] if not one["held"]] == [
        next(one["sentence"] for one in found["promises"] if "rows was taken in" in one["sentence"])
    ]


def test_amounts_tell_the_currency_by_their_sign_where_no_column_does(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "orders.csv").write_text("order id,email,order date,total\n1,a@example.com,2024-01-02,£12.50\n")
    found = play_own_data(tmp_path / "demo", folder)
    assert found.currency == "GBP"
    assert play_own_data(tmp_path / "demo", folder, currency="chf").currency == "CHF"


# --- workers that are killed -----------------------------------------------------------------------------------------


@pytest.mark.slow(seconds=60)
def test_killed_workers_send_nothing_twice_and_a_duplicate_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = crash._compare
    spoiled: list[CrashResult] = []

    def twice(stage: Any, server: Any, *arguments: Any, **options: Any) -> CrashResult:
        found = honest(stage, server, *arguments, **options)
        first, second, *_ = server.received
        server.received[first] += 1
        del server.received[second]
        spoiled.append(honest(stage, server, *arguments, **options))
        return found

    monkeypatch.setattr(crash, "_compare", twice)
    monkeypatch.setattr(crash, "KILL_AT", (0.1, 0.5))
    found = play_crash(tmp_path / "demo", customers=160)
    assert found.kept, broken(found)
    assert found.kills == 3
    assert (found.duplicates, found.lost) == (0, 0)
    assert sum(found.states.values()) == found.planned
    assert found.states.get("unknown", 0) == sum(found.unknown_reasons.values()) > 0
    assert found.states["sent"] + found.unknown_that_arrived == found.received
    assert "arrived twice (1 duplicates)" in broken(spoiled[0])
    assert "lost without a trace (1 lost)" in broken(spoiled[0])


# --- an attack -------------------------------------------------------------------------------------------------------


@pytest.fixture
def _few_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack, "HONEST", 16)
    monkeypatch.setattr(attack, "COPIES", 3)


@pytest.mark.slow
@pytest.mark.usefixtures("_few_customers")
def test_an_attack_changes_nothing_and_every_attempt_is_stopped_by_something(tmp_path: Path) -> None:
    status, found = command("--act", "attack", "--folder", str(tmp_path / "demo"))
    result = AttackResult.model_validate(found)
    assert status == 0, broken(result)
    assert result.sent > 0
    tried = " ".join(one["what"] for one in result.attempts)
    for what in (
        "send_email",
        "approve_proposal",
        "an invented discount",
        "a foreign link",
        "nobody held out",
        "forge",
    ):
        assert what in tried or what == "forge"
    by = {one["what"]: one["stopped_by"] for one in result.attempts}
    assert by["copywriter: an invented discount in the subject"] == "the guardian's rules copy_facts, promises"
    assert by["analyst: a call of the tool send_email"] == "closed list of look-ups"
    assert all(by.values())
    # What no rule can judge is said, not hidden.
    assert result.not_judged_by_rules
    assert all("evil" not in one["topic"] for one in result.extracted)
    assert {author["provider"] for author in result.proposal["authors"]} == {"rules"}


@pytest.mark.slow
@pytest.mark.usefixtures("_few_customers")
def test_a_name_that_is_printed_as_it_came_is_a_broken_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.bindings.first_name", lambda raw: raw or None)
    found = play_attack(tmp_path / "demo")
    assert "no planted word" in broken(found)
    assert "hidden or turning characters" in broken(found)


# --- drift -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_approval_falls_when_what_it_covered_changes_and_a_fresh_one_counts(tmp_path: Path) -> None:
    status, found = command("--act", "drift", "--folder", str(tmp_path / "demo"))
    assert all(one["held"] for one in found["promises"])
    assert status == 0
    assert [one["status"] for one in found["drifts"]] == ["open", "voided", "voided", "voided", "voided"]
    assert [one["sent"] for one in found["drifts"]] == [0, 0, 0, 0, 0]
    said = [one["said"] for one in found["drifts"]]
    assert "subject" in said[1]
    assert "subject" in said[2]
    assert "1000 is now 500" in said[3]
    assert "policy changed" in said[4]
    assert found["fresh"]["sent"] > 0


@pytest.mark.slow
def test_a_gate_that_does_not_look_at_approvals_is_a_broken_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(_connection: Any, _campaign: Any, version: Any) -> ApprovalFacts:
        return ApprovalFacts(
            digest_expected=version.digest,
            digest_found=version.digest,
            approved=True,
            expires_at=version.approved_until,
            revoked=False,
            policy_version=version.policy_version,
        )

    monkeypatch.setattr("tools.gate.approval_facts", blind)
    monkeypatch.setattr(drift, "CASES", [one for one in drift.CASES if one.launched_first])
    monkeypatch.setattr(drift, "CUSTOMERS", 80)
    found = play_drift(tmp_path / "demo")
    assert "Nothing left under any" in broken(found)
    assert "planted after the approval" in broken(found)


# --- carts -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_carts_are_reminded_of_until_they_are_bought_and_a_deaf_shop_breaks_the_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = play_cart(tmp_path / "demo")
    assert found.kept, broken(found)
    assert {one["state"] for one in found.messages} == {"sent", "suppressed", "withheld"}
    # Where nobody hears of the orders, people are written to after they have bought.
    honest = cart._acts
    monkeypatch.setattr(cart, "_acts", lambda *told: honest(*told) if told[2] != "order" else None)
    deaf = play_cart(tmp_path / "deaf")
    assert not deaf.kept
    assert "hears nothing" in broken(deaf)
