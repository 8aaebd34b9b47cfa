"""Features of a moment, computed once while the lake stands still."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from memory.features.table import Features, compute
from memory.lake import Lake, LakeTable

# A round of planning asks for this moment and for the start of each goal window before it.
_KEPT = 12
_CONTACTS = 2_000_000
"""So many in all of them, some half a kilobyte each; the newest computation stays however large it is."""
_Key = tuple[str, datetime, tuple[str, ...]]


class FeatureCache:
    """Keeps the last few computations of each thread: an engine belongs to the thread that opened it."""

    def __init__(self) -> None:
        self._own = threading.local()

    def at(self, lake: Lake, as_of: datetime, names: Iterable[str]) -> Features:
        """The named features at the beginning of the hour of ``as_of``; later history counts from the next hour on."""
        hour = as_of.replace(minute=0, second=0, microsecond=0)
        wanted = tuple(sorted(set(names)))
        key: _Key = (state_of(lake), hour, wanted)
        kept: OrderedDict[_Key, Features] = self._own.__dict__.setdefault("kept", OrderedDict())
        if key not in kept:
            kept[key] = compute(lake, hour, names=wanted)
        kept.move_to_end(key)
        while len(kept) > 1 and (len(kept) > _KEPT or sum(one.contacts for one in kept.values()) > _CONTACTS):
            kept.popitem(last=False)
        return kept[key]


def state_of(lake: Lake) -> str:
    """Changes with every commit to any table; the same for a lake and its untouched copy."""
    return ",".join(lake.state_of(table) for table in LakeTable)
