"""A campaign is read against its holdout, and says no more than its numbers carry."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from agents.learning.counts import MeasurementError
from agents.learning.intervals import newcombe, pooled_z
from agents.learning.priors import Prior, shrink
from agents.learning.readout import Arm, MeasurementPlan, ReadOut, measure
from agents.learning.revenue import OrderValues
from memory.canonical import canonical_json

PLAN = MeasurementPlan()
PRIOR = Prior(mean=0.1, sd=0.25)


def arm(name: str, share: float, contacts: int, conversions: int) -> Arm:
    return Arm(name=name, share=share, contacts=contacts, conversions=conversions)


def pair(holdout: tuple[int, int], treated: tuple[int, int], share: float = 0.1) -> tuple[Arm, Arm]:
    return arm("holdout", share, *holdout), arm("treated", 1 - share, *treated)


def test_a_clear_gain_at_the_last_look_works() -> None:
    found = measure(pair((3000, 30), (27_000, 480)), PLAN, 4, PRIOR)
    assert found.verdict == "works"
    assert found.z == pytest.approx(pooled_z(found.treated, found.holdout))
    assert found.difference == newcombe(found.treated, found.holdout, found.critical)
    assert found.confidence == pytest.approx(0.957, abs=1e-3)
    assert found.incremental_conversions.value == pytest.approx(480 - 270)
    assert found.contacts_needed is None


def test_a_clear_loss_harms() -> None:
    assert measure(pair((3000, 60), (27_000, 270)), PLAN, 4, PRIOR).verdict == "harms"


@pytest.mark.parametrize(("look", "verdict"), [(1, "inconclusive"), (4, "works")])
def test_the_same_numbers_must_be_stronger_at_an_early_look(look: int, verdict: str) -> None:
    found = measure(pair((3000, 30), (27_000, 430)), PLAN, look, PRIOR)
    assert found.verdict == verdict
    assert found.look == look


def test_between_looks_nothing_is_said_to_work() -> None:
    found = measure(pair((3000, 30), (27_000, 900)), PLAN, None, PRIOR)
    assert found.verdict == "inconclusive"
    assert [check.name for check in found.checks if not check.passed] == ["planned_look"]
    assert found.critical == measure(pair((3000, 30), (27_000, 900)), PLAN, 1, PRIOR).critical


def test_between_looks_clear_harm_stops_the_campaign() -> None:
    found = measure(pair((3000, 120), (27_000, 540)), PLAN, None, PRIOR)
    assert (found.verdict, found.rule) == ("harms", "sequence")
    assert found.sequence.high < 0


@settings(max_examples=80, deadline=None)
@given(
    holdout=st.integers(0, 60),
    treated=st.integers(0, 240),
    x=st.integers(0, 4),
    y=st.integers(0, 4),
    look=st.sampled_from([1, 2, 3, 4, None]),
)
def test_inconclusive_is_said_on_tiny_lists(holdout: int, treated: int, x: int, y: int, look: int | None) -> None:
    arms = pair((holdout, min(x, holdout)), (treated, min(y, treated)), share=0.2)
    found = measure(arms, PLAN, look, PRIOR)
    assert found.verdict == "inconclusive"
    assert "Inconclusive" in found.text["en"]
    assert "Non concluant" in found.text["fr"]
    assert all(one.verdict == "inconclusive" for one in found.arms)


def test_a_tiny_list_is_told_how_many_contacts_would_settle_it() -> None:
    found = measure(pair((25, 1), (225, 14)), PLAN, 4, PRIOR)
    assert found.contacts_needed is not None
    assert found.contacts_needed > 250
    assert f"About {found.contacts_needed:,} contacts would settle" in found.text["en"]
    assert "Too few contacts reached the goal" in found.text["en"]


def test_the_contacts_needed_would_indeed_settle_an_effect_of_that_size() -> None:
    found = measure(pair((1000, 20), (9000, 230)), PLAN, 4, PRIOR)
    assert found.contacts_needed is not None
    rate = 250.5 / 10_001
    size = (found.shrunken.estimate**2 + found.shrunken.standard_error**2) ** 0.5
    lift = float(expit(logit(rate) + size)) - rate
    n = found.contacts_needed
    expected_z = lift / (rate * (1 - rate) * (1 / (0.1 * n) + 1 / (0.9 * n))) ** 0.5
    assert expected_z == pytest.approx(1.96 + 0.8416, abs=1e-3)


def test_an_early_inconclusive_look_never_asks_for_fewer_contacts_than_it_has() -> None:
    for look, conversions in itertools.product((1, 2, 3, 4), range(180, 420, 20)):
        found = measure(pair((1000, 20), (9000, conversions)), PLAN, look, PRIOR)
        assert found.contacts_needed is None or found.contacts_needed > 10_000


def test_the_planned_rate_serves_while_nobody_has_converted() -> None:
    blind = measure(pair((0, 0), (0, 0)), PLAN, 1, PRIOR)
    planned = measure(pair((0, 0), (0, 0)), MeasurementPlan(base_rate=0.02), 1, PRIOR)
    assert blind.contacts_needed is None
    assert planned.contacts_needed is not None
    assert blind.shrunken.estimate == pytest.approx(PRIOR.mean, abs=1e-3)


def test_arms_of_the_wrong_size_make_the_read_out_invalid_whatever_it_shows() -> None:
    found = measure(pair((1500, 15), (27_000, 600)), PLAN, 4, PRIOR)
    assert found.verdict == "invalid"
    assert {one.verdict for one in found.arms} == {"invalid"}
    assert "“holdout” has 1,500 contacts where 2,850 were planned" in found.text["en"]
    assert found.contacts_needed is None


def test_several_arms_face_a_stricter_bound_each() -> None:
    arms = (
        arm("holdout", 0.2, 4000, 80),
        arm("a", 0.4, 8000, 215),
        arm("b", 0.4, 8000, 150),
    )
    found = measure(arms, PLAN, 4, PRIOR)
    alone = measure((arms[0], arms[1].model_copy(update={"share": 0.8})), MeasurementPlan(), 4, PRIOR)
    strict = {one.name: one for one in found.arms}
    assert strict["a"].critical > alone.arms[0].critical
    assert strict["a"].difference.low < newcombe(arms[1], arms[0], found.critical).low
    assert strict["b"].verdict == "inconclusive"


def test_two_arms_may_disagree_and_are_told_apart() -> None:
    arms = (arm("holdout", 0.2, 8000, 160), arm("a", 0.4, 16_000, 520), arm("b", 0.4, 16_000, 180))
    found = measure(arms, PLAN, 4, PRIOR)
    assert {one.name: one.verdict for one in found.arms} == {"a": "works", "b": "harms"}
    assert found.verdict == "inconclusive"


def test_a_handful_of_contacts_in_one_arm_makes_no_winner_of_it() -> None:
    arms = (arm("holdout", 0.2, 2000, 40), arm("a", 0.795, 7950, 160), arm("b", 0.005, 50, 8))
    found = measure(arms, PLAN, 4, PRIOR)
    few = found.arms[1]
    assert few.z > few.critical
    assert few.difference.low > 0
    assert few.verdict == "inconclusive"


def test_the_expected_difference_is_more_modest_than_a_surprising_one() -> None:
    found = measure(pair((3000, 30), (27_000, 560)), PLAN, 4, PRIOR)
    assert 0 < found.expected_difference < found.difference.value
    assert found.shrunken == shrink(PRIOR, found.effect)


def test_money_is_claimed_only_at_a_planned_look_of_a_valid_campaign() -> None:
    money = OrderValues(holdout=(5000,) * 60, treated=(5000,) * 960)
    good = measure(pair((3000, 60), (27_000, 960)), PLAN, 4, PRIOR, money)
    peek = measure(pair((3000, 60), (27_000, 960)), PLAN, None, PRIOR, money)
    broken = measure(pair((2000, 60), (27_000, 960)), PLAN, 4, PRIOR, money)
    assert good.revenue is not None
    assert good.revenue.claim == "more"
    assert "Revenue per treated contact" in good.text["en"]
    for one in (peek, broken):
        assert one.revenue is not None
        assert one.revenue.claim == "none"
        assert "Revenue" not in one.text["en"]


def test_money_is_not_mentioned_under_twenty_buyers_in_the_holdout() -> None:
    money = OrderValues(holdout=(5000,) * 19, treated=(5000,) * 960)
    found = measure(pair((3000, 19), (27_000, 960)), PLAN, 4, PRIOR, money)
    assert found.verdict == "works"
    assert found.revenue is not None
    assert found.revenue.claim == "none"
    assert "Revenue" not in found.text["en"]


def test_a_read_out_can_be_stored_and_is_the_same_afterwards() -> None:
    money = OrderValues(holdout=(5000,) * 60, treated=(5000,) * 960)
    found = measure(pair((3000, 60), (27_000, 960)), PLAN, 4, PRIOR, money, seed=3)
    assert ReadOut.model_validate_json(found.model_dump_json()) == found
    assert canonical_json(found) == canonical_json(
        measure(pair((3000, 60), (27_000, 960)), PLAN, 4, PRIOR, money, seed=3)
    )


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_the_counts_the_read_out_is_coherent(data: st.DataObject) -> None:
    counts = [
        (n, data.draw(st.integers(0, n))) for n in data.draw(st.lists(st.integers(0, 5000), min_size=2, max_size=5))
    ]
    share = 1 / len(counts)
    arms = [arm("holdout" if i == 0 else f"arm {i}", share, *pair) for i, pair in enumerate(counts)]
    found = measure(arms, PLAN, data.draw(st.sampled_from([1, 2, 3, 4, None])), PRIOR)
    assert found.difference.low <= found.difference.value <= found.difference.high
    if found.verdict == "works":
        assert found.difference.low > 0
        assert found.z >= found.critical
    if found.verdict == "harms" and found.rule == "look":
        assert found.difference.high < 0
    assert (found.verdict == "invalid") == found.sample_ratio.alert
    canonical_json(found)


@pytest.mark.parametrize("names", [("treated",), ("holdout",), ("holdout", "holdout"), ("holdout", "a", "a"), ()])
def test_a_campaign_without_one_holdout_and_distinct_arms_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(MeasurementError, match="exactly one holdout"):
        measure([arm(name, 0.5, 100, 5) for name in names], PLAN, 1, PRIOR)


@pytest.mark.parametrize("look", [0, 5, -1])
def test_a_look_that_was_not_planned_is_refused(look: int) -> None:
    with pytest.raises(MeasurementError, match="was not planned"):
        measure(pair((1000, 20), (9000, 200)), PLAN, look, PRIOR)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_an_arm_without_a_share_is_refused(share: float) -> None:
    with pytest.raises(MeasurementError, match="share"):
        arm("holdout", share, 10, 1)


def test_french_numbers_are_written_as_french_people_write_them() -> None:
    text = measure(pair((3000, 30), (27_000, 480)), PLAN, 4, PRIOR).text["fr"]
    assert "1,8\u202f% des 27\u202f000 contacts traités" in text
    assert "Cela marche (lecture 4 sur 4)" in text
