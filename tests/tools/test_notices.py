"""Notices: everything that waits is told once to whoever may decide, by links that decide nothing, and never lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest

from memory import proposals, queue, users
from memory.alerts import Alert, raise_alerts
from memory.clock import ManualClock
from memory.proposal import ProposalStatus
from memory.role import Role
from memory.store import Store
from memory.users import Notify
from memory.workspace import turn_switch
from tests import examples
from tests.tools.scene import DAY, NOW, workplace
from tools.channels.channel import Outcome, Outgoing, Transient
from tools.channels.sandbox import SandboxChannel
from tools.notices import notify
from tools.staff_mail import write_to_staff
from tools.workplace import Workplace

URL = "https://noria.example.com"


class Broken(SandboxChannel):
    """A server that cannot be reached."""

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        return [Transient(one.message_key, "away", away=True) for one in batch]


@pytest.fixture
def watch() -> ManualClock:
    """Real time, by which mails are counted."""
    return ManualClock(NOW)


@pytest.fixture
def place(any_store: Store, clock: ManualClock, watch: ManualClock, tmp_path: Path) -> Workplace:
    for name in ("p1", "p2"):
        propose(any_store, name)
    return workplace(any_store, clock, tmp_path, lease_clock=watch)


def propose(store: Store, name: str) -> None:
    one = examples.proposal(name, title=f"Plan {name}", created_at=NOW, expires_at=NOW + 3 * DAY)
    with store.write() as connection:
        proposals.submit(connection, one, author="agents", at=NOW, open_limit=99)


def person(store: Store, name: str, role: Role = "approver", how: Notify = "at_once", email: str = "") -> None:
    with store.write() as connection:
        users.invite(connection, name, role, invite_hash=name, until=NOW + DAY, actor="cli:test", at=NOW)
        users.take_up(connection, name, password_hash="none", second_factor=None, at=NOW)
        users.set_email(connection, name, email or f"{name}@team.example.com", NOW)
        users.set_notify(connection, name, how)


def work(place: Workplace) -> None:
    notify(place)
    write_to_staff(place, examples.brand, URL)


def mails(tmp_path: Path) -> list[EmailMessage]:
    found = sorted((tmp_path / "outbox").glob("staff-*.eml"), key=lambda one: one.stat().st_mtime_ns)
    return [BytesParser(EmailMessage, policy=default).parsebytes(one.read_bytes()) for one in found]


def text(mail: EmailMessage) -> str:
    plain = mail.get_body(("plain",))
    assert plain is not None
    return str(plain.get_content()).replace("\r\n", "\n")


def test_each_proposal_is_told_once_to_whoever_may_say_yes(any_store: Store, place: Workplace, tmp_path: Path) -> None:
    person(any_store, "ann")
    for name, role, how in (("omar", "operator", "at_once"), ("quiet", "approver", "off")):
        person(any_store, name, role, how)  # type: ignore[arg-type]  # plain strings
    work(place)
    work(place)
    [mail] = mails(tmp_path)
    assert (mail["To"], mail["Subject"]) == ("ann@team.example.com", "Noria: 2 waiting for you")
    assert "Plan p1, decide by 6 Mar 2025 09:00 UTC" in text(mail)
    assert f"{URL}/console/notices/p1/" in text(mail)
    propose(any_store, "p3")
    work(place)
    assert "Plan p3" in text(mails(tmp_path)[1])
    assert "Plan p1" not in text(mails(tmp_path)[1])


def test_nobody_is_told_at_an_address_that_is_not_confirmed(any_store: Store, place: Workplace, tmp_path: Path) -> None:
    with any_store.write() as connection:
        users.invite(connection, "ann", "approver", invite_hash="ann", until=NOW + DAY, actor="cli:test", at=NOW)
        users.take_up(connection, "ann", password_hash="none", second_factor=None, at=NOW)
    work(place)
    assert mails(tmp_path) == []


def test_one_a_day_gathers_what_came_meanwhile(
    any_store: Store, place: Workplace, watch: ManualClock, tmp_path: Path
) -> None:
    person(any_store, "ann", how="daily")
    work(place)
    propose(any_store, "p3")
    propose(any_store, "p4")
    watch.advance(timedelta(hours=23))
    work(place)
    assert len(mails(tmp_path)) == 1
    watch.advance(timedelta(hours=1))
    work(place)
    assert mails(tmp_path)[1]["Subject"] == "Noria: 2 waiting for you"


def test_what_expires_soon_is_told_once_more_and_what_is_settled_no_more(
    any_store: Store, place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    person(any_store, "ann")
    work(place)
    clock.advance(2 * DAY + timedelta(hours=1))
    with any_store.write() as connection:
        proposals.swap_status(connection, "p2", ProposalStatus.OPEN, ProposalStatus.REJECTED, clock.now())
        assert queue.remind(connection, clock.now(), before_hours=24) == ["p1"]
    work(place)
    work(place)
    [_, mail] = mails(tmp_path)
    assert "Plan p1 (about to expire)" in text(mail)
    assert "Plan p2" not in text(mail)


def test_admins_are_told_how_many_alerts_wait_and_nothing_of_whom(
    any_store: Store, place: Workplace, tmp_path: Path
) -> None:
    person(any_store, "ann")
    person(any_store, "root", "admin")
    with any_store.write() as connection:
        raise_alerts(connection, [Alert(step_key="call", task={"en": "Call Jane Doe"}, raised_at=NOW)])
    work(place)
    told = {str(mail["To"]): text(mail) for mail in mails(tmp_path)}
    assert f"Alerts that wait for an admin: 1\n{URL}/console/health" in told["root@team.example.com"]
    assert "Alerts" not in told["ann@team.example.com"]
    assert "Jane" not in "".join(told.values())


def test_what_did_not_leave_is_told_by_another_mail_a_while_later(
    any_store: Store, place: Workplace, watch: ManualClock, clock: ManualClock, tmp_path: Path
) -> None:
    person(any_store, "ann")
    broken = workplace(any_store, clock, tmp_path, Broken(tmp_path / "outbox"), lease_clock=watch)
    work(broken)
    work(place)
    assert mails(tmp_path) == []
    watch.advance(timedelta(minutes=16))
    work(place)
    work(place)
    assert [mail["Subject"] for mail in mails(tmp_path)] == ["Noria: 2 waiting for you"]


def test_a_worker_that_dies_before_the_hand_over_loses_nothing(
    any_store: Store, place: Workplace, watch: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(any_store, "ann")
    assert notify(place) == 1

    def die(*_: object, **__: object) -> list[Outcome]:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(SandboxChannel, "send_many", die)
        with pytest.raises(KeyboardInterrupt):
            write_to_staff(place, examples.brand, URL)
    work(place)
    assert mails(tmp_path) == []
    watch.advance(timedelta(minutes=16))
    work(place)
    work(place)
    assert len(mails(tmp_path)) == 1


def test_while_all_sending_is_stopped_nobody_is_told(any_store: Store, place: Workplace, tmp_path: Path) -> None:
    person(any_store, "ann")
    with any_store.write() as connection:
        turn_switch(connection, stopped=True, actor="cli:test", reason="", at=NOW)
    work(place)
    assert mails(tmp_path) == []
    with any_store.write() as connection:
        turn_switch(connection, stopped=False, actor="cli:test", reason="", at=NOW)
    work(place)
    assert len(mails(tmp_path)) == 1


def test_a_notice_is_in_the_reader_s_language(any_store: Store, place: Workplace, tmp_path: Path) -> None:
    person(any_store, "ann")
    with any_store.write() as connection:
        users.set_language(connection, "ann", "fr")
    work(place)
    assert mails(tmp_path)[0]["Subject"] == "Noria : 2 en attente de vous"
    assert "à décider avant le 6 mars 2025 09:00 UTC" in text(mails(tmp_path)[0])


def test_only_links_that_noria_made_are_links_whatever_a_title_says(
    any_store: Store, place: Workplace, tmp_path: Path
) -> None:
    person(any_store, "ann")
    title = 'https://evil.example/"><b>x</b>'
    with any_store.write() as connection:
        one = examples.proposal("p0", title=title, created_at=NOW, expires_at=NOW + DAY)
        proposals.submit(connection, one, author="agents", at=NOW, open_limit=99)
    work(place)
    part = mails(tmp_path)[0].get_body(("html",))
    assert part is not None
    html = str(part.get_content())
    assert "https://evil.example/&quot;&gt;&lt;b&gt;" in html
    links = re.findall(r'href="([^"]*)"', html)
    assert [one.startswith(f"{URL}/console/notices/p") for one in links] == [True, True, True]


def test_a_new_version_waits_anew_and_is_told_and_reminded_of_anew(
    any_store: Store, place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    def remind() -> None:
        with any_store.write() as connection:
            assert "p1" in queue.remind(connection, clock.now(), before_hours=24)

    person(any_store, "ann")
    clock.advance(2 * DAY + timedelta(hours=1))
    remind()
    work(place)
    with any_store.write() as connection:
        first = proposals.get(connection, "p1").proposal
        second = first.model_copy(update={"version": 2, "title": "Plan p1, mended"})
        proposals.revise(connection, second, author="console:bob", at=clock.now())
    work(place)
    remind()
    work(place)
    work(place)
    said = [text(mail) for mail in mails(tmp_path)]
    assert ["Plan p1, mended" in one for one in said] == [False, True, True]
    assert ["Plan p1, mended (about to expire)" in one for one in said] == [False, False, True]
    assert "Plan p2" not in said[1]
