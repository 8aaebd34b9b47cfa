"""Effects as people read them: per thousand contacts, against a rate."""

from __future__ import annotations

import pytest

from console.effects import per_thousand


@pytest.mark.parametrize(
    ("effect", "rate", "added"),
    [(0.0, 0.1, 0.0), (0.1, 0.5, 24.98), (0.3, 0.02, 6.80), (-0.3, 0.02, -5.10), (0.3, 0.0, 0.17), (0.3, 1.0, 0.13)],
)
def test_an_effect_is_told_as_what_it_adds_to_a_thousand_contacts(effect: float, rate: float, added: float) -> None:
    assert per_thousand(effect, rate) == pytest.approx(added, abs=0.01)
