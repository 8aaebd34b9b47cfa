"""Who is held out and who draws which sequence: permanent hashes of the workspace salt, never a random draw."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from memory.canonical import bucket


def in_holdout(salt: str, campaign_id: str, contact_id: int, share: float) -> bool:
    """Whether a campaign leaves this contact alone, for as long as it runs, re-entry included."""
    return bucket(salt, "holdout", campaign_id, contact_id) < share


def in_programme_holdout(salt: str, contact_id: int, share: float, at: datetime) -> bool:
    """Whether a contact is outside all marketing in the quarter of this moment."""
    return share > 0 and bucket(salt, "programme", quarter(at), contact_id) < share


def quarter(at: datetime) -> str:
    """The calendar quarter of a moment in UTC, for example "2025Q1"."""
    moment = at.astimezone(UTC)
    return f"{moment.year}Q{(moment.month + 2) // 3}"


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
