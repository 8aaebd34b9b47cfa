"""E-mail bytes: read back with the standard parser, they say what they must and nothing was smuggled in."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from email_validator import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.errors import InvalidInputError
from tests.examples import NOW, brand
from tests.plays import PLAYBOOKS, messages, play_of, step_of
from tools.compose import POLICY, AddressError, as_bytes, compose, header_text, mailing
from tools.render import Rendered, example, render

KEY = hashlib.sha256(b"campaign contact step 1").hexdigest()
WAY_OUT = "https://noria.example.net/u/" + "eyJ0b2tlbiI6MX0" * 12
PLAIN = Rendered("fr", "Bonjour", "Un mot", "<!doctype html><html lang='fr'><body>Été</body></html>", "Été\n")


def sent(message: Rendered = PLAIN, **changes: Any) -> EmailMessage:
    """The message as it arrives: composed, made bytes, parsed again."""
    values: dict[str, Any] = {
        "brand": brand(),
        "to_address": "anna@example.com",
        "message_key": KEY,
        "unsubscribe_url": WAY_OUT,
        "now": NOW,
        **changes,
    }
    chosen = values.pop("brand")
    raw = as_bytes(compose(message, chosen, **values))
    found = BytesParser(policy=policy.default).parsebytes(raw)
    assert isinstance(found, EmailMessage)
    return found


def test_each_header_that_must_be_there_is_there_once() -> None:
    found = sent(brand=brand(reply_to="care@shop.example.com"), to_name="Anna Müller")
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe", "Reply-To"):
        assert len(found.get_all(name) or []) == 1, name
    assert found["From"].addresses[0].addr_spec == "hello@shop.example.com"
    assert found["From"].addresses[0].display_name == "Maple & Finch"
    assert found["To"].addresses[0].display_name == "Anna Müller"
    assert found["Date"].datetime == NOW
    assert found["Content-Language"] == "fr"
    assert found["X-Noria-Message-Key"] == KEY
    assert found.defects == []
    for name in ("Precedence", "Auto-Submitted", "Bcc", "Cc", "Sender", "X-Noria-Label"):
        assert name not in found


def test_the_message_id_is_made_from_the_key_at_the_senders_domain() -> None:
    assert sent()["Message-ID"] == f"<{KEY}@shop.example.com>"


def test_one_click_unsubscribing_follows_rfc_8058_on_one_unbroken_line() -> None:
    raw = as_bytes(
        compose(PLAIN, brand(), to_address="anna@example.com", message_key=KEY, unsubscribe_url=WAY_OUT, now=NOW)
    )
    assert f"List-Unsubscribe: <{WAY_OUT}>\r\n".encode() in raw
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw


def test_the_same_message_is_the_same_bytes() -> None:
    values: dict[str, Any] = {"to_address": "a@example.com", "message_key": KEY, "unsubscribe_url": WAY_OUT, "now": NOW}
    assert as_bytes(compose(PLAIN, brand(), **values)) == as_bytes(compose(PLAIN, brand(), **values))


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    subject=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120),
    to_name=st.sampled_from(["", "Anna Müller"]),
    address=st.sampled_from(["anna@example.com", "o'neil+tag@sub.example.com", f"{'a' * 64}@{'b' * 60}.example.com"]),
)
def test_the_bytes_are_those_of_the_library(text: str, subject: str, to_name: str, address: str) -> None:
    message = compose(
        Rendered("en", subject, "", f"<p>{text}</p>", text),
        brand(),
        to_address=address,
        to_name=to_name,
        message_key=KEY,
        unsubscribe_url=WAY_OUT,
        now=NOW,
    )
    assert as_bytes(message) == message.as_bytes(policy=POLICY)
    found = BytesParser(policy=policy.default).parsebytes(as_bytes(message))
    assert [one.addr_spec for one in found["To"].addresses] == [address]


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    subject=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120),
    address=st.sampled_from(["anna@example.com", '"anna b"@example.com', "anna@bücher.example.com"]),
    reply_to=st.sampled_from([None, "care@shop.example.com"]),
)
def test_a_mailing_is_the_bytes_of_each_message_composed(
    text: str, subject: str, address: str, reply_to: str | None
) -> None:
    rendered, sender = Rendered("en", subject, "", f"<p>{text}</p>", text), brand(reply_to=reply_to)
    values: dict[str, Any] = {"to_address": address, "message_key": KEY, "unsubscribe_url": WAY_OUT, "now": NOW}
    try:
        expected = as_bytes(compose(rendered, sender, **values))
    except AddressError:
        with pytest.raises(AddressError):
            mailing(rendered, sender, **values)
    else:
        assert mailing(rendered, sender, **values) == expected


@given(words=st.lists(st.text("aeséàо…", min_size=1, max_size=12), min_size=1, max_size=20))
def test_a_long_subject_arrives_with_every_blank(words: list[str]) -> None:
    subject = " ".join(words)
    found = sent(Rendered("fr", subject, "", PLAIN.html, PLAIN.text), label=subject)
    assert (found["Subject"], found["X-Noria-Label"]) == (subject, subject)


def test_bytes_are_seven_bit_with_short_lines_and_crlf() -> None:
    play = play_of(PLAYBOOKS["win_back"])
    message = render(play, play.sends()[0][1], "fr", example(play, "fr"))
    raw = as_bytes(
        compose(message, brand(), to_address="anna@example.com", message_key=KEY, unsubscribe_url=WAY_OUT, now=NOW)
    )
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(len(line) for line in raw.split(b"\r\n")) < 998


@pytest.mark.parametrize(("name", "sequence", "step", "language"), messages())
def test_every_packaged_message_survives_the_way(name: str, sequence: str, step: str, language: str) -> None:
    play = play_of(PLAYBOOKS[name])
    message = render(play, step_of(play, sequence, step), language, example(play, language))
    found = sent(message)
    assert found["Subject"] == message.subject
    assert found.get_content_type() == "multipart/alternative"
    text, html = found.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert [text.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    assert text.get_content().replace("\r\n", "\n").strip() == message.text.strip()
    assert html.get_content().replace("\r\n", "\n").strip() == message.html.strip()


def test_the_date_is_business_time_whatever_its_zone() -> None:
    local = datetime(2025, 7, 1, 12, 0, tzinfo=ZoneInfo("Europe/Paris"))
    assert sent(now=local)["Date"] == "Tue, 01 Jul 2025 10:00:00 +0000"


def test_demonstrations_can_be_labelled() -> None:
    assert sent(label="simulated\r\nX: y")["X-Noria-Label"] == "simulated X: y"


@pytest.mark.parametrize(
    "address",
    [
        "a.b+c@example.com",
        "Anna@EXAMPLE.com",
        "POSTMASTER@example.com",
        "o'neil@xn--bcher-kva.example",
        f"{'a' * 65}@b.ch",
    ],
)
def test_an_address_is_spelled_as_the_library_that_checks_it_spells_it(address: str) -> None:
    expected = validate_email(address, check_deliverability=False, allow_smtputf8=False).ascii_email
    assert sent(to_address=address)["To"].addresses[0].addr_spec == expected


def test_an_international_domain_is_written_in_ascii() -> None:
    assert sent(to_address="anna@bücher.example.com")["To"].addresses[0].domain == "xn--bcher-kva.example.com"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "anna@",
        "anna@example.com\r\nBcc: x@example.com",
        "a b@example.com",
        "änna@example.com",
        "a@b@example.com",
        "a..b@example.com",
        f"a@{'bcdefghi.' * 28}com",
        "a@-b.example.com",
        "a@b..example.com",
        "a@localhost.",
    ],
)
def test_an_address_that_cannot_be_written_to_is_an_error_without_the_address(address: str) -> None:
    with pytest.raises(AddressError) as caught:
        sent(to_address=address)
    assert not address or address not in str(caught.value)


@pytest.mark.parametrize("key", ["", "short", "a" * 81, "key with blanks", "key\r\nBcc: x@example.com"])
def test_a_key_that_cannot_stand_in_a_header_is_refused(key: str) -> None:
    with pytest.raises(InvalidInputError, match="message key"):
        sent(message_key=key)


@pytest.mark.parametrize(
    "address", ["", "http://noria.example.net/u", "mailto:out@example.com", "https://x/\r\nBcc: y", "https://x/>, <y"]
)
def test_a_way_out_that_is_not_https_is_refused(address: str) -> None:
    with pytest.raises(InvalidInputError, match="unsubscribe"):
        sent(unsubscribe_url=address)


def test_plain_http_is_enough_on_this_machine() -> None:
    assert sent(unsubscribe_url="http://127.0.0.1:8025/u/1")["List-Unsubscribe"] == "<http://127.0.0.1:8025/u/1>"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120), st.text(max_size=60))
def test_no_text_can_add_a_header(subject: str, name: str) -> None:
    hostile = Rendered("en", subject + "\r\nBcc: x@example.com", "", PLAIN.html, PLAIN.text)
    found = sent(hostile, to_name=name + "\nX-Evil: 1", label=subject)
    assert not {"bcc", "x-evil"} & {header.lower() for header in found.keys()}  # noqa: SIM118 - a message is no dict
    assert len(found["To"].addresses) == 1
    assert found["To"].addresses[0].addr_spec == "anna@example.com"


@given(st.text())
def test_header_text_is_one_line(text: str) -> None:
    assert len(header_text(text).splitlines()) <= 1
