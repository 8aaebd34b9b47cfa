"""What simulated customers do besides ordering: products they look at, carts they fill and leave, sign-ups, forms.

None of it follows from messages: how likely an order is, is the market's alone, so nothing here can make a play win.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np

from evals.market.event import EventKind, MarketEvent
from evals.market.noise import Ints, Purpose, uniforms
from evals.market.traits import Habit

_Kind = Literal["view", "cart", "signup", "form"]
# Of regular customers a day, each by itself: about one look at a product in three weeks, one cart in two months.
_SHARES: dict[_Kind, tuple[Purpose, float]] = {
    "view": (Purpose.VIEW, 0.05),
    "cart": (Purpose.CART, 0.016),
    "signup": (Purpose.SIGN_UP, 0.002),
    "form": (Purpose.FORM, 0.0004),
}
_LEADS_FORMS = 25.0
"""Times as often as a customer, somebody who never bought asks, downloads or takes a quiz: once in three months."""
_FIRST_SECOND, _SECONDS = 8 * 3600, 14 * 3600
"""People browse between eight and ten at night, UTC."""
_DAY = 86_400


class Browsing:
    """The browsing of some contacts; the same seed and day give the same events, however the time is cut."""

    def __init__(
        self,
        seed: int,
        contact_ids: Sequence[int],
        products: Sequence[str],
        *,
        habits: Mapping[int, Habit] | None = None,
        leads: Collection[int] = (),
    ) -> None:
        """Whoever buys less often than the median customer looks around less, and nobody once they are gone.

        Without ``habits`` all are alike. ``leads`` are those who never bought.
        """
        self._seed = seed
        self._ids: Ints = np.array(sorted(contact_ids), dtype=np.int64)
        self._products = list(products)
        known = [habits[one] if habits else Habit(1.0, math.inf) for one in self._ids.tolist()]
        rates, self._gone = np.array([one.rate for one in known]), np.array([one.gone_day for one in known])
        self._zeal = np.minimum(rates / np.median(rates), 1.0)
        self._is_lead = np.isin(self._ids, sorted(leads))

    def between(self, since: datetime, until: datetime) -> list[MarketEvent]:
        """Everything in ``[since, until)``, in order of time."""
        first, last = int(since.timestamp() // _DAY), int(until.timestamp() // _DAY)
        found = [event for day in range(first, last + 1) for event in self._on(day) if since <= event.at < until]
        return sorted(found, key=lambda event: (event.at, event.event_id))

    def _on(self, day: int) -> list[MarketEvent]:
        return [event for kind in _SHARES for event in self._of_kind(kind, day)]

    def _of_kind(self, kind: _Kind, day: int) -> list[MarketEvent]:
        purpose, share = _SHARES[kind]
        draws = uniforms(self._seed, purpose, day, self._ids)
        shares = share * (np.where(self._is_lead, _LEADS_FORMS, 1.0) if kind == "form" else self._zeal)
        chosen = self._ids[(draws < shares) & (self._gone > day)]
        seconds = uniforms(self._seed, purpose, day, chosen, 1)
        product = uniforms(self._seed, purpose, day, chosen, 2)
        named: EventKind = kind
        return [
            MarketEvent(
                event_id=f"sim:{self._seed}:{kind}:{contact}:{day}",
                contact_id=int(contact),
                kind=named,
                at=datetime.fromtimestamp(day * _DAY + _FIRST_SECOND, UTC) + timedelta(seconds=int(at * _SECONDS)),
                properties={"simulated": True, "product_id": self._products[int(which * len(self._products))]},
            )
            for contact, at, which in zip(chosen.tolist(), seconds.tolist(), product.tolist(), strict=True)
        ]
