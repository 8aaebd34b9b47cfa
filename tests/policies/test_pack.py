from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from memory.errors import InvalidInputError
from policies.pack import Pack, pack_schema, parse_pack
from policies.pack_document import PackError
from policies.rules import RULES
from policies.rules.frequency import FrequencyLimits
from policies.rules.holdout import HoldoutLimits
from tests.policies.worlds import base_pack, base_text, own_pack

HEAD = "schema_version: 1\nname: own\nextends: base\n"


def parse(text: str) -> Pack:
    return parse_pack(text, where="own.yaml", parents={"base": base_text()})


def complaint(text: str) -> PackError:
    with pytest.raises(PackError) as caught:
        parse(text)
    assert caught.value.remedy
    return caught.value


def test_the_base_pack_sets_every_rule_with_a_sentence_in_two_languages_and_a_source() -> None:
    assert [setting.id for setting in base_pack().rules] == list(RULES)
    for setting in base_pack().rules:
        assert setting.sentence.en
        assert setting.sentence.fr
        assert setting.source
        # What a team has to say itself is off until then.
        assert setting.enabled is (setting.id != "not_for")


def test_the_base_pack_writes_out_every_limit_of_the_rules_that_are_on() -> None:
    written = yaml.safe_load(base_text())["rules"]
    assert [one.id for one in base_pack().rules if not one.enabled] == ["not_for"]
    for setting in (one for one in base_pack().rules if one.enabled):
        assert set(written[setting.id].get("parameters", {})) == set(type(setting.parameters).model_fields)


def test_the_cap_is_three_messages_in_seven_days() -> None:
    assert (base_pack().cap.messages, base_pack().cap.window_days) == (3, 7)


def test_a_pack_that_extends_another_changes_only_what_it_names() -> None:
    pack = own_pack("  frequency: {parameters: {messages: 2}}\n")
    assert pack.limits("frequency", FrequencyLimits) == FrequencyLimits(messages=2, window_days=7)
    assert pack.setting("frequency").sentence == base_pack().setting("frequency").sentence
    assert [each for each in pack.rules if each.id != "frequency"] == [
        each for each in base_pack().rules if each.id != "frequency"
    ]


def test_packs_extend_over_several_steps() -> None:
    middle = HEAD.replace("own", "team") + "rules: {holdout: {parameters: {minimum_share: 0.2}}}\n"
    text = "schema_version: 1\nname: shop\nextends: team\nrules: {frequency: {parameters: {messages: 1}}}\n"
    pack = parse_pack(text, where="shop.yaml", parents={"base": base_text(), "team": middle})
    assert pack.limits("holdout", HoldoutLimits).minimum_share == 0.2
    assert pack.limits("frequency", FrequencyLimits).messages == 1


def joined(*rules: str, own: str = "") -> Pack:
    """A pack that extends several which each set some rules over the base pack."""
    names = [f"p{number}" for number in range(len(rules))]
    parents = {
        name: f"schema_version: 1\nname: {name}\nextends: base\nrules:\n{body}"
        for name, body in zip(names, rules, strict=True)
    }
    text = f"schema_version: 1\nname: own\nextends: [{', '.join(names)}]\n" + (f"rules:\n{own}" if own else "")
    return parse_pack(text, where="own.yaml", parents={"base": base_text(), **parents})


@pytest.mark.parametrize(
    ("one", "other", "limit", "strictest"),
    [
        ("frequency: {parameters: {messages: 2}}", "frequency: {parameters: {messages: 1}}", "messages", 1),
        ("frequency: {parameters: {messages: 5}}", "frequency: {parameters: {window_days: 9}}", "messages", 3),
        ("holdout: {parameters: {minimum_share: 0.1}}", "holdout: {parameters: {}}", "minimum_share", 0.1),
        ("consent: {parameters: {proof_required: false}}", "consent: {}", "proof_required", True),
        ("consent: {parameters: {double_opt_in_required: true}}", "consent: {}", "double_opt_in_required", True),
        (
            "links: {parameters: {shorteners: [a.example]}}",
            "links: {parameters: {shorteners: [b.example]}}",
            "shorteners",
            ("a.example", "b.example"),
        ),
        (
            "links: {parameters: {extra_domains: [a.example, c.example]}}",
            "links: {parameters: {extra_domains: [c.example]}}",
            "extra_domains",
            ("c.example",),
        ),
        (
            "data_quality: {parameters: {minimum_measures: {a: 0.5, b: 0.1}}}",
            "data_quality: {parameters: {minimum_measures: {b: 0.2}}}",
            "minimum_measures",
            {"a": 0.5, "b": 0.2},
        ),
    ],
)
def test_of_several_packs_the_strictest_limit_holds_in_whatever_order(
    one: str, other: str, limit: str, strictest: Any
) -> None:
    rule = one.partition(":")[0]
    for pack in (joined(f"  {one}\n", f"  {other}\n"), joined(f"  {other}\n", f"  {one}\n")):
        found = pack.setting(rule).parameters.model_dump()[limit]
        assert (set(found) if isinstance(found, tuple) else found) == (
            set(strictest) if isinstance(strictest, tuple) else strictest
        )


def test_of_several_packs_a_rule_is_on_and_as_grave_as_the_gravest() -> None:
    pack = joined("  claims: {enabled: false}\n", "  claims: {severity: critical}\n  length: {severity: advisory}\n")
    assert pack.setting("claims").enabled
    assert pack.setting("claims").severity == "critical"
    assert pack.setting("length").severity == "serious"


def test_the_words_of_a_rule_are_those_of_the_pack_that_sets_it_so_or_of_all() -> None:
    twice = "sentence: {en: Twice., fr: Deux fois.}, source: A."
    fortnight = "sentence: {en: A fortnight., fr: Quinzaine.}, source: B."
    two = f"  frequency: {{{twice}, parameters: {{messages: 2}}}}\n"
    assert joined(two, "  length: {}\n").setting("frequency").source == "A."
    both = joined(two, f"  frequency: {{{fortnight}, parameters: {{window_days: 14}}}}\n").setting("frequency")
    assert (both.sentence.en, both.sentence.fr, both.source) == (
        "Twice. A fortnight.",
        "Deux fois. Quinzaine.",
        "A. B.",
    )


def test_what_a_pack_says_itself_counts_over_what_it_joins() -> None:
    own = joined(
        "  frequency: {parameters: {messages: 1}}\n", "  length: {}\n", own="  frequency: {parameters: {messages: 4}}\n"
    )
    assert own.cap.messages == 4


CLASH = (
    "  text_message: {parameters: {opt_out_words: [STOP]}}\n",
    "  text_message: {parameters: {opt_out_words: [FIN]}}\n",
)


def test_packs_that_cannot_hold_together_are_an_error_at_the_line_that_joins_them() -> None:
    with pytest.raises(PackError, match=r"contradict each other in text_message\.opt_out_words") as caught:
        joined(*CLASH)
    assert caught.value.where == "own.yaml, line 3"
    assert "Set it in this pack" in (caught.value.remedy or "")
    hours = ("  send_window: {parameters: {earliest_hour: 15}}\n", "  send_window: {parameters: {latest_hour: 15}}\n")
    with pytest.raises(PackError, match="contradict each other in send_window"):
        joined(*hours)


@pytest.mark.parametrize(
    "body",
    [
        "  frequency: {parameters: {messages: '2'}}\n",
        "  claims: {severity: loud}\n",
        "  claims: {sentence: {en: Hello, fr: 3}}\n",
        "  claims: {source: 3}\n",
    ],
)
def test_a_joined_pack_that_is_wrong_itself_is_named(body: str) -> None:
    with pytest.raises(PackError) as caught:
        joined("  length: {}\n", body)
    assert caught.value.where == "p1.yaml, line 5"


def test_a_contradiction_is_settled_by_the_pack_that_joins() -> None:
    own = joined(*CLASH, own="  text_message: {parameters: {opt_out_words: [STOP]}}\n")
    assert own.setting("text_message").parameters.model_dump()["opt_out_words"] == ("STOP",)


@pytest.mark.parametrize("extends", ["[own, base]", "[base, nowhere]", "[]", "7"])
def test_every_pack_that_is_named_is_looked_for(extends: str) -> None:
    error = complaint(f"schema_version: 1\nname: own\nextends: {extends}\n")
    assert error.where == "own.yaml, line 3"


def test_the_version_names_the_pack_and_everything_it_says() -> None:
    own = own_pack("  frequency: {parameters: {messages: 2}}\n")
    assert base_pack().version.startswith("base@")
    assert own.version.startswith("own@")
    assert own.version == own_pack("  frequency: {parameters: {messages: 2}}\n").version
    assert own.version != own_pack("  frequency: {parameters: {messages: 1}}\n").version
    assert own.version != own_pack("  frequency: {parameters: {messages: 2}, source: Because.}\n").version
    assert parse_pack(base_text() + "\n# a remark\n", where="base.yaml").version == base_pack().version


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + "colour: red\n", 4, "colour"),
        (HEAD + "rules:\n  frequancy: {}\n", 5, "Did you mean frequency?"),
        (HEAD + "rules:\n  frequency:\n    limit: 3\n", 6, "no key limit"),
        (HEAD + "rules:\n  frequency:\n    parameters:\n      message: 3\n", 7, "frequency.message"),
        (HEAD + "rules:\n  frequency:\n    parameters:\n      messages: 0\n", 7, "greater than or equal to 1"),
        (HEAD + "rules:\n  frequency:\n    parameters:\n      messages: '3'\n", 7, "valid integer"),
        (HEAD + "rules:\n  frequency:\n    parameters:\n      messages: true\n", 7, "valid integer"),
        (HEAD + "rules:\n  frequency:\n    parameters:\n      window_days: 0\n", 7, "greater than or equal to 1"),
        (HEAD + "rules:\n  holdout:\n    parameters:\n      minimum_share: 0.6\n", 6, "greater than maximum_share"),
        (HEAD + "rules:\n  send_window:\n    parameters:\n      earliest_hour: 21\n", 6, "before latest_hour"),
        (HEAD + "rules:\n  send_window:\n    parameters:\n      weekdays: []\n", 7, "at least 1 item"),
        (HEAD + "rules:\n  send_window:\n    parameters:\n      weekdays: [7]\n", 6, "0 (Monday) to 6"),
        (
            HEAD + "rules:\n  hibernation:\n    parameters:\n      exempt_messages_per_lapse: 3\n",
            7,
            "less than or equal to 2",
        ),
        (
            HEAD + "rules:\n  audience_size:\n    parameters:\n      minimum_contacts: 300000\n",
            6,
            "greater than maximum_contacts",
        ),
        (HEAD + "rules:\n  consent:\n    enabled: false\n", 5, "must always hold"),
        (HEAD + "rules:\n  consent:\n    severity: advisory\n", 5, "must always hold"),
        (HEAD + "rules:\n  claims:\n    severity: loud\n", 6, "claims.severity"),
        (HEAD + "rules:\n  claims:\n    sentence: {en: Hello}\n    source: ''\n", 7, "claims.source"),
        (HEAD + "rules:\n  claims: no\n", 5, "not a mapping"),
        (HEAD + "rules: []\n", 4, "not a mapping"),
        ("schema_version: 2\nname: own\nextends: base\n", 1, "newer release"),
        ("name: own\nextends: base\n", 1, "schema_version"),
        ("schema_version: 1\nname: Our Own\nextends: base\n", 2, "name"),
        ("schema_version: 1\nname: own\nextends: basis\n", 3, "Known packs: base"),
        ("schema_version: 1\nname: base\nextends: base\n", 3, "circle"),
        ("schema_version: 1\nname: own\nrules:\n  frequency: {}\n", 3, "does not set the rule"),
    ],
)
def test_a_bad_pack_gets_one_error_with_its_line_and_a_remedy(text: str, line: int, words: str) -> None:
    error = complaint(text)
    assert error.where == f"own.yaml, line {line}"
    assert words in str(error)


@pytest.mark.parametrize(
    ("text", "line"),
    [("rules: {\n", 2), ("a: b: c\n", 1), ("schema_version: 1\nname: a\nname: b\n", 3), ("- a\n", 1), ("", 1)],
)
def test_text_that_is_no_pack_gets_an_error_with_its_line(text: str, line: int) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(text)
    assert caught.value.where == f"own.yaml, line {line}"
    assert caught.value.remedy


def test_all_problems_are_named_at_once() -> None:
    text = HEAD + "colour: red\nrules:\n  frequancy: {}\n  holdout: {parameters: {minimum_share: 2}}\n"
    error = complaint(text)
    assert error.where == "own.yaml, line 4"
    assert "own.yaml, line 6" in str(error)
    assert "own.yaml, line 7" in str(error)


def test_a_mistake_in_the_extended_pack_is_shown_in_that_pack() -> None:
    broken = base_text().replace("      messages: 3\n", "      messages: three\n")
    line = broken.splitlines().index("      messages: three") + 1
    with pytest.raises(PackError) as caught:
        parse_pack(HEAD, where="own.yaml", parents={"base": broken})
    assert caught.value.where == f"base.yaml, line {line}"


def test_packs_that_extend_each_other_are_an_error() -> None:
    one = "schema_version: 1\nname: one\nextends: two\n"
    two = "schema_version: 1\nname: two\nextends: one\n"
    with pytest.raises(PackError, match="circle"):
        parse_pack(one, where="one.yaml", parents={"one": one, "two": two})


def test_no_pack_can_be_made_without_a_rule_or_with_a_lock_broken() -> None:
    with pytest.raises(ValidationError, match="exactly once"):
        Pack(name="own", sentence=base_pack().sentence, rules=base_pack().rules[1:])
    with pytest.raises(ValidationError, match="exactly once"):
        Pack(name="own", sentence=base_pack().sentence, rules=(*base_pack().rules, base_pack().rules[0]))
    for rule in RULES.values():
        values: dict[str, Any] = dict(base_pack().setting(rule.id))
        for weaker in ({"enabled": False}, {"severity": "advisory"}):
            if rule.locked:
                with pytest.raises(ValidationError, match="must always hold"):
                    type(base_pack().rules[0])(**{**values, **weaker})
            else:
                type(base_pack().rules[0])(**{**values, **weaker})


def test_a_copy_of_a_pack_is_checked_and_has_its_own_version() -> None:
    pack = base_pack()
    assert pack.model_copy(update={"name": "other"}).version.startswith("other@")
    with pytest.raises(ValidationError, match="exactly once"):
        pack.model_copy(update={"rules": ()})


def test_what_must_always_hold_is_locked() -> None:
    free = {rule.id for rule in RULES.values() if rule.gate and not rule.locked}
    assert free == {"pressure", "recent_purchase", "not_for", "stock", "data_age", "language"}
    assert RULES["copy_facts"].locked
    assert RULES["links"].locked


def test_the_schema_accepts_the_base_pack_and_refuses_what_the_parser_refuses() -> None:
    schema = pack_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    base = yaml.safe_load(base_text())
    assert validator.is_valid(base)
    assert not validator.is_valid({**base, "colour": "red"})
    assert not validator.is_valid({**base, "rules": {"frequancy": {}}})
    assert not validator.is_valid({**base, "rules": {"frequency": {"parameters": {"messages": 0}}}})
    assert not validator.is_valid({**base, "rules": {"consent": {"enabled": False}}})
    assert validator.is_valid({"schema_version": 1, "name": "own", "extends": "base"})


def test_every_shipped_pack_can_be_read() -> None:
    folder = Path(__file__).parents[2] / "policies" / "packs"
    texts = {
        path.stem: path.read_text(encoding="utf-8")
        for path in folder.glob("*.yaml")
        if not path.stem.endswith(".tests")
    }
    assert "base" in texts
    for name, text in texts.items():
        assert parse_pack(text, where=f"{name}.yaml", parents=texts).name == name


def test_the_published_schema_is_the_one_in_force() -> None:
    published = Path(__file__).parents[2] / "docs" / "schemas" / "policy-pack.json"
    assert json.loads(published.read_text(encoding="utf-8")) == pack_schema()
