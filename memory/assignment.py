"""Who is held out and who draws which sequence: permanent hashes of the workspace salt, never a random draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memory.bands import Shares
from memory.canonical import bucket, buckets

TimeKind = Literal["hour", "weekday"]


def in_holdout(salt: str, series_key: str, contact_id: int, share: float) -> bool:
    """Whether a campaign and all that follow it in its series leave this contact alone, re-entry included."""
    return bucket(salt, "holdout", series_key, contact_id) < share


def in_programme_holdout(salt: str, contact_id: int, share: float, at: datetime) -> bool:
    """Whether a contact is outside all marketing in the quarter of this moment."""
    return share > 0 and bucket(salt, "programme", quarter(at), contact_id) < share


def quarter(at: datetime) -> str:
    """The calendar quarter of a moment in UTC, for example "2025Q1"."""
    moment = at.astimezone(UTC)
    return f"{moment.year}Q{(moment.month + 2) // 3}"


def all_in_holdout(salt: str, series_key: str, contact_ids: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """``in_holdout`` for many contacts at once."""
    return _below(salt, ("holdout", series_key), contact_ids, share)


def all_in_programme_holdout(
    salt: str, contact_ids: NDArray[np.int64], share: float, at: datetime
) -> NDArray[np.bool_]:
    """``in_programme_holdout`` for many contacts at once."""
    return _below(salt, ("programme", quarter(at)), contact_ids, share)


def _below(salt: str, name: tuple[str, ...], contact_ids: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    if share <= 0:
        return np.zeros(len(contact_ids), bool)
    return buckets(salt, name, contact_ids.tolist()) < share


def draw_sequences(
    salt: str, campaign_id: str, contact_ids: NDArray[np.int64], bands: NDArray[np.intp], shares: Shares
) -> NDArray[np.intp]:
    """``draw_sequence`` of a first entry for many contacts at once, as places in ``sorted`` keys of the shares."""
    keys = sorted(shares[0])
    drawn = np.zeros(len(contact_ids), np.intp)
    if len(keys) == 1:
        return drawn
    points = buckets(salt, ("sequence", campaign_id), contact_ids.tolist(), 1)
    for band, of in enumerate(shares):
        inside = bands == band
        ends = list(accumulate((of[key] for key in keys), initial=0.0))[1:]
        places = np.searchsorted(ends, points[inside] * sum(of.values()), side="right")
        drawn[inside] = np.minimum(places, len(keys) - 1)
    return drawn


def draw_time(
    salt: str,
    kind: TimeKind,
    campaign_id: str,
    contact_id: int,
    occurrence: int,
    step_key: str,
    own: int,
    possible: Sequence[int],
    explored: float,
) -> tuple[int, float]:
    """The hour or weekday at which a contact comes to a step, and the probability it was drawn by.

    Their own one, but for the share that is explored: for those another one of ``possible``, each as likely.
    """
    others = [one for one in possible if one != own]
    if not explored or not others:
        return own, 1.0
    point = bucket(salt, kind, campaign_id, contact_id, occurrence, step_key)
    if point >= explored:
        return own, 1 - explored
    return others[min(int(point / explored * len(others)), len(others) - 1)], explored / len(others)


def draw_sequence(
    salt: str, campaign_id: str, contact_id: int, occurrence: int, shares: Mapping[str, float]
) -> tuple[str, float]:
    """The sequence that an entering contact draws, with the probability it was drawn by."""
    point = bucket(salt, "sequence", campaign_id, contact_id, occurrence) * sum(shares.values())
    passed = 0.0
    drawn = max(shares)
    for key in sorted(shares):
        passed += shares[key]
        if point < passed:
            drawn = key
            break
    return drawn, shares[drawn]
