"""One linear model for all arms: what is known of a contact, the arm, and both together, held back by ridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
_PENALTIES = np.logspace(-4, 1, 11)
"""As shares of the number of contacts."""


@dataclass(frozen=True)
class Ridge:
    """Predicts an outcome for each contact under each arm ("S-learner" with interactions)."""

    centre: Floats
    scale: Floats
    weights: Floats
    arms: int

    @classmethod
    def fit(cls, features: Floats, arms: Places, outcomes: Floats, count: int) -> Self:
        """Fit to contacts who got arms 0 … ``count`` - 1; the penalty is the one with the least GCV.

        Generalised cross-validation by Golub, Heath and Wahba (1979). The arms themselves are not held back, only
        features and their interactions; a column that never changes has no say.
        """
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        table = _design((features - centre) / scale, arms, count)
        held = np.ones(table.shape[1])
        held[:count] = 0
        gram, target = table.T @ table, table.T @ outcomes
        square = float(outcomes @ outcomes)
        best = np.inf
        found: Floats = np.zeros(table.shape[1])
        for penalty in _PENALTIES * len(outcomes):
            bent = gram + np.diag(penalty * held + 1e-9)
            weights: Floats = np.linalg.solve(bent, target).astype(np.float64)
            used = float(np.trace(np.linalg.solve(bent, gram)))
            left = square - 2 * float(weights @ target) + float(weights @ gram @ weights)
            score = left / (1 - min(used / len(outcomes), 0.999)) ** 2
            if score < best:
                best, found = score, weights
        return cls(centre, scale, found, count)

    def predict(self, features: Floats) -> Floats:
        """Contact by arm."""
        known = (features - self.centre) / self.scale
        columns = [
            _design(known, np.full(len(known), arm, np.intp), self.arms) @ self.weights for arm in range(self.arms)
        ]
        return np.column_stack(columns)


def _design(known: Floats, arms: Places, count: int) -> Floats:
    """Arms, features, and features within each arm."""
    drawn = np.eye(count)[arms]
    both = (drawn[:, :, None] * known[:, None, :]).reshape(len(known), -1)
    return np.concatenate([drawn, known, both], axis=1)
