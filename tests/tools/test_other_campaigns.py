"""What other campaigns say and from whom, as a new proposal is held against it."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.campaigns import campaign_id_of
from memory.clock import ManualClock
from memory.other_campaigns import senders, words_last_sent
from memory.play import Play
from memory.store import Store
from tests import examples
from tests.tools.scene import DAY, NOW, add_contacts, play, start, workplace
from tools.campaign import end
from tools.worker import tick
from tools.workplace import Workplace


@pytest.fixture
def place(store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    found = workplace(store, clock, tmp_path)
    add_contacts(store, [1, 2])
    start(found, play(), [1, 2])
    return found


def other() -> Play:
    """The same letter in other words."""
    made = play()
    sequence = made.sequences[0]
    steps = [
        step.model_copy(update={"copies": {"en": examples.copy("en", subject="Other words")}})
        if step.kind == "send"
        else step
        for step in sequence.steps
    ]
    return made.model_copy(update={"sequences": (sequence.model_copy(update={"steps": tuple(steps)}),)})


def test_a_running_campaign_s_address_counts_by_purpose_until_it_is_over(place: Workplace) -> None:
    with place.store.read() as connection:
        assert senders(connection, play()) == {"marketing": (str(examples.brand().sender_address),)}
    with place.store.write() as connection:
        end(connection, campaign_id_of("p1"), "cancelled", NOW, "cli:marie")
    with place.store.read() as connection:
        assert senders(connection, play()) == {}


def test_words_count_from_when_they_last_left_and_other_words_never(place: Workplace) -> None:
    with place.store.read() as connection:
        assert words_last_sent(connection, play(), NOW + DAY) == {}
    tick(place)
    with place.store.read() as connection:
        said = words_last_sent(connection, play(), NOW + DAY)
        assert said
        assert set(said.values()) == {NOW}
        assert all(where.endswith(")") and "/" in where for where in said)
        assert words_last_sent(connection, other(), NOW + DAY) == {}


def test_a_campaign_s_own_words_and_later_ones_do_not_count(place: Workplace) -> None:
    tick(place)
    with place.store.read() as connection:
        assert words_last_sent(connection, play(), NOW + DAY, besides=campaign_id_of("p1")) == {}
        assert words_last_sent(connection, play(), NOW) == {}
