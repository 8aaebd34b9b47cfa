"""Which numbers slow a sender down and which stop it, at the limits and a hair below."""

from __future__ import annotations

from typing import Any

import pytest

from memory.standing import State, Window
from policies.rules.reputation import ReputationLimits, judge, rates

LIMITS = ReputationLimits()
FINE: dict[str, Any] = {"sent": 1000, "reporting": 1000}


def week(**numbers: Any) -> Window:
    return Window(days=7, **{**FINE, **numbers})


@pytest.mark.parametrize(
    ("numbers", "state"),
    [
        ({}, "fine"),
        ({"complaints": 3, "sent": 3001, "reporting": 3001}, "fine"),
        ({"complaints": 3, "sent": 3000, "reporting": 3000}, "slowed"),
        ({"complaints": 2}, "fine"),
        ({"complaints": 3}, "stopped"),
        ({"complaints": 3, "reporting": 99}, "fine"),
        ({"complaints": 3, "reporting": 100}, "stopped"),
        ({"reported_share": 0.0009}, "fine"),
        ({"reported_share": 0.001}, "slowed"),
        ({"reported_share": 0.003}, "stopped"),
        ({"bounced": 19}, "fine"),
        ({"bounced": 20}, "slowed"),
        ({"sent": 950, "refused": 50}, "stopped"),
        ({"sent": 951, "refused": 49}, "slowed"),
        ({"unsubscribes": 19}, "fine"),
        ({"unsubscribes": 20}, "slowed"),
        ({"unsubscribes": 50}, "stopped"),
        ({"sent": 801, "deferred": 199}, "fine"),
        ({"sent": 800, "deferred": 200}, "slowed"),
        ({"sent": 100, "deferred": 900}, "slowed"),
        ({"soft_bounced": 200}, "slowed"),
        ({"sent": 99, "bounced": 50}, "fine"),
        ({"sent": 100, "bounced": 50}, "stopped"),
    ],
)
def test_a_share_slows_at_one_limit_and_stops_at_the_next(numbers: dict[str, Any], state: State) -> None:
    assert judge([week(**numbers)], LIMITS)[0] == state


def test_the_worst_of_all_windows_counts_and_of_equals_the_shortest() -> None:
    slowed, stopped = Window(days=1, **FINE, bounced=20), Window(days=30, **FINE, bounced=50)
    assert judge([slowed, stopped], LIMITS)[0] == "stopped"
    state, said = judge([slowed, week(unsubscribes=20)], LIMITS)
    assert (state, said) == ("slowed", "2.00% dead addresses in 1 day (20 of 1000 messages), limit 2.00%")
    assert judge([week(reported_share=0.004)], LIMITS)[1] == (
        "0.40% complaints in 7 days (the provider's own figure for one of them), limit 0.30%"
    )
    assert judge([], LIMITS) == ("fine", "")


def test_each_rate_is_of_the_messages_that_it_can_be_about() -> None:
    window = week(sent=900, refused=100, deferred=200, bounced=50, soft_bounced=40, unsubscribes=9, complaints=3)
    complaints, dead, left, put_off = rates(window, LIMITS)
    assert (complaints.number, complaints.of, complaints.share) == (3, 1000, 0.003)
    assert (dead.number, dead.of, dead.share) == (150, 1000, 0.15)
    assert (left.number, left.of, left.share) == (9, 900, 0.01)
    assert (put_off.number, put_off.of, put_off.share) == (240, 1200, 0.2)
    assert [one.decides for one in (complaints, dead, left, put_off)] == [True] * 4
    assert not rates(week(complaints=2), LIMITS)[0].decides
