"""A market that is driven day by day on the injected clock and answers the messages that were really delivered."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from evals.market.basket import Purchases, fill_baskets
from evals.market.demand import LARGEST_LIFT, PULL_LASTS, bought, candidates, log_lift
from evals.market.event import Delivered, MarketEvent
from evals.market.history import DAY_SECONDS, Histories
from evals.market.noise import Floats, Ints, Purpose, uniforms
from evals.market.reaction import Arrivals, reactions
from evals.market.traits import Habit, draw_traits, response
from evals.market.trial import order_values
from evals.market.world import World
from memory.errors import InvalidInputError, NotFoundError

CURRENCY = "USD"
OFFER_LIFE_DAYS = 14.0
# After that many decay times a message adds under a thousandth of what it first did.
FORGOTTEN_AFTER = 8.0


class Market:
    """Simulated customers of one world, made of the contacts' own histories; they know only what was delivered."""

    def __init__(self, world: World, histories: Histories, *, starts_at: datetime) -> None:
        self.world = world
        self._histories = histories
        self._now = starts_at.astimezone(UTC)
        self._traits = draw_traits(world, histories)
        self._row_of = {contact: row for row, contact in enumerate(histories.contact_ids.tolist())}
        # Messages so far, one entry each; messages long forgotten leave.
        self._messages: list[Delivered] = []
        self._rows, self._sent, self._strength = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
        self._fatigue, self._fatigue_at = np.zeros(histories.size), np.full(histories.size, -np.inf)
        self._read: Counter[tuple[int, str]] = Counter()
        self._unsubscribed: set[int] = set()
        self._redeemed: set[str] = set()
        self._pending: list[tuple[datetime, str, MarketEvent]] = []

    @property
    def now(self) -> datetime:
        """Up to when the market has been played."""
        return self._now

    @property
    def habits(self) -> dict[int, Habit]:
        """What each contact is like as a customer."""
        columns = (self._histories.contact_ids.tolist(), self._traits.rate.tolist(), self._traits.gone_day.tolist())
        return {contact: Habit(rate, gone) for contact, rate, gone in zip(*columns, strict=True)}

    def advance(self, from_at: datetime, to_at: datetime, delivered: Sequence[Delivered]) -> list[MarketEvent]:
        """Everything that happens in ``[from_at, to_at)``, in order of time, given what came since last time.

        ``from_at`` is where the last call ended. A message handed in late acts from its delivery on, but nothing is
        ever reported from before ``from_at``. Splitting a span into several calls changes nothing.
        """
        if from_at != self._now or to_at < from_at:
            raise InvalidInputError(
                f"The market stands at {self._now.isoformat()} and cannot be played from {from_at.isoformat()} "
                f"to {to_at.isoformat()}.",
                where="simulated market",
                remedy="Advance it from where the last step ended, and only forward.",
            )
        self._receive(delivered, to_at)
        for event in self._orders(from_at, to_at):
            self._await(event)
        events: list[MarketEvent] = []
        while self._pending and self._pending[0][0] < to_at:
            events.append(heapq.heappop(self._pending)[2])
        self._now = to_at.astimezone(UTC)
        return events

    def _receive(self, delivered: Sequence[Delivered], to_at: datetime) -> None:
        batch = sorted(delivered, key=lambda message: (message.delivered_at, message.message_key))
        if not batch:
            return
        if batch[-1].delivered_at >= to_at:
            raise InvalidInputError(
                "A message was handed to the simulated market before its delivery.",
                where=f"message {batch[-1].message_key}",
                remedy="Hand in only messages delivered before the end of the step.",
            )
        arrivals, letters = self._arrivals(batch), [message.letter or message.campaign for message in batch]
        strength = response(
            self.world,
            self._histories,
            self._traits,
            arrivals.row,
            arrivals.at,
            arrivals.fatigue,
            letters,
            self._read_before(arrivals.row.tolist(), letters),
        )
        subscribed = np.array([message.contact_id not in self._unsubscribed for message in batch])
        answers = reactions(self.world, self._histories, self._traits, batch, arrivals, subscribed)
        for event in answers:
            if event.kind == "unsubscribe":
                if event.contact_id in self._unsubscribed:
                    continue
                self._unsubscribed.add(event.contact_id)
            self._await(event if event.at >= self._now else replace(event, at=self._now))
        horizon = batch[0].delivered_at.timestamp() / DAY_SECONDS - max(
            FORGOTTEN_AFTER * self.world.decay_days * (PULL_LASTS if self.world.pulled_share else 1.0), OFFER_LIFE_DAYS
        )
        kept = self._sent > horizon
        self._messages = [message for message, keep in zip(self._messages, kept.tolist(), strict=True) if keep] + batch
        self._rows = np.concatenate([self._rows[kept], arrivals.row])
        self._sent = np.concatenate([self._sent[kept], arrivals.at])
        self._strength = np.concatenate([self._strength[kept], strength])

    def _await(self, event: MarketEvent) -> None:
        heapq.heappush(self._pending, (event.at, event.event_id, event))

    def _read_before(self, rows: list[int], letters: list[str]) -> Ints:
        """How often each contact got that letter before, which is then once more."""
        found = np.zeros(len(rows), dtype=np.int64)
        for place, key in enumerate(zip(rows, letters, strict=True)):
            found[place] = self._read[key]
            self._read[key] += 1
        return found

    def _arrivals(self, batch: Sequence[Delivered]) -> Arrivals:
        """The messages of a batch as arrays, with each contact's fatigue when it got them, which they add to."""
        unknown = [message.contact_id for message in batch if message.contact_id not in self._row_of]
        if unknown:
            raise NotFoundError(
                "The simulated market was made without this contact.",
                where=f"contact {unknown[0]}",
                remedy="Read the histories after the contacts were imported.",
            )
        row = np.array([self._row_of[message.contact_id] for message in batch], dtype=np.int64)
        at = np.array([message.delivered_at.timestamp() / DAY_SECONDS for message in batch])
        day = np.floor(at).astype(np.int64)
        earlier: dict[tuple[int, int], int] = {}
        for key in zip(self._rows.tolist(), np.floor(self._sent).astype(np.int64).tolist(), strict=True):
            earlier[key] = earlier.get(key, 0) + 1
        ordinal, fatigue = np.zeros(row.size, dtype=np.int64), np.zeros(row.size)
        for index, key in enumerate(zip(row.tolist(), day.tolist(), strict=True)):
            ordinal[index] = earlier.get(key, 0)
            earlier[key] = earlier.get(key, 0) + 1
            contact, age = key[0], at[index] - self._fatigue_at[key[0]]
            felt = self._fatigue[contact] * np.exp(-max(age, 0.0) / self.world.fatigue_decay_days)
            fatigue[index] = felt
            self._fatigue[contact], self._fatigue_at[contact] = felt + 1, max(at[index], self._fatigue_at[contact])
        return Arrivals(row=row, at=at, day=day, ordinal=ordinal, fatigue=fatigue)

    def _orders(self, from_at: datetime, to_at: datetime) -> list[MarketEvent]:
        start, end = from_at.timestamp() / DAY_SECONDS, to_at.timestamp() / DAY_SECONDS
        if end <= start:
            return []
        everybody = np.arange(self._histories.size)
        found = candidates(self.world, self._histories, self._traits, int(start // 1), int(np.ceil(end)) - 1, everybody)
        found = found.where((found.at >= start) & (found.at < end))
        sent, strength, last = self._ledger()
        found = found.where(bought(found, log_lift(self.world, found.row, found.at, sent, strength)))
        caused = found.accept * LARGEST_LIFT >= 1.0
        messages = [self._latest(last, row, at) for row, at in zip(found.row.tolist(), found.at.tolist(), strict=True)]
        purchases = Purchases(
            made=found,
            total_cents=order_values(self.world, self._histories, found.row, found.day, found.number),
            sold_categories=[
                message.category if message is not None and by_message else None
                for message, by_message in zip(messages, caused.tolist(), strict=True)
            ],
        )
        return self._events(purchases, messages)

    def _events(self, purchases: Purchases, messages: list[Delivered | None]) -> list[MarketEvent]:
        made = purchases.made
        contact = self._histories.contact_ids[made.row]
        redeems = uniforms(self.world.seed, Purpose.REDEEM, made.day, contact, made.number) < self.world.redeem_share
        redeems &= self._traits.redeemer[made.row]
        baskets = fill_baskets(self.world, self._histories, purchases)
        events: list[MarketEvent] = []
        for index in np.argsort(made.at, kind="stable").tolist():
            event_id = f"sim:{self.world.seed}:order:{contact[index]}:{made.day[index]}:{made.number[index]}"
            properties: dict[str, object] = {
                "simulated": True,
                "order_id": event_id,
                "currency": CURRENCY,
                "total_cents": int(purchases.total_cents[index]),
                "discount_cents": 0,
                "lines": baskets[index],
            }
            message, at = messages[index], float(made.at[index])
            if message is not None and redeems[index] and self._can_redeem(message, at):
                self._redeemed.add(message.message_key)
                properties["redeemed_message_key"] = message.message_key
            events.append(MarketEvent(event_id, int(contact[index]), "order", _moment(at), properties))
        return events

    def _can_redeem(self, message: Delivered, at: float) -> bool:
        age = at - message.delivered_at.timestamp() / DAY_SECONDS
        return message.is_offer and age <= OFFER_LIFE_DAYS and message.message_key not in self._redeemed

    def _ledger(self) -> tuple[Floats, Floats, dict[int, list[int]]]:
        """Past messages as one row per contact and one column per message, and their numbers per contact."""
        per_contact: dict[int, list[int]] = {}
        for number, row in enumerate(self._rows.tolist()):
            per_contact.setdefault(row, []).append(number)
        width = max((len(numbers) for numbers in per_contact.values()), default=1)
        sent = np.full((self._histories.size, width), np.inf)
        strength = np.zeros((self._histories.size, width))
        for row, numbers in per_contact.items():
            sent[row, : len(numbers)] = self._sent[numbers]
            strength[row, : len(numbers)] = self._strength[numbers]
        return sent, strength, per_contact

    def _latest(self, per_contact: dict[int, list[int]], row: int, at: float) -> Delivered | None:
        """The last message that the contact had got by that moment."""
        earlier = [number for number in per_contact.get(row, ()) if self._sent[number] < at]
        return self._messages[max(earlier, key=lambda number: float(self._sent[number]))] if earlier else None


def _moment(day: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(day * DAY_SECONDS * 1000))
