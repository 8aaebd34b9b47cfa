"""Bounces, complaints, auto-replies and answers as they come by mail, for those who send by SMTP.

Anybody can write such a mail. So it counts only with the key of a message, which nobody but its recipient was told, and
for the contact who got that message, whomever it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final

from bs4 import BeautifulSoup
from sqlalchemy import select

from memory.canonical import digest
from memory.events import AUTO_REPLY, BOUNCE, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from memory.schema import messages
from memory.store import Store
from tools.channels.webhook import Bounce, answer, bounce_of, cause, report
from tools.intake import Incoming
from tools.reply_text import own_words, read_words

SOURCE: Final = "mail"
_KEY: Final = re.compile(
    rb"^(?:X-Noria-Message-Key:\s*|(?:Message-ID|In-Reply-To|References):\s*<)([0-9a-f]{64})\b",
    re.MULTILINE | re.IGNORECASE,
)
"""A header of the message that is written about, in what was sent back of it or in an answer to it."""
# What a server does with a message (RFC 3464, 2.3.3); relaying and expanding say nothing of its end.
_ACTIONS: Final = {"failed": BOUNCE, "delayed": DEFERRED, "delivered": DELIVERED}
_FEEDBACK: Final = {"abuse": COMPLAINT, "fraud": COMPLAINT, "virus": COMPLAINT, "opt-out": UNSUBSCRIBE}
_NO_MAILBOX: Final = re.compile(r"\b(550|551|553)\b")


def read_mail(mail: bytes, at: datetime) -> list[Incoming]:
    """What a mail reports of a message or answers to it, by the address that it names; empty when it does neither.

    ``at`` is when it counts as written if it does not say.
    """
    key = _KEY.search(mail)
    if key is None:
        return []
    message = message_from_bytes(mail)
    name, at = key[1].decode().lower(), _written_at(message) or at
    parts = {part.get_content_type(): part for part in message.walk()}
    if "message/feedback-report" in parts:
        return list(_feedback(parts["message/feedback-report"], name, at))
    if "message/delivery-status" in parts:
        return list(_delivery(parts["message/delivery-status"], name, at))
    if str(message.get("Auto-Submitted", "no")).lower() != "no" or "X-Autoreply" in message:
        return [report(SOURCE, f"{name}:{AUTO_REPLY}", AUTO_REPLY, at, str(message.get("From", "")), key=name)]
    return [_answer(message, name, at)] if _answers(message, name) else []


def asks_to_be_taken_off(mail: bytes) -> bool:
    """Whether a person asks in plain words for no more mail, whatever message they answer, or none."""
    message = message_from_bytes(mail)
    if str(message.get("Auto-Submitted", "no")).lower() != "no":
        return False
    subject = str(message.get("Subject", ""))
    return "opt_out" in {read_words(own_words(_words(message))).reading, read_words(subject).reading}


def _answers(message: Message, key: str) -> bool:
    """Whether a mail is written in answer to a message; one that only repeats it is not."""
    to = f"{message.get('In-Reply-To', '')} {message.get('References', '')}"
    return f"<{key}" in to.lower()


def _answer(message: Message, key: str, at: datetime) -> Incoming:
    words = _words(message)
    # Two programs that fetch the same mail find the same answer.
    named = digest([_sound(str(message.get("Message-ID", ""))), words])[:16]
    subject, sender = str(message.get("Subject", "")), str(message.get("From", ""))
    return answer(SOURCE, f"{key}:reply:{named}", at, sender, words, subject=subject, key=key)


def _sound(text: str) -> str:
    """A header without what cannot be written down."""
    return text.encode("utf-8", "replace").decode()


def _words(message: Message) -> str:
    """The text of a mail; of one that has only HTML, the words before the message that it repeats."""
    html = ""
    for part in message.walk():
        kind = part.get_content_type()
        if kind not in {"text/plain", "text/html"} or part.get_content_disposition() == "attachment":
            continue
        text = _decoded(part)
        if kind == "text/plain" and text.strip():
            return text
        html = html or text
    page = BeautifulSoup(html, "html.parser")
    for quoted in page.select("blockquote, .gmail_quote, .yahoo_quoted, #divRplyFwdMsg, #appendonsend"):
        # What stands after the mark of a quotation is repeated too.
        for after in list(quoted.find_all_next()):
            after.decompose()
        quoted.decompose()
    return page.get_text("\n")


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, UnicodeError):
        return content.decode("utf-8", "replace")


def _delivery(part: Message, key: str, at: datetime) -> Iterator[Incoming]:
    """The fields of each recipient (RFC 3464)."""
    for fields in _blocks(part):
        kind = _ACTIONS.get(str(fields.get("Action", "")).strip().lower())
        recipient = str(fields.get("Final-Recipient", "")).partition(";")[2].strip()
        if kind is None or not recipient:
            continue
        said = str(fields.get("Diagnostic-Code", ""))
        status = cause(said, str(fields.get("Status", "")).strip())
        more = {"reason": status, "bounce": _bounce(status, said)} if kind == BOUNCE else {"reason": status}
        yield report(SOURCE, f"{key}:{kind}:{status}", kind, at, recipient, key=key, **more)


def _feedback(part: Message, key: str, at: datetime) -> Iterator[Incoming]:
    """What somebody pressed (RFC 5965)."""
    for fields in _blocks(part):
        kind = _FEEDBACK.get(str(fields.get("Feedback-Type", "")).strip().lower())
        if kind is not None:
            yield report(SOURCE, f"{key}:{kind}", kind, at, str(fields.get("Original-Rcpt-To", "")), key=key)


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        return [one for one in payload if isinstance(one, Message)]
    return [message_from_string(str(payload))]


def _bounce(status: str, said: str) -> Bounce:
    return bounce_of(status) or ("hard" if _NO_MAILBOX.search(said) and not status.startswith("4.") else "soft")


def _written_at(message: Message) -> datetime | None:
    try:
        found = parsedate_to_datetime(str(message.get("Date", "")))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def of_ours(store: Store, events: list[Incoming]) -> list[Incoming]:
    """The same, of whoever got the message that they are about."""
    keys = [event.properties["message_key"] for event in events]
    with store.read() as connection:
        query = select(messages.c.message_key, messages.c.contact_id).where(messages.c.message_key.in_(keys))
        owners = {row.message_key: row.contact_id for row in connection.execute(query)}
    return [replace(event, contact=owners[key]) for event, key in zip(events, keys, strict=True) if key in owners]
