"""Measures again how often read-outs are wrong, on experiments whose truth is known.

Run ``python -m evals.bench.readouts``. The experiments are simulated: the rates describe the method, not a market.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from agents.learning.counts import Counts
from agents.learning.intervals import newcombe
from agents.learning.priors import Prior
from agents.learning.readout import Arm, MeasurementPlan, ReadOut, measure
from agents.learning.revenue import OrderValues, measure_revenue

PLAN = MeasurementPlan()


@dataclass(frozen=True)
class World:
    """One kind of experiment: its true rates and the contacts in holdout and treated part at the last look."""

    name: str
    holdout_rate: float
    treated_rate: float
    holdout_contacts: int
    treated_contacts: int


@dataclass(frozen=True)
class Outcome:
    """How read-outs did in one world; shares of the simulated experiments."""

    world: World
    experiments: int
    works: float
    harms: float
    inconclusive: float
    covered: float
    covered_at_level: float


WORLDS = (
    World("nothing differs, 10 % holdout", 0.01, 0.01, 3000, 27000),
    World("nothing differs, small list", 0.02, 0.02, 500, 4500),
    World("nothing differs, half and half", 0.02, 0.02, 15000, 15000),
    World("half as many again, 10 % holdout", 0.01, 0.015, 3000, 27000),
    World("15 % more, half and half", 0.02, 0.023, 30000, 30000),
    World("halved, 10 % holdout", 0.01, 0.005, 3000, 27000),
)


def run_world(world: World, experiments: int, seed: int) -> Outcome:
    """Simulate experiments read at four looks until one gives a verdict, and compare with the truth.

    ``covered`` is the share whose 95 % Newcombe interval at the end holds the true difference.
    """
    rng = np.random.default_rng(seed)
    said = {"works": 0, "harms": 0, "inconclusive": 0, "invalid": 0}
    covered = covered_at_level = 0
    truth = world.treated_rate - world.holdout_rate
    looks = len(PLAN.looks)
    for _ in range(experiments):
        holdout = _arrivals(rng, world.holdout_rate, world.holdout_contacts, looks)
        treated = _arrivals(rng, world.treated_rate, world.treated_contacts, looks)
        read = _first_verdict(holdout, treated)
        said[read.verdict] += 1
        interval = newcombe(treated[-1], holdout[-1])
        covered += interval.low <= truth <= interval.high
        covered_at_level += read.difference.low <= truth <= read.difference.high
    return Outcome(
        world=world,
        experiments=experiments,
        works=said["works"] / experiments,
        harms=said["harms"] / experiments,
        inconclusive=said["inconclusive"] / experiments,
        covered=covered / experiments,
        covered_at_level=covered_at_level / experiments,
    )


def revenue_false_claims(experiments: int, seed: int, *, holdout: int = 1000, treated: int = 9000) -> float:
    """The share of experiments without any effect in which a claim about revenue is made all the same.

    One contact in fifty buys; order values are lognormal with a spread of 0.8 on the logarithm.
    """
    rng = np.random.default_rng(seed)
    claims = 0
    for number in range(experiments):
        values = [
            tuple(int(value) for value in np.exp(rng.normal(8.0, 0.8, rng.binomial(size, 0.02))))
            for size in (holdout, treated)
        ]
        read = measure_revenue(
            OrderValues(holdout=values[0], treated=values[1]),
            treated_contacts=treated,
            holdout_contacts=holdout,
            seed=number,
        )
        claims += read is not None and read.claim != "none"
    return claims / experiments


def _arrivals(rng: np.random.Generator, rate: float, contacts: int, looks: int) -> list[Counts]:
    sizes = [contacts * (look + 1) // looks - contacts * look // looks for look in range(looks)]
    seen, reached = np.cumsum(sizes), np.cumsum(rng.binomial(sizes, rate))
    return [Counts(contacts=int(n), conversions=int(x)) for n, x in zip(seen, reached, strict=True)]


def _first_verdict(holdout: Sequence[Counts], treated: Sequence[Counts]) -> ReadOut:
    whole = holdout[-1].contacts + treated[-1].contacts
    share = holdout[-1].contacts / whole
    for look, (left, right) in enumerate(zip(holdout, treated, strict=True), start=1):
        arms = (
            Arm(name="holdout", share=share, **left.model_dump()),
            Arm(name="treated", share=1 - share, **right.model_dump()),
        )
        read = measure(arms, PLAN, look, Prior())
        if read.verdict != "inconclusive":
            break
    return read


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title=f"Read-outs at four looks, {outcomes[0].experiments} simulated experiments each")
    table.add_column("world")
    for heading in ("works", "harms", "open", "95 % holds", "shown holds"):
        table.add_column(heading, justify="right")
    for one in outcomes:
        shares = (one.works, one.harms, one.inconclusive, one.covered, one.covered_at_level)
        table.add_row(one.world.name, *(f"{100 * share:.1f} %" for share in shares))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit 1 if a false alarm rate lies clearly above the nominal 5 %."""
    parser = argparse.ArgumentParser(description="Measure again how often read-outs are wrong.")
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    outcomes = [run_world(world, chosen.experiments, chosen.seed) for world in WORLDS]
    console = Console()
    console.print(_table(outcomes))
    money = revenue_false_claims(max(1, chosen.experiments // 10), chosen.seed)
    console.print(f"Revenue claims although nothing differs (1,000 + 9,000 contacts): {100 * money:.1f} %")
    # Three standard errors above nominal, so that a sound method fails once in a thousand runs.
    limit = PLAN.alpha + 3 * (PLAN.alpha * (1 - PLAN.alpha) / chosen.experiments) ** 0.5
    null = [one for one in outcomes if one.world.holdout_rate == one.world.treated_rate]
    return int(any(one.works + one.harms > limit for one in null))


if __name__ == "__main__":
    sys.exit(main())
