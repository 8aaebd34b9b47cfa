"""A file of an experiment is read whole or not at all, whatever spreadsheet wrote it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from memory.errors import InvalidInputError
from memory.importing.experiment import ExperimentColumns, ExperimentRows, read_experiment

COLUMNS = ExperimentColumns(arm="arm", outcome="bought", value="spend", at="entered", before="before")
FRENCH = """arm;bought;spend;entered;before
témoin;non;0;31/12/2025;1,5
e-mail;oui;12,50 €;01/01/2026;2
e-mail;non;0;02/01/2026;0,25
"""


def read(path: Path, text: str, columns: ExperimentColumns = COLUMNS, encoding: str = "utf-8") -> ExperimentRows:
    path.write_text(text, encoding=encoding)
    return read_experiment(path, columns, zone=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_french_spreadsheet_is_read_with_its_commas_and_its_days_first(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path / "test.csv", FRENCH, encoding=encoding)
    assert found.names == ("e-mail", "témoin")
    assert found.arm.tolist() == [1, 0, 0]
    assert found.conversions.tolist() == [0, 1, 0]
    assert found.contacts.tolist() == [1, 1, 1]
    assert found.value_cents is not None
    assert found.value_cents.tolist() == [0, 1250, 0]
    assert found.day is not None
    assert (found.day - found.day[0]).tolist() == [0, 1, 2]
    assert found.before is not None
    assert found.before.tolist() == [1.5, 2.0, 0.25]


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    table = pa.table(
        {
            "arm": ["témoin", "e-mail", "e-mail"],
            "bought": [False, True, False],
            "spend": [0.0, 12.5, 0.0],
            "entered": [datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, 9), datetime(2026, 1, 2)],  # noqa: DTZ001 - a column without zone is what is tested
            "before": [1.5, 2.0, 0.25],
        }
    )
    pq.write_table(table, path)
    one, other = read_experiment(path, COLUMNS, zone=UTC), read(tmp_path / "test.csv", FRENCH)
    for name in ("arm", "conversions", "value_cents", "day", "before"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name


def test_counts_stand_for_many_contacts_and_days_are_those_of_the_zone(tmp_path: Path) -> None:
    columns = ExperimentColumns(arm="arm", outcome="orders", n="sent", at="day")
    text = 'arm,sent,orders,day\na,"1,000",20,2025-06-01T23:30:00Z\nb,900,30,2025-06-02T01:00:00Z\n'
    (tmp_path / "test.csv").write_text(text)
    found = read_experiment(tmp_path / "test.csv", columns, zone=ZoneInfo("America/New_York"))
    assert (found.contacts.tolist(), found.conversions.tolist()) == ([1000, 900], [20, 30])
    assert found.day is not None
    assert found.day[0] == found.day[1]


def test_how_often_somebody_bought_counts_once(tmp_path: Path) -> None:
    columns = ExperimentColumns(arm="arm", outcome="orders")
    assert read(tmp_path / "test.csv", "arm,orders\na,0\na,3\nb,1\n", columns).conversions.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("text", "columns", "what", "where"),
    [
        ("arm,won\na,1\n", ExperimentColumns("arm", "bought"), "no column bought", "test.csv"),
        ("arm,won\na,1\nb,\n", ExperimentColumns("arm", "won"), "1 cells of the column won", "line 3"),
        ("arm,won\na,1\n,1\n", ExperimentColumns("arm", "won"), "1 cells of the column arm", "line 3"),
        ("arm,won\na,1\nb,perhaps\n", ExperimentColumns("arm", "won"), "cannot be read", "line 3"),
        ("arm,won\na,1\nb,1,2\n", ExperimentColumns("arm", "won"), "3 cells where the header has 2", "line 3"),
        ("arm,won,who\na,1,x\nb,1,x\n", ExperimentColumns("arm", "won", contact="who"), "was there before", "line 3"),
        ("arm,won,sent\na,9,8\n", ExperimentColumns("arm", "won", n="sent"), "9 of 8 contacts", "line 2"),
        ("arm,won,sent\na,1.5,8\n", ExperimentColumns("arm", "won", n="sent"), "cannot be read", "line 2"),
        ("arm,won,at\na,1,31/02/2025\n", ExperimentColumns("arm", "won", at="at"), "impossible", "line 2"),
        ("arm,won\n", ExperimentColumns("arm", "won"), "no rows", "test.csv"),
        ("arm,won\na,20\nb,1\n", ExperimentColumns("arm", "won"), "seems to count many contacts.*20", "test.csv"),
        ("arm,won\na,2\na,3\nb,0\n", ExperimentColumns("arm", "won"), "seems to count many contacts", "test.csv"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line_and_nothing_is_guessed(
    tmp_path: Path, text: str, columns: ExperimentColumns, what: str, where: str
) -> None:
    with pytest.raises(InvalidInputError, match=what) as caught:
        read(tmp_path / "test.csv", text, columns)
    assert where in caught.value.where
    assert caught.value.remedy


def test_a_file_that_is_no_parquet_says_so(tmp_path: Path) -> None:
    (tmp_path / "test.parquet").write_text("arm,won\na,1\n")
    with pytest.raises(InvalidInputError, match="no Parquet file"):
        read_experiment(tmp_path / "test.parquet", ExperimentColumns("arm", "won"), zone=UTC)
