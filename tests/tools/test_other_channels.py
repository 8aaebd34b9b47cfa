"""Text messages and audiences go the way of every message: consent, suppression, ledger, one channel each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, update

from memory import consents, message_pages
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.contacts import suppress
from memory.proposal import ProposalStatus
from memory.schema import cap_slots, consent_current, contacts, intake, messages, suppressions
from memory.steps import Copy, CrmField, ExitStep, Listing, SendStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from memory.workspace import salt
from tests.tools.channels import callers
from tests.tools.channels.http_server import SECRET, Endpoint
from tests.tools.scene import DAY, NOW, add_contacts, address, counts, play, reasons, start, workplace
from tests.tools.test_deliver import Later
from tools.channels.http import HttpChannel, HttpEndpoint
from tools.channels.sandbox import SandboxChannel
from tools.gate import claim
from tools.intake import Incoming, receive
from tools.records import LakeRecords
from tools.worker import tick
from tools.workplace import Workplace

TEXT = ("Hello {{ contact.first_name | default: 'you' }}, your favourites are back: {{ links.shop }}", "STOP")


def text(key: str = "text", body: tuple[str, ...] = TEXT) -> SendStep:
    return SendStep(key=key, channel="sms", copies={"en": Copy(body=body)})


def listed(key: str = "list", action: Any = "add") -> SendStep:
    return SendStep(key=key, channel="audience", listing=Listing(audience="lapsed", action=action))


def written(key: str = "crm", value: Any = "winning_back") -> SendStep:
    return SendStep(key=key, channel="crm", crm_field=CrmField(name="lifecycle_stage", value=value))


def of(*steps: Any, **changes: Any) -> Any:
    sequence = PlaySequence(key="one", title="One", steps=(*steps, ExitStep(key="end")), share=1)
    return play(sequences=(sequence,), **changes)


def files(tmp_path: Path, ending: str) -> list[str]:
    return sorted(path.read_text() for path in (tmp_path / "outbox").glob(f"*.{ending}"))


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    names: Any = ("email", "sms", "audience", "crm")
    return workplace(
        any_store,
        clock,
        tmp_path,
        channels={name: SandboxChannel(tmp_path / "outbox", name) for name in names},
    )


def test_a_text_message_is_its_own_words_to_the_number_on_record(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1, 2], channel="sms")
    start(place, of(text()), [1, 2])
    tick(place)
    assert counts(place.store) == {"sent": 2}
    assert files(tmp_path, "txt") == [
        f"To: +3360000000{one}\n\nHello you, your favourites are back: https://shop.example.com\nSTOP" for one in (1, 2)
    ]


def test_an_audience_gets_the_hash_of_the_trimmed_lower_case_address(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1], channel="audience")
    with place.store.write() as connection:
        connection.execute(update(contacts).values(email=" Contact1@Shop.Example.com "))
    start(place, of(listed(), listed("off", "remove")), [1])
    tick(place)
    hashed = hashlib.sha256(address(1).encode()).hexdigest()
    said = [json.loads(one) for one in files(tmp_path, "json")]
    assert sorted(said, key=lambda one: str(one["action"])) == [
        {"action": action, "audience": "lapsed", "email_sha256": hashed} for action in ("add", "remove")
    ]


@pytest.mark.parametrize("value", ["winning_back", 3, True])
def test_a_field_of_the_crm_is_written_once_whatever_the_contact_agreed_to(
    place: Workplace, tmp_path: Path, value: Any
) -> None:
    add_contacts(place.store, [1], channel="sms")
    with place.store.write() as connection:
        hashed = address_hash(salt(connection), address(1))
        suppress(connection, channel="email", address_hash=hashed, reason="hard_bounce", at=NOW)
    start(place, of(written(value=value)), [1])
    tick(place)
    tick(place)
    assert [json.loads(one) for one in files(tmp_path, "json")] == [
        {"email": address(1), "field": "lifecycle_stage", "value": value}
    ]
    with place.store.read() as connection:
        taken = select(cap_slots.c.message_key).where(cap_slots.c.message_key.is_not(None))
        assert connection.execute(taken).all() == []


def test_no_field_of_the_crm_is_written_for_who_is_erased_or_has_no_address(place: Workplace) -> None:
    add_contacts(place.store, [1, 2, 3])
    with place.store.write() as connection:
        connection.execute(update(contacts).where(contacts.c.contact_id == 2).values(erased_at=NOW, email=None))
        connection.execute(update(contacts).where(contacts.c.contact_id == 3).values(email=None, email_hash=None))
    start(place, of(written()), [1, 2, 3])
    tick(place)
    assert counts(place.store) == {"sent": 1}


def test_no_field_of_the_crm_is_written_for_who_is_held_out(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, list(range(1, 41)))
    start(place, of(written(), holdout_share=0.5), list(range(1, 41)))
    tick(place)
    found = counts(place.store)
    assert min(found["sent"], found["withheld"]) > 0
    assert len(files(tmp_path, "json")) == found["sent"]


@pytest.mark.parametrize("step", [{"channel": "crm"}, {"channel": "sms", "crm_field": {"name": "a", "value": 1}}])
def test_only_a_step_on_the_crm_names_its_field(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="crm"):
        SendStep.model_validate({"key": "one", **step})


@pytest.mark.parametrize(("given", "asked"), [("email", text()), ("email", listed()), ("sms", listed())])
def test_consent_to_one_channel_is_none_to_another(place: Workplace, given: str, asked: SendStep) -> None:
    add_contacts(place.store, [1], channel=given)
    start(place, of(asked), [1])
    tick(place)
    assert counts(place.store).get("sent", 0) == 0


@pytest.mark.parametrize("number", [None, "", "06 00 00 00 01", "no number", "+33"])
def test_without_a_number_that_can_be_dialled_from_abroad_nobody_is_texted(
    place: Workplace, number: str | None
) -> None:
    add_contacts(place.store, [1, 2], channel="sms")
    with place.store.write() as connection:
        connection.execute(update(contacts).where(contacts.c.contact_id == 1).values(phone=number))
    done = start(place, of(text()), [1, 2])
    tick(place)
    assert counts(place.store) == {"sent": 1}
    assert done.audience is not None
    assert [(one.rule, one.contacts) for one in done.audience.subtractions] == [("suppression", 1)]


def test_an_address_alone_is_enough_for_mail_and_a_number_alone_for_texts(place: Workplace) -> None:
    add_contacts(place.store, [1], channel="sms", email=None, email_hash=None)
    start(place, of(text()), [1])
    tick(place)
    assert counts(place.store) == {"sent": 1}


def test_a_report_is_of_whoever_got_the_text_also_where_another_has_the_same_number(
    place: Workplace, clock: ManualClock
) -> None:
    shared = "+33600000009"
    add_contacts(place.store, [1, 2], channel="sms", phone=shared)
    start(place, of(text()), [2])
    tick(place)
    with place.store.read() as connection:
        key = connection.execute(select(messages.c.message_key)).scalar_one()
    caller = callers.Twilio()
    stopped = {**caller.words("bounce", shared, key, NOW, "SM1"), "ErrorCode": "21610"}
    receive(place.store, caller.webhook().read(caller.call(stopped, NOW), NOW), clock.now())
    with place.store.read() as connection:
        kept = connection.execute(select(intake.c.kind, intake.c.contact_id).order_by(intake.c.intake_id)).all()
        states = connection.execute(select(consent_current.c.contact_id, consent_current.c.state)).all()
    assert [tuple(row) for row in kept] == [("bounce", 2), ("unsubscribe", 2)]
    assert dict(tuple(row) for row in states) == {1: "granted", 2: "withdrawn"}


def test_who_answers_stop_is_suppressed_by_number_on_that_channel_only(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1], channel="sms")
    said = {"channel": "text"}
    stop = Incoming(event_id="stop", contact=1, kind="unsubscribe", at=NOW, properties=said, source="sms provider")
    receive(place.store, [stop], clock.now())
    with place.store.write() as connection:
        rows = connection.execute(select(suppressions.c.channel, suppressions.c.address_hash)).all()
        assert [tuple(row) for row in rows] == [("sms", address_hash(salt(connection), "+33600000001"))]
        again = {"channel": "sms", "purpose": "marketing", "state": "granted", "proof": "form"}
        consents.record(connection, [consents.Consent(contact_id=1, at=NOW + DAY, **again)])
    clock.advance(2 * DAY)
    done = start(place, of(text()), [1])
    assert done.audience is not None
    assert [one.rule for one in done.audience.subtractions] == ["suppression"]


def test_a_suppression_that_names_the_contact_by_address_holds_for_their_number_too(place: Workplace) -> None:
    add_contacts(place.store, [1, 2], channel="sms")
    with place.store.write() as connection:
        hashed = address_hash(salt(connection), address(1))
        suppress(connection, channel="sms", address_hash=hashed, reason="imported", at=NOW)
    start(place, of(text()), [1, 2])
    tick(place)
    assert counts(place.store) == {"sent": 1}


def test_an_audience_takes_no_room_under_the_cap_and_counts_as_no_message(place: Workplace) -> None:
    add_contacts(place.store, [1], channel="audience")
    start(place, of(*(listed(f"list{number}") for number in range(5))), [1])
    tick(place)
    assert counts(place.store) == {"sent": 5}
    with place.store.read() as connection:
        assert not connection.execute(select(cap_slots.c.message_key).where(cap_slots.c.message_key.is_not(None))).all()
        assert connection.execute(select(contacts.c.sent_since_signal)).scalar_one() == 0


def test_text_messages_share_the_cap_with_mail(place: Workplace) -> None:
    add_contacts(place.store, [1], channel="sms")
    add_consent(place.store, 1, "email")
    start(place, play(), [1], proposal_id="p1")
    tick(place)
    start(place, of(*(text(f"text{number}") for number in range(3))), [1], proposal_id="p2")
    tick(place)
    assert counts(place.store) == {"sent": 3, "planned": 1}
    assert reasons(place.store)["planned"] == {"frequency": 1}


@pytest.mark.parametrize("channel", ["sms", "audience"])
def test_a_campaign_for_a_channel_that_is_not_there_is_turned_away_at_the_door(
    place: Workplace, clock: ManualClock, tmp_path: Path, channel: str
) -> None:
    add_contacts(place.store, [1], channel=channel)
    only_mail = workplace(place.store, clock, tmp_path)
    done = start(only_mail, of(text() if channel == "sms" else listed()), [1])
    assert done.status is ProposalStatus.VOIDED
    assert f"by {channel}" in done.sentence
    assert counts(place.store) == {}


@pytest.mark.parametrize(
    "step",
    [
        {"channel": "sms", "copies": {"en": {"body": ["Hi"], "subject": "Hi"}}},
        {"channel": "sms", "copies": {"en": {"body": ["Hi"]}}, "template": "letter"},
        {"channel": "sms", "copies": {}},
        {"channel": "email", "copies": {"en": {"body": ["Hi"]}}, "template": "letter"},
        {"channel": "email", "copies": {"en": {"body": ["Hi"], "subject": "Hi", "headline": "Hi"}}},
        {"channel": "audience"},
        {"channel": "audience", "listing": {"audience": "a"}, "copies": {"en": {"body": ["Hi"]}}},
        {"channel": "email", "listing": {"audience": "a"}},
    ],
)
def test_a_step_that_does_not_fit_its_channel_is_no_step(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SendStep.model_validate({"key": "k", **step})


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as found:
        yield found


def over(place: Workplace, endpoint: Endpoint, clock: ManualClock, tmp_path: Path, leases: Later) -> Workplace:
    channel = HttpChannel(HttpEndpoint(url=endpoint.url, carries="sms", secret=SecretStr(SECRET), batch=True))
    return workplace(place.store, clock, tmp_path, channels={"sms": channel}, lease_clock=leases, lease_seconds=8)


def test_what_was_cut_and_could_not_be_cleared_up_stays_claimed_and_is_repeated_under_its_key(
    place: Workplace, clock: ManualClock, tmp_path: Path, endpoint: Endpoint
) -> None:
    add_contacts(place.store, [1, 2, 3], channel="sms")
    leases = Later()
    texting = over(place, endpoint, clock, tmp_path, leases)
    endpoint.faults = ["cut after", *[503] * 20]
    start(texting, of(text()), [1, 2, 3])
    tick(texting)
    assert counts(place.store) == {"claimed": 3}
    tick(texting)
    assert counts(place.store) == {"claimed": 3}
    endpoint.faults = []
    leases.at += timedelta(seconds=9)
    tick(texting)
    assert counts(place.store) == {"sent": 3}
    assert set(endpoint.delivered.values()) == {1}
    texting.channels["sms"].close()


def test_a_provider_that_asks_for_patience_is_left_alone_for_so_long(
    place: Workplace, clock: ManualClock, tmp_path: Path, endpoint: Endpoint
) -> None:
    add_contacts(place.store, [1], channel="sms")
    texting = over(place, endpoint, clock, tmp_path, Later())
    endpoint.faults, endpoint.retry_after = [429], "7200"
    launched = start(texting, of(text()), [1])
    tick(texting)
    with place.store.read() as connection:
        (message,) = message_pages.of_campaign(connection, launched.campaign_id)
    assert (message.state, message.due_at) == ("planned", NOW + timedelta(seconds=7200))
    texting.channels["sms"].close()
    clock.advance_to(message.due_at)
    # The channel counts in real time, of which none has passed: another one has not been asked for patience.
    later = over(place, endpoint, clock, tmp_path, Later())
    tick(later)
    assert counts(place.store) == {"sent": 1}
    later.channels["sms"].close()


def test_a_claim_of_one_channel_is_never_taken_up_by_another_of_the_same_name(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, [1], channel="sms")
    leases = Later()
    both = workplace(place.store, clock, tmp_path, channels=dict(place.channels), lease_clock=leases)
    start(both, of(text()), [1])
    claim(both, both.channels["sms"], token="dead", records=LakeRecords(both.lake))
    leases.at += timedelta(seconds=301)
    assert not claim(both, both.channels["email"], token="mail", records=LakeRecords(both.lake)).ready
    tick(both)
    assert len(files(tmp_path, "txt")) == 1
    assert files(tmp_path, "eml") == []


def add_consent(store: Store, contact_id: int, channel: str) -> None:
    with store.write() as connection:
        given = consents.Consent(
            contact_id=contact_id, channel=channel, purpose="marketing", state="granted", at=NOW - DAY, proof="form"
        )
        consents.record(connection, [given])
