"""What a contact chose on the page holds at the next claim, and no longer than they want."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from memory import workspace
from memory.clock import ManualClock
from memory.errors import InvalidInputError
from memory.play import Schedule
from memory.schema import messages
from memory.steps import Copy, ExitStep, SendStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests import examples
from tests.tools.scene import DAY, NOW, add_contacts, counts, outbox, play, reasons, start, workplace
from tools.preferences import Wish, choose, read
from tools.unsubscribe import WayOut, sign
from tools.worker import tick

TOPICS = [{"id": "news", "name": {"en": "News"}}, {"id": "offers", "name": {"en": "Offers"}}]
QUESTIONS = [
    {
        "id": "preferred_category",
        "ask": {"en": "What do you like best?", "fr": "Que préférez-vous ?"},
        "choices": [
            {"id": "Coffee", "name": {"en": "coffee", "fr": "le café"}},
            {"id": "Tea", "name": {"en": "tea", "fr": "le thé"}},
        ],
    }
]
BRAND = examples.brand(topics=TOPICS, questions=QUESTIONS)


def token(store: Store, contact_id: int = 1) -> str:
    with store.write() as connection:
        return sign(workspace.salt(connection), WayOut(contact_id, "email", "c", "k"))


def wish(store: Store, at: Any = NOW, **changes: Any) -> None:
    values = {"frequency": "0", "pause": "0", "topics": ("news", "offers"), **changes}
    choose(store, token(store), Wish(**values), BRAND, at)


def schedule(deadline_days: int) -> Schedule:
    return Schedule(
        starts_at=NOW, send_from_hour=8, send_until_hour=20, fallback_zone="Europe/Paris", deadline_days=deadline_days
    )


def held(store: Store) -> list[tuple[int, str]]:
    with store.read() as connection:
        query = select(messages.c.contact_id, messages.c.reason).where(messages.c.state == "planned")
        return [(row.contact_id, row.reason) for row in connection.execute(query)]


def words(mail: bytes) -> str:
    parts: list[Message] = [part for part in message_from_bytes(mail).walk() if part.get_content_type() == "text/plain"]
    content = parts[0].get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def test_a_pause_stops_the_next_claim_and_the_message_leaves_when_it_ends(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, [1, 2])
    start(place, play(brand=BRAND), [1, 2])
    wish(any_store, pause="7")
    schedule_days = 7
    assert counts(any_store)["planned"] == 2
    tick(place)
    assert (counts(any_store), held(any_store)) == ({"sent": 1, "planned": 1}, [(1, "preferences")])
    clock.advance(schedule_days * DAY - timedelta(hours=1))
    tick(place)
    assert counts(any_store)["planned"] == 1
    wish(any_store, at=clock.now())
    tick(place)
    assert counts(any_store) == {"sent": 2}


def test_a_pause_longer_than_the_deadline_ends_the_message(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    place = workplace(store, clock, tmp_path)
    add_contacts(store, [1])
    start(place, play(sends=2, brand=BRAND, schedule=schedule(deadline_days=2)), [1])
    wish(store, pause="30")
    tick(place)
    assert held(store) == [(1, "preferences")]
    clock.advance(2 * DAY)
    tick(place)
    assert reasons(store)["suppressed"] == {"deadline": 1}


def test_a_topic_that_was_not_picked_is_not_sent_and_a_general_message_is(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, [1, 2])
    start(place, play(brand=BRAND, topic="news"), [1, 2], proposal_id="p1")
    start(place, play(brand=BRAND), [1], proposal_id="p2")
    wish(any_store, topics=("offers",))
    tick(place)
    assert reasons(any_store)["suppressed"] == {"preferences": 1}
    tick(place)
    assert counts(any_store) == {"sent": 2, "suppressed": 1}


def test_whoever_wants_one_a_week_gets_the_second_a_week_after_the_first(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, [1])
    wish(any_store, frequency="7")
    for name in ("p1", "p2"):
        start(place, play(brand=BRAND, schedule=schedule(deadline_days=14)), [1], proposal_id=name)
    tick(place)
    assert (counts(any_store), held(any_store)) == ({"sent": 1, "planned": 1}, [(1, "preferences")])
    clock.advance(7 * DAY - timedelta(minutes=1))
    tick(place)
    assert counts(any_store) == {"sent": 1, "planned": 1}
    clock.advance(timedelta(minutes=1))
    tick(place)
    assert counts(any_store) == {"sent": 2}


def test_an_answer_is_printed_in_the_words_of_its_choice(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    place = workplace(store, clock, tmp_path)
    add_contacts(store, [1, 2])
    wish(store, answers={"preferred_category": "Tea"})
    text = 'News about {{ answers.preferred_category | default: "everything" }}.'
    steps = (
        SendStep(
            key="mail",
            template="letter",
            copies={"en": Copy.model_validate({**examples.copy("en").model_dump(), "body": (text,)})},
        ),
        ExitStep(key="end"),
    )
    one = PlaySequence(key="one", title="One", steps=steps, share=1)
    start(place, play(brand=BRAND, sequences=(one,)), [1, 2])
    tick(place)
    found = sorted(words(mail).split("News about ")[1].split(".")[0] for mail in outbox(tmp_path).values())
    assert found == ["everything", "tea"]


@pytest.mark.parametrize(
    "changes",
    [
        {"frequency": "1"},
        {"frequency": ""},
        {"pause": "10000"},
        {"pause": ""},
        {"topics": ("gossip",)},
        {"answers": {"preferred_category": "Gin"}},
    ],
)
def test_what_is_not_on_offer_changes_nothing(store: Store, changes: dict[str, Any]) -> None:
    add_contacts(store, [1])
    before = read(store, token(store))
    with pytest.raises(InvalidInputError):
        wish(store, **{"frequency": "7", **changes})
    assert read(store, token(store)) == before


def test_whoever_wants_every_topic_gets_new_ones_too_and_an_answer_can_be_taken_back(store: Store) -> None:
    add_contacts(store, [1])
    wish(store, answers={"preferred_category": "Tea", "shoe_size": "44"})
    assert (read(store, token(store)).topics, read(store, token(store)).answers) == (
        None,
        {"preferred_category": "Tea"},
    )
    wish(store, topics=("news",), answers={"preferred_category": ""})
    assert (read(store, token(store)).topics, read(store, token(store)).answers) == (("news",), {})


def test_a_pause_can_be_kept_while_something_else_changes(store: Store) -> None:
    add_contacts(store, [1])
    wish(store, pause="30")
    wish(store, at=NOW + DAY, pause="keep", frequency="30")
    assert read(store, token(store)).paused_until == NOW + 30 * DAY
