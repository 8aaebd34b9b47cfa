"""Previews: what real readers would get, what is left where less is known, and no message shown twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.lake import Lake
from memory.play import Play
from memory.store import Store
from tests.examples import NOW
from tests.plays import PLAYBOOKS, play_of
from tests.tools.scene import add_contacts
from tools.previews import MADE_UP, Preview, preview_messages


@pytest.fixture
def play() -> Play:
    return play_of(PLAYBOOKS["win_back"])


def previews(store: Store, folder: Path, play: Play, *sample: int) -> list[Preview]:
    return preview_messages(store, Lake(folder / "lake"), play, sample, at=NOW, currency="EUR")


def test_the_best_known_reader_of_each_language_is_shown(store: Store, tmp_path: Path, play: Play) -> None:
    add_contacts(store, [1], first_name="", last_order_at=None)
    add_contacts(store, [2], first_name="Omar", last_order_at=NOW)
    add_contacts(store, [3], first_name="Anaïs", language="fr")
    found = previews(store, tmp_path, play, 1, 2, 3)
    assert {(one.language, one.reader) for one in found} == {("en", "contact 2"), ("fr", "contact 3")}
    first = {(one.language, one.bare): one.message for one in found if one.steps == found[0].steps}
    greeted = {key: message.text for key, message in first.items() if message}
    assert "Omar" in greeted["en", False]
    assert "Omar" not in greeted["en", True]
    assert "Anaïs" in greeted["fr", False]


def test_where_nobody_reads_a_language_a_made_up_contact_stands_in(store: Store, tmp_path: Path, play: Play) -> None:
    add_contacts(store, [1])
    assert {one.reader for one in previews(store, tmp_path, play, 1) if one.language == "fr"} == {MADE_UP}
    assert {one.reader for one in previews(store, tmp_path, play)} == {MADE_UP}


def test_a_message_that_several_sequences_send_is_shown_once(store: Store, tmp_path: Path, play: Play) -> None:
    whole = [one for one in previews(store, tmp_path, play) if not one.bare and one.language == "en"]
    assert len({(one.message.subject, one.message.text) for one in whole if one.message}) == len(whole)
    assert sorted(name for one in whole for name in one.steps) == sorted(
        f"{sequence.key}.{step.key}" for sequence, step in play.sends()
    )


def test_a_message_that_cannot_be_written_says_why(store: Store, tmp_path: Path, play: Play) -> None:
    broken = play.model_copy(update={"offer": None})
    found = [one for one in previews(store, tmp_path, broken) if one.message is None]
    assert found
    assert all("offer" in one.problem for one in found)
