"""Records that a message reads as its contact comes to it, and not as they stood at the entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from memory import enrolments
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.play import Play
from memory.steps import ExitStep, SendStep, WaitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests.memory.builders import as_rows
from tests.tools.scene import DAY, NOW, add_contacts, counts, outbox, play, start, step, workplace
from tools.worker import tick
from tools.workplace import Workplace


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def naming(key: str, **changes: Any) -> SendStep:
    """A message that names the category bought last."""
    plain = step(key)
    copy = plain.copies["en"].model_copy(update={"body": ("You chose {{ category.name }}.",)})
    return plain.model_copy(update={"copies": {"en": copy}, **changes})


def two_messages(feature: str) -> Play:
    """A message that names nothing, and five days later one that names a category."""
    named = naming("second", records={"category": feature})
    steps = (step("first"), WaitStep(key="wait", days=5), named, ExitStep(key="end"))
    sequence = PlaySequence(key="one", title="One", steps=steps, share=1)
    return play(sequences=(sequence,), goal={"window_days": 30, "event": "visit"})


def bought(place: Workplace, contact: int, category: str, days_ago: int) -> None:
    line = {"order_id": f"o-{category}", "line": 1, "contact_id": contact, "at": NOW - days_ago * DAY,
            "product_id": category, "category": category, "amount_cents": 500}  # fmt: skip
    place.lake.append(LakeTable.LINES, as_rows(LakeTable.LINES, [line]), batch_id=category)


def known(place: Workplace, *ids: int) -> None:
    people = [{"contact_id": one, "created_at": NOW - 400 * DAY} for one in ids]
    place.lake.replace(LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, people))


def named(tmp_path: Path) -> set[str]:
    texts = [mail.decode() for mail in outbox(tmp_path).values()]
    return {word for word in ("tea", "cake") for text in texts if f"You chose {word}." in text}


def test_a_step_with_records_of_its_own_reads_them_when_its_turn_comes(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, [1])
    known(place, 1)
    bought(place, 1, "tea", 20)
    started = start(place, two_messages("last_category"), [1])
    tick(place)
    bought(place, 1, "cake", -2)
    clock.advance(6 * DAY)
    tick(place)
    assert named(tmp_path) == {"cake"}
    with place.store.read() as connection:
        [one] = enrolments.of_campaign(connection, started.campaign_id)
    assert one.bindings == {"category": "cake"}
    assert counts(place.store) == {"sent": 2}


def test_a_record_that_is_gone_by_then_keeps_the_message_back(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, [1])
    known(place, 1)
    bought(place, 1, "tea", 20)
    start(place, two_messages("next_category"), [1])
    tick(place)
    clock.advance(6 * DAY)
    tick(place)
    assert named(tmp_path) == set()
    assert counts(place.store) == {"sent": 1, "planned": 1}
    clock.advance(20 * DAY)
    tick(place)
    assert counts(place.store) == {"sent": 1, "suppressed": 1}


def test_only_a_feature_that_names_a_record_will_do() -> None:
    with pytest.raises(ValidationError, match="no feature that names a record"):
        SendStep.model_validate({**step("first").model_dump(), "records": {"category": "orders_count"}})
