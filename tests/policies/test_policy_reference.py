from __future__ import annotations

import re
from pathlib import Path

from policies.rules import RULES
from tests.policies.worlds import base_pack

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"
ROW = re.compile(
    r"^\| `(?P<id>\w+)`(?P<always> \(always\))? \| (?P<says>[^|]+) \|(?: [^|]+ \|)? (?P<source>[^|]+) \|$", re.MULTILINE
)


def rows() -> dict[str, re.Match[str]]:
    return {match["id"]: match for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def test_the_page_explains_every_rule_and_no_other_with_its_source() -> None:
    assert set(rows()) == set(RULES)
    for match in rows().values():
        assert len(match["says"]) > 20
        assert match["source"].strip()


def test_the_page_says_which_rules_always_hold() -> None:
    assert {rule_id for rule_id, match in rows().items() if match["always"]} == {
        rule.id for rule in RULES.values() if rule.locked
    }


def test_the_numbers_on_the_page_are_those_of_the_base_pack() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"At most {base_pack().cap.messages} messages in any {base_pack().cap.window_days} days" in text
