"""What follows from an answer, however it came: by mail, by text, or read later by a model."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from memory import contacts, replies
from memory.alerts import list_alerts
from memory.clock import ManualClock
from memory.erasure import empty, traces
from memory.schema import intake, messages
from memory.schema import replies as reply_rows
from memory.store import Store
from tests.tools.scene import NOW, add_contacts, counts, play, start, workplace
from tools.incoming_mail import of_ours, read_mail
from tools.intake import Incoming, receive
from tools.replies import act
from tools.worker import tick
from tools.workplace import Workplace

ASKED = "Avez-vous du 42 ?"


def answer(key: str, words: str, *, number: int = 1, subject: str = "Re: Offer") -> bytes:
    """As a mail program writes it, with our message below."""
    return (
        f"From: Anna <somebody@else.example>\r\nSubject: {subject}\r\nMessage-ID: <{number}@mail.example>\r\n"
        f"In-Reply-To: <{key}@shop.example.com>\r\nDate: {NOW:%a, %d %b %Y %H:%M:%S} +0000\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n\r\n"
        "On Mon, Mar 3, 2025 at 9:12 AM Shop <news@shop.example.com> wrote:\r\n> Unsubscribe: https://shop.example.com/u/1\r\n"
    ).encode()


def html_answer(key: str, words: str) -> bytes:
    return (
        f"From: anna@x.example\r\nIn-Reply-To: <{key}@shop.example.com>\r\n"
        "Content-Type: text/html; charset=utf-8\r\n\r\n"
        f'<div>{words}</div><div class="gmail_quote"><p>On Monday you wrote</p><p>Unsubscribe here</p></div>'
        "<p>Unsubscribe</p>"
    ).encode()


@pytest.fixture
def place(store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    """Two contacts in a campaign of two messages, of which one has left."""
    found = workplace(store, clock, tmp_path)
    add_contacts(store, [1, 2])
    start(found, play(sends=2), [1, 2])
    tick(found)
    return found


def key_of(store: Store, contact_id: int) -> str:
    with store.read() as connection:
        query = select(messages.c.message_key).where(messages.c.contact_id == contact_id, messages.c.state == "sent")
        return str(connection.execute(query.limit(1)).scalar_one())


def take(store: Store, mail: bytes) -> None:
    receive(store, of_ours(store, read_mail(mail, NOW)), NOW)


def suppressed(store: Store, contact_id: int) -> bool:
    with store.read() as connection:
        person = contacts.get(connection, contact_id)
        return contacts.is_suppressed(connection, "email", person.email_hash or "")


def tasks(store: Store) -> list[str]:
    with store.read() as connection:
        return [one.task["en"] for one in list_alerts(connection)]


def test_a_stop_in_plain_words_stops_at_once_and_only_whoever_wrote_it(place: Workplace) -> None:
    before = counts(place.store).get("suppressed", 0)
    take(place.store, answer(key_of(place.store, 1), "Merci de ne plus m'écrire."))
    assert (suppressed(place.store, 1), suppressed(place.store, 2)) == (True, False)
    assert tasks(place.store) == []
    with place.store.read() as connection:
        (kept,) = replies.list_replies(connection)
        assert connection.execute(select(intake.c.kind, intake.c.human)).all() == [("unsubscribe", True)]
    assert (kept.contact_id, kept.reading, kept.words) == (1, "opt_out", "Merci de ne plus m'écrire.")
    assert counts(place.store).get("suppressed", 0) >= before


def test_the_same_answer_fetched_twice_counts_once_and_two_answers_are_two(place: Workplace) -> None:
    key = key_of(place.store, 1)
    for number in (1, 1, 2):
        take(place.store, answer(key, "Trop cher.", number=number))
    with place.store.read() as connection:
        assert [one.objection for one in replies.list_replies(connection)] == ["price", "price"]
        assert replies.objections(connection, [1, 2], NOW - timedelta(days=1)) == {"price": 1}


def test_whoever_asks_gets_a_person_who_is_told_no_word_of_it(place: Workplace) -> None:
    take(place.store, answer(key_of(place.store, 1), ASKED))
    assert tasks(place.store) == ["Contact 1 wrote back and asks something: `noria replies --contact 1`."]
    assert not suppressed(place.store, 1)
    with place.store.read() as connection:
        properties = connection.execute(select(intake.c.properties)).scalar_one()
        assert properties.keys() == {"message_key", "reading"}


def test_an_answer_of_which_all_looks_repeated_goes_to_a_person(place: Workplace) -> None:
    take(place.store, answer(key_of(place.store, 1), ""))
    with place.store.read() as connection:
        (one,) = replies.list_replies(connection)
    assert (one.reading, one.needs_person) == ("human_needed", True)
    assert "wrote:" in one.words


def test_no_event_of_a_shop_is_taken_for_an_answer(place: Workplace) -> None:
    said = {"reading": "opt_out and much longer than any reading", "needs_person": "yes"}
    receive(place.store, [Incoming(event_id="s1", kind="reply", at=NOW, contact=1, properties=said)], NOW)
    with place.store.read() as connection:
        assert replies.list_replies(connection) == []


def test_a_merged_contact_keeps_what_they_wrote(place: Workplace) -> None:
    take(place.store, answer(key_of(place.store, 1), ASKED))
    with place.store.write() as connection:
        contacts.merge(connection, kept=2, merged=1, actor="cli:anna", at=NOW)
        assert [one.contact_id for one in replies.list_replies(connection, contact_id=2)] == [2]


def test_an_answer_in_html_is_read_without_the_message_that_it_repeats(place: Workplace) -> None:
    take(place.store, html_answer(key_of(place.store, 1), "Is it blue?"))
    with place.store.read() as connection:
        assert [one.words for one in replies.list_replies(connection)] == ["Is it blue?"]
    assert not suppressed(place.store, 1)


def test_an_absence_is_no_sign_of_life_and_an_answer_is(place: Workplace) -> None:
    take(place.store, answer(key_of(place.store, 1), "I am out of the office until Monday."))
    take(place.store, answer(key_of(place.store, 2), "Merci !"))
    with place.store.read() as connection:
        assert contacts.get(connection, 1).last_human_signal_at != NOW
        assert contacts.get(connection, 2).last_human_signal_at == NOW
        assert [one.reading for one in replies.list_replies(connection)] == ["thanks"]


def test_what_no_rule_understands_goes_to_a_person_where_no_model_reads(place: Workplace) -> None:
    take(place.store, answer(key_of(place.store, 1), "The garden looks lovely."))
    assert act(place.store, NOW, a_model_reads=True) == 0
    assert tasks(place.store) == []
    assert act(place.store, NOW) == 1
    assert len(tasks(place.store)) == 1
    assert act(place.store, NOW) == 0


def test_a_stop_that_a_model_reads_stops_too(place: Workplace) -> None:
    take(place.store, answer(key_of(place.store, 1), "The garden looks lovely."))
    with place.store.write() as connection:
        (waiting,) = replies.unread(connection, 10)
        news = [
            replies.understood(connection, waiting.event_id, reading="opt_out", objection="", needs_person=False)
            for _ in range(2)
        ]
    assert news == [True, False]
    assert act(place.store, NOW, a_model_reads=True) == 1
    assert suppressed(place.store, 1)


def test_words_are_forgotten_in_time_and_what_they_said_still_counts(place: Workplace) -> None:
    take(place.store, answer(key_of(place.store, 1), "Trop cher."))
    act(place.store, NOW + replies.KEPT - timedelta(days=1))
    with place.store.read() as connection:
        assert replies.list_replies(connection)[0].words == "Trop cher."
    act(place.store, NOW + replies.KEPT + timedelta(days=1))
    with place.store.read() as connection:
        (one,) = replies.list_replies(connection)
    assert (one.words, one.objection) == ("", "price")


def test_erasing_a_contact_takes_their_words(place: Workplace) -> None:
    take(place.store, answer(key_of(place.store, 1), "Trop cher."))
    with place.store.write() as connection:
        empty(connection, [1], traces(connection, [1]), NOW, "cli:anna")
        assert connection.execute(select(reply_rows)).all() == []
        assert connection.execute(select(intake.c.properties)).scalar_one()["objection"] == "price"
