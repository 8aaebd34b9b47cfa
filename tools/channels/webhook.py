"""Reports of providers: shown to come from them, and told in the one vocabulary of events."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol

from memory.canonical import digest
from memory.events import AUTO_REPLY, REPLY, UNSUBSCRIBE
from tools.intake import Incoming
from tools.replies import Answer
from tools.reply_text import LONGEST, Read, own_words, read_words

REPLAY_WINDOW: Final = timedelta(minutes=5)
"""So old may a signature be where a provider signs each attempt anew."""
RETRY_WINDOW: Final = timedelta(hours=25)
"""So old may it be where a provider repeats for a day what it signed once; the same event again changes nothing."""
_LONGEST_ID: Final = 255
_STATUS: Final = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_WORD: Final = re.compile(r"[A-Za-z0-9_. -]{1,60}")
# The mailbox is full, or the receiving side asks for another time (RFC 3463, 3.3 and 3.5).
_SOFT: Final = frozenset({"5.2.2", "5.2.3", "5.3.4", "5.4.1", "5.4.7"})

Bounce = Literal["hard", "soft", "block"]
"""No such address; not this time; not from this sender or not this text."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a provider, as it came."""

    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    url: str
    """The address that the provider called, which some sign."""


class UnreadableError(ValueError):
    """A report is not written as its provider writes them."""


class Webhook(Protocol):
    """How the reports of one provider are checked and read."""

    def problem(self, call: Call, now: datetime) -> str:
        """Why a call is not the provider's; empty when it is."""
        ...

    def read(self, call: Call, now: datetime) -> list[Incoming]:
        """What it reports; what Noria has no use for is left out. Raises ValueError for what cannot be read."""
        ...


def report(
    vendor: str, event_id: str, kind: str, at: datetime, address: str, *, key: object = "", **properties: object
) -> Incoming:
    """One event as the intake takes it. ``event_id`` is the provider's own, or whatever makes it the same again."""
    named = f"{vendor}:{event_id}"
    said = {"message_key": key if isinstance(key, str) else "", **properties}
    return Incoming(
        event_id=named if len(named) <= _LONGEST_ID else f"{vendor}:{digest(named)}",
        kind=kind,
        at=at,
        contact=address,
        properties={name: value for name, value in said.items() if value},
        source=vendor,
        # Machines follow links too, and no provider tells them from people for certain.
        human=False,
    )


def answer(
    vendor: str, event_id: str, at: datetime, address: str, words: str, *, subject: str = "", **about: object
) -> Incoming:
    """What somebody wrote back, as the intake takes it: a stop, a machine's word that they are away, or an answer."""
    own = own_words(words)
    found = read_words(own, subject)
    if not own and words.strip():
        # All of it looks repeated: a person sees what came, and decides.
        own, found = words.replace("\x00", "").strip()[:LONGEST], Read("human_needed", needs_person=True)
    kind = {"opt_out": UNSUBSCRIBE, "out_of_office": AUTO_REPLY}.get(found.reading, REPLY)
    if kind == AUTO_REPLY:
        return report(vendor, event_id, kind, at, address, **about)
    said = report(vendor, event_id, kind, at, address, **about, reading=found.reading, objection=found.objection)
    return replace(said, human=True, answer=Answer(own, found))


def stale(at: datetime, now: datetime, window: timedelta) -> bool:
    """Whether a signature is older than its window, or from the future."""
    return not -REPLAY_WINDOW <= now - at <= window


def moment(seconds: Any) -> datetime:
    """A moment from seconds since 1970. Raises ValueError for anything else."""
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (TypeError, OverflowError, OSError) as error:
        raise ValueError("no moment") from error


def written_moment(text: Any) -> datetime:
    """A moment from ISO 8601, in UTC where no zone is named. Raises ValueError for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except TypeError as error:
        raise ValueError("no moment") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def bytes_of(text: str) -> bytes:
    """What Base64 stands for; empty where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def same(one: str, other: str) -> bool:
    """Whether two texts are the same, told in a time that gives nothing away."""
    return hmac.compare_digest(one.encode(), other.encode())


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises ValueError."""
    found = json.loads(body)
    if not isinstance(found, dict):
        raise UnreadableError("it is no JSON object")
    return found


def part_of(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object inside an object; empty where there is none."""
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def cause(*texts: object) -> str:
    """Why a message came back, as a code that may be kept: the status in a sentence, or else the first plain word."""
    words = [str(text) for text in texts if isinstance(text, str | int)]
    statuses = [found[1] for word in words if (found := _STATUS.search(word))]
    return next(iter(statuses), next((word for word in words if _WORD.fullmatch(word)), ""))


def bounce_of(status: str) -> Bounce | None:
    """What an enhanced status says of the address (RFC 3463); None where it says nothing."""
    if status.startswith("5.1.") or status == "5.2.1":
        return "hard"
    if status.startswith(("5.6.", "5.7.")):
        return "block"
    return "soft" if status.startswith("4.") or status in _SOFT else None
