"""What the hour of a message brings, by the hours that were drawn at random."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from agents.desk import Desk
from agents.learning.counts import Frozen, MeasurementError
from agents.learning.off_policy import Value, arm_means, contacts_to_show, doubly_robust, mixed, watched
from agents.outcomes import campaign_outcomes
from memory import campaigns, hour_draws
from memory.hour_draws import HourDraw

Floats = NDArray[np.float64]
FEWEST_CONVERSIONS = 20


class HourValue(Frozen):
    """One hour of the contacts' own day."""

    hour: int
    contacts: int
    """Who came to the message then."""
    value: Value
    """Share of everybody who would reach the goal if all were written to at this hour."""


class Hours(Frozen):
    """What is known of the hour of one campaign."""

    campaign_id: str
    contacts: int
    """Whose goal window is over."""
    explored: int
    """Of them, drawn another hour than their own."""
    hours: tuple[HourValue, ...]
    gain: Value
    """The own hour less an hour drawn evenly, in shares of contacts; the interval holds however often one looks."""
    sentence: str


def hours(desk: Desk, campaign_id: str) -> Hours:
    """Value the own hour, an hour drawn evenly and each hour, by doubly robust scores with the logged probabilities.

    Each contact counts by the first draw of their first entry. Raises NotFoundError, and MeasurementError where no
    hours were drawn, or no goal window of two contacts is over.
    """
    with desk.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        versions = campaigns.versions(connection, campaign.campaign_id)
        draws: dict[int, HourDraw] = {}
        for contact_id, one in hour_draws.of_campaign(connection, campaign.campaign_id):
            draws.setdefault(contact_id, one)
    where = f"campaign {campaign.campaign_id}"
    if not draws:
        raise MeasurementError(
            "No hours were drawn at random in this campaign.",
            where=where,
            remedy="Give its wait_window at: favourite_hour and explored: 0.2, and propose it again.",
        )
    goal, now = versions[-1].play.goal, desk.clock.now()
    keys = sorted({one.key for version in versions for one in version.play.sequences})
    found = campaign_outcomes(desk.store, desk.lake, campaign.campaign_id, goal=goal, arms=keys, as_of=now)
    window = timedelta(days=goal.window_days)
    over = [one.contact_id for one in found.members if one.since + window <= now and one.contact_id in draws]
    if len(over) < 2:
        raise MeasurementError(
            "No goal window of contacts for whom an hour was drawn is over.",
            where=where,
            remedy=f"Wait: a window takes {goal.window_days} days.",
        )
    drawn = [draws[one] for one in over]
    first, last = min(one.from_hour for one in drawn), max(one.until_hour for one in drawn)
    arms = np.asarray([one.hour - first for one in drawn], np.intp)
    outcomes = np.asarray([float(one in found.reached_at) for one in over])
    probabilities = np.asarray([_probabilities(one, first, last) for one in drawn])
    scores = doubly_robust(arms, outcomes, probabilities, arm_means(arms, outcomes, last - first))
    possible = probabilities > 0
    evenly = possible / possible.sum(axis=1, keepdims=True)
    own = np.zeros_like(evenly)
    own[np.arange(len(drawn)), [one.own_hour - first for one in drawn]] = 1.0
    gain = watched(mixed(scores, own - evenly))
    explored = sum(one.hour != one.own_hour for one in drawn)
    reached = sum(value for value, one in zip(outcomes.tolist(), drawn, strict=True) if one.hour != one.own_hour)
    return Hours(
        campaign_id=campaign.campaign_id,
        contacts=len(drawn),
        explored=explored,
        hours=tuple(
            HourValue(hour=first + place, contacts=int((arms == place).sum()), value=watched(scores[here, place]))
            for place in range(last - first)
            if (here := possible[:, place]).sum() > 1
        ),
        gain=gain,
        sentence=_told(gain, enough=reached >= FEWEST_CONVERSIONS),
    )


def _probabilities(one: HourDraw, first: int, last: int) -> Floats:
    """By hour from the first to before the last; each of the others was as likely as the next."""
    others = one.until_hour - one.from_hour - 1
    explored = 1 - one.probability if one.hour == one.own_hour else one.probability * others
    found = np.zeros(last - first)
    found[one.from_hour - first : one.until_hour - first] = explored / others if others else 0.0
    found[one.own_hour - first] = 1 - explored
    return found


def _told(gain: Value, *, enough: bool) -> str:
    points = f"{100 * gain.mean:+.2f} points ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
    if not enough:
        least = f"at least {FEWEST_CONVERSIONS} who drew another hour must reach the goal"
        return f"Not shown what the own hour brings: {points}, and {least}."
    if gain.low > 0:
        return f"The own hour brings {points} more contacts to the goal than an hour drawn evenly."
    if gain.high < 0:
        return f"The own hour does worse than an hour drawn evenly: {points}."
    needed = contacts_to_show(gain)
    missing = f"about {needed} contacts would be needed if it is as large as it looks" if needed else "it looks even"
    return f"Not shown that the own hour matters: {points} on {gain.contacts} contacts; {missing}."
