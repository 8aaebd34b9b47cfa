"""From an approved play to messages that left: each exactly once, each judged at the moment of its send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from memory import campaigns, cap, consents, enrolments, ledger, message_pages, proposals, workspace
from memory.canonical import digest
from memory.clock import ManualClock
from memory.contacts import get as find_contact
from memory.contacts import merge
from memory.importing.hot_facts import refresh_hot_facts
from memory.journal import entries, verify
from memory.play import Limits, Offer
from memory.proposal import ProposalStatus
from memory.schema import campaign_versions, contacts, messages, offers, suppressions
from memory.store import Store
from tests.tools.mail_server import MailServer
from tests.tools.scene import (
    DAY,
    NOW,
    add_contacts,
    address,
    approve,
    counts,
    outbox,
    play,
    reasons,
    start,
    workplace,
    write_enrolments,
)
from tools.channels.channel import Outcome, Outgoing
from tools.channels.smtp import SmtpChannel, SmtpServer
from tools.compose import mailing
from tools.deliver import deliver, send
from tools.gate import claim, give_up_stale
from tools.records import LakeRecords
from tools.worker import tick
from tools.workplace import Workplace

HOUR = timedelta(hours=1)


class Later:
    """Real time for leases, moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def test_everybody_who_may_gets_one_mail_and_the_counts_reconcile(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, range(1, 41))
    start(place, play(), range(1, 41))
    tick(place)
    assert counts(place.store) == {"sent": 40}
    mails = outbox(tmp_path)
    assert {message_from_bytes(mail)["To"] for mail in mails.values()} == {address(one) for one in range(1, 41)}
    with place.store.read() as connection:
        rows = message_pages.of_campaign(connection, campaigns.campaign_id_of("p1"))
        assert {row.message_key for row in rows} == set(mails)
        assert all(row.sent_at == clock.now() and row.provider == "sandbox" and row.content_digest for row in rows)
        assert verify(connection).intact
    tick(place)
    clock.advance(DAY)
    tick(place)
    assert outbox(tmp_path) == mails


def test_holdout_contacts_get_nothing_and_leave_a_ghost_that_passed_the_same_gate(
    place: Workplace, tmp_path: Path
) -> None:
    add_contacts(place.store, range(1, 201))
    launched = start(place, play(holdout_share=0.3), range(1, 201))
    tick(place)
    found = counts(place.store)
    assert launched.audience is not None
    assert found == {"sent": launched.audience.treated, "withheld": launched.audience.holdout}
    assert 30 < found["withheld"] < 90
    with place.store.read() as connection:
        inside = enrolments.of_campaign(connection, launched.campaign_id)
        ghosts = {one.contact_id for one in inside if one.in_holdout}
        written = set(connection.execute(select(messages.c.contact_id).where(messages.c.state == "sent")).scalars())
        capped = workspace.get_value(connection, "nothing")
        assert capped is None
        assert not ghosts & written
        assert {one.sequence_key for one in inside if one.in_holdout} == {"one"}


def test_a_ghost_is_refused_by_the_same_rules_as_a_message(place: Workplace) -> None:
    add_contacts(place.store, range(1, 101))
    launched = start(place, play(holdout_share=0.5), range(1, 101))
    with place.store.write() as connection:
        for one in enrolments.of_campaign(connection, launched.campaign_id):
            if one.contact_id % 2:
                consents.withdraw(connection, one.contact_id, "email", "marketing", NOW, "test")
    tick(place)
    with place.store.read() as connection:
        rows = message_pages.of_campaign(connection, launched.campaign_id)
    assert {row.state for row in rows if row.contact_id % 2} == {"suppressed"}
    assert {row.state for row in rows if row.contact_id % 2 == 0} == {"sent", "withheld"}
    assert reasons(place.store)["suppressed"] == {"consent": 50}


def test_holdout_ghosts_use_up_no_room_under_the_cap(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(place.store, range(1, 61))
    for number in range(6):
        start(place, play(holdout_share=0.5, playbook=f"letter{number}"), range(1, 61), proposal_id=f"p{number}")
        clock.advance(timedelta(minutes=1))
        tick(place)
    per_contact: dict[str, int] = {}
    for mail in outbox(tmp_path).values():
        name = message_from_bytes(mail)["To"]
        per_contact[name] = per_contact.get(name, 0) + 1
    assert max(per_contact.values()) == 3
    with place.store.read() as connection:
        states = connection.execute(select(messages.c.contact_id, messages.c.state)).all()
    held = {contact_id for contact_id, state in states if state == "planned"}
    assert held <= {int(name.split("@")[0].removeprefix("contact")) for name, sent in per_contact.items() if sent == 3}


def test_a_capped_message_waits_until_there_is_room_or_its_deadline_passes(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, [1])
    for number in range(3):
        start(place, play(), [1], proposal_id=f"p{number}")
        tick(place)
        clock.advance(HOUR)
    wanted = play()
    start_before = clock.now()
    approve(place.store, wanted, proposal_id="p9", at=start_before)
    with place.store.write() as connection:
        assert proposals.get(connection, "p9").status is ProposalStatus.APPROVED
    # Entering is refused to whoever is capped, so the fourth enters through a play that reached the door earlier.
    _enrol_anyway(place, "p9", 1)
    tick(place)
    assert counts(place.store) == {"sent": 3, "planned": 1}
    with place.store.read() as connection:
        held = message_pages.of_campaign(connection, campaigns.campaign_id_of("p9"))[0]
        assert held.reason == "frequency"
        assert held.due_at == min(NOW + 7 * DAY, held.deadline_at)
    clock.advance_to(NOW + 7 * DAY)
    tick(place)
    assert counts(place.store) == {"sent": 4}


def test_a_message_held_past_its_deadline_is_suppressed_and_says_what_held_it(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, [1])
    start(place, play(), [1])
    with place.store.write() as connection:
        connection.execute(update(messages).values(deadline_at=NOW + 3 * HOUR))
        connection.execute(update(contacts).values(time_zone="America/Los_Angeles"))
    tick(place)
    assert reasons(place.store) == {"planned": {"send_window": 1}}
    clock.advance(4 * HOUR)
    tick(place)
    assert reasons(place.store) == {"suppressed": {"deadline": 1}}
    with place.store.read() as connection:
        row = message_pages.of_campaign(connection, campaigns.campaign_id_of("p1"))[0]
    said = [finding["rule"] for finding in row.findings if finding["verdict"] != "allow"]
    assert said[0] == "send_window"
    assert "deadline" in said


def test_outside_the_window_of_its_zone_a_message_waits_for_the_opening(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1], time_zone="Asia/Tokyo")
    add_contacts(place.store, [2], time_zone="Europe/Paris")
    clock.advance_to(datetime(2025, 3, 3, 13, 0, tzinfo=UTC))
    start(place, play(), [1, 2])
    tick(place)
    assert counts(place.store) == {"sent": 1, "planned": 1}
    clock.advance_to(datetime(2025, 3, 3, 22, 59, tzinfo=UTC))
    tick(place)
    assert counts(place.store) == {"sent": 1, "planned": 1}
    clock.advance_to(datetime(2025, 3, 4, 1, 0, tzinfo=UTC))
    tick(place)
    assert counts(place.store) == {"sent": 2}


def test_the_switch_stops_everything_and_nothing_is_lost(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, range(1, 11))
    start(place, play(), range(1, 11))
    with place.store.write() as connection:
        workspace.turn_switch(connection, stopped=True, actor="cli:marie", reason="test", at=clock.now())
    assert tick(place).delivered.stopped
    assert counts(place.store) == {"planned": 10}
    with place.store.write() as connection:
        workspace.turn_switch(connection, stopped=False, actor="cli:marie", reason="test", at=clock.now())
    tick(place)
    assert counts(place.store) == {"sent": 10}


def test_consent_suppression_and_a_recent_purchase_are_looked_at_when_the_message_leaves(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, range(1, 6))
    start(place, play(limits=Limits(recent_purchase_days=30)), range(1, 6))
    with place.store.write() as connection:
        consents.withdraw(connection, 1, "email", "marketing", clock.now(), "by phone")
        hashed = connection.execute(select(contacts.c.email_hash).where(contacts.c.contact_id == 2)).scalar_one()
        connection.execute(
            suppressions.insert().values(channel="email", address_hash=hashed, reason="manual", at=clock.now())
        )
        connection.execute(update(contacts).where(contacts.c.contact_id == 3).values(last_order_at=NOW - DAY))
        connection.execute(update(contacts).where(contacts.c.contact_id == 4).values(erased_at=NOW, email=None))
    tick(place)
    assert counts(place.store) == {"sent": 1, "suppressed": 4}
    assert reasons(place.store)["suppressed"] == {"consent": 1, "recent_purchase": 1, "suppression": 2}
    with place.store.read() as connection:
        inside = enrolments.of_campaign(connection, campaigns.campaign_id_of("p1"))
    assert {one.contact_id: one.exit_reason for one in inside} == {
        1: "consent_withdrawn",
        2: "suppressed",
        3: "completed",
        4: "suppressed",
        5: "completed",
    }


def test_win_back_writes_at_most_twice_per_lapse_to_who_shows_no_sign_of_life(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, [1], last_human_signal_at=NOW - 200 * DAY, sent_since_signal=9)
    plain = start(place, play(), [1], proposal_id="plain")
    assert plain.audience is not None
    assert [one.rule for one in plain.audience.subtractions] == ["hibernation"]
    exempt = play(limits=Limits(hibernation_exempt=True))
    for number in range(3):
        start(place, exempt, [1], proposal_id=f"exempt{number}")
        tick(place)
        clock.advance(8 * DAY)
    assert counts(place.store) == {"sent": 2}


def test_changing_a_launched_play_stops_it_and_says_what_changed(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, range(1, 11))
    launched = start(place, play(), range(1, 11))
    with place.store.write() as connection:
        version = campaigns.get_version(connection, launched.campaign_id, 1)
        body = {**version.body, "schedule": {**version.body["schedule"], "send_until_hour": 23}}
        connection.execute(update(campaign_versions).values(body=body))
    done = tick(place)
    assert len(done.delivered.drifted) == 1
    assert "schedule.send_until_hour: 20 is now 23" in done.delivered.drifted[0]
    assert outbox(tmp_path) == {}
    with place.store.read() as connection:
        assert campaigns.get(connection, launched.campaign_id).status == "paused"
        assert proposals.get(connection, "p1").status is ProposalStatus.VOIDED
        said = [entry.payload["reason"] for entry in entries(connection, action="campaign.paused")]
        row = message_pages.of_campaign(connection, launched.campaign_id)[0]
    assert "send_until_hour" in said[0]
    assert (row.state, row.reason) == ("planned", "approval")
    assert "send_until_hour" in row.findings[0]["sentence"]


def test_changing_play_and_digest_together_gains_nothing(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1])
    launched = start(place, play(), [1])
    with place.store.write() as connection:
        body = {**campaigns.get_version(connection, launched.campaign_id, 1).body, "owner": "eve"}
        connection.execute(update(campaign_versions).values(body=body, digest=digest(body)))
    assert tick(place).delivered.drifted
    assert outbox(tmp_path) == {}


def test_a_body_that_is_no_play_any_more_stops_its_campaign_and_no_other(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1, 2])
    broken = start(place, play(), [1], proposal_id="broken")
    start(place, play(), [2], proposal_id="whole")
    with place.store.write() as connection:
        connection.execute(
            update(campaign_versions)
            .where(campaign_versions.c.campaign_id == broken.campaign_id)
            .values(body={"playbook": "nonsense"})
        )
    tick(place)
    assert len(outbox(tmp_path)) == 1


def test_a_paused_campaign_keeps_its_messages_until_their_deadline(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    launched = start(place, play(), [1])
    with place.store.write() as connection:
        campaigns.swap_status(connection, launched.campaign_id, ["live"], "paused", at=NOW, actor="cli:marie")
    tick(place)
    assert counts(place.store) == {"planned": 1}
    clock.advance(8 * DAY)
    tick(place)
    assert reasons(place.store) == {"suppressed": {"deadline": 1}}


def test_an_offer_that_changed_after_the_launch_is_not_sent(place: Workplace, tmp_path: Path) -> None:
    offer = Offer(
        offer_id="spring",
        kind="percent",
        value=1000,
        labels={"en": "10 % off"},
        starts_at=NOW - DAY,
        ends_at=NOW + 60 * DAY,
    )
    with place.store.write() as connection:
        connection.execute(offers.insert().values(**offer.model_dump(exclude={"single_use"}), approved_by="marie"))
    add_contacts(place.store, [1])
    start(place, play(offer=offer), [1])
    with place.store.write() as connection:
        connection.execute(update(offers).values(value=5000))
    tick(place)
    assert reasons(place.store) == {"suppressed": {"offer": 1}}


def test_what_the_server_says_ends_up_in_the_ledger(place: Workplace, clock: ManualClock) -> None:
    names = {1: "anna", 2: "gone", 3: "soft", 4: "spam", 5: "cut"}
    for one, name in names.items():
        add_contacts(place.store, [one], email=f"{name}@mail.example.com")
    with MailServer() as server:
        channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=server.port, security="none"))
        mailing = workplace(place.store, clock, place.lake.folder.parent, channel)
        start(mailing, play(sends=2), names)
        tick(mailing)
        assert counts(place.store) == {"sent": 1, "failed": 2, "planned": 1, "unknown": 1}
        with place.store.read() as connection:
            rows = {
                row.contact_id: row for row in message_pages.of_campaign(connection, campaigns.campaign_id_of("p1"))
            }
            assert rows[3].due_at == clock.now() + timedelta(minutes=5)
            assert rows[3].reason == "451 4.2.1"
            assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["hard_bounce"]
            inside = {one.contact_id: one for one in enrolments.of_campaign(connection, rows[1].campaign_id)}
            assert inside[2].exit_reason == "suppressed"
            assert inside[4].state == "active"
            sent = connection.execute(select(contacts.c.contact_id).where(contacts.c.sent_since_signal == 1))
            assert set(sent.scalars()) == {1}
        # A server that keeps saying "later" is not asked for ever.
        for _ in range(50):
            clock.advance(4 * HOUR)
            tick(mailing)
        with place.store.read() as connection:
            first = [
                row for row in message_pages.of_campaign(connection, rows[1].campaign_id) if row.step_key == "mail1"
            ]
        assert {row.contact_id: (row.state, row.reason) for row in first}[3] == ("suppressed", "deadline")
        assert max(server.taken.values()) == 1
        channel.close()


def test_a_message_whose_writing_breaks_down_takes_no_other_with_it(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(rendered: Any, brand: Any, *, to_address: str, **rest: Any) -> bytes:
        if to_address == address(1):
            raise ValueError(to_address)
        return mailing(rendered, brand, to_address=to_address, **rest)

    monkeypatch.setattr("tools.deliver.mailing", breaking)
    add_contacts(place.store, [1, 2])
    start(place, play(), [1, 2])
    tick(place)
    assert reasons(place.store) == {"failed": {"it could not be written: ValueError": 1}, "sent": {"": 1}}


def test_a_message_that_did_not_leave_gives_its_room_back(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(place.store, [1])
    away = SmtpChannel(SmtpServer(host="127.0.0.1", port=9, security="none", timeout_seconds=2))
    for number in range(3):
        start(place, play(), [1], proposal_id=f"p{number}")
    for _ in range(4):
        tick(workplace(place.store, clock, tmp_path, away))
        clock.advance(HOUR)
    away.close()
    tick(place)
    assert counts(place.store) == {"sent": 3}


@pytest.mark.parametrize(("signal", "unanswered"), [(None, 4), (NOW + DAY, 2), (NOW + 5 * DAY, 0)])
def test_merged_contacts_have_left_unanswered_what_went_to_both(
    place: Workplace, clock: ManualClock, signal: datetime | None, unanswered: int
) -> None:
    add_contacts(place.store, [1, 2])
    start(place, play(sends=2), [1, 2])
    tick(place)
    clock.advance(3 * DAY)
    tick(place)
    assert counts(place.store) == {"sent": 4}
    with place.store.write() as connection:
        gave_it = update(contacts).where(contacts.c.contact_id == 2)
        if signal is not None:
            since = unanswered // 2
            connection.execute(gave_it.values(last_human_signal_at=signal, sent_since_signal=since))
        merge(connection, kept=1, merged=2, actor="test", at=clock.now())
        assert find_contact(connection, 1).sent_since_signal == unanswered
    refresh_hot_facts(place.store, place.lake, at=clock.now())
    with place.store.read() as connection:
        assert find_contact(connection, 1).sent_since_signal == unanswered


def test_a_message_is_tried_until_its_deadline(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(place.store, [1])
    away = SmtpChannel(SmtpServer(host="127.0.0.1", port=9, security="none", timeout_seconds=2))
    start(place, play(), [1])
    for _ in range(24 * 6 + 22):
        tick(workplace(place.store, clock, tmp_path, away))
        clock.advance(HOUR)
    away.close()
    with place.store.read() as connection:
        [one] = message_pages.of_campaign(connection, campaigns.campaign_id_of("p1"))
    assert one.state == "planned"
    assert one.attempts > 8
    assert clock.now() < one.due_at + HOUR < one.deadline_at + HOUR
    clock.advance_to(one.due_at)
    tick(place)
    assert counts(place.store) == {"sent": 1}


def test_a_message_on_which_one_worker_after_the_other_dies_is_given_up(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, [1])
    leases = Later()
    mailing = workplace(place.store, clock, tmp_path, lease_clock=leases)
    start(mailing, play(), [1])
    for number in range(8):
        taken = claim(mailing, mailing.channels["email"], token=f"dead{number}", records=LakeRecords(place.lake))
        assert len(taken.ready) == 1
        leases.at += timedelta(seconds=301)
    tick(mailing)
    assert reasons(place.store) == {"unknown": {"no outcome after 8 attempts": 1}}


def test_without_keys_at_the_provider_what_a_dead_worker_had_begun_is_unknown_and_the_rest_is_sent(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, range(1, 6))
    leases = Later()
    with MailServer() as server:
        channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=server.port, security="none"))
        mailing = workplace(place.store, clock, tmp_path, channel, lease_clock=leases)
        start(mailing, play(), range(1, 6))
        taken = claim(mailing, channel, token="dead", records=LakeRecords(place.lake)).ready
        assert len(taken) == 5
        begun = {one.message.message_id: one.message.message_key for one in taken[:2]}
        with place.store.write() as connection:
            assert ledger.begin(connection, list(begun), token="dead") == set(begun)
        assert give_up_stale(mailing) == 0
        leases.at += timedelta(seconds=301)
        assert tick(mailing).lost == 2
        assert counts(place.store) == {"unknown": 2, "sent": 3}
        assert server.taken.keys() == {one.message.message_key for one in taken} - set(begun.values())
        assert set(server.taken.values()) == {1}
        with place.store.read() as connection:
            slots = cap.read(connection, range(1, 6))
        assert {
            one: sum(slot.message_key is not None for slot in mine) for one, mine in slots.items()
        } == dict.fromkeys(range(1, 6), 1)
        channel.close()


def test_what_time_ran_out_before_is_sent_at_once_by_the_next_claim(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, range(1, 31))
    with MailServer(delay_seconds=0.1) as server:
        slow = SmtpServer(host="127.0.0.1", port=server.port, security="none", connections=1)
        channel = SmtpChannel(slow)
        mailing = workplace(place.store, clock, tmp_path, channel, lease_seconds=1.0)
        start(mailing, play(), range(1, 31))
        taken = claim(mailing, channel, token="late", records=LakeRecords(place.lake))
        assert send(mailing, channel, taken.ready, "late")["planned"] > 0
        tick(mailing)
        assert counts(place.store) == {"sent": 30}
        assert set(server.taken.values()) == {1}
        channel.close()


def test_a_worker_that_was_too_slow_to_begin_sends_nothing_of_what_was_taken_back(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, range(1, 4))
    leases = Later()
    with MailServer() as server:
        channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=server.port, security="none"))
        mailing = workplace(place.store, clock, tmp_path, channel, lease_clock=leases)
        start(mailing, play(), range(1, 4))
        taken = claim(mailing, channel, token="slow", records=LakeRecords(place.lake))
        leases.at += timedelta(seconds=301)
        assert give_up_stale(mailing) == 0
        assert send(mailing, channel, taken.ready, "slow") == {}
        assert (counts(place.store), server.taken) == ({"planned": 3}, {})
        tick(mailing)
        assert send(mailing, channel, taken.ready, "slow") == {}
        assert counts(place.store) == {"sent": 3}
        assert sorted(server.taken.values()) == [1, 1, 1]
        channel.close()


def test_a_campaign_launched_in_the_sandbox_reaches_nobody_in_the_name_of_the_example(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, [1])
    wanted = play()
    start(place, wanted, [1])
    reaching = replace(place, example_brand=wanted.brand)
    tick(reaching)
    assert reasons(place.store) == {"planned": {"identity": 1}}
    with place.store.read() as connection:
        [held] = connection.execute(select(messages.c.findings)).scalars()
    [said] = [one for one in held if one["verdict"] == "hold"]
    assert said["sentence"] == "It would reach people in the name of the example."
    assert "sender_address" in said["fact"]
    clock.advance(2 * HOUR)
    tick(place)
    assert counts(place.store) == {"sent": 1}


class Stalled(SmtpChannel):
    """Hands over only after every lease has run out."""

    stall: Callable[[], object]

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        self.stall()
        return super().send_many(batch, seconds=seconds)


def test_the_worker_that_knows_puts_an_unknown_message_right(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, range(1, 4))
    leases = Later()
    with MailServer() as server:
        channel = Stalled(SmtpServer(host="127.0.0.1", port=server.port, security="none"))
        mailing = workplace(place.store, clock, tmp_path, channel, lease_clock=leases)
        start(mailing, play(), range(1, 4))
        given_up: list[int] = []

        def stall() -> None:
            leases.at += timedelta(seconds=301)
            given_up.append(give_up_stale(mailing))

        channel.stall = stall
        send(mailing, channel, claim(mailing, channel, token="slow", records=LakeRecords(place.lake)).ready, "slow")
        assert given_up == [3]
        assert counts(place.store) == {"sent": 3}
        channel.close()


def test_with_keys_at_the_provider_a_stale_claim_is_sent_again_under_the_same_key(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, range(1, 6))
    leases = Later()
    own = workplace(place.store, clock, tmp_path, lease_clock=leases)
    start(own, play(), range(1, 6))
    claim(own, own.channels["email"], token="dead", records=LakeRecords(place.lake))
    with place.store.write() as connection:
        consents.withdraw(connection, 1, "email", "marketing", clock.now(), "test")
    leases.at += timedelta(seconds=301)
    tick(own)
    # The first contact left in between: nobody can say whether the dead worker had already written.
    assert counts(place.store) == {"sent": 4, "unknown": 1}
    assert len(outbox(tmp_path)) == 4


def test_an_enrolment_walks_through_its_steps_in_order(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(place.store, [1])
    launched = start(place, play(sends=3, wait_days=2), [1])
    sent_at = []
    for _ in range(6):
        before = len(outbox(tmp_path))
        tick(place)
        if len(outbox(tmp_path)) > before:
            sent_at.append(clock.now())
        clock.advance(DAY)
    assert sent_at == [NOW, NOW + 2 * DAY, NOW + 4 * DAY]
    with place.store.read() as connection:
        one = enrolments.of_campaign(connection, launched.campaign_id)[0]
    assert (one.state, one.exit_reason) == ("exited", "completed")


def test_the_next_mail_waits_for_the_one_before_it(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(place.store, [1], time_zone="Asia/Tokyo")
    clock.advance_to(datetime(2025, 3, 3, 13, 0, tzinfo=UTC))
    start(place, play(sends=2, wait_days=1), [1])
    tick(place)
    assert outbox(tmp_path) == {}
    clock.advance_to(datetime(2025, 3, 4, 1, 0, tzinfo=UTC))
    tick(place)
    assert len(outbox(tmp_path)) == 1
    clock.advance(23 * HOUR)
    tick(place)
    assert len(outbox(tmp_path)) == 1
    clock.advance(HOUR)
    tick(place)
    assert len(outbox(tmp_path)) == 2


def test_a_campaign_ends_when_its_last_goal_window_closes(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1, 2])
    launched = start(place, play(), [1, 2])
    tick(place)
    clock.advance(13 * DAY)
    assert tick(place).finished == []
    clock.advance(DAY)
    assert tick(place).finished == [launched.campaign_id]


def test_a_message_that_cannot_be_written_fails_and_the_others_leave(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1], email="not an address")
    add_contacts(place.store, [2])
    start(place, play(), [1, 2])
    tick(place)
    assert counts(place.store) == {"sent": 1, "failed": 1}
    assert len(outbox(tmp_path)) == 1


def test_deliver_stops_after_so_many_when_asked(place: Workplace) -> None:
    add_contacts(place.store, range(1, 31))
    start(place, play(), range(1, 31))
    deliver(place, most=10)
    assert counts(place.store) == {"sent": 10, "planned": 20}


def _enrol_anyway(place: Workplace, proposal_id: str, contact_id: int) -> None:
    """Let a contact in as a launch would have done when the contact still had room."""
    from tools.advance import message_at
    from tools.launch import _campaign

    with place.store.write() as connection:
        proposal = proposals.get(connection, proposal_id).proposal
        campaign_id = campaigns.campaign_id_of(proposal_id)
        at = place.clock.now()
        campaigns.create(connection, *_campaign(proposal, campaign_id, at))
        row = enrolments.Enrolment(
            campaign_id=campaign_id,
            contact_id=contact_id,
            version=1,
            in_holdout=False,
            sequence_key="one",
            probability=1.0,
            step_key="mail1",
            due_at=None,
            entered_at=at,
        )
        write_enrolments(connection, [row])
        inside = enrolments.last_entries(connection, campaign_id, [contact_id])[contact_id]
        first = message_at(inside, proposal.play, at, at)
        assert first is not None
        ledger.plan(connection, [first], actor="test", at=at)
        campaigns.swap_status(connection, campaign_id, ["paused"], "live", at=at, actor="test")
        proposals.swap_status(connection, proposal_id, ProposalStatus.APPROVED, ProposalStatus.LAUNCHED, at)
