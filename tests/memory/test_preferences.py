"""What contacts chose: read as it was kept, journalled without saying it, and carried through a merge."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update

from memory import contacts as people
from memory import preferences
from memory.lake import SCHEMAS, Lake, LakeTable
from memory.preferences import Preferences
from memory.schema import contacts, journal
from memory.snapshot import refresh
from memory.store import Store
from tests.tools.scene import add_contacts

AT = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
CHOSEN = Preferences(
    contact_id=1,
    topics=("news",),
    at_most_days=7,
    paused_until=AT + timedelta(days=3),
    answers={"preferred_category": "Coffee"},
)


def test_what_was_chosen_is_read_as_it_was_kept(any_store: Store) -> None:
    add_contacts(any_store, [1, 2])
    with any_store.write() as connection:
        assert preferences.of_contact(connection, 1) == Preferences(contact_id=1)
        preferences.save(connection, CHOSEN, AT)
        assert preferences.of_contact(connection, 1) == CHOSEN.model_copy(update={"updated_at": AT})
        assert set(preferences.read(connection, [1, 2])) == {1}
        everything = Preferences(contact_id=1)
        preferences.save(connection, everything, AT)
        assert preferences.of_contact(connection, 1).topics is None


def test_the_journal_says_what_changed_and_not_to_what(store: Store) -> None:
    add_contacts(store, [1])
    with store.write() as connection:
        assert preferences.save(connection, CHOSEN, AT) == ["topics", "at_most_days", "paused_until", "answers"]
        assert preferences.save(connection, CHOSEN, AT) == []
        lines = [row for row in connection.execute(select(journal)) if row.action == "contact.preferences"]
    assert [row.subject for row in lines] == ["contact 1"]
    assert "Coffee" not in json.dumps(lines[0].payload)


def test_after_a_merge_the_last_word_holds(any_store: Store) -> None:
    add_contacts(any_store, [1, 2, 3])
    with any_store.write() as connection:
        preferences.save(connection, CHOSEN, AT)
        preferences.save(connection, Preferences(contact_id=2, at_most_days=30), AT + timedelta(days=1))
        people.merge(connection, kept=1, merged=2, actor="cli:marie", at=AT)
        assert preferences.of_contact(connection, 1).at_most_days == 30
        assert preferences.of_contact(connection, 2).at_most_days == 0
        people.merge(connection, kept=1, merged=3, actor="cli:marie", at=AT)
        assert preferences.of_contact(connection, 1).at_most_days == 30


def test_segments_know_the_category_that_a_contact_prefers(store: Store, tmp_path: Path) -> None:
    from memory.features.table import compute
    from memory.segments.grammar import parse

    add_contacts(store, [1, 2])
    with store.write() as connection:
        preferences.save(connection, CHOSEN, AT)
        connection.execute(update(contacts).values(created_at=AT - timedelta(days=30)))
    lake = Lake(tmp_path / "lake")
    refresh(store, lake)
    features = compute(lake, AT, names=["preferred_category"])
    wanted = {"type": "compare", "field": "preferred_category", "operator": "==", "value": "Coffee"}
    assert features.select(parse(wanted)) == [1]
    assert features.row(2)["preferred_category"] is None


def test_a_snapshot_of_an_older_release_is_read_without_what_was_added_since(store: Store, tmp_path: Path) -> None:
    from deltalake import write_deltalake

    add_contacts(store, [1])
    lake = Lake(tmp_path / "lake")
    refresh(store, lake)
    rows = lake.connect().table("contacts").to_pyarrow().drop_columns(["preferred_category"])
    assert len(rows.column_names) == len(SCHEMAS[LakeTable.CONTACTS]) - 1
    write_deltalake(tmp_path / "lake" / "contacts", rows, mode="overwrite", schema_mode="overwrite")
    read = lake.connect().table("contacts").to_pyarrow()
    assert read["preferred_category"].to_pylist() == [None]
    assert refresh(store, lake) == 1
