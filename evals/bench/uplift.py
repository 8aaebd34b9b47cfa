"""Maintained uplift libraries as policies: each says what a mail adds for a contact, and the larger one is sent."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.learning.targeting import Trial
from evals.bench.hillstrom import ARMS, Hillstrom

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Added = Callable[[Floats], Floats]
"""Features in; what each mail adds, contact by mail."""
Policy = Callable[[Hillstrom, Places], Places]
Learner = Callable[[Trial, Hillstrom, Places, int], Policy]


def _by(learn: Callable[[Trial, int], Added]) -> Learner:
    def learner(trial: Trial, _data: Hillstrom, _rows: Places, seed: int) -> Policy:
        added = learn(trial, seed)
        return lambda data, rows: added(data.features[rows]).argmax(axis=1) + 1

    return learner


def _boosted(kind: str, seed: int) -> Any:
    return getattr(import_module("lightgbm"), kind)(
        n_estimators=100,
        num_leaves=15,
        learning_rate=0.05,
        min_child_samples=100,
        random_state=seed,
        n_jobs=1,
        verbose=-1,
    )


def _pairs(trial: Trial, arm: int) -> tuple[Floats, Floats, Floats]:
    """Contacts of one mail and of none: features, outcomes, and who got it."""
    rows = np.isin(trial.arms, (0, arm))
    return trial.features[rows], trial.outcomes[rows], (trial.arms[rows] == arm).astype(float)


def _forest(trial: Trial, seed: int) -> Added:
    library, forests = import_module("econml.dml"), import_module("sklearn.ensemble")
    nuisance = {"n_estimators": 60, "min_samples_leaf": 50, "random_state": seed}
    model = library.CausalForestDML(
        model_y=forests.RandomForestRegressor(**nuisance),
        model_t=forests.RandomForestClassifier(**nuisance),
        discrete_treatment=True,
        n_estimators=200,
        min_samples_leaf=50,
        random_state=seed,
        n_jobs=1,
    )
    model.fit(trial.outcomes, trial.arms, X=trial.features)
    return lambda features: np.column_stack([model.effect(features, T0=0, T1=arm) for arm in range(1, len(ARMS))])


def _x_learner(trial: Trial, seed: int) -> Added:
    library = import_module("causalml.inference.meta")
    model = library.BaseXRegressor(learner=_boosted("LGBMRegressor", seed), control_name=0)
    given = dict.fromkeys(range(1, len(ARMS)), np.full(len(trial.arms), 0.5))
    model.fit(X=trial.features, treatment=trial.arms, y=trial.outcomes, p=given)
    return lambda features: np.asarray(
        model.predict(features, p=dict.fromkeys(range(1, len(ARMS)), np.full(len(features), 0.5)))
    )


def _sklift(kind: str) -> Callable[[Trial, int], Added]:
    def learn(trial: Trial, seed: int) -> Added:
        library = import_module("sklift.models")
        fitted = []
        for arm in range(1, len(ARMS)):
            features, outcomes, got = _pairs(trial, arm)
            model = (
                library.TwoModels(_boosted("LGBMClassifier", seed), _boosted("LGBMClassifier", seed), method="vanilla")
                if kind == "TwoModels"
                else library.SoloModel(_boosted("LGBMClassifier", seed))
            )
            fitted.append(model.fit(features, outcomes, got))
        return lambda features: np.column_stack([np.asarray(one.predict(features)) for one in fitted])

    return learn


def _single(trial: Trial, seed: int) -> Added:
    model = _boosted("LGBMRegressor", seed)
    model.fit(np.column_stack([trial.features, np.eye(len(ARMS))[trial.arms]]), trial.outcomes)

    def added(features: Floats) -> Floats:
        said = [
            model.predict(np.column_stack([features, np.tile(np.eye(len(ARMS))[arm], (len(features), 1))]))
            for arm in range(len(ARMS))
        ]
        return np.column_stack([one - said[0] for one in said[1:]])

    return added


RIVALS: dict[str, tuple[Learner, bool]] = {
    "S LightGBM on visits": (_by(_single), False),
    "causalml X LightGBM on visits": (_by(_x_learner), False),
    "scikit-uplift two models on visits": (_by(_sklift("TwoModels")), False),
    "scikit-uplift solo model on visits": (_by(_sklift("SoloModel")), False),
    "econml CausalForestDML on visits": (_by(_forest), True),
}
"""By name, the learner, and whether it takes a minute a fit."""
_NEEDS = {"S": "lightgbm", "causalml": "causalml", "scikit-uplift": "sklift", "econml": "econml"}


def missing() -> dict[str, str]:
    """Rivals that cannot run here, and the library that each of them needs."""
    needed = {name: _NEEDS[name.partition(" ")[0]] for name in RIVALS}
    return {name: library for name, library in needed.items() if find_spec(library) is None}
