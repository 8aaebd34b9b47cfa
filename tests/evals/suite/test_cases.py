"""The cases as files: enough of them, each readable, and a mistake in one is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.people import people_of
from evals.scenario import CASES, load_case, load_cases
from memory.errors import InvalidInputError, NotFoundError


def test_there_are_at_least_twenty_five_cases_and_every_one_can_be_read() -> None:
    scenarios = load_cases()
    assert len(scenarios) >= 25
    assert len({scenario.title for scenario in scenarios}) == len(scenarios)


@pytest.mark.parametrize(
    "name",
    [
        "empty_record",
        "no_consent_at_all",
        "everybody_capped",
        "everybody_hibernating",
        "lesson_contradicts_the_playbook",
        "injected_notes",
        "injected_names",
        "vague_brief",
        "tiny_list",
        "stop_switch",
    ],
)
def test_the_cases_that_matter_most_are_there(name: str) -> None:
    assert load_case(CASES / f"{name}.yaml").name == name


def test_a_wrong_key_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("title: A case\nworld:\n  groups:\n    late: { contacts: 3, colour: red }\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="line 4"):
        load_case(path)


def test_a_group_that_is_not_in_the_world_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("title: A case\nnever: { mail_to: [ghosts] }\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="ghosts"):
        load_case(path)


def test_an_unknown_case_says_which_there_are() -> None:
    with pytest.raises(NotFoundError, match="tiny_list"):
        load_cases(only=("no_such_case",))


def test_a_rhythm_of_orders_ends_on_the_day_it_names() -> None:
    scenario = load_case(CASES / "replenishment_due.yaml")
    first = people_of(scenario)[1]
    days = [(scenario.clock.date() - order.at.date()).days for order in first.orders]
    assert days == [235, 205, 175, 145, 115, 85, 55, 25]
