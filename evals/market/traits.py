"""What each simulated customer is like in one world; hidden from everybody who judges by events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaincinv, logit, ndtri

from evals.market.history import DAY_SECONDS, Histories
from evals.market.noise import Floats, Ints, Purpose, number_of, uniforms
from evals.market.world import World

# A rate above two orders a day is a till shared by several people, not a customer to model.
HIGHEST_RATE = 2.0


@dataclass(frozen=True, slots=True)
class Traits:
    """One row per contact of the histories; days are UTC days since 1970."""

    rate: Floats  # orders a day while a customer
    gone_day: Floats  # when the contact stops being a customer
    effect: Floats  # a first message's addition to the log hazard, before hour and fatigue
    click_share: Floats
    scanner: NDArray[np.bool_]
    dead_mailbox: NDArray[np.bool_]
    redeemer: NDArray[np.bool_]
    hidden_group: Ints  # one of three, of which no record tells


class Habit(NamedTuple):
    """One contact as a customer: orders a day while one, and the day since 1970 on which that ends."""

    rate: float
    gone_day: float


def draw_traits(world: World, histories: Histories) -> Traits:
    """Each contact's traits: purchases drawn from the posterior of its own history, the rest around the world's means.

    Dropping out is a hazard in time (rate x the posterior mean chance to leave after an order), so that no message can
    move it and two runs of one world lose the same contacts on the same day.
    """
    contacts, buying = histories.contact_ids, histories.buying

    def draw(purpose: Purpose) -> Floats:
        return uniforms(world.seed, purpose, 0, contacts)

    repeat, observed = histories.repeat_orders, histories.observed_days
    shape = buying.shape + repeat
    rate = gammaincinv(shape, draw(Purpose.RATE)) / (buying.scale_days + observed)
    rate = np.clip(rate * world.demand, 1e-9, HIGHEST_RATE)
    alive = draw(Purpose.ALIVE) < buying.alive_share(repeat, histories.recency_days, observed)
    leaving = rate * world.attrition * buying.leave / (buying.leave + buying.stay + repeat)
    opened = histories.cut_off.timestamp() / DAY_SECONDS
    gone_day = np.where(alive, opened - np.log(draw(Purpose.LIFETIME)) / leaving, -np.inf)
    loyalty = np.log(rate) - np.log(rate).mean()
    effect = world.effect_mean + world.effect_sd * ndtri(draw(Purpose.EFFECT)) - world.loyalty_slope * loyalty
    return Traits(
        rate=rate,
        gone_day=gone_day,
        effect=effect,
        click_share=expit(logit(world.click_share) + world.click_sd * ndtri(draw(Purpose.CLICKER))),
        scanner=draw(Purpose.SCANNER) < world.scanner_share,
        dead_mailbox=draw(Purpose.DEAD_MAILBOX) < world.dead_mailbox_share,
        redeemer=draw(Purpose.REDEEMER) < world.redeemer_share,
        hidden_group=(3 * draw(Purpose.GROUP)).astype(np.int64),
    )


def hour_factor(world: World, histories: Histories, rows: Ints, days: Floats) -> Floats:
    """How much better or worse a message lands at that hour than at an average one."""
    hours = np.mod(days, 1.0) * 24 - histories.peak_hour[rows]
    factor: Floats = 1 + world.hour_rho * np.cos(2 * np.pi * hours / 24)
    return factor


def response(
    world: World,
    histories: Histories,
    traits: Traits,
    rows: Ints,
    days: Floats,
    fatigue: Floats,
    letters: list[str],
    read_before: Ints,
) -> Floats:
    """What messages delivered at ``days`` to contacts ``rows`` add to their log purchase hazard at that moment.

    ``letters`` says which of the world's letters each of them is, ``read_before`` how often its contact got that one.
    """
    if world.kind == "null":
        return np.zeros(rows.size)
    turned = days >= histories.cut_off.timestamp() / DAY_SECONDS + world.turns_after_days
    # Of each letter, each side of the turn and each group of contacts.
    names = np.char.add(np.array(letters, dtype=np.str_), np.where(turned, " after the turn", ""))
    own = traits.effect[rows] + _offsets(world, names, 0, world.campaign_scale)
    if world.group_scale:
        group = traits.hidden_group if world.family == "hidden" else histories.band
        own = own + _offsets(world, np.char.add(names, np.char.mod(" to %d", group[rows])), 2, world.group_scale)
    felt = own * np.exp(-world.fatigue_kappa * fatigue) * hour_factor(world, histories, rows, days)
    felt = np.where(traits.dead_mailbox[rows], 0.0, felt) * world.wear**read_before
    found: Floats = -np.abs(felt) if world.kind == "harmful" else felt
    return found


def _offsets(world: World, names: NDArray[np.str_], place: int, scale: float) -> Floats:
    """How good each is, as Student-t with 4 degrees of freedom: a normal over the root of a chi-square."""
    unique, which = np.unique(names, return_inverse=True)
    keys = np.array([number_of(str(name)) for name in unique], dtype=np.int64)
    normal = ndtri(uniforms(world.seed, Purpose.CAMPAIGN, place, keys))
    chi = 2 * gammaincinv(2.0, uniforms(world.seed, Purpose.CAMPAIGN, place + 1, keys))
    found: Floats = np.asarray(scale * normal / np.sqrt(chi / 4))[which]
    return found
