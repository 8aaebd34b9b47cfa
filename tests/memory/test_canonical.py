"""Digests and buckets: equal things are equal everywhere, different things differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from memory.canonical import address_hash, bucket, canonical_json, digest
from memory.clock import ManualClock, SystemClock
from memory.errors import ConfigurationError
from memory.store import Store
from memory.workspace import StoreClock
from tests.examples import NOW, play

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert digest(value) == digest(dict(reversed(list(value.items()))))


@given(JSON, JSON)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    assert (canonical_json(one) == canonical_json(other)) == (digest(one) == digest(other))


def test_the_same_moment_in_two_zones_is_one_value() -> None:
    paris = timezone(timedelta(hours=1))
    assert digest(datetime(2025, 1, 1, 1, tzinfo=paris)) == digest(datetime(2025, 1, 1, 0, tzinfo=UTC))


@pytest.mark.parametrize("value", [datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None), object(), b"bytes"])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        digest({"x": value})


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest(float("nan"))


@pytest.mark.parametrize(
    "change",
    [
        {"holdout_share": 0.11},
        {"policy_version": "base-2"},
        {"size_band": (1, 999)},
        {"owner": "ann"},
        {"audience": {"type": "compare", "field": "recency_days", "operator": ">=", "value": 61}},
    ],
)
def test_any_change_of_a_play_changes_its_digest(change: dict[str, Any]) -> None:
    assert play().digest == play().digest
    assert play(**change).digest != play().digest


def test_a_play_reads_back_from_json_with_the_same_digest() -> None:
    assert type(play()).model_validate_json(play().model_dump_json()).digest == play().digest


def test_buckets_are_permanent_and_uniform() -> None:
    assert bucket("salt", "holdout", "c1", 7) == bucket("salt", "holdout", "c1", 7)
    drawn = [bucket("salt", "holdout", "c1", number) for number in range(5000)]
    assert kstest(drawn, "uniform").pvalue > 0.001
    assert 0 <= min(drawn) <= max(drawn) < 1


def test_buckets_of_two_campaigns_are_independent() -> None:
    both = [bucket("s", "holdout", "a", n) < 0.1 and bucket("s", "holdout", "b", n) < 0.1 for n in range(20_000)]
    assert 120 < sum(both) < 290


@given(st.text(max_size=20), st.text(max_size=20))
def test_names_do_not_run_into_each_other(one: str, other: str) -> None:
    if "\x1f" not in one + other:
        assert bucket("s", one, other) != bucket("s", one + "\x1f", other)


def test_an_address_hash_ignores_case_and_space_but_not_the_salt() -> None:
    assert address_hash("a", " Ann@Example.com") == address_hash("a", "ann@example.com")
    assert address_hash("a", "ann@example.com") != address_hash("b", "ann@example.com")


def test_clocks_tell_utc_and_never_go_back(store: Store) -> None:
    assert SystemClock().now().tzinfo is UTC
    clock = ManualClock(NOW)
    assert clock.advance_to(NOW - timedelta(days=1)) == NOW
    with pytest.raises(ValueError, match="forward"):
        clock.advance(timedelta(seconds=-1))
    kept = StoreClock(store)
    assert abs(kept.now() - SystemClock().now()) < timedelta(minutes=1)
    assert kept.advance_to(NOW + timedelta(days=9)) == NOW + timedelta(days=9)
    assert kept.advance_to(NOW) == NOW + timedelta(days=9)
    assert StoreClock(store).now() == NOW + timedelta(days=9)


def test_a_workspaces_own_clock_runs_on_from_where_it_stood_as_fast_as_the_machines(store: Store) -> None:
    machine = ManualClock(NOW + timedelta(days=3000))
    kept = StoreClock(store, machine)
    kept.run_on()
    assert kept.now() == machine.now()
    kept.advance_to(NOW)
    machine.advance(timedelta(hours=1))
    assert kept.now() == NOW
    kept.run_on()
    machine.advance(timedelta(minutes=5))
    assert kept.now() == NOW + timedelta(minutes=5)
    kept.run_on()
    machine.advance(timedelta(minutes=5))
    assert kept.now() == NOW + timedelta(minutes=10)
    assert kept.advance_to(NOW) == NOW + timedelta(minutes=10)
    machine.advance(timedelta(minutes=5))
    assert kept.now() == NOW + timedelta(minutes=10)


def test_an_error_says_where_what_and_what_to_do() -> None:
    error = ConfigurationError("The sender is missing.", where="brand.yaml", remedy="Fill in sender_address.")
    assert str(error) == "brand.yaml: The sender is missing. Fill in sender_address."
    assert error.code == "configuration"
