"""The way out: a signed link, one click, effective before the next claim."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from memory import consents, enrolments, workspace
from memory import contacts as people
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.errors import InvalidInputError, NotFoundError
from memory.schema import consent_current, intake, journal, suppressions
from memory.store import Store
from tests.tools.scene import DAY, NOW, add_contacts, address, counts, outbox, play, reasons, start, workplace
from tools import opt_in
from tools.unsubscribe import (
    UNSUBSCRIBED,
    WayOut,
    link,
    sign,
    suppress_address,
    unsubscribe,
    unsubscribe_by_hand,
    verify,
)
from tools.worker import tick

OUT = WayOut(contact_id=1, channel="email", campaign_id="c1", message_key="k" * 64)


def test_a_token_says_what_was_signed_and_nothing_personal() -> None:
    token = sign("salt", OUT)
    assert verify("salt", token) == OUT
    assert "@" not in token
    assert link("https://out.example.com/", token) == f"https://out.example.com/u/{token}"


@given(st.text(max_size=200))
def test_what_this_workspace_did_not_sign_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        verify("salt", text)


@given(place=st.integers(0, 400), other=st.characters(codec="ascii"))
def test_a_token_changed_anywhere_is_refused(place: int, other: str) -> None:
    token = sign("salt", OUT)
    place %= len(token)
    changed = token[:place] + other + token[place + 1 :]
    try:
        # The last character of a part may spell the same bytes in more than one way.
        assert verify("salt", changed) == OUT
    except InvalidInputError:
        assert changed != token
    with pytest.raises(InvalidInputError):
        verify("another salt", token)


def test_one_click_withdraws_suppresses_exits_and_cancels_and_holds_before_the_next_claim(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, [1, 2])
    first = start(place, play(sends=2), [1, 2], proposal_id="p1")
    tick(place)
    start(place, play(), [1, 2], proposal_id="p2")
    mails = outbox(tmp_path)
    with any_store.read() as connection:
        secret = workspace.salt(connection)
    token = sign(secret, WayOut(1, "email", first.campaign_id, next(iter(mails))))
    done = unsubscribe(any_store, token, clock.now())
    assert (done.changed, done.exits, done.cancelled) == (True, 2, 1)
    tick(place)
    clock.advance(4 * DAY)
    tick(place)
    assert reasons(any_store)["suppressed"] == {"consent_withdrawn": 1}
    assert counts(any_store) == {"sent": 5 - 1, "suppressed": 1}
    with any_store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["unsubscribed"]
        current = select(consent_current.c.state).where(consent_current.c.contact_id == 1)
        assert connection.execute(current).scalar_one() == "withdrawn"
        assert {one.exit_reason for one in enrolments.active(connection, [1])} == set()
        assert connection.execute(select(intake.c.kind)).scalars().all() == ["unsubscribe"]
        assert consents.history(connection, 1)[-1].proof


def test_the_same_click_twice_changes_nothing_more(store: Store) -> None:
    add_contacts(store, [1])
    with store.read() as connection:
        secret = workspace.salt(connection)
    token = sign(secret, OUT)
    assert unsubscribe(store, token, NOW).changed
    again = unsubscribe(store, token, NOW + DAY)
    assert (again.changed, again.exits, again.cancelled) == (False, 0, 0)
    with store.read() as connection:
        assert len(connection.execute(select(suppressions)).all()) == 1


def test_every_mail_carries_a_link_that_takes_its_reader_out(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    from email import message_from_bytes

    place = workplace(store, clock, tmp_path)
    add_contacts(store, [1, 2, 3])
    start(place, play(), [1, 2, 3])
    tick(place)
    for key, mail in outbox(tmp_path).items():
        message = message_from_bytes(mail)
        address = str(message["List-Unsubscribe"]).strip("<>")
        with store.read() as connection:
            way_out = verify(workspace.salt(connection), address.rsplit("/", 1)[1])
        assert way_out.message_key == key
        assert message["To"] == f"contact{way_out.contact_id}@shop.example.com"
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize("name", [address(1), "1"])
def test_whoever_says_so_in_person_gets_nothing_more_and_the_journal_keeps_no_word_of_it(
    any_store: Store, clock: ManualClock, tmp_path: Path, name: str
) -> None:
    place = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, [1, 2])
    start(place, play(sends=2), [1, 2])
    tick(place)
    with any_store.write() as connection:
        rang_up = partial(unsubscribe_by_hand, connection, name, actor="cli:ann", reason="Jo rang up", at=clock.now())
        done, again = rang_up("email"), rang_up("email")
    assert (done.contact_id, done.changed, done.exits) == (1, True, 1)
    assert (again.contact_id, again.changed) == (1, False)
    clock.advance(4 * DAY)
    tick(place)
    assert counts(any_store)["sent"] == 3
    with any_store.read() as connection:
        assert consents.history(connection, 1)[-1].state == "withdrawn"
        [entry] = connection.execute(select(journal).where(journal.c.action == "contact.unsubscribed")).all()
    assert (entry.actor, entry.subject) == ("cli:ann", "contact 1")
    assert "Jo" not in str(entry.payload)


def test_an_address_that_nobody_has_is_kept_out_all_the_same_and_an_unknown_id_is_an_error(store: Store) -> None:
    with store.write() as connection:
        wrote = partial(unsubscribe_by_hand, connection, actor="cli:ann", reason="a letter", at=NOW)
        done = wrote("New@Example.com", "email")
        assert (done.contact_id, done.changed) == (None, True)
        known_as = address_hash(workspace.salt(connection), "new@example.com")
        assert people.is_suppressed(connection, "email", known_as)
        with pytest.raises(NotFoundError):
            wrote("C77", "email")
        with pytest.raises(NotFoundError):
            wrote("new@example.com", "sms")


@pytest.mark.parametrize(
    ("reason", "text", "days_later", "comes_back"),
    [
        (UNSUBSCRIBED, "Yes, write to me", 1, True),
        # It was said before they left, and only arrives now.
        (UNSUBSCRIBED, "Yes, write to me", -1, False),
        # Nothing says to what they said yes.
        (UNSUBSCRIBED, "", 1, False),
        ("complaint", "Yes, write to me", 1, False),
        ("hard_bounce", "Yes, write to me", 1, False),
    ],
)
def test_only_their_own_later_confirmation_brings_back_who_unsubscribed_and_nobody_who_complained(
    store: Store, reason: str, text: str, days_later: int, comes_back: bool
) -> None:
    add_contacts(store, [1])
    with store.write() as connection:
        suppress_address(connection, 1, "email", reason, NOW, "test")
        opt_in.confirm(connection, 1, "e1", {"text": text}, "form", NOW + days_later * DAY)
        left = people.suppressed(connection, people.get(connection, 1))
    assert left == ({} if comes_back else {"email": reason})
