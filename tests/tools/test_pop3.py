"""A mailbox on a POP3 server: each mail is taken once, and all stay where they are."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.settings import load_settings
from memory.alerts import waits
from memory.errors import ConfigurationError
from memory.store import Store
from memory.syncs import standings
from tests.console.test_settings import write
from tests.tools.mail_server import free_port
from tests.tools.scene import NOW
from tests.tools.test_incoming_mail import bounce
from tools.mailbox import Taken, take_from
from tools.pop3 import Pop3Mailbox

PASSWORD = "between us"
HELLO = b"Subject: Hello\r\n\r\n.How are you?\r\n"


class Server(socketserver.ThreadingTCPServer):
    """RFC 1939 as far as a reader goes: USER, PASS, UIDL, RETR and QUIT; ids are those of the mails, in their order."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mails: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.hangs_up = False
        self.withheld: set[str] = set()

    @property
    def url(self) -> str:
        return f"pop3://bounces@127.0.0.1:{self.server_address[1]}"


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.say("+OK ready")
        names = list(self.server.mails)
        for line in self.rfile:
            verb, _, rest = line.decode().strip().partition(" ")
            if verb == "PASS" and rest != PASSWORD:
                self.say("-ERR no")
            elif verb == "UIDL":
                self.say("\r\n".join(["+OK", *(f"{place} {name}" for place, name in enumerate(names, 1)), "."]))
            elif verb == "RETR":
                self.server.fetched.append(names[int(rest) - 1])
                if self.server.hangs_up:
                    return
                if names[int(rest) - 1] in self.server.withheld:
                    self.say("-ERR cannot read it")
                    continue
                self.say("+OK")
                body = b"\r\n" + self.server.mails[names[int(rest) - 1]].rstrip(b"\r\n")
                self.wfile.write(body.replace(b"\r\n.", b"\r\n..")[2:] + b"\r\n.\r\n")
            else:
                self.say("+OK")
                if verb == "QUIT":
                    return

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield found
        found.shutdown()


def look(store: Store, server: Server, password: str = PASSWORD) -> Taken:
    return take_from(store, server.url, password, NOW)


def test_a_mail_is_fetched_once_and_stays_on_the_server(store: Store, server: Server) -> None:
    server.mails = {"one": bounce(), "two": HELLO}
    taken = look(store, server)
    assert (taken.mails, taken.unknown, taken.unreadable) == (2, 2, 0)
    assert look(store, server).mails == 0
    # Numbers move when somebody deletes one; names do not.
    del server.mails["one"]
    server.mails["three"] = HELLO
    assert look(store, server).mails == 1
    assert server.fetched == ["one", "two", "three"]


def test_what_could_not_be_kept_comes_again(store: Store, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.mails = {"one": bounce()}

    def broken(*_: object) -> None:
        raise ValueError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("tools.mailbox.receive", broken)
        with pytest.raises(ValueError, match="full"):
            look(store, server)
    assert look(store, server).mails == 1


def test_a_mail_that_the_protocol_cannot_carry_is_left_to_a_person_and_stops_no_other(
    store: Store, server: Server
) -> None:
    server.mails = {"one": HELLO, "long": b"Subject: " + b"x" * 5000, "two": HELLO}
    taken = look(store, server)
    assert (taken.mails, taken.unreadable) == (2, 1)
    with store.read() as connection:
        assert waits(connection, "mailbox")
    assert look(store, server).mails == 1
    assert server.fetched == ["one", "long", "two"]


def test_a_mail_that_the_server_does_not_give_is_left_to_a_person_and_stops_no_other(
    store: Store, server: Server
) -> None:
    server.mails, server.withheld = {"one": HELLO, "broken": HELLO, "two": HELLO}, {"broken"}
    taken = look(store, server)
    assert (taken.mails, taken.unknown, taken.unreadable) == (3, 2, 1)
    with store.read() as connection:
        assert waits(connection, "mailbox")
    assert look(store, server).mails == 0


def test_another_mailbox_is_read_from_its_beginning_whatever_it_calls_its_mails(store: Store, server: Server) -> None:
    server.mails = {"1": HELLO, "2": HELLO}
    assert look(store, server).mails == 2
    with Server() as other:
        threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        other.mails = {"1": HELLO, "2": HELLO, "3": HELLO}
        assert look(store, other).mails == 3
        other.shutdown()


def test_a_long_history_is_read_in_several_looks(store: Store, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.mailbox._MOST", 2)
    server.mails = {"one": HELLO, "two": HELLO, "three": HELLO}
    assert [look(store, server).mails for _ in range(3)] == [2, 1, 0]


def test_a_server_that_hangs_up_loses_nothing(store: Store, server: Server) -> None:
    server.mails, server.hangs_up = {"one": HELLO}, True
    with pytest.raises(ConfigurationError, match="could not be read"):
        look(store, server)
    server.hangs_up = False
    assert look(store, server).mails == 1


def test_only_what_is_still_there_is_remembered(store: Store, server: Server) -> None:
    server.mails = {"one": HELLO, "two": HELLO}
    look(store, server)
    server.mails = {"two": HELLO}
    look(store, server)
    with store.read() as connection:
        (standing,) = standings(connection, "mailbox")
    assert standing.cursor.count('"') == 2


def test_a_wrong_password_and_a_silent_server_say_what_to_check(store: Store, server: Server) -> None:
    with pytest.raises(ConfigurationError, match="could not be read") as refused:
        look(store, server, "wrong")
    assert "NORIA_MAILBOX_PASSWORD" in refused.value.remedy
    assert "wrong" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="could not be read"):
        take_from(store, f"pop3://a@127.0.0.1:{free_port()}", PASSWORD, NOW)


def test_a_workspace_reads_it_by_its_command(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.mails = {"one": HELLO}
    folder = write(tmp_path, f'name = "Shop"\n[mailbox]\nurl = "{server.url}"\n')
    monkeypatch.setenv("NORIA_MAILBOX_PASSWORD", PASSWORD)
    done = CliRunner().invoke(app, ["mailbox", "-w", str(folder), "--json"])
    assert json.loads(done.output) == {"mails": 1, "events": 0, "unknown": 1, "unreadable": 0}


def test_a_password_goes_out_into_the_world_only_encrypted(tmp_path: Path) -> None:
    text = 'name = "Shop"\n[mailbox]\nurl = "pop3://news@mail.example.com"\n'
    with pytest.raises(ConfigurationError, match="pop3s://"):
        load_settings(write(tmp_path, text))
    assert load_settings(write(tmp_path, text.replace("pop3:", "pop3s:"))).mailbox is not None


@pytest.mark.parametrize("url", ["pop3s://mail.example.com", "pop3s://a:pw@b", "pop3s://a@b/INBOX", "pop://a@b"])
def test_what_is_no_address_of_a_mailbox_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="pop3s://USER@HOST"):
        Pop3Mailbox.at(url)


def test_an_address_names_user_and_port() -> None:
    found = Pop3Mailbox.at("pop3s://news%40shop.example@mail.example.com")
    assert (found.host, found.port, found.username, found.encrypted) == (
        "mail.example.com",
        995,
        "news@shop.example",
        True,
    )
