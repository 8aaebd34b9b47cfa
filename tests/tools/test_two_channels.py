"""A sequence on two channels: one that is closed to a contact ends its messages, not the campaign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from memory import consents, enrolments
from memory.clock import ManualClock
from memory.enrolments import Enrolment
from memory.play import Play
from memory.schema import messages
from memory.steps import Copy, ExitStep, SendStep, WaitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests.tools.scene import DAY, NOW, PROOF, add_contacts, play, start, step, workplace
from tools.channels.channel import Capabilities
from tools.channels.sandbox import SandboxChannel
from tools.unsubscribe import opt_out
from tools.worker import tick
from tools.workplace import Workplace


class Texts(SandboxChannel):
    """Files instead of text messages."""

    name = "texts"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.capabilities: Capabilities = replace(self.capabilities, carries="sms")


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    add_contacts(any_store, [1], phone="+33612345678")
    found = workplace(any_store, clock, tmp_path)
    return replace(found, channels={**found.channels, "sms": Texts(tmp_path / "texts")})


def agree_to_texts(place: Workplace) -> None:
    entry = consents.Consent(
        contact_id=1, channel="sms", purpose="marketing", state="granted", at=NOW - DAY, proof=PROOF
    )
    with place.store.write() as connection:
        consents.record(connection, [entry])


def leave_channel(place: Workplace, clock: ManualClock, channel: str) -> tuple[int, int]:
    with place.store.write() as connection:
        _, *ended = opt_out(connection, 1, channel, "the page", clock.now())
    exits, cancelled = ended
    return exits, cancelled


def text(key: str) -> SendStep:
    return SendStep(key=key, channel="sms", template="", copies={"en": Copy(body=("Your favourites are still here.",))})


def of(sends: Sequence[SendStep]) -> Play:
    """These messages, a day apart."""
    steps: list[SendStep | WaitStep | ExitStep] = []
    for number, one in enumerate(sends):
        steps += [one, WaitStep(key=f"wait{number}", days=1)]
    steps[-1] = ExitStep(key="end")
    return play(sequences=(PlaySequence(key="one", title="One", steps=tuple(steps), share=1),))


def follow(place: Workplace, clock: ManualClock, wanted: Play) -> tuple[Enrolment, dict[str, tuple[str, str]]]:
    """Where contact 1 ends, and each message with its state and reason."""
    campaign_id = start(place, wanted, [1]).campaign_id
    for _ in range(4):
        tick(place)
        clock.advance(DAY)
    query = select(messages.c.step_key, messages.c.state, messages.c.reason)
    with place.store.read() as connection:
        [one] = enrolments.of_campaign(connection, campaign_id)
        return one, {row.step_key: (row.state, row.reason) for row in connection.execute(query)}


def test_without_consent_to_texts_only_the_text_is_left_out(place: Workplace, clock: ManualClock) -> None:
    one, ended = follow(place, clock, of([step("mail"), text("text"), step("last")]))
    assert ended["text"] == ("suppressed", "consent")
    assert [ended[key][0] for key in ("mail", "last")] == ["sent", "sent"]
    assert one.exit_reason == "completed"


def test_with_consent_to_texts_the_text_leaves_too(place: Workplace, clock: ManualClock) -> None:
    agree_to_texts(place)
    _, ended = follow(place, clock, of([step("mail"), text("text"), step("last")]))
    assert {state for state, _ in ended.values()} == {"sent"}


def test_without_consent_to_its_only_channel_a_contact_leaves(place: Workplace, clock: ManualClock) -> None:
    wanted = of([step("mail"), step("last")])
    campaign_id = start(place, wanted, [1]).campaign_id
    tick(place)
    with place.store.write() as connection:
        consents.withdraw(connection, 1, "email", "marketing", clock.now(), "a letter")
    clock.advance(DAY)
    tick(place)
    tick(place)
    with place.store.read() as connection:
        [one] = enrolments.of_campaign(connection, campaign_id)
    assert one.exit_reason == "consent_withdrawn"


@pytest.mark.parametrize(
    ("sends", "leaves", "stays"),
    [
        ((step("mail"), step("last")), "sms", True),
        ((step("mail"), step("last")), "email", False),
        ((step("mail"), text("text"), step("last")), "sms", True),
        ((step("mail"), text("text")), "email", True),
        ((text("text"), step("mail"), step("last")), "email", False),
        ((text("text"), text("second")), "sms", False),
        ((text("text"), text("second")), "email", True),
        ((step("mail"), text("text"), text("second")), "sms", False),
    ],
    ids=["mails, no texts", "mails, no mails", "a text between", "a text ahead", "a text behind", "texts, no texts",
         "texts, no mails", "only texts ahead"],
)  # fmt: skip
def test_who_leaves_a_channel_leaves_what_has_nothing_more_for_them_without_it(
    place: Workplace, clock: ManualClock, sends: tuple[SendStep, ...], leaves: str, stays: bool
) -> None:
    agree_to_texts(place)
    campaign_id = start(place, of(sends), [1]).campaign_id
    # The first message has left; where a text comes before two mails, the first mail too.
    for _ in range(3 if sends[0].channel == "sms" and len(sends) == 3 else 1):
        tick(place)
        tick(place)
        clock.advance(DAY / 2)
    exits, _ = leave_channel(place, clock, leaves)
    with place.store.read() as connection:
        [one] = enrolments.of_campaign(connection, campaign_id)
    assert (one.state, exits) == (("active", 0) if stays else ("exited", 1))
    assert one.exit_reason == ("" if stays else "consent_withdrawn")


def test_a_text_that_was_planned_is_over_at_once_and_the_mails_go_on(place: Workplace, clock: ManualClock) -> None:
    agree_to_texts(place)
    # It is late for texts, so that the text waits for the morning.
    clock.advance_to(NOW.replace(hour=19, minute=30))
    campaign_id = start(place, of([text("text"), step("mail"), step("last")]), [1]).campaign_id
    tick(place)
    assert leave_channel(place, clock, "sms") == (0, 1)
    for _ in range(8):
        tick(place)
        clock.advance(DAY / 2)
    query = select(messages.c.step_key, messages.c.state, messages.c.reason)
    with place.store.read() as connection:
        ended = {row.step_key: (row.state, row.reason) for row in connection.execute(query)}
        [one] = enrolments.of_campaign(connection, campaign_id)
    assert ended == {"text": ("suppressed", "consent_withdrawn"), "mail": ("sent", ""), "last": ("sent", "")}
    assert one.exit_reason == "completed"
