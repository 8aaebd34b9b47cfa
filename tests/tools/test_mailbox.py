"""A mailbox on a real IMAP server: each mail is taken once, and stays unseen until it is on record."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from imapclient import IMAPClient

from memory.alerts import list_alerts
from memory.errors import ConfigurationError
from memory.store import Store
from tests.tools.mail_server import free_port
from tests.tools.scene import NOW
from tests.tools.test_incoming_mail import bounce
from tools.imap import ImapFolder
from tools.mailbox import take_imap

PASSWORD = "between us"
USER = "bounces"


@dataclass(frozen=True)
class Server:
    """An IMAP server with one mailbox."""

    port: int

    @property
    def folder(self) -> ImapFolder:
        return ImapFolder.at(f"imap://{USER}@127.0.0.1:{self.port}")

    def put(self, *mails: bytes) -> None:
        with IMAPClient("127.0.0.1", port=self.port, ssl=False) as client:
            client.login(USER, PASSWORD)
            for mail in mails:
                client.append("INBOX", mail)

    def unseen(self) -> int:
        with IMAPClient("127.0.0.1", port=self.port, ssl=False) as client:
            client.login(USER, PASSWORD)
            client.select_folder("INBOX", readonly=True)
            return len(client.search("UNSEEN"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    port = free_port()
    command = shutil.which("pymap", path=os.fspath(Path(sys.executable).parent))
    assert command is not None
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--no-tls", "--no-service", "managesieve", "dict"]
    arguments += ["--demo-user", USER, "--demo-password", PASSWORD]
    process = subprocess.Popen([command, *arguments], cwd=tmp_path)
    try:
        _wait(port)
        yield Server(port)
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            IMAPClient("127.0.0.1", port=port, ssl=False, timeout=5).logout()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the IMAP server does not answer")


def test_a_mail_is_taken_once_and_is_seen_from_then_on(store: Store, server: Server) -> None:
    server.put(bounce(), b"Subject: Hello\r\n\r\nHow are you?")
    taken = take_imap(store, server.folder, PASSWORD, NOW)
    # A report on a message that this workspace never sent is nothing that it knows.
    assert (taken.mails, taken.events, taken.unknown) == (2, 0, 2)
    assert server.unseen() == 0
    assert take_imap(store, server.folder, PASSWORD, NOW).mails == 0


def test_a_stop_that_answers_no_message_of_ours_calls_a_person_once(store: Store, server: Server) -> None:
    server.put(b"From: ann@example.com\r\nSubject: Hello\r\n\r\nWhen do you open?\r\n")
    take_imap(store, server.folder, PASSWORD, NOW)
    with store.read() as connection:
        assert list_alerts(connection) == []
    for subject, words in (("Hello", "Please unsubscribe me."), ("unsubscribe", "")):
        server.put(f"From: ann@example.com\r\nSubject: {subject}\r\n\r\n{words}\r\n".encode())
        assert take_imap(store, server.folder, PASSWORD, NOW).unknown == 1
    with store.read() as connection:
        [alert] = list_alerts(connection)
    assert "asks for no more mail" in alert.task["en"]
    assert "ann@example.com" not in str(alert.task)


def test_what_could_not_be_kept_stays_unseen(store: Store, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put(bounce())

    def broken(*_: object) -> None:
        raise ValueError("the disk is full")

    monkeypatch.setattr("tools.mailbox.receive", broken)
    with pytest.raises(ValueError, match="full"):
        take_imap(store, server.folder, PASSWORD, NOW)
    assert server.unseen() == 1


def test_a_wrong_password_and_a_silent_server_say_what_to_check(store: Store, server: Server) -> None:
    with pytest.raises(ConfigurationError, match="could not be read") as refused:
        take_imap(store, server.folder, "wrong", NOW)
    assert "NORIA_MAILBOX_PASSWORD" in refused.value.remedy
    assert PASSWORD not in str(refused.value)
    nobody = ImapFolder.at(f"imap://{USER}@127.0.0.1:{free_port()}")
    with pytest.raises(ConfigurationError, match="could not be read"):
        take_imap(store, nobody, PASSWORD, NOW)


@pytest.mark.parametrize(
    "url", ["", "mail.example.com", "imaps://mail.example.com/INBOX", "pop3://a@b", "imaps://a:pw@b/INBOX"]
)
def test_what_is_no_address_of_a_mailbox_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="imaps://USER@HOST/FOLDER"):
        ImapFolder.at(url)


def test_an_address_names_user_port_and_folder() -> None:
    found = ImapFolder.at("imaps://news%40shop.example@mail.example.com/Bounces%20in")
    assert (found.host, found.port, found.username) == ("mail.example.com", 993, "news@shop.example")
    assert (found.folder, found.encrypted) == ("Bounces in", True)
