"""Twilio in particular: the form, the address that it calls back, STOP in several spellings, and codes."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

import pytest

from tests.tools.channels import callers, providers
from tools.channels.channel import Failed, Outgoing, Sent, Transient
from tools.channels.twilio.webhook import TwilioWebhook
from tools.channels.webhook import Call

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
TEXT = Outgoing("key1", "Maple & Finch", "+33612345678", b"Hi. STOP", {"text": "Hi. STOP"})


def test_the_example_of_twilios_documentation_is_taken() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url, mark = "https://mycompany.com/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    webhook = TwilioWebhook("12345")
    assert webhook.problem(Call({"x-twilio-signature": mark}, urlencode(fields).encode(), url), NOW) == ""
    assert webhook.problem(Call({"x-twilio-signature": mark}, urlencode(fields).encode(), f"{url}3"), NOW)


@pytest.mark.parametrize(
    ("sender", "field"), [("+33700000000", "From"), ("Maple Finch", "From"), (f"MG{'2' * 32}", "MessagingServiceSid")]
)
def test_a_text_names_its_sender_and_where_to_call_back(sender: str, field: str) -> None:
    with providers.Twilio() as server:
        channel = server.channel(sender=sender)
        assert channel.send_many([TEXT], seconds=10) == [Sent("key1", "id-key1")]
        assert channel.capabilities.max_length == 1600
        channel.close()
    assert parse_qs(server.requests[0][1].decode()) == {
        "To": ["+33612345678"],
        "Body": ["Hi. STOP"],
        field: [sender],
        "StatusCallback": [f"{providers.PUBLIC}/v1/providers/twilio?key=key1"],
    }


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (21610, Failed("key1", "refused: 400 21610", hard_bounce=True)),
        (21617, Failed("key1", "refused: 400 21617")),
        (30001, Transient("key1", "refused: 400 30001")),
    ],
)
def test_twilios_codes_mean(code: int, expected: Failed | Transient) -> None:
    with providers.Twilio() as server:
        server.status, server.answer = 400, {"code": code, "message": "+33612345678"}
        channel = server.channel()
        assert channel.send_many([TEXT], seconds=10) == [expected]
        channel.close()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("STOP", "unsubscribe"),
        (" stop.", "unsubscribe"),
        ("Arrêt svp", "unsubscribe"),
        ("Unsubscribe", "unsubscribe"),
        ("Stopwatch?", "reply"),
        ("", "reply"),
    ],
)
def test_a_stop_is_understood_and_any_other_answer_is_a_sign_of_life(body: str, kind: str) -> None:
    caller = callers.Twilio()
    said = {"MessageSid": "SM1", "From": "+33600000001", "To": "+33700000000", "Body": body}
    (one,) = caller.webhook().read(caller.call(said, NOW), NOW)
    assert (one.kind, one.contact, one.human, one.properties["channel"]) == (kind, "+33600000001", True, "sms")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("30005", [("bounce", "hard")]),
        ("30007", [("bounce", "block")]),
        ("30003", [("bounce", "soft")]),
        ("21610", [("bounce", "block"), ("unsubscribe", None)]),
    ],
)
def test_a_text_that_was_not_delivered_tells_why(code: str, expected: list[tuple[str, str | None]]) -> None:
    caller = callers.Twilio()
    said = {**caller.words("bounce", "+33600000001", "key1", NOW, "SM1"), "ErrorCode": code}
    found = caller.webhook().read(caller.call(said, NOW), NOW)
    assert [(one.kind, one.properties.get("bounce")) for one in found] == expected
