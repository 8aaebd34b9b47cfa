"""What the reason for a no may become, and that each such limit stops what it is about and nothing beside it."""

from __future__ import annotations

import json

import pytest
import yaml

from memory.proposal import Audience
from policies.pack_cases import read_cases
from policies.reasons import Limit, limits_from
from tests import examples
from tests.policies.worlds import OFFER, base_pack, own_pack

SEEN = examples.proposal(
    play=examples.play(offer=OFFER.model_copy(update={"value": 1_500})),
    audience=Audience(selected=900, reachable=800, holdout=80, treated=720),
)


def suggested(reason: str) -> list[Limit]:
    return list(limits_from(reason, SEEN, base_pack()))


@pytest.mark.parametrize(
    ("reason", "rule", "parameter", "value"),
    [
        ("The discount is too generous", "discount", "maximum_basis_points", 1_400),
        ("Remise trop forte", "discount", "maximum_basis_points", 1_400),
        ("We write too often", "frequency", "messages", 2),
        ("Trop de messages", "frequency", "messages", 2),
        ("Too many people at once", "audience_size", "maximum_contacts", 799),
        ("Not before 10, they sleep", "send_window", "earliest_hour", 10),
        ("Rien après 19 h", "send_window", "latest_hour", 19),
        ("Not for this segment", "not_for", "pairs", None),
        ("Never to lost customers", "not_for", "pairs", None),
        ("Pas pour les clients inactifs", "not_for", "pairs", None),
        ("Wrong audience", "not_for", "pairs", None),
        (f"We never say “{examples.copy('en').subject.split()[-1]}”", "claims", "banned_words", None),
    ],
)
def test_a_reason_becomes_one_limit_with_a_test_that_it_passes(
    reason: str, rule: str, parameter: str, value: int | None
) -> None:
    (limit,) = suggested(reason)
    assert (limit.rule, limit.parameter) == (rule, parameter)
    assert value is None or limit.value == value
    pack = own_pack(f"  {rule}: {json.dumps({'enabled': True, 'parameters': {parameter: limit.value}})}\n")
    held = "hold" if "message" in limit.stops else "refuse"
    tests = [
        {"rule": rule, "title": "within", **limit.allows, "verdict": "allow"},
        {"rule": rule, "title": "beyond", **limit.stops, "verdict": held},
    ]
    cases = read_cases(yaml.safe_dump({"schema_version": 1, "tests": tests}), where="tests")
    assert [one.passed for one in cases.run(pack)] == [True, True]
    # Until the limit is there nothing was against it.
    assert [one.passed for one in cases.run(base_pack())] == [True, False]


@pytest.mark.parametrize(
    ("reason", "segment"),
    [
        ("Not for this segment", SEEN.play.audience),
        ("Never to lost customers", {"type": "compare", "field": "lifecycle_stage", "operator": "==", "value": "lost"}),
    ],
)
def test_a_playbook_leaves_those_alone_whom_the_reason_names_or_all_whom_it_was_for(
    reason: str, segment: dict[str, object]
) -> None:
    (limit,) = suggested(reason)
    assert limit.value == [{"playbook": SEEN.play.playbook, "segment": segment}]
    pack = own_pack(f"  not_for: {json.dumps({'enabled': True, 'parameters': {'pairs': limit.value}})}\n")
    assert list(limits_from(reason, SEEN, pack)) == []
    (more,) = limits_from("Not for new customers", SEEN, pack)
    assert more.value[0] == limit.value[0]
    assert len(more.value) == 2


@pytest.mark.parametrize(
    "reason",
    [
        "Not this month",
        "Nothing before 7",
        "Not after 23",
        "We never say “unheard of”",
        "Too late for spring",
        "Not this month, people are away",
    ],
)
def test_a_reason_without_a_limit_or_within_the_pack_becomes_none(reason: str) -> None:
    assert suggested(reason) == []
