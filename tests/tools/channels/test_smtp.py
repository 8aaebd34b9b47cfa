"""SMTP tells what left, what did not, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from memory.errors import ConfigurationError
from tests.tools.mail_server import MailServer
from tools.channels.channel import Failed, Outcome, Outgoing, Transient, Unknown
from tools.channels.smtp import SmtpChannel, SmtpServer


def mail(key: str, address: str = "anna@shop.example.com") -> Outgoing:
    lines = (f"X-Noria-Message-Key: {key}", "From: hello@shop.example.com", f"To: {address}", "Subject: Hi", "", "Hi.")
    return Outgoing(key, "hello@shop.example.com", address, "\r\n".join((*lines, "")).encode())


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as found:
        yield found


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
