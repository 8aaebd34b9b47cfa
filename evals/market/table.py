"""The closed-loop table: Noria and its rivals in the same worlds, as profit over silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import t as student

from evals.market.history import Histories
from evals.market.letters import LETTERS
from evals.market.noise import Floats
from evals.market.population import MARGIN_SHARE
from evals.market.rivals import Outcome, Rival, ToAll, play, rivals
from evals.market.season import MESSAGE_COST_CENTS, play_season, shop
from evals.market.seeds import SetName, worlds
from evals.market.world import Family, World, WorldKind

NORIA: Final = "Noria"
TARGET_OF_ORACLE: Final = {84: 0.60, 168: 0.80}
_RHYTHMS_DAYS: Final = (3, 7, 14)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class Settings(_Row):
    """How large a table is; the same settings give the same table."""

    worlds: SetName = "development"
    count: int = 28
    contacts: int = 2_000
    days: int = 84


class PlayedWorld(_Row):
    """One world: cents of profit over silence for each contact, by policy."""

    seed: int
    kind: WorldKind
    family: Family
    cents: dict[str, float]
    oracle_cents: float
    messages: dict[str, float]
    """For each contact."""
    letters: dict[str, int]
    """What Noria sent."""
    verdicts: dict[str, int]
    withheld: dict[str, int]
    product_seconds: float
    """What the real product took of the processor, without the import."""


class Against(_Row):
    """Noria less one rival, over worlds."""

    rival: str
    mean_cents: float
    low_cents: float
    high_cents: float
    """95 % interval of the mean (Student's t over worlds)."""
    won: float
    """Share of worlds."""
    worst_cents: float


class Table(_Row):
    """What `noria eval market` prints."""

    simulated: bool = True
    settings: Settings
    measured_on: date
    played: tuple[PlayedWorld, ...]
    means: dict[str, dict[str, float]]
    """Policy → kind of world (and "all") → cents a contact; the oracle among the policies."""
    of_oracle: dict[str, float]
    """Policy → share of what the oracle earns over all worlds."""
    against: tuple[Against, ...]
    microseconds_per_contact_day: float
    failures: tuple[str, ...]
    """Where a target is missed, and by how much."""


def play_table(
    settings: Settings, folder: Path, *, today: date, on_world: Callable[[PlayedWorld], None] = lambda _: None
) -> Table:
    """Play every world of the settings, each kept in the folder as it ends and not played again."""
    folder.mkdir(parents=True, exist_ok=True)
    played = []
    for world in worlds(settings.worlds, settings.count):
        kept = folder / f"{world.kind}-{world.family}-{world.seed}-{settings.contacts}x{settings.days}.json"
        if not kept.exists():
            found = play_world(world, settings.contacts, settings.days, folder / "workspace")
            kept.write_text(found.model_dump_json(indent=1), encoding="utf-8")
        played.append(PlayedWorld.model_validate(json.loads(kept.read_text(encoding="utf-8"))))
        on_world(played[-1])
    return table_of(settings, played, today)


def play_world(world: World, contacts: int, days: int, folder: Path) -> PlayedWorld:
    """Noria and every rival in one world, with the same customers and the same luck."""
    with shop(folder, world, contacts) as (workspace, histories):
        season = play_season(workspace, histories, world, days)
    silent = play(ToAll(-1), world, histories, days)
    outcomes = {name: play(one, world, histories, days) for name, one in rivals(world.seed).items()}
    outcomes = {NORIA: Outcome(season.sent, season.revenue_cents), **outcomes}
    return PlayedWorld(
        seed=world.seed,
        kind=world.kind,
        family=world.family,
        cents={name: float(_profit(one, silent).mean()) for name, one in outcomes.items()},
        oracle_cents=_oracle(world, histories, days, silent),
        messages={name: float(one.sent.mean()) for name, one in outcomes.items()},
        letters=dict(season.letters),
        verdicts=dict(season.verdicts),
        withheld=dict(season.withheld),
        product_seconds=season.seconds,
    )


def table_of(settings: Settings, played: Sequence[PlayedWorld], today: date) -> Table:
    """The table of worlds that were played."""
    oracle = "best letter and rhythm for each band"
    cents: dict[str, Floats] = {name: np.array([one.cents[name] for one in played]) for name in played[0].cents}
    cents[oracle] = np.array([one.oracle_cents for one in played])
    kinds = np.array([one.kind for one in played])
    means = {
        name: {"all": float(found.mean())}
        | {kind: float(found[kinds == kind].mean()) for kind in dict.fromkeys(kinds.tolist())}
        for name, found in cents.items()
    }
    best = means[oracle]["all"]
    against = tuple(
        _against(name, cents[NORIA] - found) for name, found in cents.items() if name not in (NORIA, oracle)
    )
    of_oracle = {name: one["all"] / best if best else 0.0 for name, one in means.items() if name != oracle}
    contact_days = settings.contacts * settings.days * len(played)
    return Table(
        settings=settings,
        measured_on=today,
        played=tuple(played),
        means=means,
        of_oracle=of_oracle,
        against=against,
        microseconds_per_contact_day=1e6 * sum(one.product_seconds for one in played) / contact_days,
        failures=tuple(_failures(settings, means, of_oracle[NORIA], against)),
    )


def _profit(outcome: Outcome, silent: Outcome) -> Floats:
    """Cents that each contact brought in beyond what it does by itself, less what its messages cost."""
    gained = MARGIN_SHARE * np.asarray(outcome.revenue_cents - silent.revenue_cents, np.float64)
    profit: Floats = gained - MESSAGE_COST_CENTS * outcome.sent
    return profit


def _oracle(world: World, histories: Histories, days: int, silent: Outcome) -> float:
    """The letter and rhythm, or silence, that is best for each band with hindsight, in cents a contact."""
    arms: list[Rival] = [ToAll(letter, every) for letter in range(len(LETTERS)) for every in _RHYTHMS_DAYS]
    gains = [np.bincount(histories.band, weights=_profit(play(one, world, histories, days), silent)) for one in arms]
    return float(np.maximum(np.max(gains, axis=0), 0).sum() / histories.size)


def _against(rival: str, difference: Floats) -> Against:
    n = difference.size
    reach = float(student.ppf(0.975, n - 1) * difference.std(ddof=1) / np.sqrt(n)) if n > 1 else float("inf")
    mean = float(difference.mean())
    return Against(
        rival=rival,
        mean_cents=mean,
        low_cents=mean - reach,
        high_cents=mean + reach,
        won=float((difference > 0).mean()),
        worst_cents=float(difference.min()),
    )


def _failures(
    settings: Settings, means: dict[str, dict[str, float]], of_oracle: float, against: Sequence[Against]
) -> list[str]:
    found = []
    wanted = TARGET_OF_ORACLE.get(settings.days)
    if wanted is not None and of_oracle < wanted:
        found.append(f"{of_oracle:.0%} of the oracle, {wanted:.0%} was wanted.")
    found += [
        f"Against {one.rival} the lower bound is {one.low_cents:+.0f} cents a contact, above 0 was wanted."
        for one in against
        if one.low_cents <= 0
    ]
    for kind in ("null", "harmful"):
        mine = means[NORIA].get(kind)
        for one in against:
            if mine is not None and mine < means[one.rival][kind]:
                least = means[one.rival][kind]
                found.append(f"In {kind} worlds it earns {mine:+.0f} cents a contact, {one.rival} {least:+.0f}.")
    return found
