"""A sender whose readers complain, bounce or leave too often slows down and stops; only a person lets it go on."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from memory import alerts, journal, ledger, message_pages, reputation
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.errors import InvalidInputError, NotFoundError
from memory.reputation import Fate, Kind
from memory.schema import contacts, messages, reputation_counts, reputation_standings
from memory.standing import OTHERS, State, domain_of
from memory.store import Store
from memory.workspace import salt
from policies.pack import Pack
from policies.rules.reputation import ReputationLimits, rates
from tests.policies.worlds import base_pack, own_pack
from tests.tools.scene import NOW, add_contacts, counts, keys, play, reasons, start, workplace
from tools.channels.channel import Capabilities, Failed, Outcome, Outgoing, Sent, Transient
from tools.intake import Incoming, receive
from tools.postmaster import read_export
from tools.reputation import regard, resume, watch
from tools.unsubscribe import WayOut, sign, unsubscribe
from tools.worker import tick
from tools.workplace import Workplace

HOUR = timedelta(hours=1)
SENDER = domain_of(play().brand.sender_address)
QUICK = "  reputation: { parameters: { minimum_messages: 20, minimum_reports: 1 } }"


def happened(store: Store, domain: str, at: datetime = NOW - HOUR, /, **numbers: int) -> None:
    """Put on record what became of messages that left at a moment."""
    with store.write() as connection:
        for kind, number in numbers.items():
            named: Kind = kind  # type: ignore[assignment]  # the table knows no other
            reputation.count(connection, [Fate(SENDER, domain, named, at)] * number)


def standing(store: Store, domain: str) -> State:
    with store.read() as connection:
        found = reputation.standings(connection).get((SENDER, domain))
    return found.state if found else "fine"


def shares(store: Store, domain: str, at: datetime = NOW, pack: Pack | None = None) -> list[float | None]:
    """Complaints, dead addresses, unsubscribes and deferrals of the last seven days."""
    pack = pack or base_pack()
    with store.read() as connection:
        [found] = [one for one in regard(connection, pack, at) if one.standing.domain == domain]
    [week] = [one for one in found.windows if one.days == 7]
    return [rate.share for rate in rates(week, pack.limits("reputation", ReputationLimits))]


def shop(store: Store, clock: ManualClock, tmp_path: Path, **changes: Any) -> Workplace:
    """Contacts 1 to 40 at a.example and 41 to 80 at b.example, and a policy that decides on few messages."""
    add_contacts(store, range(1, 81))
    with store.write() as connection:
        secret = salt(connection)
        for one in range(1, 81):
            email = f"contact{one}@{'A' if one <= 40 else 'b'}.example"
            connection.execute(
                update(contacts)
                .where(contacts.c.contact_id == one)
                .values(email=email, email_hash=address_hash(secret, email))
            )
    return workplace(store, clock, tmp_path, pack=own_pack(QUICK), **changes)


def send(place: Workplace, ids: range, name: str) -> None:
    start(place, play(policy_version=place.pack.version), ids, proposal_id=name)
    tick(place)


def said(store: Store, kind: str, contact_id: int, at: datetime = NOW, **properties: Any) -> None:
    event = Incoming(
        event_id=f"{kind}{contact_id}", kind=kind, at=at, contact=contact_id, properties=properties, human=False
    )
    receive(store, [event], at)


@pytest.mark.parametrize(
    ("numbers", "state"),
    [
        ({"complaint": 9}, "fine"),
        ({"complaint": 10}, "slowed"),
        ({"complaint": 29}, "slowed"),
        ({"complaint": 30}, "stopped"),
        ({"complaint": 31}, "stopped"),
        ({"bounced": 199}, "fine"),
        ({"bounced": 200}, "slowed"),
        ({"bounced": 500}, "stopped"),
        ({"unsubscribe": 199}, "fine"),
        ({"unsubscribe": 200}, "slowed"),
        ({"unsubscribe": 500}, "stopped"),
        ({"soft_bounced": 1999}, "fine"),
        ({"soft_bounced": 9000}, "slowed"),
    ],
)
def test_of_ten_thousand_messages_so_many_reports_slow_down_and_so_many_stop(
    any_store: Store, numbers: dict[str, int], state: State
) -> None:
    happened(any_store, "a.example", sent=10_000, **numbers)
    watch(any_store, base_pack(), NOW, "worker")
    assert standing(any_store, "a.example") == state
    # What one domain answers for is not held against the others.
    assert standing(any_store, OTHERS) == "fine"


def test_a_few_messages_say_nothing_and_a_few_people_decide_nothing(any_store: Store) -> None:
    happened(any_store, "few.example", sent=99, complaint=50, bounced=50)
    assert shares(any_store, "few.example") == [None, None, None, None]
    assert watch(any_store, base_pack(), NOW, "worker") == []
    happened(any_store, "few.example", sent=1)
    assert [one.state for one in watch(any_store, base_pack(), NOW, "worker")] == ["stopped"]
    happened(any_store, "two.example", sent=200, complaint=2, bounced=2)
    assert shares(any_store, "two.example") == [0.01, 0.01, 0.0, 0.0]
    assert watch(any_store, base_pack(), NOW, "worker") == []
    happened(any_store, "two.example", complaint=1)
    [stopped] = watch(any_store, base_pack(), NOW, "worker")
    assert (stopped.domain, stopped.state) == ("two.example", "stopped")


def test_small_domains_that_say_nothing_alone_stop_the_sender_together(any_store: Store) -> None:
    for number in range(20):
        happened(any_store, f"d{number}.example", sent=60, complaint=1)
    happened(any_store, "large.example", sent=1000)
    watch(any_store, base_pack(), NOW, "worker")
    assert {domain for domain in ("d1.example", "large.example") if standing(any_store, domain) != "fine"} == set()
    assert standing(any_store, OTHERS) == "stopped"


def test_complaints_are_unknown_where_nobody_reports_them_and_never_nought(any_store: Store) -> None:
    happened(any_store, "gmail.com", sent=1000, complaint=900)
    happened(any_store, "quiet.example", sent=1000)
    happened(any_store, "tells.example", sent=1000)
    happened(any_store, "tells.example", NOW - timedelta(days=20), sent=1000, complaint=1)
    assert shares(any_store, "gmail.com")[0] is None
    assert shares(any_store, "quiet.example")[0] is None
    # It is known to report, and nobody complained this week.
    assert shares(any_store, "tells.example")[0] == 0.0
    watch(any_store, base_pack(), NOW, "worker")
    assert standing(any_store, "gmail.com") == standing(any_store, OTHERS) == "fine"


def test_what_is_older_than_a_window_is_not_in_it(any_store: Store) -> None:
    happened(any_store, "a.example", NOW - timedelta(days=31), sent=1000, complaint=900)
    happened(any_store, "a.example", sent=1000)
    watch(any_store, base_pack(), NOW, "worker")
    assert standing(any_store, "a.example") == "fine"


def export(*shares_by_day: str) -> str:
    days = [f"{NOW - (len(shares_by_day) - place) * timedelta(days=1):%Y-%m-%d}" for place in range(len(shares_by_day))]
    lines = [f"{day},{share}" for day, share in zip(days, shares_by_day, strict=True)]
    return "\n".join(["Date,User-reported spam rate", *lines])


@pytest.mark.parametrize(
    ("days", "state"), [(("0.02%", "0.09%"), "fine"), (("0.1%", "0%"), "slowed"), (("0.3%", "0%"), "stopped")]
)
def test_an_export_of_postmaster_tools_makes_gmail_known(any_store: Store, days: tuple[str, ...], state: State) -> None:
    happened(any_store, "gmail.com", sent=1000)
    assert shares(any_store, "gmail.com")[0] is None
    reports = read_export(export(*days), where="spam.csv", sender=f"hello@{SENDER}")
    with any_store.write() as connection:
        assert reputation.keep_reports(connection, reports, at=NOW, actor="cli:marie") == 2
        # The same export twice is there once.
        reputation.keep_reports(connection, reports, at=NOW, actor="cli:marie")
    assert shares(any_store, "gmail.com")[0] == pytest.approx(
        float(days[0 if state != "fine" else 1].rstrip("%")) / 100
    )
    watch(any_store, base_pack(), NOW, "worker")
    assert standing(any_store, "gmail.com") == state
    if state == "fine":
        return
    with any_store.write() as connection:
        resume(connection, SENDER, "googlemail.com", reason="cleaned", actor="cli:marie", at=NOW)
    assert watch(any_store, base_pack(), NOW, "worker") == []
    later = export("0.4%").replace(f"{NOW - timedelta(days=1):%Y-%m-%d}", f"{NOW + timedelta(days=1):%Y-%m-%d}")
    with any_store.write() as connection:
        fresh = read_export(later, where="spam.csv", sender=SENDER)
        reputation.keep_reports(connection, fresh, at=NOW + timedelta(days=2), actor="cli:marie")
    assert watch(any_store, base_pack(), NOW + timedelta(days=2), "worker") != []


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Day;x\n", None),
        ("Date,Reputation\n2026-03-01,High", None),
        ("Date,Spam rate\n2026-03-01,0.2", None),
        ("Date,Spam rate\n2026-03-01,lots%", None),
        ("Date,Spam rate\nyesterday,0.2%", None),
        ("Date,Spam rate\n2026-03-01", None),
        ("Date,Spam rate\n2026-03-01,120%", None),
        ("", None),
        ('\ufeffDate,Domain,"User Reported Spam Rate (%)"\n"Mar 1, 2026",shop.example,0.2\n', 0.002),
        ("date,userReportedSpamRatio\n20260301,0.002\n\n20260302,\n", 0.002),
        ("date,spam_rate\n2026-03-01,0.20 %\n", 0.002),
    ],
)
def test_an_export_is_read_by_its_heading_and_what_is_none_is_refused_by_its_line(
    text: str, share: float | None
) -> None:
    if share is None:
        with pytest.raises(InvalidInputError, match=r"columns|percentage|no rate|no date|shorter") as found:
            read_export(text, where="spam.csv", sender="shop.example")
        assert found.value.where.startswith("spam.csv, line ")
        assert found.value.remedy
        return
    [report] = read_export(text, where="spam.csv", sender="hello@shop.example")
    assert (report.sender, report.domain, f"{report.day:%Y-%m-%d}") == ("shop.example", "gmail.com", "2026-03-01")
    assert report.complaint_share == pytest.approx(share)


def test_a_bare_number_is_read_as_the_person_says() -> None:
    text = "Date,Spam rate\n2026-03-01,0.2"
    [percent] = read_export(text, where="spam.csv", sender="shop.example", unit="percent")
    [share] = read_export(text, where="spam.csv", sender="shop.example", unit="share")
    assert (percent.complaint_share, share.complaint_share) == (0.002, 0.2)


def test_a_stopped_domain_waits_for_a_person_while_the_others_go_on(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = shop(any_store, clock, tmp_path)
    send(place, range(11, 71), "p1")
    assert counts(any_store) == {"sent": 60}
    said(any_store, "complaint", 11)
    send(place, range(1, 11), "p2")
    send(place, range(71, 81), "p3")
    assert counts(any_store) == {"sent": 70, "planned": 10}
    assert reasons(any_store)["planned"] == {"reputation": 10}
    with any_store.read() as connection:
        [alert] = alerts.list_alerts(connection)
        assert "a.example is stopped: 3.33% complaints in 1 day (1 of 30 messages)" in alert.task["en"]
        assert (alert.contact_id, alert.done_at) == (None, None)
        [entry] = journal.entries(connection, action="reputation.stopped")
        assert entry.subject == f"{SENDER} to a.example"
        waiting = connection.execute(select(messages.c.findings).where(messages.c.state == "planned")).scalars().all()
        held = [{one["rule"]: one["sentence"] for one in found}["reputation"] for found in waiting]
        assert held == [f"Mail of {SENDER} to a.example is stopped until a person resumes it."] * 10

    # Time alone lifts nothing, and neither do better numbers.
    clock.advance(timedelta(hours=2))
    tick(place)
    assert counts(any_store) == {"sent": 70, "planned": 10}
    with any_store.write() as connection:
        with pytest.raises(NotFoundError, match=r"b\.example is slowed or stopped"):
            resume(connection, SENDER, "b.example", reason="-", actor="cli:marie", at=clock.now())
        resume(connection, f"hello@{SENDER}", "A.example", reason="list cleaned", actor="cli:marie", at=clock.now())
        [entry] = journal.entries(connection, action="reputation.resumed")
        assert (entry.actor, entry.payload) == ("cli:marie", {"reason": "list cleaned", "was": "stopped"})
    tick(place)
    assert counts(any_store) == {"sent": 80}
    assert standing(any_store, "a.example") == "fine"


def test_after_a_resume_old_complaints_count_no_more_and_new_ones_stop_it_again(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    clock.advance(timedelta(minutes=20))
    place = shop(any_store, clock, tmp_path)
    send(place, range(1, 21), "p1")
    said(any_store, "complaint", 1, clock.now())
    tick(place)
    clock.advance(timedelta(minutes=10))
    with any_store.write() as connection:
        resume(connection, SENDER, None, reason="mended", actor="cli:marie", at=clock.now())
    # About a message of before, said afterwards, in the same hour.
    said(any_store, "complaint", 2, clock.now())
    send(place, range(21, 41), "p2")
    tick(place)
    assert (counts(any_store), standing(any_store, "a.example")) == ({"sent": 40}, "fine")
    with any_store.read() as connection:
        key = keys(connection, 21)[0]
    said(any_store, "complaint", 21, clock.now(), message_key=key)
    tick(place)
    assert standing(any_store, "a.example") == "stopped"


def test_numbers_from_before_a_resume_stop_nothing_after_it(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    happened(any_store, "a.example", sent=2000, complaint=3)
    watch(any_store, base_pack(), NOW, "worker")
    happened(any_store, "a.example", complaint=4)
    with any_store.read() as connection:
        seen = regard(connection, base_pack(), NOW)
    monkeypatch.setattr("tools.reputation.regard", lambda *_: seen)
    with any_store.write() as connection:
        resume(connection, SENDER, None, reason="mended", actor="cli:marie", at=NOW)
    # A worker that had looked just before comes too late.
    assert watch(any_store, base_pack(), NOW, "worker") == []
    assert standing(any_store, "a.example") == "fine"


def test_what_the_server_says_at_once_counts_by_domain(any_store: Store, clock: ManualClock, tmp_path: Path) -> None:
    place = shop(any_store, clock, tmp_path, channels={"email": Picky()})
    send(place, range(1, 81), "p1")
    found = counts(any_store)
    assert (found["sent"], found["failed"]) == (60, 10)
    # Of 40 to a.example: 10 dead, 10 put off. Nobody at b.example.
    complaints, dead, left, deferred = shares(any_store, "a.example", pack=place.pack)
    assert (complaints, dead, left) == (None, 10 / 30, 0.0)
    assert deferred == 10 / 40
    assert shares(any_store, "b.example", pack=place.pack) == [None, 0.0, 0.0, 0.0]
    tick(place)
    assert standing(any_store, "a.example") == "stopped"
    assert standing(any_store, "b.example") == "fine"


class Picky:
    """A server that knows no contact under 10 at a.example, and puts off those under 20."""

    name = "picky"
    capabilities = Capabilities(carries="email", idempotent=False, batch_size=100, at_once=100)

    def send_many(self, batch: Any, *, seconds: float) -> list[Outcome]:
        return [self._one(one) for one in batch]

    def _one(self, message: Outgoing) -> Outcome:
        number = int(message.address.partition("@")[0].removeprefix("contact"))
        if number <= 10:
            return Failed(message.message_key, "550 5.1.1", hard_bounce=True)
        if number <= 20:
            return Transient(message.message_key, "451 4.7.1", deferred=True)
        return Sent(message.message_key)

    def close(self) -> None:
        """Nothing is open."""


def test_what_is_reported_later_counts_once_for_the_message_it_is_about(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = shop(any_store, clock, tmp_path)
    send(place, range(41, 81), "p1")
    with any_store.read() as connection:
        key, secret = keys(connection, 41)[0], salt(connection)
        campaign = connection.execute(select(messages.c.campaign_id)).scalars().first()
    token = sign(secret, WayOut(41, "email", str(campaign), key))
    for _ in range(2):
        unsubscribe(any_store, token, clock.now())
        said(any_store, "bounce", 42, bounce="hard", message_key=keys_of(any_store, 42))
        said(any_store, "bounce", 43, bounce="soft")
        said(any_store, "unsubscribe", 44)
        # Another tool's message, somebody who got nothing from us, and another channel.
        said(any_store, "complaint", 45, message_key="of another tool")
        said(any_store, "complaint", 1)
        said(any_store, "complaint", 46, channel="sms")
    with any_store.read() as connection:
        query = select(reputation_counts.c.domain, reputation_counts.c.kind, reputation_counts.c.messages)
        found = {(row.domain, row.kind): row.messages for row in connection.execute(query)}
    assert found == {
        ("b.example", "sent"): 40,
        ("b.example", "unsubscribe"): 2,
        ("b.example", "bounced"): 1,
        ("b.example", "soft_bounced"): 1,
    }


def keys_of(store: Store, contact_id: int) -> str:
    with store.read() as connection:
        return keys(connection, contact_id)[0]


def test_a_slowed_domain_gets_half_of_what_it_got_each_day(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    place = shop(any_store, clock, tmp_path)
    happened(any_store, "a.example", NOW - timedelta(hours=2), sent=20)
    happened(any_store, "a.example", NOW - timedelta(days=3), sent=1000)
    happened(any_store, "a.example", NOW - timedelta(days=10), sent=9000, complaint=15)
    watch(any_store, place.pack, NOW, "worker")
    with any_store.read() as connection:
        slowed = reputation.standings(connection)[SENDER, "a.example"]
    # The last day had 20, an average day of the week 1020 / 7.
    assert (slowed.state, slowed.room) == ("slowed", 73)
    with any_store.write() as connection:
        connection.execute(update(reputation_standings).values(room=15))
    send(place, range(1, 81), "p1")
    assert counts(any_store) == {"sent": 55, "planned": 25}
    with any_store.read() as connection:
        held = [one for one in ledger_of(connection) if one.state == "planned"]
    assert {one.reason for one in held} == {"pace"}
    assert "15 messages a day to a.example, slowed: 0.15% complaints" in held[0].findings[0]["limit"]
    clock.advance(timedelta(days=1))
    tick(place)
    assert counts(any_store) == {"sent": 70, "planned": 10}
    clock.advance(timedelta(days=1))
    tick(place)
    assert counts(any_store) == {"sent": 80}


def ledger_of(connection: Any) -> list[ledger.Message]:
    [campaign] = connection.execute(select(messages.c.campaign_id).distinct()).scalars().all()
    return message_pages.of_campaign(connection, campaign)
