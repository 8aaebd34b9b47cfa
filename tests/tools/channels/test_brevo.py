"""Brevo in particular: the sandbox header, and what its words mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.tools.channels import callers, providers
from tests.tools.channels.providers import letter
from tools.channels.channel import Failed, Sent, Transient, Unknown

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


def test_a_message_carries_its_key_its_way_out_and_in_test_mode_the_sandbox_header() -> None:
    with providers.Brevo() as server:
        channel = server.channel(test=True)
        assert channel.send_many([letter()], seconds=10) == [Sent("key1", "<id-key1>")]
        (refused,) = channel.send_many([letter("key2", "gone")], seconds=10)
        channel.close()
    headers = json.loads(server.requests[0][1])["headers"]
    assert headers["X-Mailin-custom"] == "key1"
    assert headers["X-Sib-Sandbox"] == "drop"
    assert headers["List-Unsubscribe"] == f"<{providers.PUBLIC}/u/token>"
    assert refused == Failed("key2", "refused: 400 invalid_parameter", hard_bounce=True)


@pytest.mark.parametrize(("fault", "expected"), [("cut", Sent), (500, Sent), ("cut after", Unknown), ("page", Sent)])
def test_a_message_that_was_cut_off_is_handed_over_again_under_its_key_and_leaves_once(
    fault: int | str, expected: type
) -> None:
    with providers.Brevo() as server:
        channel = server.channel()
        server.faults = [fault]
        (outcome,) = channel.send_many([letter()], seconds=20)
        channel.close()
    assert isinstance(outcome, expected)
    assert server.delivered == {"key1": 1}
    assert len({server.name_of(*one) for one in server.requests}) == 1


def test_what_brevo_refused_before_is_asked_under_another_key_the_next_time() -> None:
    with providers.Brevo() as server:
        channel = server.channel()
        server.status = 402
        assert isinstance(channel.send_many([letter()], seconds=10)[0], Transient)
        server.status = 0
        assert isinstance(channel.send_many([letter()], seconds=10)[0], Sent)
        channel.close()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("soft_bounce", ("bounce", "soft")),
        ("invalid_email", ("bounce", "hard")),
        ("blocked", ("bounce", "block")),
        ("complaint", ("complaint", None)),
        ("unsubscribe", ("unsubscribe", None)),
    ],
)
def test_brevos_words_mean(event: str, expected: tuple[str, str | None]) -> None:
    caller = callers.Brevo()
    words = [caller.words(event, "anna@shop.example.com", "key1", NOW, f"m{one}") for one in range(2)]
    found = caller.webhook().read(caller.call(words, NOW), NOW)
    assert [(one.kind, one.properties.get("bounce")) for one in found] == [expected] * 2
