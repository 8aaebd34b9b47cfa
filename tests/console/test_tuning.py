"""The numbers of playbooks: each is found, turned and judged by the same check as a file that somebody wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.playbook import PACKAGED, load_playbooks
from console.tuning import FILE, change_playbook, knobs, source_of, turned
from console.wiring import Workspace
from memory.canonical import digest
from memory.errors import ConflictError, InvalidInputError, NotFoundError
from memory.journal import entries

EVERY = sorted(path.parent.name for path in PACKAGED.glob(f"*/{FILE}"))


def body_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PACKAGED / name / FILE).read_text(encoding="utf-8"))
    return found


def keys(body: dict[str, Any]) -> tuple[str, ...]:
    return tuple(one["key"] for one in body["sequences"])


@pytest.mark.parametrize("name", EVERY)
def test_a_form_sent_back_as_it_was_shown_changes_nothing(name: str) -> None:
    body = body_of(name)
    shown = {one.path: one.value for one in knobs(body, "fr", "EUR")}
    assert f"{keys(body)}" == f"{keys(turned(body, shown, keys(body)))}"
    assert turned(body, shown, keys(body)) == body


def test_waits_shares_windows_and_thresholds_are_turned() -> None:
    body = body_of("win_back")
    wait = next(one for one in knobs(body, "en", "") if one.path.endswith(".days") and one.about)
    threshold = next(one for one in knobs(body, "en", "") if one.path.startswith("segment.") and "overdue" in one.about)
    new = turned(
        body,
        {wait.path: "7", "goal.window_days": "28", "holdout_share": "12,5", threshold.path: "21"},
        keys(body),
    )
    again = {one.path: one.value for one in knobs(new, "en", "")}
    assert (again[wait.path], again["goal.window_days"], again[threshold.path]) == ("7", "28", "21")
    assert new["holdout_share"] == 0.125
    assert new["version"] == body["version"] + 1


def test_a_change_is_the_teams_own_playbook_and_the_journal_says_who_made_it(shop: Path) -> None:
    opened = Workspace(shop, {})
    text, folder = source_of(opened, "newsletter")
    assert folder.parent == PACKAGED
    values = {"goal.window_days": "10"}
    kept = ("own_hour", "any_hour")
    assert change_playbook(opened, "newsletter", values, kept, seen=digest(text), actor="console:ann") == []
    assert opened.playbooks["newsletter"].goal.window_days == 10
    assert opened.desk.playbooks["newsletter"].version == 2
    # Its own layout goes along, and what the packaged one has besides is what it has.
    assert set(load_playbooks(shop / "playbooks")) == {"newsletter"}
    with opened.store.read() as connection:
        [line] = entries(connection, action="playbook.changed")
    assert (line.actor, line.payload["version"]) == ("console:ann", 2)
    with pytest.raises(ConflictError, match="since you opened"):
        change_playbook(opened, "newsletter", values, kept, seen=digest(text), actor="console:ann")
    opened.close()


def test_what_the_check_refuses_is_not_saved(shop: Path) -> None:
    opened = Workspace(shop, {})
    text, _ = source_of(opened, "win_back")
    kept = keys(body_of("win_back"))

    def change(values: dict[str, str], kept: tuple[str, ...] = kept) -> list[str]:
        found = change_playbook(opened, "win_back", values, kept, seen=digest(text), actor="console:ann")
        return [one.what for one in found]

    assert "The last message leaves after the goal's window has closed." in change({"goal.window_days": "2"})
    assert "The shares of the sequences add up to 0.5, not to 1." in change({}, kept[:1])
    assert change({"holdout_share": "90"}) != []
    assert change({}, kept[:1]) != []
    with pytest.raises(InvalidInputError, match="no whole number"):
        change({"goal.window_days": "2.5"})
    with pytest.raises(InvalidInputError, match="Nothing was changed"):
        change({})
    with pytest.raises(InvalidInputError, match="No sequence would be left"):
        change({}, ())
    with pytest.raises(NotFoundError):
        source_of(opened, "../win_back")
    assert not (shop / "playbooks" / "win_back").exists()
    opened.close()
