"""Verdicts on messages and the journal agree, and a changed row is found."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from memory import journal
from memory.clock import ManualClock
from memory.schema import messages
from memory.store import Store
from memory.verdicts import GATED, compare, given
from tests.tools.scene import DAY, add_contacts, play, start, workplace
from tools.deliver import deliver
from tools.erase import erase
from tools.workplace import Workplace


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    """One contact may get the mail, for the other it is night."""
    found = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, [1])
    add_contacts(any_store, [2], time_zone="Pacific/Auckland")
    start(found, play(), [1, 2])
    return found


def changed(place: Workplace, **values: Any) -> tuple[str, ...]:
    with place.store.write() as connection:
        connection.execute(update(messages).where(messages.c.contact_id == 2).values(**values))
        return compare(connection).broken


def test_every_verdict_carries_its_grounds_and_the_chunk_that_is_chained(place: Workplace) -> None:
    deliver(place)
    with place.store.read() as connection:
        rows = list(given(connection))
        [line] = journal.entries(connection, action=GATED)
        found = compare(connection)
    assert {row["pack_version"] for row in rows} == {place.pack.version}
    assert {row["judged"] for row in rows} == {"claimed", "planned send_window"}
    [held] = [row for row in rows if row["judged"] == "planned send_window"]
    assert {"rule", "fact", "limit", "sentence"} <= held["findings"][0].keys()
    assert (line.payload["messages"], line.payload["policy"]) == (2, place.pack.version)
    assert (found.chunks, found.compared, found.broken) == (1, 1, ())


def test_what_is_exported_can_be_checked_with_nothing_but_a_hash(place: Workplace) -> None:
    def sha(value: Any) -> str:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    deliver(place)
    with place.store.read() as connection:
        [line] = journal.entries(connection, action=GATED)
        rows = list(given(connection))
    assert all(row["findings_digest"] == (sha(row["findings"]) if row["findings"] else "") for row in rows)
    said = sorted([row["message_key"], row["judged"], row["findings_digest"]] for row in rows)
    assert sha(said) == line.payload["verdicts"]


@pytest.mark.parametrize(
    "values",
    [{"judged": "claimed"}, {"findings": []}, {"findings": [], "findings_digest": ""}, {"chunk": "f" * 64}],
)
def test_a_changed_verdict_is_found(place: Workplace, values: dict[str, Any]) -> None:
    deliver(place)
    assert changed(place, chunk=messages.c.chunk) == ()
    assert changed(place, **values) != ()


def test_a_message_that_is_judged_again_belongs_to_its_new_chunk(place: Workplace, clock: ManualClock) -> None:
    deliver(place)
    clock.advance(DAY)
    deliver(place)
    clock.advance(DAY / 2)
    deliver(place)
    with place.store.read() as connection:
        found = compare(connection)
        assert set(connection.execute(select(messages.c.state)).scalars()) == {"sent"}
    assert found.broken == ()
    assert (found.chunks, found.judged_again, found.compared) == (3, 2, 1)


def test_erasure_leaves_every_chunk_comparable(place: Workplace) -> None:
    deliver(place)
    erase(place.store, place.lake, 1, at=place.clock.now(), actor="cli:marie")
    with place.store.read() as connection:
        assert journal.verify(connection).intact
        found = compare(connection)
    assert (found.compared, found.broken) == (1, ())
