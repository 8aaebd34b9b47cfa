"""Hillstrom's e-mail trial (MineThatData 2008): 64,000 customers, a third each without mail, with Mens, with Womens."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.learning.targeting import Trial

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
COLUMNS = ("recency", "history", "log history", "mens", "womens", "newbie", "rural", "suburban", "phone", "web")
_MENS, _WOMENS = COLUMNS.index("mens"), COLUMNS.index("womens")


@dataclass(frozen=True)
class Hillstrom:
    """One row for each customer; what was known before the mail stands in ``COLUMNS``."""

    features: Floats
    arms: Places
    visits: Floats
    conversions: Floats
    spend_cents: Floats

    @property
    def probabilities(self) -> Floats:
        """Each arm was drawn with a third."""
        return np.full((len(self.arms), len(ARMS)), 1 / len(ARMS))

    @property
    def match(self) -> Places:
        """The mail of the category that somebody bought before; Mens for both."""
        return self.match_of(self.features)

    @staticmethod
    def match_of(features: Floats) -> Places:
        """The same of any rows of ``COLUMNS``."""
        only_womens = (features[:, _WOMENS] > 0) & (features[:, _MENS] == 0)
        return np.where(only_womens, ARMS.index("Womens E-Mail"), ARMS.index("Mens E-Mail")).astype(np.intp)

    @property
    def rfm(self) -> Floats:
        """Ranks of recency and of what was spent, added up: the higher, the better the customer."""
        return _ranks(-self.features[:, 0]) + _ranks(self.features[:, 1])

    def trial(self, rows: Places) -> Trial:
        """Some of it, judged on visits."""
        return Trial(self.features[rows], self.arms[rows], self.probabilities[rows], self.visits[rows])


def read_hillstrom(path: Path) -> Hillstrom:
    """Read the public file, plain or gzipped."""
    raw = path.read_bytes()
    rows = list(csv.DictReader((gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()))
    return Hillstrom(
        features=np.asarray([_features(row) for row in rows], float),
        arms=np.asarray([ARMS.index(row["segment"]) for row in rows], np.intp),
        visits=np.asarray([float(row["visit"]) for row in rows]),
        conversions=np.asarray([float(row["conversion"]) for row in rows]),
        spend_cents=np.asarray([100 * float(row["spend"]) for row in rows]),
    )


def _features(row: dict[str, str]) -> Sequence[float]:
    spent = float(row["history"])
    return (
        float(row["recency"]),
        spent,
        float(np.log(spent)),
        float(row["mens"]),
        float(row["womens"]),
        float(row["newbie"]),
        float(row["zip_code"] == "Rural"),
        # So spelt in the file.
        float(row["zip_code"] == "Surburban"),
        float(row["channel"] == "Phone"),
        float(row["channel"] == "Web"),
    )


def _ranks(values: Floats) -> Floats:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values)
