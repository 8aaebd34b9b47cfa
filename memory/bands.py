"""Bands: contacts told apart by one number on record, so that each band may draw its sequences by shares of its own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from memory.errors import InvalidInputError
from memory.features.registry import REGISTRY
from memory.segments.grammar import parse

Shares = tuple[dict[str, float], ...]
"""By band, the probability with which each sequence is drawn; only one where a campaign tells none apart."""

_OR_UNKNOWN = {"en": " or unknown", "fr": " ou inconnu"}


class Bands(BaseModel):
    """One number of a contact, and where its bands begin; whose number is not on record is in the lowest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    """Name of a feature that is a number."""
    cuts: tuple[int, ...] = Field(min_length=1, max_length=4)
    """The smallest number of each band but the lowest, in order."""

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Bands:
        if list(self.cuts) != sorted(set(self.cuts)):
            raise ValueError("name where bands begin from the lowest on, each once")
        try:
            for cut in self.cuts:
                parse({"type": "compare", "field": self.feature, "operator": "<", "value": cut})
        except InvalidInputError as error:
            raise ValueError(error.what.rstrip(".")) from error
        return self

    def __len__(self) -> int:
        return len(self.cuts) + 1

    def place(self, value: Any) -> int:
        """The band of a contact with this value, the lowest being 0."""
        return bisect_right(self.cuts, value) if isinstance(value, int | float) else 0

    def label(self, place: int, language: str) -> str:
        """Who is in a band, as a heading, for example "orders ≥ 3, < 8"."""
        bounds = [f"≥ {self.cuts[place - 1]}"] if place else []
        bounds += [f"< {self.cuts[place]}"] if place < len(self.cuts) else []
        told = f"{REGISTRY[self.feature].label[language]} {', '.join(bounds)}"
        return told if place else f"{told}{_OR_UNKNOWN[language]}"


def together(shares: Shares, contacts: Iterable[float]) -> dict[str, float]:
    """The share of each sequence over all bands, weighed by the contacts of each; evenly where nobody counted them."""
    weights = list(contacts)
    if len(weights) != len(shares) or not sum(weights):
        weights = [1.0] * len(shares)
    total = sum(weights)
    keys = sorted({key for one in shares for key in one})
    return {
        key: sum(weight * one.get(key, 0.0) for weight, one in zip(weights, shares, strict=True)) / total
        for key in keys
    }


def by_label(bands: Bands | None, shares: Shares, language: str) -> dict[str, dict[str, float]]:
    """The shares of each band under its heading; empty where none are told apart."""
    return {bands.label(place, language): of for place, of in enumerate(shares)} if bands else {}


def only(shares: Shares, keys: Iterable[str], *, total: float = 1.0) -> Shares:
    """The same for some of the sequences alone, in each band scaled to ``total``; evenly where it drew none of them."""
    kept = sorted(keys)
    return tuple(_scaled({key: one.get(key, 0.0) for key in kept}, total) for one in shares)


def _scaled(shares: dict[str, float], total: float) -> dict[str, float]:
    found = sum(shares.values())
    if not found:
        return dict.fromkeys(shares, total / len(shares))
    # What adds up already stays as it is, to the last digit: an approval hangs on it.
    return shares if abs(found - total) < 1e-9 else {key: total * share / found for key, share in shares.items()}
