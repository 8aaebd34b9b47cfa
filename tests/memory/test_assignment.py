"""Drawing for a whole audience at once draws for each contact what is drawn for that one alone."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from memory.assignment import (
    all_in_holdout,
    all_in_programme_holdout,
    draw_sequence,
    draw_sequences,
    in_holdout,
    in_programme_holdout,
)

AT = datetime(2025, 3, 3, tzinfo=UTC)
IDS = np.arange(1, 2001)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_held_out_are_the_same(share: float) -> None:
    campaign = all_in_holdout("salt", "c1", IDS, share)
    programme = all_in_programme_holdout("salt", IDS, share, AT)
    assert campaign.tolist() == [in_holdout("salt", "c1", one, share) for one in IDS.tolist()]
    assert programme.tolist() == [in_programme_holdout("salt", one, share, AT) for one in IDS.tolist()]
    assert campaign.any() == programme.any() == (share > 0)


@pytest.mark.parametrize(
    "shares", [{"one": 1.0}, {"b": 0.5, "a": 0.5}, {"c": 0.2, "a": 0.7, "b": 0.1}, {"a": 0.0, "b": 0.3, "c": 0.6}]
)
def test_the_sequences_are_the_same(shares: dict[str, float]) -> None:
    keys = sorted(shares)
    drawn = [keys[place] for place in draw_sequences("salt", "c1", IDS, shares).tolist()]
    assert drawn == [draw_sequence("salt", "c1", one, 1, shares)[0] for one in IDS.tolist()]
    assert set(drawn) == {key for key, share in shares.items() if share}
