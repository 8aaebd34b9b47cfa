"""The benchmark of targeting reads the public file and reproduces what is known of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evals.bench.hillstrom import COLUMNS, read_hillstrom
from evals.bench.targeting import learners, main, run
from evals.bench.uplift import missing

HILLSTROM = Path(__file__).parents[4] / "shared" / "data" / "hillstrom.csv.gz"
ROWS = """recency,history_segment,history,mens,womens,zip_code,newbie,channel,segment,visit,conversion,spend
10,2) $100 - $200,142.44,1,0,Surburban,0,Phone,Womens E-Mail,0,0,0
6,3) $200 - $350,329.08,0,1,Rural,1,Web,No E-Mail,1,1,12.5
"""


def test_a_plain_file_is_read_with_what_was_known_before_the_mail(tmp_path: Path) -> None:
    file = tmp_path / "trial.csv"
    file.write_text(ROWS)
    found = read_hillstrom(file)
    assert found.arms.tolist() == [2, 0]
    assert found.spend_cents.tolist() == [0, 1250]
    assert found.match.tolist() == [1, 2]
    assert dict(zip(COLUMNS, found.features[1].tolist(), strict=True))["rural"] == 1


@pytest.mark.slow
@pytest.mark.skipif(not HILLSTROM.is_file(), reason="the public file is not here")
def test_the_table_of_fixed_policies_is_reproduced() -> None:
    data = read_hillstrom(HILLSTROM)
    known = learners()
    silence = run(data, "nobody", known["nobody"], 1, 100)
    womens = run(data, "Womens", known["Womens to everyone"], 1, 100)
    assert silence.profit_cents == pytest.approx(26.1, abs=0.1)
    assert womens.against_best_arm_cents == pytest.approx(-13.7, abs=0.5)
    assert np.isclose(womens.visits, 15.2, atol=0.1)


def test_the_command_prints_a_line_for_each_policy_and_names_what_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *rows = ROWS.strip().splitlines()
    others = [row.replace("No E-Mail", "Mens E-Mail") for row in rows]
    file = tmp_path / "trial.csv"
    file.write_text("\n".join([header, *(rows + others) * 40]))
    assert main([str(file), "--splits", "1", "--gate-splits", "0", "--only", "nobody", "--only", "noria"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("nobody", "noria: ladder on visits", *missing()))
