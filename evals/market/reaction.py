"""What people and machines do with a message itself: click, visit, unsubscribe, complain, bounce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from evals.market.event import Delivered, EventKind, MarketEvent
from evals.market.history import Histories
from evals.market.noise import Floats, Ints, Purpose, uniforms
from evals.market.traits import Traits, hour_factor
from evals.market.world import World

SCANNER_AGENTS = (
    "Mozilla/5.0 (compatible; MailLinkScanner/3.1; +https://scanner.example.com/bot)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) SafeLinks-Prefetch/1.0",
)
HUMAN_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 11_0 like Mac OS X) AppleWebKit/604.1.38 Mobile/15A372 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 7.0; SM-G930V) AppleWebKit/537.36 Chrome/61.0.3163.98 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:56.0) Gecko/20100101 Firefox/56.0",
)
FATIGUE_EXPONENT = 1.2


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Messages as arrays, one entry each: contact row, UTC day, how many the contact had that day before, fatigue."""

    row: Ints
    at: Floats
    day: Ints
    ordinal: Ints
    fatigue: Floats


@dataclass(frozen=True, slots=True)
class _Wave:
    """One kind of reaction: who shows it, and after how many seconds (lognormal around a median)."""

    kind: EventKind
    suffix: str
    shown: NDArray[np.bool_]
    seconds: Floats
    agents: tuple[str, ...] = ()


def reactions(
    world: World,
    histories: Histories,
    traits: Traits,
    messages: Sequence[Delivered],
    arrivals: Arrivals,
    subscribed: NDArray[np.bool_],
) -> list[MarketEvent]:
    """All reactions that messages will ever get, each kind in the order of delivery; purchases are decided elsewhere.

    Clicks and visits are drawn alike in every kind of world: whether a message sells does not show in them.
    ``subscribed`` tells, per message, whether its contact has not yet unsubscribed.
    """
    events: list[MarketEvent] = []
    for wave in _waves(world, histories, traits, arrivals, subscribed):
        for index in np.flatnonzero(wave.shown).tolist():
            seconds = float(wave.seconds[index])
            events.append(_event(world, messages[index], wave, seconds))
            if wave.kind == "click" and wave.agents is HUMAN_AGENTS:
                # A person's click leads to a page view.
                events.append(_event(world, messages[index], _Wave("visit", "", wave.shown, wave.seconds), seconds + 2))
    return events


def _waves(
    world: World, histories: Histories, traits: Traits, arrivals: Arrivals, subscribed: NDArray[np.bool_]
) -> list[_Wave]:
    row, fatigue = arrivals.row, arrivals.fatigue

    def draw(purpose: Purpose) -> Floats:
        return uniforms(world.seed, purpose, arrivals.day, histories.contact_ids[row], arrivals.ordinal)

    def delay(purpose: Purpose, median_seconds: float, spread: float) -> Floats:
        seconds: Floats = median_seconds * np.exp(spread * ndtri(draw(purpose)))
        return seconds

    reached = ~traits.dead_mailbox[row]
    mood = np.exp(-world.fatigue_kappa * fatigue) * hour_factor(world, histories, row, arrivals.at)
    tired = (1 + fatigue) ** FATIGUE_EXPONENT
    clicks = reached & (draw(Purpose.CLICK) < np.minimum(traits.click_share[row] * mood, 0.95))
    visits = reached & ~clicks & (draw(Purpose.VISIT) < world.visit_share * mood)
    leaves = reached & subscribed & (draw(Purpose.UNSUBSCRIBE) < world.unsubscribe_share * tired)
    complains = reached & (draw(Purpose.COMPLAIN) < world.complaint_share * tired)
    return [
        _Wave("click", "", clicks, 40 + delay(Purpose.CLICK_DELAY, 9_000, 1.3), HUMAN_AGENTS),
        _Wave("visit", "", visits, 40 + delay(Purpose.VISIT_DELAY, 30_000, 1.2)),
        _Wave("unsubscribe", "", leaves, 30 + delay(Purpose.UNSUBSCRIBE_DELAY, 15_000, 1.3)),
        _Wave("complaint", "", complains, 60 + delay(Purpose.COMPLAIN_DELAY, 20_000, 1.2)),
        _Wave("click", ":machine", reached & traits.scanner[row], 1 + 7 * draw(Purpose.MACHINE_DELAY), SCANNER_AGENTS),
        _Wave("bounce", "", ~reached, 20 + delay(Purpose.BOUNCE_DELAY, 60, 0.8)),
    ]


def _event(world: World, message: Delivered, wave: _Wave, seconds: float) -> MarketEvent:
    properties = _properties(message, seconds)
    if wave.agents:
        properties["user_agent"] = wave.agents[message.contact_id % len(wave.agents)]
    if wave.kind == "bounce":
        properties["bounce"] = "hard"
    return MarketEvent(
        event_id=f"sim:{world.seed}:{wave.kind}{wave.suffix}:{message.message_key}",
        contact_id=message.contact_id,
        kind=wave.kind,
        at=_later(message.delivered_at, seconds),
        properties=properties,
    )


def _properties(message: Delivered, seconds: float) -> dict[str, object]:
    return {
        "simulated": True,
        "message_key": message.message_key,
        "campaign": message.campaign,
        "category": message.category or "",
        "seconds_after_delivery": round(seconds, 1),
    }


def _later(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=round(seconds, 3))
