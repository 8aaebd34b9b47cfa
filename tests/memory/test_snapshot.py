"""The snapshot tells the lake what features need of a contact, and nothing that names them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from memory.canonical import address_hash
from memory.lake import Lake
from memory.schema import consent_current, consents, contacts, suppressions
from memory.snapshot import refresh
from memory.store import Store

AT = datetime(2025, 3, 1, tzinfo=UTC)


def _contact(contact_id: int, **rest: Any) -> dict[str, Any]:
    email = f"private-{contact_id}@example.com"
    plain = {"email": email, "email_hash": address_hash("salt", email), "first_name": "Private", "language": "fr"}
    gone = {"merged_into": None, "erased_at": None}
    return {"contact_id": contact_id, "created_at": AT, "updated_at": AT, **plain, **gone, **rest}


def _fill(store: Store) -> None:
    people = [
        _contact(1),
        _contact(2),
        _contact(3, merged_into=1),
        _contact(4, erased_at=AT, email=None),
        _contact(5, email=None, email_hash=None),
    ]
    given = [
        {"contact_id": 1, "channel": "email", "purpose": "marketing", "state": "granted", "has_proof": True},
        {"contact_id": 2, "channel": "sms", "purpose": "marketing", "state": "granted", "has_proof": True},
        {"contact_id": 5, "channel": "email", "purpose": "marketing", "state": "withdrawn", "has_proof": False},
    ]
    with store.write() as connection:
        connection.execute(insert(contacts), people)
        for number, row in enumerate(given, start=1):
            history = {name: row[name] for name in ("contact_id", "channel", "purpose", "state")}
            connection.execute(insert(consents).values(consent_id=number, at=AT, **history))
            connection.execute(insert(consent_current).values(consent_id=number, at=AT, **row))
        for channel, contact_id in (("email", 2), ("sms", 1)):
            hashed = address_hash("salt", f"private-{contact_id}@example.com")
            connection.execute(
                insert(suppressions).values(channel=channel, address_hash=hashed, reason="manual", at=AT)
            )


def test_the_snapshot_holds_consent_and_suppression_for_marketing_mail(any_store: Store, tmp_path: Path) -> None:
    _fill(any_store)
    lake = Lake(tmp_path / "lake")
    assert refresh(any_store, lake) == 3
    rows = lake.connect().table("contacts").order_by("contact_id").to_pyarrow().to_pylist()
    told = [
        (row["contact_id"], row["has_email"], row["consent_email"], row["consent_proof"], row["suppressed"])
        for row in rows
    ]
    assert told == [
        (1, True, "granted", True, False),
        (2, True, "", False, True),
        (5, False, "withdrawn", False, False),
    ]


def test_no_file_of_the_lake_names_a_person(store: Store, tmp_path: Path) -> None:
    _fill(store)
    lake = Lake(tmp_path / "lake")
    refresh(store, lake)
    columns = lake.connect().table("contacts").columns
    assert not {"email", "email_hash", "phone", "first_name", "last_name", "notes"}.intersection(columns)
    for file in (path for path in (tmp_path / "lake").rglob("*") if path.is_file()):
        assert b"rivate" not in file.read_bytes(), file


def test_a_refresh_forgets_contacts_who_are_gone(store: Store, tmp_path: Path) -> None:
    _fill(store)
    lake = Lake(tmp_path / "lake")
    refresh(store, lake)
    with store.write() as connection:
        connection.execute(contacts.update().where(contacts.c.contact_id == 2).values(erased_at=AT))
    assert refresh(store, lake) == 2
    assert lake.connect().table("contacts").order_by("contact_id").to_pyarrow()["contact_id"].to_pylist() == [1, 5]


def test_an_empty_store_gives_an_empty_snapshot(store: Store, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    assert refresh(store, lake) == 0
    assert lake.connect().table("contacts").to_pyarrow().num_rows == 0
