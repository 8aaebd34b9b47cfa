"""Live events: kept once, acted on at once, and in the lake exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from sqlalchemy import Connection, Table, select, update

from memory import campaigns, contacts, enrolments, message_pages, workspace
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.live_orders import live_orders
from memory.play import Goal
from memory.schema import EPOCH, intake, messages, suppressions
from memory.store import Store, upsert
from tests.tools.mail_server import MailServer
from tests.tools.scene import DAY, NOW, add_contacts, address, counts, play, reasons, start, workplace
from tools.channels.smtp import SmtpChannel, SmtpServer
from tools.drain import WORTH_ROWS, WORTH_WAIT, drain, export_sends, is_worth_draining, is_worth_exporting
from tools.intake import Incoming, receive
from tools.worker import tick
from tools.workplace import Workplace

HOUR = timedelta(hours=1)


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def event(kind: str, at: datetime = NOW, *, contact: int | str = 1, name: str = "", **more: Any) -> Incoming:
    return Incoming(event_id=name or f"{kind}-{contact}-{at:%d%H%M}", kind=kind, at=at, contact=contact, **more)


def order(at: datetime = NOW, *, contact: int = 1, category: str = "coffee", number: str = "o1") -> Incoming:
    lines = [{"product_id": "p1", "category": category, "quantity": 2, "amount_cents": 900, "discount_cents": 100}]
    properties = {"order_id": number, "currency": "EUR", "total_cents": 900, "discount_cents": 100, "lines": lines}
    return event("order", at, contact=contact, name=f"order-{number}", properties=properties, source="shop")


def person(store: Store, contact_id: int = 1) -> contacts.Contact:
    with store.read() as connection:
        return contacts.get(connection, contact_id)


def test_an_event_counts_once_however_often_it_comes(place: Workplace) -> None:
    add_contacts(place.store, [1])
    once = event("click")
    first = receive(place.store, [once, once], NOW)
    again = receive(place.store, [once], NOW)
    assert (first.accepted, first.duplicates, again.accepted, again.duplicates) == (1, 1, 0, 1)
    with place.store.read() as connection:
        assert len(connection.execute(select(intake)).all()) == 1


def test_an_event_that_two_processes_take_at_once_is_acted_on_once(
    postgres_store: Store, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = workplace(postgres_store, clock, tmp_path)
    add_contacts(place.store, [1])
    once = event("sent", properties={"purpose": "marketing"}, source="other")
    rivals: list[int] = []

    def late(connection: Connection, table: Table, rows: Sequence[Any], **more: Any) -> int:
        if table is intake and not rivals:
            rivals.append(1)
            rivals.append(receive(place.store, [once], NOW).accepted)
        return upsert(connection, table, rows, **more)

    monkeypatch.setattr("tools.intake.upsert", late)
    mine = receive(place.store, [once], NOW)
    assert (rivals, mine.accepted, mine.duplicates) == ([1, 1], 0, 1)
    assert person(place.store).sent_since_signal == 1


def test_contacts_are_known_by_id_or_address_and_strangers_are_kept_apart(place: Workplace) -> None:
    add_contacts(place.store, [1])
    done = receive(
        place.store, [event("click", contact=address(1)), event("click", contact="nobody@shop.example.com")], NOW
    )
    assert (done.accepted, done.strangers) == (2, 1)
    assert person(place.store).last_human_signal_at == NOW
    assert drain(place.store, place.lake) == 2


def test_a_number_is_sought_only_where_no_message_is_named_and_never_while_the_store_is_locked(
    store: Store, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, sought = workplace(store, clock, tmp_path), list[str]()
    with_phone = contacts.with_phone

    def seek(connection: Connection, number: str) -> contacts.Contact | None:
        sought.append(number)
        # SQLite has one writer at a time: this would wait in vain for the one that seeks.
        with store.write() as other:
            other.execute(update(messages).values(reason="written meanwhile"))
        return with_phone(connection, number)

    monkeypatch.setattr(contacts, "with_phone", seek)
    [(key, _)] = mailed(place, clock, 1)
    told = {"message_key": key}
    by_key = event("delivered", contact="+33699999999", properties=told, human=False)
    by_number = [event("reply", contact="+33600000001"), event("reply", contact="+33600000002")]
    done = receive(store, [by_key, *by_number], clock.now())
    assert (done.accepted, done.strangers) == (3, 1)
    assert sought == ["+33600000001", "+33600000002"]


def test_a_sign_of_life_starts_the_count_of_unanswered_messages_again(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1, 2], last_human_signal_at=NOW - 9 * DAY, sent_since_signal=4)
    start(place, play(), [1, 2])
    tick(place)
    assert person(place.store).sent_since_signal == 5
    receive(place.store, [event("click", NOW + HOUR), event("open", NOW + HOUR, contact=2)], NOW + HOUR)
    assert person(place.store).sent_since_signal == 0
    # An open is no sign of life.
    assert person(place.store, 2).sent_since_signal == 5
    # A click from before the mail leaves it unanswered; an older one changes nothing.
    receive(place.store, [event("visit", NOW - HOUR, contact=2), event("visit", NOW - HOUR)], NOW + HOUR)
    assert person(place.store, 2).sent_since_signal == 1
    assert person(place.store).last_human_signal_at == NOW + HOUR


def test_signs_of_life_of_many_contacts_may_come_together(place: Workplace) -> None:
    add_contacts(place.store, [1, 2, 3], sent_since_signal=4)
    receive(place.store, [event("click", contact=one) for one in (1, 2)], NOW)
    assert [person(place.store, one).sent_since_signal for one in (1, 2, 3)] == [0, 0, 4]
    assert [person(place.store, one).last_human_signal_at for one in (1, 2, 3)] == [NOW, NOW, None]


def test_machines_are_stored_and_never_counted(place: Workplace) -> None:
    add_contacts(place.store, [1])
    receive(place.store, [event("click", human=False)], NOW)
    assert person(place.store).last_human_signal_at is None


def test_an_event_from_the_future_counts_as_now(place: Workplace) -> None:
    add_contacts(place.store, [1])
    receive(place.store, [event("click", NOW + 999 * DAY)], NOW)
    assert person(place.store).last_human_signal_at == NOW


def test_a_cart_stays_open_until_an_order(place: Workplace) -> None:
    add_contacts(place.store, [1])
    receive(place.store, [event("cart", NOW - HOUR)], NOW)
    assert person(place.store).open_cart_at == NOW - HOUR
    receive(place.store, [order(NOW)], NOW)
    assert person(place.store).open_cart_at is None
    assert person(place.store).last_order_at == NOW
    receive(place.store, [event("cart", NOW - 2 * HOUR)], NOW)
    assert person(place.store).open_cart_at is None


def test_reaching_the_goal_takes_a_contact_out_at_once_and_cancels_what_is_pending(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, [1, 2, 3])
    goal = Goal(category="coffee", window_days=14)
    done = start(place, play(sends=2, goal=goal), [1, 2, 3])
    clock.advance(HOUR)
    # Before anything left: what was planned for the buyer is cancelled.
    receive(place.store, [order(clock.now()), order(clock.now(), contact=2, category="tea", number="o2")], clock.now())
    assert reasons(place.store)["suppressed"] == {"goal": 1}
    tick(place)
    clock.advance(4 * DAY)
    tick(place)
    with place.store.read() as connection:
        inside = {one.contact_id: one.exit_reason for one in enrolments.of_campaign(connection, done.campaign_id)}
    assert inside == {1: "goal", 2: "completed", 3: "completed"}
    assert counts(place.store) == {"suppressed": 1, "sent": 4}


def test_an_order_from_before_the_entry_is_no_goal(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    start(place, play(), [1])
    receive(place.store, [order(NOW - DAY)], NOW)
    tick(place)
    assert counts(place.store) == {"sent": 1}


@pytest.mark.parametrize(
    ("kind", "properties", "reason"),
    [
        ("unsubscribe", {}, "unsubscribed"),
        ("complaint", {}, "complained"),
        ("bounce", {"bounce": "hard"}, "hard_bounce"),
    ],
)
def test_who_leaves_complains_or_bounces_gets_nothing_more(
    place: Workplace, clock: ManualClock, kind: str, properties: dict[str, Any], reason: str
) -> None:
    add_contacts(place.store, [1, 2])
    start(place, play(), [1, 2])
    receive(place.store, [event(kind, properties=properties, human=False, source="provider")], NOW)
    tick(place)
    assert counts(place.store) == {"suppressed": 1, "sent": 1}
    with place.store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == [reason]


def mailed(place: Workplace, clock: ManualClock, number: int) -> list[tuple[str, datetime]]:
    """Contact 1 was sent so many messages, three days apart; their keys, the oldest first."""
    add_contacts(place.store, [1])
    start(place, play(sends=number, wait_days=3), [1])
    for _ in range(number):
        tick(place)
        clock.advance(3 * DAY)
    with place.store.read() as connection:
        rows = connection.execute(select(messages.c.message_key, messages.c.sent_at).order_by(messages.c.sent_at)).all()
    assert all(row.sent_at is not None for row in rows)
    return [(row.message_key, row.sent_at) for row in rows]


def soft(key: str, at: datetime) -> Incoming:
    properties = {"bounce": "soft", **({"message_key": key} if key else {})}
    return event("bounce", at, properties=properties, human=False)


def listed(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(suppressions.c.reason)).scalars())


def test_five_soft_bounces_in_a_row_suppress_the_address_and_four_do_not(place: Workplace, clock: ManualClock) -> None:
    sent = mailed(place, clock, 5)
    for number, (key, at) in enumerate(sent):
        assert listed(place.store) == []
        # One of them names no message.
        receive(place.store, [soft("" if number == 2 else key, at + HOUR)], clock.now())
    assert listed(place.store) == ["soft_bounces"]


@pytest.mark.parametrize("kind", ["delivered", "click", "reply"])
def test_whoever_got_one_in_between_is_not_suppressed(place: Workplace, clock: ManualClock, kind: str) -> None:
    sent = mailed(place, clock, 5)
    receive(place.store, [event(kind, sent[1][1] + 2 * HOUR)], clock.now())
    receive(place.store, [soft(key, at + HOUR) for key, at in sent], clock.now())
    assert listed(place.store) == []


def test_the_same_message_bouncing_five_times_is_one_bounce(place: Workplace, clock: ManualClock) -> None:
    sent = mailed(place, clock, 5)
    receive(place.store, [soft(sent[0][0], sent[0][1] + n * HOUR) for n in range(1, 6)], clock.now())
    assert listed(place.store) == []


def test_a_soft_bounce_suppresses_nobody(place: Workplace) -> None:
    add_contacts(place.store, [1])
    receive(place.store, [event("bounce", properties={"bounce": "soft"})], NOW)
    with place.store.read() as connection:
        assert connection.execute(select(suppressions)).all() == []


def test_what_the_provider_reports_settles_unknown_messages(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, [1, 2], email=None)
    with place.store.write() as connection:
        from memory.schema import contacts as rows

        for one in (1, 2):
            connection.execute(rows.update().where(rows.c.contact_id == one).values(email=f"cut@mail{one}.example.com"))
    with MailServer() as server:
        channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=server.port, security="none"))
        mailing = workplace(place.store, clock, tmp_path, channel)
        start(mailing, play(), [1, 2])
        tick(mailing)
        channel.close()
    assert counts(place.store) == {"unknown": 2}
    with place.store.read() as connection:
        keys = {
            row.contact_id: row.message_key
            for row in message_pages.of_campaign(connection, campaigns.campaign_id_of("p1"))
        }
    receive(
        place.store,
        [
            event("delivered", properties={"message_key": keys[1]}, human=False),
            event("bounce", contact=2, properties={"message_key": keys[2], "bounce": "soft"}, human=False),
        ],
        NOW,
    )
    assert counts(place.store) == {"sent": 1, "failed": 1}


def rows(place: Workplace, table: LakeTable) -> list[dict[str, Any]]:
    engine = place.lake.connect()
    found: list[dict[str, Any]] = engine.table(table.value).to_pyarrow().to_pylist()
    engine.disconnect()
    return found


def test_events_and_orders_reach_the_lake_once(place: Workplace) -> None:
    add_contacts(place.store, [1])
    receive(place.store, [event("click"), order()], NOW)
    assert drain(place.store, place.lake) == 2
    assert drain(place.store, place.lake) == 0
    # The shop tells of the same order again, under another event.
    receive(place.store, [event("order", name="again", properties=order().properties)], NOW)
    drain(place.store, place.lake)
    assert sorted(row["kind"] for row in rows(place, LakeTable.EVENTS)) == ["click", "order", "order"]
    assert [(row["order_id"], row["total_cents"]) for row in rows(place, LakeTable.ORDERS)] == [("o1", 900)]
    assert [(row["category"], row["quantity"]) for row in rows(place, LakeTable.LINES)] == [("coffee", 2)]


def test_a_drain_that_dies_before_it_is_marked_is_repeated_without_a_duplicate(place: Workplace) -> None:
    add_contacts(place.store, [1])
    receive(place.store, [event("click"), order()], NOW)
    drain(place.store, place.lake)
    with place.store.write() as connection:
        batch = connection.execute(select(intake.c.batch_id).limit(1)).scalar_one()
        workspace.set_value(connection, "drain_pending", batch)
    assert drain(place.store, place.lake) == 2
    assert len(rows(place, LakeTable.EVENTS)) == 2
    assert len(rows(place, LakeTable.ORDERS)) == 1


def test_messages_that_left_reach_the_lake_once_and_bounces_are_marked(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1, 2])
    start(place, play(), [1, 2])
    tick(place)
    export_sends(place.store, place.lake, NOW)
    found = rows(place, LakeTable.SENDS)
    assert sorted(row["contact_id"] for row in found) == [1, 2]
    assert all(row["delivered"] for row in found)
    key = next(row["message_key"] for row in found if row["contact_id"] == 2)
    receive(place.store, [event("bounce", contact=2, properties={"message_key": key, "bounce": "soft"})], NOW)
    drain(place.store, place.lake)
    assert {row["contact_id"]: row["delivered"] for row in rows(place, LakeTable.SENDS)} == {1: True, 2: False}
    clock.advance(HOUR)
    export_sends(place.store, place.lake, NOW)
    assert {row["contact_id"]: row["bounced"] for row in rows(place, LakeTable.SENDS)} == {1: "", 2: "soft"}


def test_what_left_is_exported_a_while_later_and_not_again(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    assert not is_worth_exporting(place.store, clock.now())
    start(place, play(sends=2, wait_days=1), [1])
    tick(place)
    assert len(rows(place, LakeTable.SENDS)) == 1
    add_contacts(place.store, [2])
    start(place, play(), [2], proposal_id="p2")
    tick(place)
    # At the same moment as the export: not at once, but with the next one.
    assert (len(rows(place, LakeTable.SENDS)), is_worth_exporting(place.store, clock.now())) == (1, False)
    clock.advance(HOUR)
    tick(place)
    assert len(rows(place, LakeTable.SENDS)) == 2
    clock.advance(HOUR)
    assert not is_worth_exporting(place.store, clock.now())
    clock.advance(DAY)
    tick(place)
    assert len(rows(place, LakeTable.SENDS)) == 3


def test_a_worker_keeps_the_lake_in_few_files(
    place: Workplace, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.lake.MANY_FILES", 2)
    add_contacts(place.store, [1])
    for day in range(4):
        receive(place.store, [event("visit", contact=1, name=f"v{day}", at=clock.now())], clock.now())
        clock.advance(WORTH_WAIT)
        tick(place)
    assert len(rows(place, LakeTable.EVENTS)) == 4
    history = DeltaTable(place.lake.folder / LakeTable.EVENTS).history()
    assert "OPTIMIZE" in {one["operation"] for one in history}


def test_few_fresh_events_wait_before_the_lake_is_written(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    receive(place.store, [event("visit", contact=1)], clock.now())
    assert not is_worth_draining(place.store, clock.now())
    clock.advance(WORTH_WAIT)
    assert is_worth_draining(place.store, clock.now())


def test_many_events_are_written_at_once(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    many = [event("visit", contact=1, name=f"v{number}") for number in range(WORTH_ROWS)]
    receive(place.store, many, clock.now())
    assert is_worth_draining(place.store, clock.now())
    assert drain(place.store, place.lake) == WORTH_ROWS
    assert not is_worth_draining(place.store, clock.now())


def test_an_order_whose_batch_is_being_written_still_counts_as_live(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    receive(place.store, [order()], clock.now())
    until = clock.now() + timedelta(days=1)
    with place.store.write() as connection:
        connection.execute(update(intake).values(batch_id="b1"))
        workspace.set_value(connection, workspace.DRAIN_PENDING, "b1")
        assert live_orders(connection, EPOCH, until).orders.num_rows == 1
        workspace.set_value(connection, workspace.DRAIN_PENDING, None)
        assert live_orders(connection, EPOCH, until).orders.num_rows == 0


def test_an_order_without_id_or_with_nulls_is_the_same_live_and_drained(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    properties = {"lines": None, "total_cents": 500, "discount_cents": None}
    receive(place.store, [event("order", contact=1, name="e1", properties=properties)], clock.now())
    with place.store.read() as connection:
        live = live_orders(connection, EPOCH, clock.now() + timedelta(days=1)).orders.to_pylist()
    drain(place.store, place.lake)
    assert rows(place, LakeTable.ORDERS) == live
    assert [one["order_id"] for one in live] == ["e1"]


def test_what_another_system_sent_takes_its_place_under_the_cap(place: Workplace) -> None:
    add_contacts(place.store, [1, 2])
    elsewhere = [event("sent", NOW - DAY, name=f"other-{number}", source="crm", human=False) for number in range(3)]
    start(place, play(), [1, 2])
    receive(place.store, [*elsewhere, elsewhere[0]], NOW)
    tick(place)
    assert counts(place.store) == {"planned": 1, "sent": 1}
    assert reasons(place.store)["planned"] == {"frequency": 1}
    drain(place.store, place.lake)
    table = place.lake.connect().table("sends").to_pyarrow().to_pylist()
    assert sorted(row["message_key"] for row in table if row["source"] == "crm") == ["other-0", "other-1", "other-2"]


def test_a_service_of_another_system_takes_no_place(place: Workplace) -> None:
    add_contacts(place.store, [1])
    told = {"purpose": "transactional"}
    receive(place.store, [event("sent", NOW - DAY, name=f"receipt-{n}", properties=told) for n in range(3)], NOW)
    start(place, play(), [1])
    tick(place)
    assert counts(place.store) == {"sent": 1}
