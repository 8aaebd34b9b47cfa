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
    entry = consents.Consent(
        contact_id=1, channel="sms", purpose="marketing", state="granted", at=NOW - DAY, proof=PROOF
    )
    with place.store.write() as connection:
        consents.record(connection, [entry])
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
