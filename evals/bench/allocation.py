"""Allocation against what else one could do with the same contacts, in markets whose truth is known.

Run ``python -m evals.bench.allocation``. The market of `docs/benchmarks.md`: ten sequences, five segments, base rates
of 1 to 5 %, conversions that take up to eight days, sixty days. Its numbers describe the methods, not a market.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from evals.bench.allocators import ALLOCATORS, Allocator
from evals.bench.bandits import RIVALS, missing
from evals.bench.trickle import DAYS, REGIMES, Trickle


@dataclass(frozen=True)
class Score:
    """How one way of allocating did in one regime; conversions are expected ones, so that no luck is in them."""

    name: str
    regime: str
    contacts_per_day: int
    runs: int
    percent_of_oracle: float
    gain_percent: float
    """Share of what lies between equal shares and the oracle."""
    gain_error: float
    """Standard error of it."""
    regret_conversions: float
    milliseconds_a_day: float


def run(make: Callable[[int], Allocator], market: Trickle, seed: int) -> tuple[float, float]:
    """Let one allocator work through one market; returns the conversions it may expect, and its own seconds."""
    allocator = make(seed)
    rng = np.random.default_rng([seed, 7])
    earned = spent = 0.0
    for day in range(DAYS):
        begun = time.perf_counter()
        shares = allocator.shares(day)
        spent += time.perf_counter() - begun
        entered = market.enter(day, shares, rng)
        earned += float((entered * market.rates[day]).sum())
        arrived = market.convert(day, entered)
        begun = time.perf_counter()
        allocator.learn(day, entered, arrived)
        spent += time.perf_counter() - begun
    return earned, spent


def compare(regime: str, per_day: int, runs: int, first_seed: int, names: Sequence[str]) -> list[Score]:
    """Every named allocator on the same markets."""
    makers = {**ALLOCATORS, **RIVALS}
    earned: dict[str, list[float]] = {name: [] for name in names}
    spent = dict.fromkeys(names, 0.0)
    best, even = [], []
    for seed in range(first_seed, first_seed + runs):
        market = Trickle.draw(REGIMES[regime], per_day, seed)
        best.append(market.oracle)
        even.append(market.even)
        for name in names:
            got, seconds = run(makers[name], Trickle.draw(REGIMES[regime], per_day, seed), seed)
            earned[name].append(got)
            spent[name] += seconds
    top, base = np.asarray(best), np.asarray(even)
    scores = []
    for name in names:
        expected = np.asarray(earned[name])
        room = float((top - base).mean())
        gains = 100 * (expected - base) / room if room > 0 else np.zeros(runs)
        scores.append(
            Score(
                name=name,
                regime=regime,
                contacts_per_day=per_day,
                runs=runs,
                percent_of_oracle=100 * float(expected.sum() / top.sum()),
                gain_percent=float(gains.mean()),
                gain_error=float(gains.std(ddof=1) / np.sqrt(runs)) if runs > 1 else 0.0,
                regret_conversions=float((top - expected).mean()),
                milliseconds_a_day=1000 * spent[name] / runs / DAYS,
            )
        )
    return scores


def _table(scores: Sequence[Score]) -> Table:
    one = scores[0]
    table = Table(title=f"{one.regime}, {one.contacts_per_day} contacts a day, {one.runs} runs")
    table.add_column("method")
    for heading in ("% of oracle", "gain %", "±", "regret", "ms a day"):
        table.add_column(heading, justify="right")
    for each in scores:
        numbers = (each.percent_of_oracle, each.gain_percent, 1.96 * each.gain_error, each.regret_conversions)
        table.add_row(each.name, *(f"{number:.1f}" for number in numbers), f"{each.milliseconds_a_day:.2f}")
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each regime and volume; libraries that are not installed are named and left out."""
    parser = argparse.ArgumentParser(description="Allocation against its rivals in markets whose truth is known.")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--regime", action="append", choices=sorted(REGIMES))
    parser.add_argument("--per-day", type=int, action="append")
    parser.add_argument("--method", action="append", help="beginning of a name; several may be given")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    console = Console(stderr=chosen.json, width=150)
    there = [name for name in RIVALS if name not in missing()]
    for name, library in missing().items():
        console.print(f"[yellow]left out: {name}, because {library} is not installed[/yellow]")
    names = [
        name
        for name in (*ALLOCATORS, *there)
        if not chosen.method or any(name.startswith(wanted) for wanted in chosen.method)
    ]
    found: list[Score] = []
    for regime in chosen.regime or REGIMES:
        for per_day in chosen.per_day or (500,):
            scores = compare(regime, per_day, chosen.runs, chosen.seed, names)
            found += scores
            console.print(_table(scores))
    if chosen.json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
