"""What a contact's own time of a message brings, by the times that were drawn at random; hours and weekdays alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from agents.desk import Desk
from agents.learning.counts import MeasurementError
from agents.learning.off_policy import Value, arm_means, contacts_to_show, doubly_robust, mixed, watched
from agents.outcomes import campaign_outcomes
from memory import campaigns

Floats = NDArray[np.float64]
FEWEST_CONVERSIONS = 20


@dataclass(frozen=True)
class Draw:
    """The time that a contact drew, their own one, and all that they could have drawn."""

    drawn: int
    own: int
    probability: float
    possible: Sequence[int]


@dataclass(frozen=True)
class Times:
    """What each time brings, in shares of contacts who reach the goal."""

    contacts: int
    """Whose goal window is over."""
    explored: int
    """Of them, drawn another time than their own."""
    each: Mapping[int, tuple[int, Value]]
    """By time: who drew it, and what it would bring if all did."""
    gain: Value
    """The own time less one drawn evenly; the interval holds however often one looks."""
    enough: bool
    """Whether so many of those who drew another time reached the goal that something may be said."""


def value_times(desk: Desk, campaign_id: str, draws: Mapping[int, Draw], *, unit: str) -> Times:
    """Value the own time, one drawn evenly and each, by doubly robust scores with the logged probabilities.

    Each contact counts by their one draw, from their entry on, so that whoever waits longer for their time has less
    of the goal window left. Raises MeasurementError where no goal window of two contacts is over.
    """
    with desk.store.read() as connection:
        versions = campaigns.versions(connection, campaign_id)
    goal, now = versions[-1].play.goal, desk.clock.now()
    keys = sorted({one.key for version in versions for one in version.play.sequences})
    found = campaign_outcomes(desk.store, desk.lake, campaign_id, goal=goal, arms=keys, as_of=now)
    window = timedelta(days=goal.window_days)
    over = [one.contact_id for one in found.members if one.since + window <= now and one.contact_id in draws]
    if len(over) < 2:
        raise MeasurementError(
            f"No goal window of contacts for whom {unit} was drawn is over.",
            where=f"campaign {campaign_id}",
            remedy=f"Wait: a window takes {goal.window_days} days.",
        )
    drawn = [draws[one] for one in over]
    times = sorted({time for one in drawn for time in one.possible})
    place = {time: number for number, time in enumerate(times)}
    arms = np.asarray([place[one.drawn] for one in drawn], np.intp)
    outcomes = np.asarray([float(one in found.reached_at) for one in over])
    probabilities = np.asarray([_probabilities(one, place) for one in drawn])
    scores = doubly_robust(arms, outcomes, probabilities, arm_means(arms, outcomes, len(times)))
    possible = probabilities > 0
    own = np.zeros(probabilities.shape)
    own[np.arange(len(drawn)), [place[one.own] for one in drawn]] = 1.0
    gain = watched(mixed(scores, own - possible / possible.sum(axis=1, keepdims=True)))
    elsewhere = np.asarray([one.drawn != one.own for one in drawn])
    return Times(
        contacts=len(drawn),
        explored=int(elsewhere.sum()),
        each={
            time: (int((arms == number).sum()), watched(scores[here, number]))
            for time, number in place.items()
            if (here := possible[:, number]).sum() > 1
        },
        gain=gain,
        enough=bool(outcomes[elsewhere].sum() >= FEWEST_CONVERSIONS),
    )


def _probabilities(one: Draw, place: Mapping[int, int]) -> Floats:
    """By time; each of those that are not the own one was as likely as the next."""
    others = len(one.possible) - 1
    explored = 1 - one.probability if one.drawn == one.own else one.probability * others
    found = np.zeros(len(place))
    found[[place[time] for time in one.possible]] = explored / others if others else 0.0
    found[place[one.own]] = 1 - explored
    return found


def tell_gain(times: Times, *, unit: str, evenly: str) -> str:
    """What the own time brings, in one sentence, or what is missing to say it."""
    gain = times.gain
    points = f"{100 * gain.mean:+.2f} points ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
    if not times.enough:
        least = f"at least {FEWEST_CONVERSIONS} who drew another {unit} must reach the goal"
        return f"Not shown what the own {unit} brings: {points}, and {least}."
    if gain.low > 0:
        return f"The own {unit} brings {points} more contacts to the goal than {evenly}."
    if gain.high < 0:
        return f"The own {unit} does worse than {evenly}: {points}."
    needed = contacts_to_show(gain)
    missing = f"about {needed} contacts would be needed if it is as large as it looks" if needed else "it looks even"
    return f"Not shown that the own {unit} matters: {points} on {gain.contacts} contacts; {missing}."
