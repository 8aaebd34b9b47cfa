"""Every channel keeps the same promises; SMTP tells what left, what did not, and what nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from memory.errors import ConfigurationError
from tests.tools.mail_server import MailServer
from tools.channels.channel import Channel, Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.channels.sandbox import SandboxChannel
from tools.channels.smtp import SmtpChannel, SmtpServer


def mail(key: str, address: str = "anna@shop.example.com") -> Outgoing:
    lines = (f"X-Noria-Message-Key: {key}", "From: hello@shop.example.com", f"To: {address}", "Subject: Hi", "", "Hi.")
    return Outgoing(key, "hello@shop.example.com", address, "\r\n".join((*lines, "")).encode())


@dataclass
class Way:
    """A channel, and what arrived at its other end: how often each key, and its bytes."""

    channel: Channel
    arrived: Callable[[], dict[str, bytes]]
    broken: Callable[[], Channel]


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as found:
        yield found


@pytest.fixture(params=["sandbox", "smtp"])
def way(request: pytest.FixtureRequest, tmp_path: Path, server: MailServer) -> Iterator[Way]:
    """Each promise below is held by every channel."""
    if request.param == "sandbox":
        folder = tmp_path / "outbox"
        blocked = tmp_path / "file"
        blocked.write_text("in the way")
        found = Way(
            SandboxChannel(folder),
            lambda: {path.stem: path.read_bytes() for path in folder.glob("*.eml")},
            lambda: SandboxChannel(blocked / "outbox"),
        )
    else:

        def arrived() -> dict[str, bytes]:
            assert set(server.taken.values()) <= {1}
            return server.contents

        found = Way(
            SmtpChannel(SmtpServer(host="127.0.0.1", port=server.port, security="none")),
            arrived,
            lambda: SmtpChannel(SmtpServer(host="127.0.0.1", port=9, security="none", timeout_seconds=2)),
        )
    yield found
    found.channel.close()


def test_every_message_of_a_batch_has_its_outcome_and_arrives_once(way: Way) -> None:
    batch = [mail(f"key{number:03}") for number in range(30)]
    outcomes = way.channel.send_many(batch, seconds=30)
    assert [outcome.message_key for outcome in outcomes] == [message.message_key for message in batch]
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert {key: content.splitlines() for key, content in way.arrived().items()} == {
        message.message_key: message.content.splitlines() for message in batch
    }


def test_several_batches_one_after_the_other_arrive_too(way: Way) -> None:
    for turn in range(3):
        outcomes = way.channel.send_many([mail(f"turn{turn}")], seconds=30)
        assert isinstance(outcomes[0], Sent)
    assert len(way.arrived()) == 3


def test_an_empty_batch_is_nothing(way: Way) -> None:
    assert way.channel.send_many([], seconds=30) == []


def test_what_could_not_be_started_in_time_comes_back_and_did_not_leave(way: Way) -> None:
    outcomes = way.channel.send_many([mail("late1"), mail("late2")], seconds=-1)
    assert all(isinstance(outcome, Transient) for outcome in outcomes)
    assert way.arrived() == {}


def test_trouble_on_the_other_side_is_an_outcome_and_no_exception(way: Way) -> None:
    broken = way.broken()
    outcomes = broken.send_many([mail("one"), mail("two")], seconds=30)
    broken.close()
    assert [type(outcome) for outcome in outcomes] == [Transient, Transient]


def test_a_channel_that_calls_itself_idempotent_delivers_a_repeated_message_once(way: Way) -> None:
    if not way.channel.capabilities.idempotent:
        assert way.channel.name == "smtp"
        return
    for _ in range(2):
        assert isinstance(way.channel.send_many([mail("again")], seconds=30)[0], Sent)
    assert list(way.arrived()) == ["again"]


def test_closing_twice_does_no_harm(way: Way) -> None:
    way.channel.send_many([mail("one")], seconds=30)
    way.channel.close()
    way.channel.close()


def test_the_sandbox_leaves_no_half_written_file(tmp_path: Path) -> None:
    SandboxChannel(tmp_path).send_many([mail("one")], seconds=30)
    assert [path.name for path in tmp_path.iterdir()] == ["one.eml"]


def say(server: MailServer, address: str) -> Outcome:
    channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=server.port, security="none", timeout_seconds=5))
    try:
        return channel.send_many([mail("key", f"{address}@shop.example.com")], seconds=30)[0]
    finally:
        channel.close()


@pytest.mark.parametrize(
    ("address", "expected", "hard"),
    [
        ("soft", Transient, False),
        ("busy", Transient, False),
        ("early", Transient, False),
        ("gone", Failed, True),
        ("old", Failed, True),
        ("policy", Failed, False),
        ("spam", Failed, False),
        ("cut", Unknown, False),
    ],
)
def test_what_the_server_says_becomes_the_outcome(
    server: MailServer, address: str, expected: type[Outcome], hard: bool
) -> None:
    outcome = say(server, address)
    assert type(outcome) is expected
    assert getattr(outcome, "hard_bounce", False) is hard
    # The server repeats the address in its answer; the ledger must not.
    assert "@" not in getattr(outcome, "reason", "")
    assert server.taken == {}


def test_a_refused_sender_is_our_trouble_and_not_the_contacts(server: MailServer) -> None:
    server.refuse_sender = True
    assert isinstance(say(server, "anna"), Transient)


@pytest.mark.parametrize("name", ["a\r\nRCPT TO:<eve", "two words", "<anna>", "zoé", ""])
def test_an_address_that_cannot_be_written_in_smtp_fails_for_good(server: MailServer, name: str) -> None:
    outcome = say(server, name)
    assert isinstance(outcome, Failed)
    assert outcome.hard_bounce
    assert server.taken == {}


def test_one_refusal_does_not_spoil_the_rest_of_the_batch(server: MailServer) -> None:
    channel = SmtpChannel(SmtpServer(host="127.0.0.1", port=server.port, security="none", connections=1))
    names = ["a", "gone", "b", "cut", "c", "spam", "d", "early", "e"]
    outcomes = channel.send_many([mail(name, f"{name}@shop.example.com") for name in names], seconds=30)
    channel.close()
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Sent", "Failed", "Sent", "Unknown", "Sent", "Failed", "Sent", "Transient", "Sent",
    ]  # fmt: skip
    assert set(server.taken) == set("abcde")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_on_this_machine_needs_no_public_address(host: str) -> None:
    SmtpChannel(SmtpServer(host=host))


@pytest.mark.parametrize("public_url", ["", "http://shop.example.com"])
def test_mail_to_the_world_without_a_public_way_out_is_refused(public_url: str) -> None:
    with pytest.raises(ConfigurationError, match="unsubscribe"):
        SmtpChannel(SmtpServer(host="smtp.example.com"), public_url=public_url)
    SmtpChannel(SmtpServer(host="smtp.example.com"), public_url="https://out.example.com")


def test_a_password_never_crosses_the_network_unprotected() -> None:
    password = SecretStr("secret")
    open_server = SmtpServer(host="smtp.example.com", security="none", username="me", password=password)
    with pytest.raises(ConfigurationError, match="password"):
        SmtpChannel(open_server, public_url="https://out.example.com")
    assert "secret" not in repr(open_server)
