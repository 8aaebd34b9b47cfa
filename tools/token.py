"""Signed tokens for links: they say what a link stands for, to nobody but this workspace."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from functools import lru_cache

from memory.canonical import keyed_hash
from memory.errors import InvalidInputError

_LONGEST = 2000


def seal(secret: str, kind: str, content: Sequence[str | int]) -> str:
    """A token; ``secret`` is the workspace salt, and a token of one ``kind`` never passes for another."""
    raw = json.dumps(list(content), separators=(",", ":")).encode()
    return f"{_encode(raw)}.{_encode(_mark(secret, kind, raw))}"


def unseal(secret: str, kind: str, token: str) -> list[str | int]:
    """What was sealed. Raises InvalidInputError for anything that this workspace did not seal as this kind."""
    try:
        raw, mark = (_decode(part) for part in token.strip()[:_LONGEST].split("."))
        if hmac.compare_digest(mark, _mark(secret, kind, raw)):
            return list(json.loads(raw))
    except (ValueError, binascii.Error):
        pass
    raise InvalidInputError(
        "This link is incomplete or was changed.",
        where=kind.split()[1],
        remedy="Use the link from the newest message, or answer the message.",
    )


def _mark(secret: str, kind: str, raw: bytes) -> bytes:
    # A key of its own: a token must never pass for another keyed hash of the workspace.
    return hmac.digest(_key(secret, kind), raw, hashlib.sha256)[:20]


@lru_cache(maxsize=64)
def _key(secret: str, kind: str) -> bytes:
    return keyed_hash(secret, kind).encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
