"""One round: parts that break off hold up no other, and say nothing of anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.clock import ManualClock
from memory.errors import LakeError
from memory.store import Store
from tests.tools.scene import add_contacts, counts, play, start, workplace
from tools import worker
from tools.failure import Failure, Failures
from tools.worker import tick


def fail_to_drain(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def drain(*_: object) -> int:
        raise error

    monkeypatch.setattr(worker, "is_worth_draining", lambda *_: True)
    monkeypatch.setattr(worker, "drain", drain)


def test_a_lake_that_cannot_be_written_holds_up_no_mail(
    store: Store, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_contacts(store, [1])
    place = workplace(store, clock, tmp_path)
    start(place, play(), [1])
    fail_to_drain(monkeypatch, LakeError("The disk is full.", where="lake", remedy="Make room."))
    failures = Failures()
    tick(place, failures)
    assert counts(store) == {"sent": 1}
    said = Failure(part="drain", error="lake", where="lake", what="The disk is full.", remedy="Make room.")
    assert failures.found == [said]


def test_an_error_of_another_kind_is_told_by_its_class_and_line_alone(
    store: Store, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_drain(monkeypatch, RuntimeError("ann@example.com is odd"))
    failures = Failures()
    tick(workplace(store, clock, tmp_path), failures)
    [found] = failures.found
    assert (found.part, found.error, found.what) == ("drain", "RuntimeError", "")
    assert found.where.startswith("tests/tools/test_worker.py:")


def test_without_a_guard_the_error_comes_through(
    store: Store, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_drain(monkeypatch, RuntimeError("odd"))
    with pytest.raises(RuntimeError, match="odd"):
        tick(workplace(store, clock, tmp_path))
