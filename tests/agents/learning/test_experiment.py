"""An experiment that ran anywhere is read by the rules of campaigns, and never flattered."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from agents.learning.counts import Counts, MeasurementError
from agents.learning.cuped import adjust
from agents.learning.experiment import ExperimentReadOut, read_out
from agents.learning.intervals import newcombe
from memory.importing.experiment import ExperimentRows


def rows(counts: dict[str, tuple[int, int]], **more: Any) -> ExperimentRows:
    """One row per arm: {arm: (contacts, conversions)}."""
    names = tuple(sorted(counts))
    return ExperimentRows(
        names=names,
        arm=np.arange(len(names)),
        contacts=np.asarray([counts[name][0] for name in names]),
        conversions=np.asarray([counts[name][1] for name in names]),
        **more,
    )


def read(counts: dict[str, tuple[int, int]], **more: Any) -> ExperimentReadOut:
    return read_out(rows(counts), "control", **more)


def contacts(arm: list[str], reached: Any, **columns: Any) -> ExperimentRows:
    names = tuple(sorted(set(arm)))
    return ExperimentRows(
        names=names,
        arm=np.asarray([names.index(one) for one in arm]),
        contacts=np.ones(len(arm), np.int64),
        conversions=np.asarray(reached, np.int64),
        **{name: np.asarray(values) for name, values in columns.items()},
    )


@pytest.mark.parametrize(
    ("mail", "verdict"), [((10_000, 300), "works"), ((10_000, 110), "harms"), ((10_000, 210), "inconclusive")]
)
def test_one_arm_gets_the_verdict_and_the_interval_of_a_campaign_read_once(mail: tuple[int, int], verdict: str) -> None:
    found = read({"control": (10_000, 200), "mail": mail})
    assert found.verdict == verdict
    expected = newcombe(Counts(contacts=mail[0], conversions=mail[1]), Counts(contacts=10_000, conversions=200))
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert abs(found.shrunken_effect) < abs(found.effect)
    assert (found.contacts_needed is not None) == (verdict == "inconclusive")


def test_a_broken_split_is_invalid_however_good_the_effect_looks() -> None:
    found = read({"control": (10_000, 200), "mail": (11_000, 400)})
    assert found.verdict == "invalid"
    assert {one.verdict for one in found.arms} == {"invalid"}
    assert not next(check for check in found.checks if check.name == "sample_ratio").passed
    assert "mail" in found.sample_ratio.expected


def test_a_small_control_is_taken_for_the_usual_plan_that_is_nearest_and_can_be_told() -> None:
    assert read({"control": (1_010, 20), "mail": (9_000, 300)}).shares["control"] == 0.1
    told = read({"control": (1_010, 20), "mail": (9_000, 300)}, shares={"control": 1, "mail": 4})
    assert told.verdict == "invalid"
    assert told.shares_given


def test_a_split_that_broke_on_one_day_stops_the_read_out_even_if_it_evens_out_later() -> None:
    first = ["mail"] * 900 + ["control"] * 500
    later = ["mail"] * 19_500 + ["control"] * 19_900
    day = [20_000] * len(first) + [20_010] * len(later)
    arms = first + later
    reached = [number % 10 == 0 for number in range(len(arms))]
    assert read_out(contacts(arms, reached), "control").verdict != "invalid"
    found = read_out(contacts(arms, reached, day=day), "control")
    assert found.verdict == "invalid"
    assert str(found.broken_on) == "2024-10-04"
    assert "2024-10-04" in found.text["en"]
    assert "2024-10-04" in found.text["fr"]


def test_many_arms_without_an_effect_make_no_winner_where_each_alone_would() -> None:
    arms = {f"arm{number}": (10_000, 200) for number in range(9)} | {"lucky": (10_000, 242)}
    alone = read({"control": (10_000, 200), "lucky": (10_000, 242)})
    assert alone.verdict == "works"
    assert read({"control": (10_000, 200), **arms}).verdict == "inconclusive"


def test_an_arm_that_works_beside_one_that_harms_is_found_and_named() -> None:
    found = read({"control": (20_000, 400), "good": (20_000, 560), "bad": (20_000, 250)})
    assert (found.verdict, found.best) == ("works", "good")
    assert {one.name: one.verdict for one in found.arms} == {"good": "works", "bad": "harms"}
    assert "good works" in found.text["en"]
    assert "bad nuit" in found.text["fr"]


def test_money_of_a_handful_of_buyers_is_no_claim_and_of_many_it_is() -> None:
    def of(buyers: int, more: int) -> ExperimentReadOut:
        rng = np.random.default_rng(3)
        arm = ["control"] * 10_000 + ["mail"] * 10_000
        bought = np.zeros(20_000, np.int64)
        bought[:buyers] = bought[10_000 : 10_000 + more] = 1
        value = bought * rng.integers(2_000, 8_000, 20_000)
        return read_out(contacts(arm, bought, value_cents=value), "control")

    few, many = of(15, 60).arms[0].revenue, of(200, 400).arms[0].revenue
    assert few is not None
    assert few.claim == "none"
    assert many is not None
    assert many.claim == "more"
    assert many.per_contact_cents.low > 0


def test_what_was_known_before_narrows_the_interval_as_tea_tasting_does() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tea_tasting as tt
    rng = np.random.default_rng(4)
    before = rng.gamma(2.0, 30.0, 4_000)
    after = before * 0.8 + rng.normal(0, 20, 4_000) + np.repeat([0.0, 3.0], 2_000)
    found = adjust(after[2_000:], before[2_000:], after[:2_000], before[:2_000])
    table = pa.table({"variant": np.repeat([0, 1], 2_000), "after": after, "before": before})
    peer = tt.Experiment(after=tt.Mean("after", covariate="before", use_t=False)).analyze(table)["after"]
    assert found.difference.value == pytest.approx(peer.effect_size, rel=2e-3)
    assert found.difference.low == pytest.approx(peer.effect_size_ci_lower, rel=2e-2)
    assert found.difference.high == pytest.approx(peer.effect_size_ci_upper, rel=2e-2)
    assert 0.7 < found.variance_saved < 1
    noise = adjust(after[2_000:], rng.normal(size=2_000), after[:2_000], rng.normal(size=2_000))
    assert abs(noise.variance_saved) < 0.01


def test_a_look_before_the_end_asks_for_more_than_the_end_does() -> None:
    from agents.learning.readout import MeasurementPlan

    plan = MeasurementPlan(looks=(0.25, 0.5, 0.75, 1.0))
    counts = {"control": (10_000, 200), "mail": (10_000, 260)}
    assert read(counts).verdict == "works"
    assert read(counts, plan=plan, look=1).verdict == "inconclusive"
    assert read(counts, plan=plan, look=4).verdict == "works"


@pytest.mark.parametrize(
    ("counts", "more", "said"),
    [
        ({"a": (10, 1), "b": (10, 1)}, {}, "No contact is in an arm called control"),
        ({"control": (10, 1)}, {}, "only one arm"),
        ({"control": (10, 1), "b": (10, 1)}, {"shares": {"control": 1.0}}, "do not name every arm"),
    ],
)
def test_an_experiment_that_cannot_be_read_says_what_is_missing(
    counts: dict[str, tuple[int, int]], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(MeasurementError, match=said):
        read(counts, **more)
