"""What `noria policy check` finds in packs that can be read, and which packs are stricter than others."""

from __future__ import annotations

import pytest

from console.packs import Shelf
from policies.comparison import Effect, compare
from policies.explanation import explain, unit_of
from policies.pack import parse_pack
from policies.rules import RULES
from policies.soundness import Known, inspect_pack
from policies.strictness import STRICTER

HEAD = "schema_version: 1\nname: own\nextends: base\nrules:\n"
KNOWN = Known(playbooks={"win_back", "sunset", "double_opt_in"}, measures={"consent_proof_share"})


def problems(body: str) -> list[str]:
    found = inspect_pack(HEAD + body, where="own.yaml", parents=Shelf().texts, known=KNOWN)
    assert all(one.remedy for one in found)
    return [str(one) for one in found]


@pytest.mark.parametrize("name", sorted(Shelf().files))
def test_every_packaged_pack_is_sound(name: str) -> None:
    file = Shelf().files[name]
    assert inspect_pack(file.text, where=name, parents=Shelf().texts, known=KNOWN) == []


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("  frequancy: {}\n", 5, "Did you mean frequency"),
        ("  frequency: {parameters: {mesages: 3}}\n", 5, "mesages"),
        ("  approval:\n    parameters: {two_people_when_new_from_contacts: 10000}\n", 6, "can never decide"),
        ("  audience_size: {parameters: {maximum_contacts: 9999}}\n", 5, "two people are never asked for its size"),
        ("  discount: {parameters: {maximum_basis_points: 1500}}\n", 5, "never asked for a discount"),
        ("  spend: {parameters: {maximum_cents: 99999}}\n", 5, "never asked for its cost"),
        ("  hibernation: {parameters: {exempt_messages_per_lapse: 0}}\n", 5, "may send no message"),
        ("  hibernation: {parameters: {exempt_playbooks: [winback]}}\n", 5, "no playbook winback"),
        ("  transactional: {parameters: {playbooks: [receipt]}}\n", 5, "no playbook receipt"),
        ("  data_quality: {parameters: {minimum_measures: {purity: 0.5}}}\n", 5, "no measure purity"),
        ("  data_quality: {parameters: {minimum_measures: {consent_proof_share: 90}}}\n", 5, "never more than 1"),
        ("  data_quality: {parameters: {minimum_measures: {consent_proof_share: 50}}}\n", 5, "of 50 could never"),
        ("  data_quality: {parameters: {minimum_measures: {consent_proof_share: -0.1}}}\n", 5, "greater than or equal"),
        ("  data_quality: {parameters: {minimum_measures: {history_days: .nan}}}\n", 5, "finite"),
        ("  send_window: {parameters: {latest_hour: 25}}\n", 5, "less than or equal to 24"),
        ("  approval: {parameters: {remind_before_hours: 1441}}\n", 5, "less than or equal to 1440"),
        ("  links: {parameters: {extra_domains: [bit.ly]}}\n", 5, "refused as a shortener"),
        ("  links: {parameters: {extra_domains: ['https://cdn.example.com']}}\n", 5, "is no domain"),
        ("  identity: {parameters: {free_mail_domains: ['@gmail.com']}}\n", 5, "is no domain"),
        ("  send_window: {parameters: {weekdays: [6]}}\n", 5, "no text message could ever leave"),
        ("  send_window: {parameters: {latest_hour: 9, sms_earliest_hour: 10}}\n", 5, "No hour is open for both"),
        ("  send_window: {parameters: {holidays_of: [XX]}}\n", 5, "no public holidays are known of XX"),
        ("  text_message: {parameters: {opt_out_words: [STOP SMS]}}\n", 5, "not one word"),
        ("  length: {parameters: {subject_characters: 150}}\n", 5, "can never fire"),
        ("  consent_coverage: {parameters: {minimum_share: 0}}\n", 5, "can never fire"),
        ("  discount: {parameters: {maximum_basis_points: 10000}}\n", 5, "can never fire"),
        ("  exits: {parameters: {required: []}}\n", 5, "can never fire"),
        ("  subject: {parameters: {maximum_capitals_share: 1.0}}\n", 5, "can never fire"),
        ("  discount:\n    enabled: false\n    parameters: {maximum_basis_points: 2000}\n", 7, "never count"),
    ],
)
def test_a_contradiction_is_named_with_its_line(body: str, line: int, words: str) -> None:
    found = problems(body)
    assert any(f"own.yaml, line {line}:" in one and words in one for one in found), found


def test_a_contradiction_between_joined_packs_is_named_where_they_are_joined() -> None:
    watched = "  approval: {parameters: {two_people_from_spend_cents: 50000}}\n"
    cheap = "  spend: {parameters: {maximum_cents: 40000}}\n"
    parents = {name: HEAD.replace("own", name) + body for name, body in (("watched", watched), ("cheap", cheap))}
    text = "schema_version: 1\nname: own\nextends: [watched, cheap]\n"
    [found] = inspect_pack(text, where="own.yaml", parents={**Shelf().texts, **parents}, known=KNOWN)
    assert (found.file, found.line) == ("own.yaml", 3)
    assert "never asked for its cost" in found.what


@pytest.mark.parametrize(
    "body",
    [
        "  approval: {parameters: {two_people_when_new_from_contacts: 9999}}\n",
        "  audience_size: {parameters: {maximum_contacts: 10000}}\n",
        "  discount: {parameters: {maximum_basis_points: 2000}}\n",
        "  discount: {enabled: false}\n",
        "  spend: {parameters: {maximum_cents: 100000}}\n",
        "  hibernation: {parameters: {exempt_messages_per_lapse: 0, exempt_playbooks: []}}\n",
        "  links: {parameters: {extra_domains: [fonts.example.com]}}\n",
        "  send_window: {parameters: {weekdays: [5, 6]}}\n",
        "  data_quality: {parameters: {minimum_measures: {consent_proof_share: 0.9}}}\n",
        "  subject: {severity: advisory, parameters: {maximum_capitals_share: 1.0}}\n",
    ],
)
def test_limits_that_go_together_are_sound(body: str) -> None:
    assert problems(body) == []


def test_every_parameter_of_every_rule_has_a_direction_and_a_unit() -> None:
    for rule in RULES.values():
        assert set(STRICTER.get(rule.id, {})) == set(rule.parameters.model_fields), rule.id
        for name, field in rule.parameters.model_fields.items():
            assert (unit_of(name) == "yes or no") == (field.annotation is bool), f"{rule.id}.{name}"


ENDS = {"_share": (0, 1), "_hour": (0, 24), "_basis_points": (0, 10_000), "_ratio": (1, 21), "_score": (0, 100)}


@pytest.mark.parametrize("end", ENDS)
def test_a_parameter_whose_unit_has_two_ends_takes_nothing_beyond_them(end: str) -> None:
    least, most = ENDS[end]
    fields = {
        f"{rule_id}.{name}": field
        for rule_id, rule in RULES.items()
        for name, field in rule.parameters.model_json_schema().get("properties", {}).items()
        if name.endswith(end)
    }
    assert fields
    unbound = [
        name
        for name, field in fields.items()
        if field.get("minimum", field.get("exclusiveMinimum", least - 1)) < least
        or field.get("maximum", field.get("exclusiveMaximum", most + 1)) > most
    ]
    assert not unbound


@pytest.mark.parametrize(
    ("body", "effect"),
    [
        ("frequency: {parameters: {messages: 2}}", Effect.STRICTER),
        ("frequency: {parameters: {messages: 4}}", Effect.LOOSER),
        ("frequency: {parameters: {window_days: 14}}", Effect.STRICTER),
        ("send_window: {parameters: {weekdays: [0, 1]}}", Effect.STRICTER),
        ("send_window: {parameters: {sms_weekdays: [6]}}", Effect.OTHER),
        ("send_window: {parameters: {holidays_of: [FR]}}", Effect.STRICTER),
        ("consent: {parameters: {proof_required: false}}", Effect.LOOSER),
        ("data_quality: {parameters: {minimum_measures: {consent_share: 0.5}}}", Effect.STRICTER),
        ("discount: {enabled: false}", Effect.LOOSER),
        ("discount: {severity: advisory}", Effect.LOOSER),
        ("discount: {severity: critical}", Effect.OTHER),
        ("discount: {source: Ours.}", Effect.OTHER),
    ],
)
def test_a_change_is_told_as_stricter_or_looser(body: str, effect: Effect) -> None:
    base = Shelf().read("base")
    own = parse_pack(f"{HEAD}  {body}\n", where="own.yaml", parents=Shelf().texts)
    (change,) = compare(base, own)
    assert change.effect is effect
    if effect is not Effect.OTHER:
        (back,) = compare(own, base)
        assert back.effect is not effect
    assert compare(own, own) == []


def test_an_explanation_tells_the_limits_with_their_units_and_what_they_stop() -> None:
    shelf = Shelf()
    tests = shelf.cases(shelf.files["bulk-sender"])
    assert tests is not None
    told = explain(shelf.read("bulk-sender"), "frequency", [tests])
    assert [(one.name, one.value, one.unit) for one in told.parameters] == [
        ("messages", 2, "messages to one contact"),
        ("window_days", 7, "days"),
    ]
    assert [(one.title, one.verdict) for one in told.stops] == [("the third message of the week", "hold")]
    assert told.always
    assert "twice in any seven days" in told.sentence.en
