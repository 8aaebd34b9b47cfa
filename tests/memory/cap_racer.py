"""One of several processes that race for places under the cap; prints how many it got."""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime

from memory import cap
from memory.store import Store


def main(url: str, seed: int, contacts: int, rounds: int) -> int:
    store = Store(url)
    source = random.Random(seed)
    at = datetime(2025, 3, 3, tzinfo=UTC)
    limits = cap.Cap(limit=3, window_days=7)
    granted = 0
    for turn in range(rounds):
        # Every process asks for overlapping contacts in an order of its own.
        wanted = source.sample(range(1, contacts + 1), contacts // 2)
        with store.write() as connection:
            locked = cap.lock(connection, wanted, limits.limit)
            requests = {one: f"{seed}-{turn}-{one}" for one in wanted}
            granted += len(cap.reserve(connection, requests, locked, cap=limits, at=at))
    store.close()
    return granted


if __name__ == "__main__":
    print(main(sys.argv[1], *map(int, sys.argv[2:])))
