"""The measures say how good the record is, and which cleaning would raise each of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from memory.clock import ManualClock
from memory.importing.load import import_file
from memory.importing.report import ImportSettings
from memory.lake import Lake
from memory.quality import Quality, assess
from memory.store import Store

FILES = {
    "products.csv": "product_id,name,category,price,cost\nP1,Tea,Drinks,10,4\nP2,Mug,,5,\n",
    "contacts.csv": "contact_id,email,first_name,last_name,language,time_zone,address,postal_code\n"
    "1,anna.jansen@gmail.com,Anna,Jansen,fr,Europe/Paris,1 rue A,75011\n"
    "2,annajansen+shop@gmail.com,A.,Jansen,fr,,,\n"
    "3,b@example.com,Bob,Roy,,,2 rue B,69001\n"
    "4,b2@example.com,Bob,Roy,,,2 rue B,69001\n"
    "5,,Cam,,,,,\n",
    "consents.csv": "contact_id,state,at,proof\n1,granted,2024-01-01,form 7\n3,granted,2024-01-01,\n4,no,2024-01-01,\n",
    "orders.csv": "order_id,contact_id,ordered_at,total\nA,1,2024-12-03,10\nB,3,2025-02-01,5\nC,,2025-02-01,5\n",
    "order_lines.csv": "order_id,line,product_id,quantity,amount\nA,1,P1,1,10\nB,1,P2,1,5\nC,1,P2,1,5\n",
}


@pytest.fixture
def quality(store: Store, clock: ManualClock, tmp_path: Path) -> Quality:
    """The measures of a small, untidy shop."""
    lake = Lake(tmp_path / "lake")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        import_file(store, lake, tmp_path / name, settings=ImportSettings(currency="EUR"), clock=clock)
    return assess(store, lake, clock.now())


WANTED = {
    "email_share": 4 / 5,
    "consent_share": 2 / 5,
    "consent_proof_share": 1 / 2,
    "language_share": 2 / 5,
    "time_zone_share": 1 / 5,
    "unique_contacts_share": 3 / 5,
    "orders_with_contact_share": 2 / 3,
    "category_share": 1 / 3,
    "cost_share": 1 / 2,
    "possible_dates_share": 1.0,
    "history_days": 60.0,
    "freshness": 1 - 30.375 / 60,
}


def test_each_measure_has_its_value_sentence_and_cleaning(quality: Quality) -> None:
    assert {name: measure.value for name, measure in quality.measures.items()} == pytest.approx(WANTED)
    assert all(measure.sentence for measure in quality.measures.values())
    perfect = {name for name, measure in quality.measures.items() if not measure.remedy}
    assert perfect == {"possible_dates_share"}, "only what is not perfect asks for cleaning"


def test_the_silence_of_each_source_is_told(quality: Quality) -> None:
    assert [(one.source, one.table, round(one.days)) for one in quality.sources] == [("import", "orders", 30)]


def test_an_empty_record_measures_nothing_and_says_so(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    quality = assess(store, Lake(tmp_path / "lake"), clock.now())
    assert {measure.value for measure in quality.measures.values()} == {0.0}
    assert all(measure.of == 0 and measure.remedy for measure in quality.measures.values())


def test_a_date_in_the_future_of_the_record_counts_against_it(
    store: Store, clock: ManualClock, tmp_path: Path, quality: Quality
) -> None:
    earlier = assess(store, Lake(tmp_path / "lake"), clock.now() - timedelta(days=60))
    assert earlier.measures["possible_dates_share"].value == pytest.approx(1 / 3)
    assert "2 of 5" not in earlier.measures["possible_dates_share"].sentence
    assert earlier.measures["possible_dates_share"].remedy
