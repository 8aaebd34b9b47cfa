"""Spreadsheets write numbers, dates, letters and cells in many ways; each is read, or refused with its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import InvalidInputError
from memory.importing.amounts import UnreadableError, read_minor_units, read_whole_number
from memory.importing.export import open_export
from memory.importing.moments import read_micros
from memory.importing.words import (
    read_consent,
    read_country,
    read_email,
    read_flag,
    read_id,
    read_language,
    read_time_zone,
)
from memory.schema import from_micros, to_micros

UTC_ZONE = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("12,50 €", 1250),
        ("€12.50", 1250),
        ("1 234,50", 123_450),
        ("1\u202f234,5", 123_450),
        ("1\u00a0234", 123_400),
        ("1.234,50", 123_450),
        ("1,234.50", 123_450),
        ("1'234.50", 123_450),
        ("12.50 EUR", 1250),
        ("-3", -300),
        ("(4.00)", -400),
        ("3.999", 400),
        ("1,234,567", 123_456_700),
        ("0", 0),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, cents: int) -> None:
    assert read_minor_units(text, mark=".", currency="EUR") == cents


@pytest.mark.parametrize("text", ["abc", "1,2,3", "12 50", "1.2.3,4", "12,50 %", "€", "1e5", "--5", ""])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        read_minor_units(text, mark=".", currency="EUR")


def test_a_number_that_could_be_either_follows_the_column() -> None:
    assert read_minor_units("1,234", mark=".", currency="EUR") == 123_400
    assert read_minor_units("1,234", mark=",", currency="EUR") == 123


def test_an_amount_in_another_currency_is_refused_and_dollars_are_many() -> None:
    with pytest.raises(UnreadableError, match="another currency than EUR"):
        read_minor_units("$1,234.50", mark=".", currency="EUR")
    assert read_minor_units("$1,234.50", mark=".", currency="USD") == 123_450
    assert read_minor_units("$5", mark=".", currency="CAD") == 500
    assert read_minor_units("1 200 ¥", mark=".", currency="JPY") == 1200


@given(cents=st.integers(-(10**11), 10**11), comma=st.booleans(), space=st.sampled_from(["", " ", "\u202f", "\u00a0"]))
def test_every_amount_survives_being_written_and_read(cents: int, comma: bool, space: str) -> None:
    whole, rest = divmod(abs(cents), 100)
    grouped = f"{whole:,}".replace(",", space)
    text = f"{'-' if cents < 0 else ''}{grouped}{',' if comma else '.'}{rest:02d} €"
    assert read_minor_units(text, mark="." if comma else ",", currency="EUR") == cents
    assert Decimal(cents) / 100 == Decimal(read_minor_units(text, mark=".", currency="EUR")) / 100


def test_counts_are_whole() -> None:
    assert read_whole_number("2.0", mark=".") == 2
    with pytest.raises(UnreadableError, match="whole"):
        read_whole_number("2.5", mark=".")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("31/12/2024", "2024-12-31T00:00:00"),
        ("2024-12-31", "2024-12-31T00:00:00"),
        ("2025-01-15 10:22:33 -0500", "2025-01-15T15:22:33"),
        ("2025-01-15T10:22:33.250Z", "2025-01-15T10:22:33.250000"),
        ("Jan 2, 2025 3:04 PM", "2025-01-02T15:04:00"),
        ("2 janvier 2025", "2025-01-02T00:00:00"),
        ("1er févr. 2025 à 14h05", "2025-02-01T14:05:00"),
        ("31.12.24", "2024-12-31T00:00:00"),
        ("20250115", "2025-01-15T00:00:00"),
        ("1736935353", "2025-01-15T10:02:33"),
        ("2025/1/5 08:30", "2025-01-05T08:30:00"),
    ],
)
def test_dates_are_read_as_exports_write_them(text: str, iso: str) -> None:
    found = from_micros(read_micros(text, day_first=True, zone=UTC_ZONE))
    assert found == datetime.fromisoformat(iso).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["31/02/2025", "2025-13-01", "0000-00-00", "1900-01-01", "13/13/2025", "2025-01-01 25:00"]
)
def test_impossible_dates_are_called_impossible(text: str) -> None:
    with pytest.raises(UnreadableError, match="impossible"):
        read_micros(text, day_first=True, zone=UTC_ZONE)


@pytest.mark.parametrize("text", ["hello", "yesterday", "12", "3 foo 2025"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match="not a date"):
        read_micros(text, day_first=True, zone=UTC_ZONE)


@given(st.datetimes(datetime(1990, 1, 2), datetime(2100, 1, 1)))  # noqa: DTZ001 - the zone is part of what is written
def test_a_date_is_the_same_moment_however_it_is_written(at: datetime) -> None:
    at = at.replace(microsecond=0)
    wanted = to_micros(at.replace(tzinfo=UTC))
    year = f"{at.year:04d}"
    for text, day_first in (
        (at.isoformat(), True),
        (at.strftime("%d/%m/") + year + at.strftime(" %H:%M:%S"), True),
        (at.strftime("%m/%d/") + year + at.strftime(" %I:%M:%S %p"), False),
        (at.strftime("%Y-%m-%d %H:%M:%S +0000"), False),
    ):
        assert read_micros(text, day_first=day_first, zone=UTC_ZONE) == wanted


def test_times_without_a_zone_are_in_the_workspaces_zone() -> None:
    paris = read_micros("2025-07-01 12:00", day_first=True, zone=ZoneInfo("Europe/Paris"))
    assert from_micros(paris).hour == 10


def test_yes_no_and_consent_are_read_in_both_languages() -> None:
    assert [read_flag(word) for word in ("Oui", "non", "TRUE", "0", "x")] == [True, False, True, False, True]
    assert [read_consent(word) for word in ("SUBSCRIBED", "Désinscrit", "NEVER_SUBSCRIBED")] == [
        "granted",
        "withdrawn",
        "",
    ]
    with pytest.raises(UnreadableError):
        read_flag("perhaps")


def test_languages_countries_and_zones_are_brought_to_one_spelling() -> None:
    assert [read_language(word) for word in ("fr-CA", "Français", "English", "de_DE")] == ["fr", "fr", "en", "de"]
    assert [read_country(word) for word in ("France", "uk", "États-Unis", "be")] == ["FR", "GB", "US", "BE"]
    assert read_time_zone("(GMT+01:00) Central European Standard Time (Europe/Paris)") == "Europe/Paris"
    for read, word in ((read_language, "klingon!"), (read_country, "Atlantis"), (read_time_zone, "Mars/Base")):
        with pytest.raises(UnreadableError):
            read(word)


def test_addresses_are_lower_cased_and_bad_ones_refused() -> None:
    assert read_email(" Zoe+Tea@Example.COM ") == "zoe+tea@example.com"
    for text in ("zoe@", "@example.com", "zoe at example.com", "a..b@example.com", "zoe@example"):
        with pytest.raises(UnreadableError):
            read_email(text)


def test_an_id_that_a_spreadsheet_rounded_is_refused() -> None:
    assert read_id("'7210448301122") == "7210448301122"
    with pytest.raises(UnreadableError, match="rounded"):
        read_id("7.21E+12")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_encodings_and_separators_are_recognised(tmp_path: Path, encoding: str, mark: str) -> None:
    path = tmp_path / "people.csv"
    lines = [
        mark.join(cells) for cells in (("Prénom", "Ville", "Prix €"), ("Zoé", "Orléans", "5"), ("Noël", "Nîmes", "7"))
    ]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    export = open_export(path)
    assert export.header == ("Prénom", "Ville", "Prix €")
    assert export.delimiter == mark
    assert export.sample() == [["Zoé", "Orléans", "5"], ["Noël", "Nîmes", "7"]]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text('sep=;\n\nname;note\nAnna;"two\nlines"\n\nBob;one\nCam;a;b;c\nDan;x;;\n')
    block = next(iter(open_export(path).blocks()))
    assert list(zip(block.lines, [row[0] for row in block.rows], strict=True)) == [(4, "Anna"), (7, "Bob"), (9, "Dan")]
    assert block.ragged == [(8, ["Cam", "a", "b", "c"])]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"PK\x03\x04rest of a workbook", "Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"a\x00b\x01c\xff\x00\x00", "not a text file"),
        (b"anna@example.com;Anna\nbob@example.com;Bob\n", "instead of the names"),
        (b"na\x81me;x\xff\n\x81;1\n", "cannot be recognised"),
    ],
)
def test_what_is_no_csv_is_refused_with_a_remedy(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=what) as raised:
        open_export(path)
    assert raised.value.where == "export.csv"
    assert "Nothing was imported" in raised.value.remedy


def test_a_quote_that_never_closes_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text('name,note\nAnna,fine\nBob,"never closed\nCam,x\nDan,y\n')
    with pytest.raises(InvalidInputError, match="never closed") as raised:
        list(open_export(path).blocks())
    assert raised.value.where == "export.csv, line 3"


def test_a_missing_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        open_export(tmp_path / "absent.csv")
