"""One spelling for every value, so that equal things have equal digests."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel


def canonical_json(value: Any) -> str:
    """Write a value as JSON with sorted keys and no spaces; money and counts must be integers.

    Aware datetimes become UTC ISO-8601 with microseconds. Raises TypeError for anything else that JSON lacks.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON of a value, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def keyed_hash(salt: str, value: str) -> str:
    """HMAC-SHA-256 of a value under the workspace salt: recognisable, not readable."""
    return hmac.new(salt.encode(), value.encode(), hashlib.sha256).hexdigest()


def address_hash(salt: str, address: str) -> str:
    """The keyed hash under which an address stays suppressed even after its contact is erased."""
    return keyed_hash(salt, address.strip().lower())


def bucket(salt: str, *parts: str | int) -> float:
    """A permanent number in [0, 1) for a name such as (campaign, contact), the same on every machine."""
    name = "\x1f".join(str(part) for part in parts)
    raw = hashlib.blake2b(name.encode(), digest_size=8, key=salt.encode()[:64]).digest()
    return (int.from_bytes(raw, "big") >> 11) / float(1 << 53)


def buckets(salt: str, parts: Sequence[str | int], ids: Iterable[int], *after: str | int) -> NDArray[np.float64]:
    """The same number for many names at once: (*parts, id, *after) for each id."""
    begun = hashlib.blake2b("".join(f"{part}\x1f" for part in parts).encode(), digest_size=8, key=salt.encode()[:64])
    ending = "".join(f"\x1f{part}" for part in after)

    def raw(one: int) -> bytes:
        hashed = begun.copy()
        hashed.update(f"{one}{ending}".encode())
        return hashed.digest()

    numbers = np.frombuffer(b"".join(map(raw, ids)), ">u8") >> np.uint64(11)
    return numbers.astype(np.float64) / float(1 << 53)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="python"))
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a naive datetime has no canonical form")
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=canonical_json)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form")
