"""What every channel promises, tried on each of them against a real other side that misbehaves on request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from memory.steps import REACHING
from memory.steps import Channel as ChannelName
from tests.tools.channels.http_server import SECRET, Endpoint
from tests.tools.channels.providers import PROVIDERS, PUBLIC, letter
from tests.tools.mail_server import MailServer, free_port
from tools.channels.channel import Channel, Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.channels.http import HttpChannel, HttpEndpoint
from tools.channels.sandbox import ENDINGS, SandboxChannel
from tools.channels.smtp import SmtpChannel, SmtpServer
from tools.channels.vendors import VENDORS

ENDPOINTS = [(carries, batch) for carries in ("email", "sms", "audience", "crm") for batch in (False, True)]
WAYS = [
    *(f"sandbox {carries}" for carries in ENDINGS),
    "smtp",
    *(f"http {carries}{' batch' if batch else ''}" for carries, batch in ENDPOINTS),
    *(f"{name} {'sms' if name == 'twilio' else 'email'}" for name in PROVIDERS),
]


@dataclass
class Way:
    """A channel with what stands at its other end."""

    carries: ChannelName
    channel: Channel
    arrived: Callable[[], dict[str, int]]
    """How often each key was delivered."""
    broken: Callable[[], Channel]
    """The same channel with nobody at the other end."""
    refuses: bool
    """Whether the other side can refuse a recipient."""
    puts_off: bool
    """Whether it can put one message off and take others."""
    cut_next: Callable[[], str]
    """Break the connection in the middle of the next message; the name of its recipient. Empty where none can be."""

    def write(self, key: str, name: str = "anna") -> Outgoing:
        address = {"email": f"{name}@shop.example.com", "crm": f"{name}@shop.example.com"}.get(self.carries, name)
        if self.carries == "audience":
            fields = {"audience": "lapsed", "action": "add", "email_sha256": hashlib.sha256(name.encode()).hexdigest()}
            return Outgoing(key, "", address, json.dumps(fields).encode(), fields)
        if self.carries == "crm":
            entry: dict[str, str | int | bool] = {"email": address, "field": "stage", "value": "vip"}
            return Outgoing(key, "", address, json.dumps(entry).encode(), entry)
        if self.carries == "sms":
            return Outgoing(key, "Maple & Finch", address, b"Hello. STOP", {"text": "Hello. STOP"})
        return letter(key, name)

    def send(self, *messages: Outgoing, seconds: float = 30) -> list[Outcome]:
        return self.channel.send_many(messages, seconds=seconds)


def over_http(server: Endpoint, carries: Any = "sms", **changes: Any) -> HttpChannel:
    values: dict[str, Any] = {"url": server.url, "secret": SecretStr(SECRET), "timeout_seconds": 5, **changes}
    return HttpChannel(HttpEndpoint(carries=carries, **values))


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    kind, *rest = request.param.split()
    carries: Any = rest[0] if rest else "email"
    if kind == "sandbox":
        (tmp_path / "file").write_text("in the way")
        box = SandboxChannel(tmp_path / "outbox", carries)
        yield Way(
            carries,
            box,
            lambda: {path.stem: 1 for path in box.folder.glob(f"*.{ENDINGS[carries]}")},
            lambda: SandboxChannel(tmp_path / "file" / "outbox", carries),
            False,
            False,
            lambda: "",
        )
    elif kind == "smtp":
        with MailServer() as mail_server:
            smtp = SmtpServer(host="127.0.0.1", port=mail_server.port, security="none", timeout_seconds=5)
            channel = SmtpChannel(smtp)
            gone = SmtpServer(host="127.0.0.1", port=free_port(), security="none", timeout_seconds=2)
            yield Way("email", channel, lambda: mail_server.taken, lambda: SmtpChannel(gone), True, True, lambda: "cut")
            channel.close()
    elif kind in PROVIDERS:
        with PROVIDERS[kind]() as provider:

            def cut_answer() -> str:
                provider.faults = ["cut after"]
                return "anna"

            by_api = provider.channel()
            nobody = f"http://127.0.0.1:{free_port()}"
            yield Way(
                carries,
                by_api,
                lambda: provider.delivered,
                lambda: provider.channel(url=nobody),
                True,
                provider.soft,
                cut_answer,
            )
            by_api.close()
    else:
        with Endpoint() as server:
            batch = rest[-1] == "batch"
            http = over_http(server, carries, batch=batch)

            def cut() -> str:
                server.faults = ["cut after"]
                return "anna"

            yield Way(
                carries,
                http,
                lambda: server.delivered,
                lambda: over_http(server, carries, batch=batch, url=f"http://127.0.0.1:{free_port()}/"),
                carries in REACHING,
                True,
                cut,
            )
            http.close()


def test_every_message_of_a_batch_has_its_outcome_in_order_and_arrives_once(way: Way) -> None:
    batch = [way.write(f"key{number:03}") for number in range(30)]
    outcomes = way.send(*batch)
    assert [outcome.message_key for outcome in outcomes] == [message.message_key for message in batch]
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert way.arrived() == {message.message_key: 1 for message in batch}


def test_batches_follow_one_another_and_an_empty_one_is_nothing(way: Way) -> None:
    assert way.send() == []
    for turn in range(3):
        assert isinstance(way.send(way.write(f"turn{turn}"))[0], Sent)
    assert len(way.arrived()) == 3


def test_a_refused_recipient_fails_alone(way: Way) -> None:
    if not way.refuses:
        return
    expected = {"anna": Sent, "gone": Failed, "bert": Sent, "soft": Transient, "carl": Sent}
    names = [name for name in expected if way.puts_off or name != "soft"]
    outcomes = way.send(*(way.write(name, name) for name in names))
    assert [type(outcome) for outcome in outcomes] == [expected[name] for name in names]
    assert isinstance(outcomes[1], Failed)
    # Amazon SES says of no refusal that the address is the reason.
    assert outcomes[1].hard_bounce == (way.channel.name != "ses")
    assert way.arrived() == {"anna": 1, "bert": 1, "carl": 1}
    # The other side repeats the address in its answer; the ledger must not.
    assert not any("@" in outcome.reason for outcome in outcomes if not isinstance(outcome, Sent))


def test_what_could_not_be_started_in_time_comes_back_and_did_not_leave(way: Way) -> None:
    outcomes = way.send(way.write("late1"), way.write("late2"), seconds=-1)
    assert [type(outcome) for outcome in outcomes] == [Transient, Transient]
    assert not way.arrived()


def test_where_nobody_is_there_everything_comes_back_and_nothing_raises(way: Way) -> None:
    broken = way.broken()
    outcomes = broken.send_many([way.write("one"), way.write("two")], seconds=30)
    broken.close()
    assert [type(outcome) for outcome in outcomes] == [Transient, Transient]


def test_a_cut_in_mid_flight_is_repeated_under_the_same_key_or_else_unknown(way: Way) -> None:
    name = way.cut_next()
    if not name:
        return
    (outcome,) = way.send(way.write("cut1", name))
    # Resend knows a request again, though not a message.
    if way.channel.capabilities.idempotent or way.channel.name == "resend":
        assert isinstance(outcome, Sent)
        assert way.arrived() == {"cut1": 1}
    else:
        assert isinstance(outcome, Unknown)
        assert way.arrived().get("cut1", 0) <= 1


def test_a_channel_that_calls_itself_idempotent_delivers_a_repeated_key_once(way: Way) -> None:
    for _ in range(2):
        assert isinstance(way.send(way.write("again"))[0], Sent)
    known_again = way.channel.capabilities.idempotent or way.channel.name == "resend"
    assert way.arrived() == {"again": 1 if known_again else 2}


def test_its_capabilities_tell_the_truth(way: Way) -> None:
    can = way.channel.capabilities
    assert can.carries == way.carries
    assert can.html == (way.carries == "email")
    assert can.tells_each
    assert can.sandbox == (way.channel.name == "sandbox")
    assert can.batch_size >= 1
    assert way.channel.name
    assert len(way.channel.name) <= 32


def test_closing_twice_does_no_harm(way: Way) -> None:
    way.send(way.write("one"))
    way.channel.close()
    way.channel.close()


@pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if vendor.carries == "email"])
def test_a_mail_provider_is_told_the_key_the_campaign_and_the_way_out_of_each_message(name: str) -> None:
    with PROVIDERS[name]() as provider:
        channel = provider.channel()
        assert isinstance(channel.send_many([letter()], seconds=10)[0], Sent)
        channel.close()
        asked = provider.requests[0]
    assert provider.messages_in(*asked) == [("key1", "anna@shop.example.com")]
    campaign, headers = provider.marks_in(*asked)
    assert campaign == ["spring"]
    assert headers["X-Noria-Message-Key"] == "key1"
    assert headers["List-Unsubscribe"] == f"<{PUBLIC}/u/token>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
