"""Letters in the store, on both engines: saved by one at a time, handed in once, taken by one worker, answered once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from memory import letters
from memory.errors import ConflictError, NotFoundError
from memory.journal import entries
from memory.layouts import keep_layout, own_layouts
from memory.letters import CLAIM, Letter, StoredLetter
from memory.store import Store
from tests.examples import NOW


def begin(store: Store, letter_id: str = "tuesday") -> StoredLetter:
    with store.write() as connection:
        return letters.create(connection, letter_id, Letter(name="Tuesday"), actor="console:ines", at=NOW)


def test_who_saves_late_is_told_and_nothing_is_lost(any_store: Store) -> None:
    begin(any_store)
    with any_store.write() as connection:
        saved = letters.save(connection, "tuesday", Letter(name="Wednesday"), version=1, actor="console:paul", at=NOW)
        assert (saved.version, saved.letter.name, saved.edited_by) == (2, "Wednesday", "console:paul")
        [noted] = entries(connection, action="letter.saved")
        assert (noted.actor, noted.payload["version"]) == ("console:paul", 2)
        with pytest.raises(ConflictError, match="since you opened it"):
            letters.save(connection, "tuesday", Letter(name="Late"), version=1, actor="console:paul", at=NOW)
        assert letters.get(connection, "tuesday").letter.name == "Wednesday"
        with pytest.raises(NotFoundError):
            letters.save(connection, "none", Letter(), version=1, actor="console:paul", at=NOW)


def test_a_letter_is_handed_in_once_however_often_the_button_is_pressed(any_store: Store) -> None:
    begin(any_store)
    with any_store.write() as connection:
        for _ in range(2):
            sent = letters.submit(connection, "tuesday", version=1, actor="console:ines", at=NOW)
            assert (sent.state, sent.submission, sent.submitted_by) == ("waiting", 1, "console:ines")
        with pytest.raises(ConflictError):
            letters.save(connection, "tuesday", Letter(name="Later"), version=1, actor="console:paul", at=NOW)


def test_one_worker_takes_a_letter_and_another_only_after_it_fell_silent(any_store: Store) -> None:
    begin(any_store)
    with any_store.write() as connection:
        assert letters.claim(connection, NOW) is None
        letters.submit(connection, "tuesday", version=1, actor="console:ines", at=NOW)
    with any_store.write() as connection:
        taken = letters.claim(connection, NOW)
        assert taken is not None
        assert letters.claim(connection, NOW + CLAIM - timedelta(seconds=1)) is None
        assert letters.claim(connection, NOW + CLAIM) is not None


def test_a_letter_that_came_back_is_handed_in_anew_and_is_a_deliberation_of_its_own(any_store: Store) -> None:
    begin(any_store)
    with any_store.write() as connection:
        sent = letters.submit(connection, "tuesday", version=1, actor="console:ines", at=NOW)
        letters.settle(connection, sent, proposal_id=None, answer="It claims too much.", at=NOW)
        back = letters.get(connection, "tuesday")
        assert (back.state, back.answer, back.may_change) == ("returned", "It claims too much.", True)
        again = letters.submit(connection, "tuesday", version=1, actor="console:paul", at=NOW)
        assert (again.submission, again.answer) == (2, "")


def test_a_worker_that_comes_late_does_not_answer_what_was_handed_in_since(any_store: Store) -> None:
    begin(any_store)
    with any_store.write() as connection:
        slow = letters.submit(connection, "tuesday", version=1, actor="console:ines", at=NOW)
        letters.settle(connection, slow, proposal_id=None, answer="It broke off.", at=NOW)
        again = letters.submit(connection, "tuesday", version=1, actor="console:ines", at=NOW)
        letters.settle(connection, slow, proposal_id=None, answer="It broke off.", at=NOW)
        assert letters.get(connection, "tuesday").state == "waiting"
        letters.settle(connection, again, proposal_id=None, answer="It claims too much.", at=NOW)
        assert letters.get(connection, "tuesday").answer == "It claims too much."


def test_a_layout_never_changes_under_the_letters_that_use_it(any_store: Store) -> None:
    with any_store.write() as connection:
        keep_layout(connection, "spring", "<mjml></mjml>", actor="console:ines", at=NOW)
        with pytest.raises(ConflictError, match="already"):
            keep_layout(connection, "spring", "<mjml>other</mjml>", actor="console:ines", at=NOW)
        assert own_layouts(connection) == {"spring": "<mjml></mjml>"}
