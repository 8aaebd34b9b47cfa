"""The tests beside the packs: each packaged pack passes its own, and a wrong test fails."""

from __future__ import annotations

from functools import cache

import pytest

from console.cli.policies import try_pack
from console.packs import Shelf
from memory.errors import InvalidInputError
from memory.finding import Verdict
from policies.pack import Pack, parse_pack
from policies.pack_cases import Cases, read_cases
from policies.rules import RULES

PACKS = ("base", "bulk-sender", "eu", "france", "us")
HEAD = "schema_version: 1\ntests:\n"


@cache
def base() -> Pack:
    return Shelf().read("base")


def cases(body: str) -> Cases:
    return read_cases(f"{HEAD}  - {{{body}}}\n", where="own.tests.yaml")


def passes(body: str, pack: Pack | None = None) -> bool:
    return cases(body).run(pack or base())[0].passed


def test_these_packs_come_with_noria() -> None:
    assert tuple(Shelf().files) == PACKS


@pytest.mark.parametrize("name", PACKS)
def test_a_packaged_pack_passes_its_tests_and_shows_a_pair_for_each_rule_that_it_sets(name: str) -> None:
    tried, unpaired = try_pack(Shelf(), name)
    assert [f"{one.where}: {one.verdict}, {one.said}" for one in tried if not one.passed] == []
    assert unpaired == []
    assert {one.case.rule for one in tried} == set(RULES)


@pytest.mark.parametrize(
    "body",
    [
        "rule: frequency, title: x, message: {sent_in_window: 2}, verdict: hold",
        "rule: frequency, title: x, message: {sent_in_window: 3}, verdict: allow",
        "rule: frequency, title: x, message: {sent_in_window: 3}, verdict: hold, reason: the moon is full",
        "rule: approval, title: x, proposal: {harmed_before: true}, verdict: allow, people: 1",
        "rule: claims, title: x, copy: {body: Last chance.}, verdict: allow",
    ],
)
def test_a_test_that_expects_something_else_fails(body: str) -> None:
    assert not passes(body)


def test_the_same_test_tells_two_packs_apart() -> None:
    third = "rule: frequency, title: x, message: {sent_in_window: 2}, verdict: allow"
    assert passes(third)
    assert not passes(third, Shelf().read("bulk-sender"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("rule: frequancy, title: x, message: {}, verdict: allow", "Did you mean frequency"),
        ("rule: frequency, title: x, verdict: allow", "give one of message, proposal and copy"),
        ("rule: frequency, title: x, message: {}, proposal: {}, verdict: allow", "give one of"),
        ("rule: frequency, title: x, copy: {}, verdict: allow", "judges message and proposal"),
        ("rule: frequency, title: x, message: {}, verdict: maybe", "verdict"),
        ("rule: frequency, title: x, message: {}, verdict: allow, people: 2", "people goes with a proposal"),
    ],
)
def test_a_test_that_cannot_be_read_is_an_error_with_its_line(body: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        cases(body)
    assert caught.value.where == "own.tests.yaml, line 3"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("rule: frequency, title: x, message: {sent_in_windw: 3}, verdict: hold", "Did you mean sent_in_window"),
        ("rule: frequency, title: x, message: {sent_in_window: three}, verdict: hold", "valid integer"),
        ("rule: links, title: x, proposal: {play: {holdout_share: 2}}, verdict: hold", "holdout_share"),
        ("rule: claims, title: x, copy: {bodi: hello}, verdict: allow", "Did you mean body"),
    ],
)
def test_a_test_about_facts_that_do_not_exist_is_an_error_with_its_line(body: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        cases(body).run(base())
    assert caught.value.where == "own.tests.yaml, line 3"


def test_a_rule_without_a_pair_is_named() -> None:
    found = cases("rule: frequency, title: x, message: {sent_in_window: 3}, verdict: hold")
    assert found.unpaired(["frequency"]) == ["frequency"]
    pair = read_cases(
        f"{HEAD}  - {{rule: switch, title: x, message: {{}}, verdict: allow}}\n"
        "  - {rule: switch, title: y, message: {switch_stopped: true}, verdict: hold}\n",
        where="own.tests.yaml",
    )
    assert pair.unpaired(["switch"]) == []
    assert [one.verdict for one in pair.run(base())] == [Verdict.ALLOW, Verdict.HOLD]


def test_holidays_are_those_of_the_country_that_the_contact_s_clock_is_in() -> None:
    closed = parse_pack(
        "schema_version: 1\nname: own\nextends: base\nrules:\n  send_window: {parameters: {holidays_of: [FR, US]}}\n",
        where="own.yaml",
        parents=Shelf().texts,
    )
    day = "rule: send_window, title: x, message: {{local_now: {} 10:00 {}}}, verdict: {}"
    assert passes(day.format("2026-07-14", "Europe/Paris", "hold"), closed)
    assert passes(day.format("2026-07-14", "America/Chicago", "allow"), closed)
    assert passes(day.format("2026-11-26", "America/Chicago", "hold"), closed)
    assert passes(day.format("2026-07-14", "Europe/Paris", "allow"))
