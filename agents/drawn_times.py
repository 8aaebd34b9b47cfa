"""What a contact's own time of a message brings, by the times that were drawn at random; hours and weekdays alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.desk import Desk
from agents.learning.counts import Frozen, MeasurementError
from agents.learning.off_policy import Value, arm_means, contacts_to_show, doubly_robust, mixed, watched
from agents.outcomes import campaign_outcomes
from memory import campaigns, time_draws
from memory.assignment import TimeKind
from memory.time_draws import TimeDraw

Floats = NDArray[np.float64]
FEWEST_CONVERSIONS = 20
_ASKED: Final[dict[TimeKind, str]] = {
    "hour": "at: favourite_hour and explored: 0.2",
    "weekday": "day: favourite_weekday and explored_days: 0.2",
}
ONCE = "It began once and lets nobody else in: no more can be drawn in it."
"""In the place of advice that such a campaign cannot follow."""


class TimeValue(Frozen):
    """One hour of the contacts' own day, or one weekday, 0 for Monday."""

    time: int
    contacts: int
    """Who came to the message then."""
    value: Value
    """Share of everybody who would reach the goal if all were written to then."""


class Times(Frozen):
    """What is known of the hour, or of the weekday, of one campaign."""

    campaign_id: str
    kind: TimeKind
    contacts: int
    """Whose goal window is over."""
    explored: int
    """Of them, drawn another time than their own."""
    times: tuple[TimeValue, ...]
    gain: Value
    """The own time less one drawn evenly, in shares of contacts; the interval holds however often one looks."""
    sentence: str


def value_times(desk: Desk, campaign_id: str, kind: TimeKind) -> Times:
    """Value the own time, one drawn evenly and each, by doubly robust scores with the logged probabilities.

    Each contact counts by the first draw of their first entry, from that entry on, so that whoever waits longer for
    their time has less of the goal window left. Raises NotFoundError, and MeasurementError where no times were drawn,
    or no goal window of two contacts is over.
    """
    with desk.store.read() as connection:
        campaign_id = campaigns.get(connection, campaign_id).campaign_id
        draws: dict[int, TimeDraw] = {}
        for contact_id, one in time_draws.of_campaign(connection, campaign_id, kind):
            draws.setdefault(contact_id, one)
        versions = campaigns.versions(connection, campaign_id)
    if not draws:
        lets_in = versions[-1].play.trigger.runs_days > 0
        raise MeasurementError(
            f"No {kind}s were drawn at random in this campaign.",
            where=f"campaign {campaign_id}",
            remedy=f"Give its wait_window {_ASKED[kind]}, and propose it again." if lets_in else ONCE,
        )
    goal, now = versions[-1].play.goal, desk.clock.now()
    keys = sorted({one.key for version in versions for one in version.play.sequences})
    found = campaign_outcomes(desk.store, desk.lake, campaign_id, goal=goal, arms=keys, as_of=now)
    window = timedelta(days=goal.window_days)
    over = [one.contact_id for one in found.members if one.since + window <= now and one.contact_id in draws]
    if len(over) < 2:
        raise MeasurementError(
            f"No goal window of contacts for whom a {kind} was drawn is over.",
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
        campaign_id=campaign_id,
        kind=kind,
        contacts=len(drawn),
        explored=int(elsewhere.sum()),
        times=tuple(
            TimeValue(time=time, contacts=int((arms == number).sum()), value=watched(scores[here, number]))
            for time, number in place.items()
            if (here := possible[:, number]).sum() > 1
        ),
        gain=gain,
        sentence=_sentence(gain, kind, enough=bool(outcomes[elsewhere].sum() >= FEWEST_CONVERSIONS)),
    )


def _probabilities(one: TimeDraw, place: Mapping[int, int]) -> Floats:
    """By time; each of those that are not the own one was as likely as the next."""
    others = len(one.possible) - 1
    explored = 1 - one.probability if one.drawn == one.own else one.probability * others
    found = np.zeros(len(place))
    found[[place[time] for time in one.possible]] = explored / others if others else 0.0
    found[place[one.own]] = 1 - explored
    return found


def _sentence(gain: Value, kind: TimeKind, *, enough: bool) -> str:
    """What the own time brings, or what is missing to say it."""
    points = f"{100 * gain.mean:+.2f} points ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
    if not enough:
        least = f"at least {FEWEST_CONVERSIONS} who drew another {kind} must reach the goal"
        return f"Not shown what the own {kind} brings: {points}, and {least}."
    evenly = f"{'an' if kind == 'hour' else 'a'} {kind} drawn evenly"
    if gain.low > 0:
        return f"The own {kind} brings {points} more contacts to the goal than {evenly}."
    if gain.high < 0:
        return f"The own {kind} does worse than {evenly}: {points}."
    needed = contacts_to_show(gain)
    missing = f"about {needed} contacts would be needed if it is as large as it looks" if needed else "it looks even"
    return f"Not shown that the own {kind} matters: {points} on {gain.contacts} contacts; {missing}."
