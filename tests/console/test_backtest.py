"""A workspace's own past under other policies: really sent, into the sandbox, and replayed without a trace."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from console.backtest import REPLAYED, _replay_messages
from console.cli.policies import run_backtest
from console.wiring import Workspace
from memory import message_pages
from memory.clock import ManualClock
from memory.errors import NotFoundError
from memory.play import Goal, Limits
from memory.schema import intake
from memory.steps import ExitStep, Listing, SendStep, Sequence, WaitStep
from memory.store import Store
from memory.workspace import StoreClock
from policies.rules import RULES
from tests.console.conftest import BRIEF, run_in
from tests.policies.worlds import own_pack
from tests.tools.scene import DAY, NOW, add_contacts, play, start, workplace
from tools.channels.sandbox import SandboxChannel
from tools.past import Past
from tools.unsubscribe import opt_out
from tools.worker import tick

HEAD = "schema_version: 1\nname: own\nextends: base\nrules:\n"
SINCE = ("--since", "2025-01-01")


@pytest.fixture(scope="module")
def _sent_workspace(tmp_path_factory: pytest.TempPathFactory, _shop_workspace: Path) -> Path:
    folder = Path(shutil.copytree(_shop_workspace, tmp_path_factory.mktemp("sent") / "shop"))
    run = run_in(folder)
    run("plan", *BRIEF)
    for proposal in run("proposals", "list"):
        if proposal["status"] == "open":
            run("proposals", "approve", proposal["proposal_id"], "--seen", proposal["digest"][:12])
    for _ in range(4):
        run("work", "--once")
        workspace = Workspace(folder, {})
        StoreClock(workspace.store).advance(timedelta(hours=8))
        workspace.close()
    return folder


@pytest.fixture
def sent(tmp_path: Path, _sent_workspace: Path) -> Path:
    """A workspace some of whose proposals were approved, launched and sent."""
    return Path(shutil.copytree(_sent_workspace, tmp_path / "sent"))


def happened(store: Store, kind: str, at: datetime, properties: dict[str, Any]) -> None:
    """Contact 1 did something."""
    row = {"event_id": f"{kind}1", "contact_id": 1, "kind": kind, "at": at, "properties": properties}
    with store.write() as connection:
        connection.execute(insert(intake).values(**row, human=True, received_at=at))


def own(folder: Path, body: str) -> None:
    (folder / "packs" / "own.yaml").write_text(HEAD + body, encoding="utf-8")


def rules(replay: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {one["rule"]: (one["held"], one["refused"]) for one in replay["rules"]}


def test_under_the_pack_that_was_in_force_nothing_changes(sent: Path) -> None:
    found = run_in(sent)("policy", "backtest", "base", *SINCE)
    outbox = len(list((sent / "outbox").glob("*.eml")))
    assert found["messages"]["changes"]["sent"] == outbox > 0
    assert not [change for change in found["messages"]["changes"] if "→" in change]
    assert not [change for change in found["proposals"]["changes"] if "→" in change]
    assert found["messages"]["looked_at"] == sum(found["messages"]["changes"].values())


def test_a_stricter_pack_tells_what_it_would_have_stopped_and_names_nobody(sent: Path) -> None:
    own(
        sent,
        "  send_window: {parameters: {weekdays: [5, 6]}}\n  audience_size: {parameters: {minimum_contacts: 200}}\n",
    )
    found = run_in(sent)("policy", "backtest", "own", *SINCE)
    outbox = len(list((sent / "outbox").glob("*.eml")))
    assert found["messages"]["changes"]["sent → held"] == outbox
    assert rules(found["messages"])["send_window"][0] >= outbox
    example = next(one for one in found["messages"]["rules"] if one["rule"] == "send_window")["examples"][0]
    assert example["subject"].startswith("contact ")
    assert "outside the send window" in example["said"]
    assert "@" not in str(found["messages"])
    assert rules(found["proposals"])["audience_size"][0] == found["proposals"]["looked_at"]


def test_a_pack_that_asks_more_people_is_told_apart_from_one_that_refuses(sent: Path) -> None:
    own(sent, "  approval: {parameters: {two_people_from_contacts: 20, two_people_when_new_from_contacts: 10}}\n")
    found = run_in(sent)("policy", "backtest", "own", *SINCE)["proposals"]
    assert found["changes"] == {"one person asked → two people asked": found["looked_at"]}
    assert found["rules"] == []
    own(sent, "  review_date: {parameters: {maximum_days: 1}}\n")
    assert run_in(sent)("policy", "backtest", "own", *SINCE)["proposals"]["changes"] == {
        "one person asked → refused": found["looked_at"]
    }


def test_only_what_came_after_the_day_is_looked_at_and_nothing_is_written(sent: Path) -> None:
    before = sorted(path.name for path in (sent / "outbox").iterdir())
    intact = run_in(sent)("journal", "verify")
    found = run_in(sent)("policy", "backtest", "bulk-sender", "--since", "2026-01-01")
    assert (found["messages"]["looked_at"], found["proposals"]["looked_at"]) == (0, 0)
    run_in(sent)("policy", "backtest", "bulk-sender", *SINCE)
    assert sorted(path.name for path in (sent / "outbox").iterdir()) == before
    assert run_in(sent)("journal", "verify") == intact
    with pytest.raises(NotFoundError, match="no policy pack swiss"):
        run_in(sent)("policy", "backtest", "swiss", *SINCE)


def test_every_rule_is_judged_anew_or_named_with_what_is_not_kept(sent: Path) -> None:
    found = run_in(sent)("policy", "backtest", "base", *SINCE)
    named: dict[str, set[str]] = {"messages": set(), "proposals": set()}
    for one in found["not_judged"]:
        assert one["why"]
        named[one["of"]].add(one["rule"])
    assert named["messages"] == {rule.id for rule in RULES.values() if rule.gate} - set(REPLAYED)
    assert named["proposals"] < {rule.id for rule in RULES.values() if rule.review or rule.read}


@pytest.mark.parametrize(
    ("rule", "would_be"),
    [
        ("consent: {parameters: {double_opt_in_required: true}}", "suppressed"),
        ("data_age: {parameters: {maximum_days: 299}}", "suppressed"),
        ("data_age: {parameters: {maximum_days: 301}}", "sent"),
        ("language: {parameters: {own_language_required: true}}", "suppressed"),
        ("recent_purchase: {parameters: {similar_days: 30}}", "suppressed"),
        ("recent_purchase: {parameters: {similar_days: 3}}", "sent"),
    ],
)
def test_a_message_is_judged_on_what_was_known_of_its_contact_then(
    store: Store, clock: ManualClock, tmp_path: Path, rule: str, would_be: str
) -> None:
    place = workplace(store, clock, tmp_path)
    # The message is about tea, in English; the contact reads Dutch, agreed 300 days ago and bought tea a week ago.
    add_contacts(store, [1], language="nl")
    if not rule.startswith("data_age"):
        happened(store, "order", NOW - 7 * DAY, {"lines": [{"category": "tea"}]})
    start(place, play(goal=Goal(category="tea", window_days=14)), [1])
    tick(place)
    past = Past(store, place.lake, fallback_zone="Europe/Paris")
    with store.read() as connection:
        found = _replay_messages(connection, past, own_pack(f"  {rule}\n"), NOW - DAY, 0, {})
    assert list(found.changes) == ["sent" if would_be == "sent" else f"sent → {would_be}"]


def test_a_lapse_has_as_many_exempt_messages_as_the_pack_allows(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = workplace(store, clock, tmp_path)
    add_contacts(store, [1])
    happened(store, "view", NOW - 100 * DAY, {})
    start(place, play(sends=2, wait_days=3, limits=Limits(hibernation_exempt=True)), [1])
    for _ in range(3):
        tick(place)
        clock.advance(3 * DAY)
    past = Past(store, place.lake, fallback_zone="Europe/Paris")
    limits = "  hibernation: {{parameters: {{exempt_messages_per_lapse: {}, messages_unanswered: 1}}}}\n"
    with store.read() as connection:
        once = _replay_messages(connection, past, own_pack(limits.format(1)), NOW - DAY, 0, {})
        twice = _replay_messages(connection, past, own_pack(limits.format(2)), NOW - DAY, 0, {})
    # The first goes out before anything was left unanswered.
    assert (once.changes, twice.changes) == ({"sent": 1, "sent → suppressed": 1}, {"sent": 2})


def test_people_read_it_as_tables(sent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_backtest("base", datetime(2025, 1, 1, tzinfo=UTC), workspace=sent)
    told = capsys.readouterr().out
    assert "messages under base@" in told
    assert "would have been" in told


def test_whoever_was_taken_off_an_audience_after_withdrawing_would_be_again(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    channels: Any = {"audience": SandboxChannel(tmp_path / "outbox", "audience")}
    place = workplace(store, clock, tmp_path, channels=channels)
    add_contacts(store, [1], channel="audience")
    listed = SendStep(key="list", channel="audience", listing=Listing(audience="carts"))
    steps = (listed, WaitStep(key="wait", days=10), ExitStep(key="end"))
    done = start(place, play(sequences=(Sequence(key="one", title="One", steps=steps, share=1),)), [1])
    tick(place)
    clock.advance(timedelta(hours=1))
    with store.write() as connection:
        opt_out(connection, 1, "audience", "the page", clock.now())
    tick(place)
    tick(place)
    past = Past(store, place.lake, fallback_zone="Europe/Paris")
    with store.read() as connection:
        assert [one.step_key for one in message_pages.of_campaign(connection, done.campaign_id)] == ["list", "list/off"]
        found = _replay_messages(connection, past, place.pack, clock.now() - timedelta(days=1), 0, {})
    assert found.changes == {"sent": 2}
