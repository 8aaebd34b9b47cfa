"""What Noria is held against: ways of mailing that see every order, and run on the market alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from evals.market.event import Delivered
from evals.market.history import DAY_SECONDS, Histories
from evals.market.letters import AGAIN_AFTER_DAYS, LETTERS, PLANS, WINDOW_DAYS
from evals.market.market import Market
from evals.market.noise import Floats, Ints
from evals.market.world import World

NOTHING: Final = -1
_EVERY_THREE_DAYS: Final = 3
_TRIED_WEEKS: Final = 4
_TOP_SHARE: Final = 0.4


@dataclass(frozen=True, slots=True)
class Outcome:
    """Messages and revenue of each contact of the histories, in their order."""

    sent: Ints
    revenue_cents: Ints


@dataclass(frozen=True, slots=True)
class Seen:
    """What is on record on one day: days since the start, orders so far and the last one, and who ordered lately."""

    day: int
    histories: Histories
    orders: Ints  # by contact, those before the start included
    last_order_day: Floats  # negative before the start
    spent_cents: Floats
    bought_lately: NDArray[np.bool_]  # in the last seven days


class Rival(Protocol):
    """Says each day which letter each contact should get, as its place in ``LETTERS``, or ``NOTHING``."""

    def choose(self, seen: Seen) -> Ints: ...


def play(rival: Rival, world: World, histories: Histories, days: int) -> Outcome:
    """Let a rival mail in a world for so many days from the cut-off, at the hour of the cut-off."""
    start = histories.cut_off
    # What lies in a basket moves nothing, and takes half of the time.
    bare = replace(histories, shelf=replace(histories.shelf, product_ids=()))
    market = Market(world, bare, starts_at=start)
    row_of = {contact: row for row, contact in enumerate(histories.contact_ids.tolist())}
    sent, revenue = np.zeros(histories.size, dtype=np.int64), np.zeros(histories.size, dtype=np.int64)
    orders, gone = histories.repeat_orders + 1, np.zeros(histories.size, dtype=np.bool_)
    last = histories.recency_days - histories.observed_days
    spent: Floats = np.asarray(orders * np.exp(histories.log_value_mean), dtype=np.float64)
    for day in range(days):
        now = start + timedelta(days=day)
        seen = Seen(day, histories, orders.copy(), last.copy(), spent.copy(), last > day - WINDOW_DAYS)
        chosen = np.where(gone, NOTHING, rival.choose(seen))
        mailed = np.flatnonzero(chosen >= 0)
        sent[mailed] += 1
        messages = [
            Delivered(contact, f"{contact}-{day}", "", None, now, is_offer=False, letter=LETTERS[letter])
            for contact, letter in zip(histories.contact_ids[mailed].tolist(), chosen[mailed].tolist(), strict=True)
        ]
        for event in market.advance(now, now + timedelta(days=1), messages):
            row = row_of[event.contact_id]
            if event.kind == "order":
                revenue[row] += event.properties["total_cents"]
                orders[row] += 1
                spent[row] += event.properties["total_cents"]
                last[row] = (event.at.timestamp() - start.timestamp()) / DAY_SECONDS
            elif event.kind in {"unsubscribe", "complaint", "bounce"}:
                gone[row] = True
    return Outcome(sent, revenue)


def _to_all(seen: Seen, letter: int) -> Ints:
    return np.full(seen.histories.size, letter, dtype=np.int64)


def _is_day(seen: Seen, every: int = WINDOW_DAYS) -> bool:
    return seen.day % every == 0


@dataclass(frozen=True)
class ToAll:
    """One letter to everybody, every so many days; ``NOTHING`` is silence."""

    letter: int = 0
    every_days: int = WINDOW_DAYS

    def choose(self, seen: Seen) -> Ints:
        return _to_all(seen, self.letter if _is_day(seen, self.every_days) else NOTHING)


class RfmTop:
    """The favourite letter once a week to the 40 % with the highest sum of ranks in recency, orders and spend."""

    def choose(self, seen: Seen) -> Ints:
        if not _is_day(seen):
            return _to_all(seen, NOTHING)
        score = sum(np.argsort(np.argsort(column)) for column in (seen.last_order_day, seen.orders, seen.spent_cents))
        best = np.argsort(-np.asarray(score), kind="stable")[: round(_TOP_SHARE * seen.histories.size)]
        chosen = _to_all(seen, NOTHING)
        chosen[best] = 0
        return chosen


class _Drawn:
    """What each contact drew for the week out of ``PLANS`` and silence, and what of it leaves today."""

    def __init__(self) -> None:
        self.place: Ints | None = None
        """By contact its place in ``PLANS``, or ``NOTHING``."""
        self._day = 0

    def begin(self, day: int, place: Ints) -> Ints:
        self.place, self._day = place, day
        return _letters(place)

    def today(self, seen: Seen) -> Ints:
        """Letters that come again: to whom one was drawn twice who has not ordered since the first."""
        if self.place is None or seen.day - self._day != AGAIN_AFTER_DAYS:
            return _to_all(seen, NOTHING)
        again = (self.place >= len(LETTERS)) & (seen.last_order_day <= self._day)
        return np.where(again, _letters(self.place), NOTHING)


def _letters(place: Ints) -> Ints:
    return np.where(place < 0, NOTHING, place % len(LETTERS))


class AbCommit:
    """Four weeks of plans and silence drawn evenly, week by week, then for good what most ordered after."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 71])
        self._drawn = _Drawn()
        self._tried, self._bought = np.zeros(len(PLANS) + 1), np.zeros(len(PLANS) + 1)

    def choose(self, seen: Seen) -> Ints:
        if not _is_day(seen):
            return self._drawn.today(seen)
        drawn = self._drawn.place
        if drawn is not None and seen.day <= _TRIED_WEEKS * WINDOW_DAYS:
            self._tried += np.bincount(drawn + 1, minlength=len(PLANS) + 1)
            self._bought += np.bincount(drawn[seen.bought_lately] + 1, minlength=len(PLANS) + 1)
        if seen.day >= _TRIED_WEEKS * WINDOW_DAYS:
            best = int(np.argmax(self._bought / np.maximum(self._tried, 1))) - 1
            return self._drawn.begin(seen.day, _to_all(seen, best))
        return self._drawn.begin(seen.day, self._rng.integers(NOTHING, len(PLANS), seen.histories.size))


class NaiveBandit:
    """Each week and for each band, Thompson sampling from Beta(1, 1) over the plans and silence, on who ordered."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 72])
        self._drawn = _Drawn()
        bands = 3
        self._wins, self._losses = np.ones((bands, len(PLANS) + 1)), np.ones((bands, len(PLANS) + 1))

    def choose(self, seen: Seen) -> Ints:
        if not _is_day(seen):
            return self._drawn.today(seen)
        band, drawn = seen.histories.band, self._drawn.place
        if drawn is not None:
            np.add.at(self._wins, (band, drawn + 1), seen.bought_lately)
            np.add.at(self._losses, (band, drawn + 1), ~seen.bought_lately)
        draws = self._rng.beta(self._wins[band], self._losses[band])
        return self._drawn.begin(seen.day, draws.argmax(axis=1) + NOTHING)


def rivals(seed: int) -> dict[str, Rival]:
    """Every rival by its name, the user's own plan first."""
    return {
        "weekly to all": ToAll(),
        "every three days to all": ToAll(every_days=_EVERY_THREE_DAYS),
        "RFM top 40 %, weekly": RfmTop(),
        "A/B for four weeks, then the best": AbCommit(seed),
        "naive bandit in each band": NaiveBandit(seed),
    }
