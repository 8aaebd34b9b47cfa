"""Reports by mail: each understood, each counted once, and none for anybody but who got the message."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from memory import unknown
from memory.alerts import list_alerts
from memory.clock import ManualClock
from memory.schema import intake, messages, suppressions
from memory.store import Store
from tests.tools.scene import NOW, add_contacts, address, play, start, workplace
from tools.incoming_mail import read_mail
from tools.intake import Incoming
from tools.mailbox import take_maildir

KEY = "ab" * 32
HEAD = "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.shop.example.com\r\nDate: Mon, 03 Mar 2025 08:00:00 +0000\r\n"


def part(kind: str, text: str) -> str:
    return f"--cut\r\nContent-Type: {kind}\r\n\r\n{text}\r\n"


def bounce(
    *,
    key: str = KEY,
    status: str = "5.1.1",
    said: str = "550 5.1.1 unknown",
    action: str = "failed",
    to: str = "anna@x.example",
) -> bytes:
    """A delivery report as Postfix writes it."""
    fields = (
        "Reporting-MTA: dns; mx.shop.example.com\r\n\r\n"
        f"Final-Recipient: rfc822; {to}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {said}\r\n"
    )
    sent = f"From: hello@shop.example.com\r\nMessage-ID: <{key}@shop.example.com>\r\nX-Noria-Message-Key: {key}\r\n"
    parts = (
        part("text/plain", "I'm sorry to have to inform you"),
        part("message/delivery-status", fields),
        part("text/rfc822-headers", sent),
    )
    kind = "Content-Type: multipart/report; report-type=delivery-status; boundary=cut\r\n\r\n"
    return "".join([HEAD, kind, *parts, "--cut--\r\n"]).encode()


def complaint(kind: str = "abuse") -> bytes:
    """A feedback report."""
    fields = f"Feedback-Type: {kind}\r\nUser-Agent: Mailbox/1\r\nVersion: 1\r\nOriginal-Rcpt-To: anna@x.example\r\n"
    sent = f"From: hello@shop.example.com\r\nX-Noria-Message-Key:\r\n {KEY}\r\nSubject: Hi\r\n\r\nHi."
    parts = (
        part("text/plain", "An abuse report"),
        part("message/feedback-report", fields),
        part("message/rfc822", sent),
    )
    head = "Content-Type: multipart/report; report-type=feedback-report; boundary=cut\r\n\r\n"
    return "".join([HEAD, head, *parts, "--cut--\r\n"]).encode()


def auto_reply() -> bytes:
    return f"From: anna@x.example\r\nAuto-Submitted: auto-replied\r\nIn-Reply-To: <{KEY}@x>\r\n\r\nAway.".encode()


@pytest.mark.parametrize(
    ("mail", "kind", "told"),
    [
        (bounce(), "bounce", "hard"),
        (bounce(status="5.0.0", said="550 no such user here"), "bounce", "hard"),
        (bounce(status="5.7.1", said="554 5.7.1 listed"), "bounce", "block"),
        (bounce(status="5.2.2", said="552 5.2.2 over quota"), "bounce", "soft"),
        (bounce(status="4.4.1", said="connection timed out"), "bounce", "soft"),
        (bounce(status="4.4.1", action="delayed"), "deferred", None),
        (bounce(status="2.0.0", said="250 ok", action="delivered"), "delivered", None),
        (complaint(), "complaint", None),
        (complaint("opt-out"), "unsubscribe", None),
        (auto_reply(), "auto_reply", None),
    ],
)
def test_each_report_is_understood(mail: bytes, kind: str, told: str | None) -> None:
    (event,) = read_mail(mail, NOW)
    assert (event.kind, event.properties.get("bounce"), event.properties["message_key"]) == (kind, told, KEY)
    assert event.at == (NOW if kind == "auto_reply" else NOW - timedelta(hours=1))
    assert not event.human
    assert "@" not in str(event.properties.get("reason", ""))


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: Hello\r\n\r\nHow are you?",
        bounce(key="0" * 63),
        bounce(action="relayed"),
        complaint("not-spam"),
        f"Message-ID: <{KEY}@x>\r\nSubject: our own message, delivered to us\r\n\r\nBuy!".encode(),
    ],
)
def test_what_is_no_report_on_a_message_is_none(mail: bytes) -> None:
    assert read_mail(mail, NOW) == []


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "mail" / name).mkdir(parents=True)
    return tmp_path / "mail"


def sent(store: Store, clock: ManualClock, tmp_path: Path) -> Any:
    """One message in flight when its worker fell silent."""
    place = workplace(store, clock, tmp_path)
    add_contacts(store, [1, 2])
    start(place, play(), [1])
    with store.write() as connection:
        unknown.give_up(connection, at=clock.now(), reason="the worker fell silent")
        return connection.execute(select(messages)).one()


def test_a_bounce_settles_its_message_suppresses_whoever_got_it_and_counts_once(
    store: Store, clock: ManualClock, tmp_path: Path, maildir: Path
) -> None:
    key = sent(store, clock, tmp_path).message_key
    # Whoever forges a report can only forge it on a message that they got, so never for somebody else.
    for name in ("1", "2"):
        (maildir / "new" / name).write_bytes(bounce(key=key, to=address(2)))
    (maildir / "new" / "3").write_bytes(bounce(to=address(2)))
    taken = take_maildir(store, maildir, NOW)
    assert (taken.mails, taken.events, taken.unknown) == (3, 1, 1)
    assert list((maildir / "new").iterdir()) == []
    assert {path.name for path in (maildir / "cur").iterdir()} == {"1:2,S", "2:2,S", "3:2,S"}
    with store.read() as connection:
        assert connection.execute(select(intake.c.contact_id, intake.c.kind)).all() == [(1, "bounce")]
        assert connection.execute(select(messages.c.state)).scalar() == "failed"
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["hard_bounce"]
    assert take_maildir(store, maildir, NOW).mails == 0


@pytest.mark.parametrize(
    "head", ["Content-Type: text/plain; charset=idna", "Content-Type: text/plain; charset=undefined", "Subject: \udcff"]
)
def test_a_mail_in_no_known_letters_is_read_all_the_same(head: str) -> None:
    mail = f"In-Reply-To: <{KEY}@x>\r\nMessage-ID: <\udcff@x>\r\n{head}\r\n\r\nStop".encode(errors="surrogateescape")
    (event,) = read_mail(mail, NOW)
    assert event.kind == "unsubscribe"


def test_one_mail_that_cannot_be_read_keeps_no_other_from_being_read(
    store: Store, clock: ManualClock, tmp_path: Path, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sent(store, clock, tmp_path).message_key
    (maildir / "new" / "1").write_bytes(b"broken")
    (maildir / "new" / "2").write_bytes(bounce(key=key))

    def breaks(mail: bytes, at: datetime) -> list[Incoming]:
        if mail == b"broken":
            raise RecursionError
        return read_mail(mail, at)

    monkeypatch.setattr("tools.mailbox.read_mail", breaks)
    taken = take_maildir(store, maildir, NOW)
    assert (taken.mails, taken.events, taken.unreadable) == (2, 1, 1)
    assert list((maildir / "new").iterdir()) == []
    with store.read() as connection:
        assert [one.step_key for one in list_alerts(connection)] == ["mailbox"]


def test_what_could_not_be_kept_stays_new(store: Store, maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (maildir / "new" / "1").write_bytes(bounce())

    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("tools.mailbox.receive", broken)
    with pytest.raises(OSError, match="full"):
        take_maildir(store, maildir, NOW)
    assert [path.name for path in (maildir / "new").iterdir()] == ["1"]
