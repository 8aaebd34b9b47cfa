"""Who should get which mail: Noria's ladder against marketers' rules and uplift libraries, on a public trial.

Run ``python -m evals.bench.targeting FILE`` with Hillstrom's e-mail trial (64,000 contacts, three arms drawn with a
third each). Policies are learnt on one half and valued on the other, and the halves swapped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from agents.learning.off_policy import difference, doubly_robust, value_of
from agents.learning.ridge import Ridge
from agents.learning.targeting import Trial, climb, top
from evals.bench.hillstrom import ARMS, Hillstrom, read_hillstrom
from evals.bench.uplift import RIVALS, missing

MARGIN, COST_CENTS = 0.40, 10.0
"""Assumed: what is left of a dollar spent, and what a mail costs."""
MENS = ARMS.index("Mens E-Mail")
_CAPACITY = 0.3
Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Learner = Callable[[Trial, Hillstrom, NDArray[np.intp], int], Callable[[Hillstrom, NDArray[np.intp]], Places]]


@dataclass(frozen=True)
class Line:
    """One policy, on contacts that it was not learnt from; money in cents a contact, shares in per cent."""

    name: str
    splits: int
    sent: float
    visits: float
    conversions: float
    spend_cents: float
    profit_cents: float
    against_best_arm_cents: float
    reach_cents: float
    """Half the width of the 95 % interval of the difference, for one split."""
    seconds: float


def learners() -> dict[str, Learner]:
    """Noria's ladder and ridge, and what a marketer would do."""
    return {
        "nobody": _fixed(0),
        "Mens to everyone (known best with hindsight)": _fixed(MENS),
        "Womens to everyone": _fixed(ARMS.index("Womens E-Mail")),
        "match mail to past category": lambda *_: lambda data, rows: data.match[rows],
        "RFM top 40 %, Mens": lambda *_: lambda data, rows: np.where(top(data.rfm[rows], 0.4), MENS, 0),
        "30 % by chance, Mens": lambda *_: lambda data, rows: _mens_to(_chance(rows)),
        "30 % by past spend, Mens": lambda *_: lambda data, rows: _mens_to(data.features[rows, 1]),
        "30 % by RFM, Mens": lambda *_: lambda data, rows: _mens_to(data.rfm[rows]),
        "30 % by what ridge says it adds, Mens": _added,
        "noria: ladder on visits": _ladder,
        "noria: ridge on visits, no gate": _ridge,
    }


def _fixed(arm: int) -> Learner:
    return lambda *_: lambda _data, rows: np.full(len(rows), arm, np.intp)


def _mens_to(scores: Floats) -> Places:
    """Mens to the highest 30 %, where no more may be written to."""
    return np.where(top(scores, _CAPACITY), MENS, 0).astype(np.intp)


def _chance(rows: Places) -> Floats:
    return np.random.default_rng(len(rows)).random(len(rows))


def _added(trial: Trial, _data: Hillstrom, _rows: NDArray[np.intp], _seed: int) -> Callable[..., Places]:
    model = Ridge.fit(trial.features, trial.arms, trial.outcomes, trial.arm_count)

    def choose(data: Hillstrom, rows: Places) -> Places:
        said = model.predict(data.features[rows])
        return _mens_to(said[:, MENS] - said[:, 0])

    return choose


def _ladder(trial: Trial, data: Hillstrom, _rows: NDArray[np.intp], seed: int) -> Callable[..., Places]:
    ladder = climb(trial, {"match": data.match_of}, seed=seed)
    return lambda given, rows: ladder.policy(given.features[rows])


def _ridge(trial: Trial, _data: Hillstrom, _rows: NDArray[np.intp], _seed: int) -> Callable[..., Places]:
    model = Ridge.fit(trial.features, trial.arms, trial.outcomes, trial.arm_count)
    return lambda given, rows: model.predict(given.features[rows])[:, 1:].argmax(axis=1) + 1


def run(data: Hillstrom, name: str, learner: Learner, splits: int, first_seed: int) -> Line:
    """Learn on a half, value on the other, swap, and again with another split."""
    profit = MARGIN * data.spend_cents - COST_CENTS * (data.arms > 0)
    parts: list[tuple[float, ...]] = []
    seconds = 0.0
    for seed in range(first_seed, first_seed + splits):
        halves = np.array_split(np.random.default_rng(seed).permutation(len(data.arms)), 2)
        for train, test in (halves, halves[::-1]):
            begun = time.perf_counter()
            policy = learner(data.trial(train), data, train, seed)
            seconds += time.perf_counter() - begun
            choice = policy(data, test).astype(np.intp)
            said = [
                _scores(data, outcome, train, test)
                for outcome in (data.visits, data.conversions, data.spend_cents, profit)
            ]
            gained = difference(said[3], choice, np.full(len(test), MENS, np.intp))
            values = [value_of(one, choice).mean for one in said]
            parts.append((float((choice > 0).mean()), *values, gained.mean, gained.high - gained.mean))
    sent, visits, conversions, spend, earned, gain, reach = np.asarray(parts).mean(axis=0).tolist()
    # Both halves of a split together have twice the contacts of one.
    return Line(name, splits, 100 * sent, 100 * visits, 100 * conversions, spend, earned, gain, reach / 2**0.5,
                seconds / (2 * splits))  # fmt: skip


def _scores(data: Hillstrom, outcome: Floats, train: Places, test: Places) -> Floats:
    """Doubly robust, with a prediction that has not seen the half it is used on."""
    model = Ridge.fit(data.features[train], data.arms[train], outcome[train], len(ARMS))
    return doubly_robust(data.arms[test], outcome[test], data.probabilities[test], model.predict(data.features[test]))


def gate(data: Hillstrom, contacts: int, splits: int, first_seed: int) -> dict[str, float]:
    """How often the ladder leaves the best single arm although nothing beats it, and what that costs in cents."""
    left, cost, wrong = 0, [], 0
    profit = MARGIN * data.spend_cents - COST_CENTS * (data.arms > 0)
    for seed in range(first_seed, first_seed + splits):
        order = np.random.default_rng(seed).permutation(len(data.arms))
        train, test = order[:contacts], order[len(order) // 2 :]
        ladder = climb(data.trial(train), {"match": data.match_of}, seed=seed)
        choice = ladder.policy(data.features[test])
        anchor = ladder.arms["best_arm"](data.features[test])
        wrong += int(anchor[0] != MENS)
        left += int(ladder.reached != "best_arm")
        scores = _scores(data, profit, train, test)
        cost.append(difference(scores, choice, np.full(len(test), MENS, np.intp)).mean)
    return {"contacts": contacts, "splits": splits, "left_best_arm": left, "wrong_arm": wrong,
            "against_best_arm_cents": float(np.mean(cost))}  # fmt: skip


def _table(lines: Sequence[Line]) -> Table:
    table = Table(title="Hillstrom's trial: what each policy earns on contacts that it has not seen")
    table.add_column("policy")
    for heading in ("sent %", "visit %", "conv. %", "spend ¢", "profit ¢", "against Mens ¢", "±", "fit s"):
        table.add_column(heading, justify="right")
    for one in lines:
        numbers = (one.sent, one.visits, one.conversions, one.spend_cents, one.profit_cents)
        shown = [f"{one.sent:.0f}", *(f"{number:.2f}" for number in numbers[1:])]
        table.add_row(
            one.name, *shown, f"{one.against_best_arm_cents:+.1f}", f"{one.reach_cents:.1f}", f"{one.seconds:.1f}"
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; libraries that are not installed are named and left out."""
    parser = argparse.ArgumentParser(description="Noria's targeting ladder against rules and uplift libraries.")
    parser.add_argument("file", type=Path, help="Hillstrom's trial as CSV, plain or gzipped")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--slow-splits", type=int, default=1, help="for libraries that take a minute a fit")
    parser.add_argument("--gate-splits", type=int, default=12)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--only", action="append", help="beginning of a name; several may be given")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    console = Console(stderr=chosen.json, width=150)
    data = read_hillstrom(chosen.file)
    for name, library in missing().items():
        console.print(f"[yellow]left out: {name}, because {library} is not installed[/yellow]")
    rivals = {name: one for name, one in RIVALS.items() if name not in missing()}
    every = {**{name: (one, False) for name, one in learners().items()}, **rivals}
    lines = [
        run(data, name, learner, chosen.slow_splits if slow else chosen.splits, chosen.seed)
        for name, (learner, slow) in every.items()
        if not chosen.only or name.startswith(tuple(chosen.only))
    ]
    console.print(_table(lines))
    gates = (
        [gate(data, contacts, chosen.gate_splits, chosen.seed) for contacts in (32_000, 9_600)]
        if chosen.gate_splits
        else []
    )
    for one in gates:
        console.print(
            f"Ladder on {one['contacts']:,} contacts, {one['splits']} splits: left the best single arm "
            f"{one['left_best_arm']} times, took the wrong one {one['wrong_arm']} times, "
            f"{one['against_best_arm_cents']:+.1f} ¢ against Mens"
        )
    if chosen.json:
        sys.stdout.write(json.dumps({"policies": [asdict(one) for one in lines], "gate": gates}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
