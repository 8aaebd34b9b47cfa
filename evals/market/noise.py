"""Common random numbers: a number in (0, 1) for every (seed, purpose, day, contact, draw), the same in every run.

Two runs of one world that send different messages therefore share all noise, contact by contact and day by day, and
adding or removing a contact changes nobody else.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WORD = (1 << 64) - 1


class Purpose(IntEnum):
    """What a draw decides; each purpose has numbers of its own."""

    RATE = 1
    ALIVE = 2
    LIFETIME = 3
    EFFECT = 4
    CLICKER = 5
    SCANNER = 6
    DEAD_MAILBOX = 7
    REDEEMER = 8
    CAMPAIGN = 9
    GROUP = 10
    ARRIVAL = 20
    ACCEPT = 21
    VALUE = 22
    PRODUCT = 23
    SPLIT = 24
    REDEEM = 25
    CLICK = 40
    CLICK_DELAY = 41
    VISIT = 42
    VISIT_DELAY = 43
    UNSUBSCRIBE = 44
    UNSUBSCRIBE_DELAY = 45
    COMPLAIN = 46
    COMPLAIN_DELAY = 47
    MACHINE_DELAY = 48
    BOUNCE_DELAY = 49
    VIEW = 60
    CART = 61
    SIGN_UP = 62
    FORM = 63
    LEAVE_ADDRESS = 64
    CONFIRM = 65
    CONFIRM_DELAY = 66


def uniforms(seed: int, purpose: Purpose, day: int | Ints, contact: Ints, draw: int | Ints = 0) -> Floats:
    """Numbers in the open interval (0, 1); arrays broadcast. SplitMix64's finaliser over the four keys in turn."""
    state = _mix(np.full(1, (seed * 0x9E3779B97F4A7C15 + int(purpose) * 0xD1B54A32D192ED03) & _WORD, dtype=np.uint64))
    for key in (day, contact, draw):
        state = _mix(state + np.atleast_1d(np.asarray(key, dtype=np.int64)).view(np.uint64) * _ODD)
    return ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def number_of(name: str) -> int:
    """A permanent number for a name, so that names can key a draw."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 1


_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood, 2014)."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))
