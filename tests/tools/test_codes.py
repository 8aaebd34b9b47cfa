"""Codes that work once: one for each contact, taken as its message is claimed, and never two of one offer."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from memory import codes
from memory.clock import ManualClock
from memory.contacts import merge
from memory.play import Offer, Play
from memory.schema import messages, offer_codes, offers
from memory.steps import Copy, ExitStep, SendStep, WaitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests.tools.mail_server import MailServer
from tests.tools.scene import DAY, NOW, add_contacts, counts, outbox, play, reasons, start, workplace
from tools.channels.channel import Capabilities
from tools.channels.sandbox import SandboxChannel
from tools.channels.smtp import SmtpChannel, SmtpServer
from tools.code_draw import CodeDraw
from tools.gather import Candidate
from tools.worker import tick
from tools.workplace import Workplace

OFFER = Offer(
    offer_id="spring",
    kind="percent",
    value=1000,
    single_use=True,
    labels={"en": "10 % off"},
    starts_at=NOW - DAY,
    ends_at=NOW + 60 * DAY,
)


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def fill(store: Store, names: Collection[str], offer: Offer = OFFER) -> None:
    with store.write() as connection:
        if not connection.execute(select(offers).where(offers.c.offer_id == offer.offer_id)).all():
            row = offer.model_dump(exclude={"single_use"})
            connection.execute(offers.insert().values(**row, approved_by="marie"))
        codes.add(connection, [(offer.offer_id, name) for name in names])


def mail(key: str, body: str = "Use {{ offer.code }}, only yours.") -> SendStep:
    return SendStep(
        key=key, template="letter", copies={"en": Copy(subject="Back?", headline="Hello", body=(body,), button="Go")}
    )


def coupons(*steps: SendStep, offer: Offer = OFFER, holdout_share: float = 0.0) -> Play:
    """A play whose messages, three days apart, show the reader's own code."""
    every: list[SendStep | WaitStep | ExitStep] = []
    for number, step in enumerate(steps or (mail("first"),)):
        every += [WaitStep(key=f"wait{number}", days=3)] if number else []
        every.append(step)
    sequence = PlaySequence(key="one", title="One", steps=(*every, ExitStep(key="end")), share=1)
    return play(sequences=(sequence,), offer=offer, holdout_share=holdout_share)


def holders(store: Store) -> dict[str, int | None]:
    with store.read() as connection:
        return {row.code: row.contact_id for row in connection.execute(select(offer_codes))}


def shown(store: Store, folder: Path) -> dict[int, list[str]]:
    """The codes that each contact can read in what left."""
    with store.read() as connection:
        reader = {
            row.message_key: row.contact_id
            for row in connection.execute(select(messages.c.message_key, messages.c.contact_id))
        }
    found: dict[int, list[str]] = {}
    for key, content in outbox(folder).items():
        text = content.decode()
        seen = [code for code in holders(store) if f"Use {code}," in text]
        found.setdefault(reader[key], []).extend(seen)
    return found


def test_each_contact_gets_a_code_of_its_own_and_the_holdout_takes_none(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, range(1, 31))
    fill(place.store, [f"CODE-{number:02}" for number in range(40)])
    start(place, coupons(holdout_share=0.4), range(1, 31))
    tick(place)
    states = counts(place.store)
    assert 0 < states["withheld"] < 30
    read = shown(place.store, tmp_path)
    assert len(read) == states["sent"]
    held = {contact: code for code, contact in holders(place.store).items() if contact is not None}
    assert read == {contact: [code] for contact, code in held.items()}


def test_a_later_message_of_the_offer_shows_the_same_code(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(place.store, [1, 2])
    fill(place.store, ["A", "B", "C", "D"])
    start(place, coupons(mail("first"), mail("second", "Use {{ offer.code }}, still yours.")), [1, 2])
    tick(place)
    clock.advance(4 * DAY)
    tick(place)
    assert counts(place.store) == {"sent": 4}
    read = shown(place.store, tmp_path)
    assert all(len(seen) == 2 and len(set(seen)) == 1 for seen in read.values())
    assert sorted(read) == [1, 2]
    assert read[1] != read[2]


def test_a_message_without_the_code_takes_none(place: Workplace) -> None:
    add_contacts(place.store, [1])
    fill(place.store, ["A"])
    start(place, coupons(mail("first", "Come back for {{ offer.label }}.")), [1])
    tick(place)
    assert counts(place.store) == {"sent": 1}
    assert holders(place.store) == {"A": None}


def test_an_empty_pool_holds_messages_with_the_reason_until_there_are_more(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, [1, 2, 3])
    fill(place.store, ["A"])
    start(place, coupons(), [1, 2, 3])
    tick(place)
    assert reasons(place.store) == {"sent": {"": 1}, "planned": {"offer": 2}}
    with place.store.read() as connection:
        held = connection.execute(select(messages.c.findings).where(messages.c.state == "planned")).scalars().all()
    assert all("No code of the offer is left for this contact." in str(findings) for findings in held)
    fill(place.store, ["B", "C"])
    clock.advance(timedelta(hours=2))
    tick(place)
    assert counts(place.store) == {"sent": 3}
    assert sorted(code or 0 for code in holders(place.store).values()) == [1, 2, 3]


def test_a_message_that_failed_keeps_the_code_for_its_contact(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, [1], email="policy@mail.example.com")
    fill(place.store, ["A", "B"])
    with MailServer() as server:
        channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=server.port, security="none"))
        start(workplace(place.store, clock, tmp_path, channel), coupons(), [1])
        tick(workplace(place.store, clock, tmp_path, channel))
        channel.close()
    assert counts(place.store) == {"failed": 1}
    assert holders(place.store) == {"A": 1, "B": None}


def test_a_pool_that_came_after_the_approval_is_another_offer(place: Workplace) -> None:
    add_contacts(place.store, [1])
    shared = OFFER.model_copy(update={"single_use": False, "code": "SPRING"})
    fill(place.store, [], shared)
    start(place, coupons(offer=shared), [1])
    fill(place.store, ["A"])
    tick(place)
    assert reasons(place.store) == {"suppressed": {"offer": 1}}
    assert holders(place.store) == {"A": None}


def test_two_records_that_turn_out_to_be_one_person_hold_one_code(place: Workplace) -> None:
    add_contacts(place.store, [1, 2, 3])
    fill(place.store, ["A", "B"])
    start(place, coupons(), [1, 2])
    tick(place)
    with place.store.write() as connection:
        merge(connection, kept=1, merged=2, actor="test", at=NOW)
        own = codes.of_contacts(connection, "spring", [1])
        merge(connection, kept=3, merged=1, actor="test", at=NOW)
        assert codes.of_contacts(connection, "spring", [3]) == {3: own[1]}


class SmallBatches(SandboxChannel):
    """A sandbox that claims a few messages at a time, so that two workers often meet."""

    capabilities = Capabilities(carries="email", idempotent=True, batch_size=5, at_once=5)


@pytest.mark.slow
def test_two_workers_never_give_one_code_to_two_contacts_nor_two_codes_to_one(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    people = range(1, 61)
    add_contacts(any_store, people)
    fill(any_store, [f"CODE-{number:02}" for number in range(50)])
    place = workplace(any_store, clock, tmp_path)
    # Two campaigns with one offer: both want a code for the same contacts at the same time.
    for number in (1, 2):
        wanted = coupons(holdout_share=0.1).model_copy(update={"playbook": f"coupons{number}"})
        start(place, wanted, people, proposal_id=f"p{number}")

    def work(name: str) -> None:
        own = Store(any_store.url)
        for _ in range(5):
            tick(workplace(own, clock, tmp_path, SmallBatches(tmp_path / "outbox"), actor=name))
            clock.advance(timedelta(minutes=31))
        own.close()

    with ThreadPoolExecutor(2) as workers:
        for done in [workers.submit(work, name) for name in ("one", "two")]:
            done.result()
    taken = [contact for contact in holders(any_store).values() if contact is not None]
    assert len(taken) == len(set(taken)) == 50
    read = shown(any_store, tmp_path)
    assert {contact: set(seen) for contact, seen in read.items()} == {
        contact: {code} for code, contact in holders(any_store).items() if contact is not None
    }
    assert counts(any_store)["planned"] > 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    claims=st.lists(
        st.lists(st.tuples(st.integers(1, 8), st.booleans(), st.booleans()), min_size=1, max_size=6), max_size=6
    ),
    pool=st.integers(0, 9),
)
def test_whatever_is_claimed_codes_and_contacts_stay_one_to_one(
    any_store: Store, claims: list[list[tuple[int, bool, bool]]], pool: int
) -> None:
    offer = OFFER.model_copy(update={"offer_id": uuid.uuid4().hex})
    with any_store.read() as connection:
        known = connection.execute(select(offers.c.offer_id)).first()
    if known is None:
        add_contacts(any_store, range(1, 9))
    fill(any_store, [f"CODE-{number}" for number in range(pool)], offer)
    wanted = coupons(offer=offer)
    first: dict[int, str] = {}
    for claim in claims:
        with any_store.write() as connection:
            draw = CodeDraw(connection)
            granted = []
            seen: set[int] = set()
            for contact_id, in_holdout, leaves in claim:
                if contact_id in seen:
                    continue
                seen.add(contact_id)
                candidate = Candidate(
                    contact_id=contact_id,
                    message_key="m",
                    in_holdout=in_holdout,
                    deadline_at=NOW,
                    records={},
                )
                [drawn] = draw.hand_out(wanted, wanted.sends()[0][1], [candidate])
                if contact_id in first:
                    assert drawn.code == first[contact_id]
                if drawn.code and leaves and not in_holdout:
                    granted.append((contact_id, "m"))
                    first.setdefault(contact_id, drawn.code)
            draw.keep(granted, NOW)
    with any_store.read() as connection:
        assert codes.of_contacts(connection, offer.offer_id, range(1, 9)) == first
    assert len(set(first.values())) == len(first) <= pool
