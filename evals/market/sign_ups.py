"""Simulated people who left their address and have not agreed to anything yet: when they do, and whether they confirm.

None of it follows from how a message is written, so nothing here can make a play win.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.special import ndtri

from evals.market.event import Delivered, MarketEvent
from evals.market.noise import Purpose, number_of, uniforms

WORDING = "Yes, send me offers and news by e-mail. I can unsubscribe at any time."
# Of those who have not agreed, a day; each of them once.
_SHARE = 0.006
_CONFIRM_SHARE = 0.6
"""Of the messages that ask for a confirmation, each by itself: so five in six after a reminder (prior only)."""
_MEDIAN_SECONDS, _SPREAD = 1_200, 1.5
_DAY = 86_400


class SignUps:
    """The addresses that some contacts leave from a day on; driven forward on the injected clock like the market."""

    def __init__(self, seed: int, contact_ids: Collection[int], *, starts_at: datetime) -> None:
        """``contact_ids`` are those who have not agreed; each leaves the address once, sooner or later."""
        self._seed = seed
        self._asked: set[int] = set()
        self._agreed: set[int] = set()
        self._pending: list[tuple[datetime, str, MarketEvent]] = []
        ids = np.array(sorted(contact_ids), dtype=np.int64)
        waits = np.log(uniforms(seed, Purpose.LEAVE_ADDRESS, 0, ids)) / math.log(1 - _SHARE)
        for contact_id, days in zip(ids.tolist(), waits.tolist(), strict=True):
            at = starts_at.astimezone(UTC) + timedelta(seconds=int(days * _DAY))
            self._await(contact_id, "signup_pending", at, {"text": WORDING})

    def advance(self, to_at: datetime, delivered: Sequence[Delivered]) -> list[MarketEvent]:
        """Everything up to ``to_at`` that was not reported yet, given the confirmation messages delivered since."""
        for message in delivered:
            keys = np.array([number_of(message.message_key)], dtype=np.int64)
            confirms, wait = (
                float(uniforms(self._seed, purpose, 0, keys)[0]) for purpose in (Purpose.CONFIRM, Purpose.CONFIRM_DELAY)
            )
            if message.contact_id in self._asked and confirms < _CONFIRM_SHARE:
                seconds = 40 + _MEDIAN_SECONDS * math.exp(_SPREAD * float(ndtri(wait)))
                at = message.delivered_at + timedelta(seconds=int(seconds))
                self._await(message.contact_id, "confirm", at, {"message_key": message.message_key})
        found: list[MarketEvent] = []
        while self._pending and self._pending[0][0] < to_at:
            event = heapq.heappop(self._pending)[2]
            if event.kind == "signup_pending":
                self._asked.add(event.contact_id)
            elif event.contact_id in self._agreed:
                continue
            else:
                self._agreed.add(event.contact_id)
            found.append(event)
        return found

    def _await(self, contact_id: int, kind: str, at: datetime, said: dict[str, object]) -> None:
        event = MarketEvent(
            event_id=f"sim:{self._seed}:{kind}:{contact_id}:{at:%Y%m%d%H%M%S}",
            contact_id=contact_id,
            kind="confirm" if kind == "confirm" else "signup_pending",
            at=at,
            properties={"simulated": True, **said},
        )
        heapq.heappush(self._pending, (event.at, event.event_id, event))
