"""Under which address a contact is reached on each channel, and the hashes under which it may be suppressed."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from memory.canonical import address_hash
from memory.steps import Channel

_SEPARATORS: Final = re.compile(r"[\s().\-/\u2010-\u2015]")
_INTERNATIONAL: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_CHANNELS: Final = {"e-mail": "email", "mail": "email", "text": "sms", "ads": "audience", "advertising": "audience"}


def channel_named(word: str | None) -> str:
    """The channel that an export means by a word; e-mail where it says nothing."""
    said = (word or "email").strip().lower()
    return _CHANNELS.get(said, said)


def phone_number(written: str | None) -> str:
    """A telephone number as +33612345678 (E.164); empty unless it is written with its country code."""
    number = _SEPARATORS.sub("", (written or "").replace("(0)", ""))
    number = f"+{number[2:]}" if number.startswith("00") else number
    return number if _INTERNATIONAL.fullmatch(number) else ""


def audience_hash(email: str) -> str:
    """An e-mail address as advertising platforms match it: SHA-256, in hexadecimal, of it trimmed and in lower case."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def address_on(channel: Channel, *, email: str | None, phone: str | None) -> str:
    """Where a contact is reached on a channel; empty when the record has no usable address for it."""
    if channel == "sms":
        return phone_number(phone)
    if channel == "audience":
        return audience_hash(email) if email else ""
    return email or ""


def phone_hash(salt: str, phone: str | None) -> str | None:
    """The keyed hash under which a telephone number is suppressed; None for a number that cannot be written to."""
    number = phone_number(phone)
    return address_hash(salt, number) if number else None
