"""Asked twice at most whether they wish to stay: who answers stays, who does not is marked and left alone."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from memory import contacts
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.store import Store
from tests.memory.builders import as_rows
from tests.playbooks.record import did, orders_of, propose, sent_to
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.policies.worlds import base_pack
from tests.tools.scene import NOW, Chosen, add_contacts, play
from tools.audience import preview
from tools.unsubscribe import opt_out

SILENT, FRENCH, FEW_MESSAGES, SEEN_LATELY = 1, 2, 3, 4
LAST_SEEN = NOW - 200 * DAY


def silence(shop: Shop, ids: Collection[int], *, seen: int = 200, sends: int = 6) -> None:
    """A last visit so long ago, and messages without an answer since; as the lake knows it."""
    lake = shop.place.lake
    name = f"{min(ids)}"
    lake.append(LakeTable.EVENTS, as_rows(LakeTable.EVENTS, did("visit", ids, seen)), batch_id=f"e{name}")
    rows = sent_to(ids, range(40, 40 + sends))
    lake.append(LakeTable.SENDS, as_rows(LakeTable.SENDS, rows), batch_id=f"s{name}")


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    silent: dict[str, Any] = {"last_human_signal_at": LAST_SEEN, "sent_since_signal": 6}
    add_contacts(store, [SILENT], **silent)
    add_contacts(store, [FRENCH], language="fr", **silent)
    add_contacts(store, [FEW_MESSAGES], last_human_signal_at=LAST_SEEN, sent_since_signal=2)
    add_contacts(store, [SEEN_LATELY], last_human_signal_at=NOW - 60 * DAY, sent_since_signal=6)
    shop = open_shop(store, clock, tmp_path)
    silence(shop, [SILENT, FRENCH])
    silence(shop, [FEW_MESSAGES], sends=2)
    silence(shop, [SEEN_LATELY], seen=60)
    return shop


def attributes(store: Store, contact: int) -> dict[str, Any]:
    with store.read() as connection:
        return dict(contacts.get(connection, contact).attributes)


def test_only_who_hibernates_is_asked(shop: Shop) -> None:
    shop.run("sunset", only="two_questions")
    shop.passes(HOUR)
    assert {mail.contact for mail in shop.mails()} == {SILENT, FRENCH}
    assert "Yes, I wish to stay\r\nhttps://shop.example.com" in shop.mails(SILENT)[0].text
    assert "Oui, je souhaite rester\r\nhttps://shop.example.com" in shop.mails(FRENCH)[0].text


@pytest.mark.parametrize(("sequence", "letters"), [("two_questions", ["ask", "last_word"]), ("one_question", ["ask"])])
def test_who_never_answers_is_marked_and_gets_no_more_of_anything(
    shop: Shop, store: Store, sequence: str, letters: list[str]
) -> None:
    shop.run("sunset", only=sequence)
    shop.passes(30 * DAY, every=DAY)
    assert shop.steps(SILENT) == letters
    assert attributes(store, SILENT) == {"sunset": True}
    assert shop.entries(SILENT)[0].exit_reason == "sunset"
    # The guardian keeps every other campaign away from them.
    anybody: Any = Chosen([SILENT])
    found = preview(store, shop.place.lake, base_pack(), play(), at=shop.clock.now(), features=anybody)
    assert (found.reachable, [one.rule for one in found.subtractions]) == (0, ["hibernation"])


@pytest.mark.parametrize("sign", ["click", "order", "reply", "cart"])
@pytest.mark.parametrize(("days", "letters"), [(2, ["ask"]), (10, ["ask", "last_word"])])
def test_any_sign_of_life_lets_them_stay(shop: Shop, store: Store, sign: str, days: int, letters: list[str]) -> None:
    shop.run("sunset", only="two_questions")
    shop.passes(days * DAY, every=DAY)
    if sign == "order":
        shop.buys(SILENT)
    else:
        shop.happens(sign, SILENT, link="stay")
    shop.passes(30 * DAY, every=2 * DAY)
    assert shop.steps(SILENT) == letters
    assert shop.entries(SILENT)[0].exit_reason == "stays"
    assert attributes(store, SILENT) == {}
    assert attributes(store, FRENCH) == {"sunset": True}


def test_a_visit_is_the_goal_and_ends_it_at_once(shop: Shop) -> None:
    shop.run("sunset", only="two_questions")
    shop.passes(2 * DAY, every=DAY)
    shop.happens("visit", SILENT)
    [entry] = shop.entries(SILENT)
    assert (entry.state, entry.exit_reason) == ("exited", "goal")


def test_a_machines_click_is_no_answer(shop: Shop, store: Store) -> None:
    from tools.intake import Incoming, receive

    shop.run("sunset", only="one_question")
    shop.passes(DAY, every=DAY)
    at = shop.clock.now()
    receive(store, [Incoming(event_id="scan", kind="click", at=at, contact=SILENT, human=False)], at)
    shop.passes(30 * DAY, every=2 * DAY)
    assert attributes(store, SILENT) == {"sunset": True}


def test_whoever_unsubscribes_is_not_asked_again_and_not_marked(shop: Shop, store: Store) -> None:
    shop.run("sunset", only="two_questions")
    shop.passes(DAY, every=DAY)
    with store.write() as connection:
        opt_out(connection, SILENT, "email", "the page", shop.clock.now())
    shop.passes(30 * DAY, every=2 * DAY)
    assert shop.steps(SILENT) == ["ask"]
    assert shop.entries(SILENT)[0].exit_reason == "consent_withdrawn"
    assert attributes(store, SILENT) == {}


def test_nobody_is_asked_again_within_the_year(shop: Shop) -> None:
    shop.run("sunset", only="one_question")
    shop.passes(80 * DAY, every=4 * DAY)
    assert [one.occurrence for one in shop.entries(SILENT)] == [1]
    assert shop.steps(SILENT) == ["ask"]


def test_the_holdout_is_neither_asked_nor_marked(shop: Shop, store: Store) -> None:
    many = range(10, 50)
    add_contacts(store, many, last_human_signal_at=LAST_SEEN, sent_since_signal=6)
    silence(shop, many)
    shop.run("sunset", holdout_share=0.3)
    shop.passes(30 * DAY, every=DAY)
    held_out = {one for one in many if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} & set(many) == set(many) - held_out
    assert all(attributes(store, one) == {} for one in held_out)


def test_silent_contacts_lead_to_a_proposal_that_declares_the_exemption(store: Store, tmp_path: Path) -> None:
    everybody = range(1, 161)
    proposal, why = propose(
        store, tmp_path, "sunset", orders=orders_of(everybody, (210, 240)), events=did("visit", everybody, 200),
        sends=sent_to(everybody, range(40, 46)), signal_at=LAST_SEEN,
    )  # fmt: skip
    assert proposal is not None, why
    assert proposal.play.limits.hibernation_exempt
    assert proposal.play.goal.event == "visit"


def test_contacts_who_answered_lead_to_none(store: Store, tmp_path: Path) -> None:
    everybody = range(1, 161)
    proposal, why = propose(
        store, tmp_path, "sunset", orders=orders_of(everybody, (210, 240)), events=did("visit", everybody, 20),
        sends=sent_to(everybody, range(40, 46)), signal_at=NOW - 20 * DAY,
    )  # fmt: skip
    assert proposal is None
    assert "Nobody shows its signal now" in why
