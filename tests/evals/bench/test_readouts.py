"""The bench measures again what the read-outs promise."""

from __future__ import annotations

import pytest

from evals.bench.readouts import WORLDS, World, main, revenue_false_claims, run_world


@pytest.mark.parametrize("world", [one for one in WORLDS if one.holdout_rate == one.treated_rate])
def test_where_nothing_differs_verdicts_are_as_rare_as_promised(world: World) -> None:
    found = run_world(world, 400, seed=2)
    assert found.works + found.harms <= 0.085
    assert found.works + found.harms + found.inconclusive == pytest.approx(1)
    assert found.covered >= 0.92


def test_a_halved_rate_is_called_harm_and_never_a_success() -> None:
    found = run_world(World("halved", 0.01, 0.005, 3000, 27_000), 150, seed=2)
    assert found.harms > 0.75
    assert found.works == 0


def test_revenue_is_hardly_ever_claimed_without_an_effect() -> None:
    assert revenue_false_claims(60, seed=2) <= 0.10


def test_the_command_prints_a_table_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--experiments", "60", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "nothing differs" in printed
    assert "Revenue claims" in printed
