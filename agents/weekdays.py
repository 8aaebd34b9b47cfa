"""What the weekday of a message brings, by the weekdays that were drawn at random."""

from __future__ import annotations

from agents.desk import Desk
from agents.drawn_times import Draw, tell_gain, value_times
from agents.learning.counts import Frozen, MeasurementError
from agents.learning.off_policy import Value
from memory import campaigns, weekday_draws


class WeekdayValue(Frozen):
    """One day of the contacts' own week, 0 for Monday."""

    weekday: int
    contacts: int
    """Who came to the message then."""
    value: Value
    """Share of everybody who would reach the goal if all were written to on this weekday."""


class Weekdays(Frozen):
    """What is known of the weekday of one campaign."""

    campaign_id: str
    contacts: int
    """Whose goal window is over."""
    explored: int
    """Of them, drawn another weekday than their own."""
    weekdays: tuple[WeekdayValue, ...]
    gain: Value
    """The own weekday less one drawn evenly, in shares of contacts; the interval holds however often one looks."""
    sentence: str


def weekdays(desk: Desk, campaign_id: str) -> Weekdays:
    """Value the own weekday, one drawn evenly and each weekday, by doubly robust scores with the logged probabilities.

    Each contact counts by the first draw of their first entry. Raises NotFoundError, and MeasurementError where no
    weekdays were drawn, or no goal window of two contacts is over.
    """
    with desk.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        draws: dict[int, Draw] = {}
        for contact_id, one in weekday_draws.of_campaign(connection, campaign.campaign_id):
            draws.setdefault(contact_id, Draw(one.weekday, one.own_weekday, one.probability, one.weekdays))
    if not draws:
        raise MeasurementError(
            "No weekdays were drawn at random in this campaign.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Give its wait_window day: favourite_weekday and explored_days: 0.2, and propose it again.",
        )
    found = value_times(desk, campaign.campaign_id, draws, unit="a weekday")
    return Weekdays(
        campaign_id=campaign.campaign_id,
        contacts=found.contacts,
        explored=found.explored,
        weekdays=tuple(
            WeekdayValue(weekday=day, contacts=contacts, value=value) for day, (contacts, value) in found.each.items()
        ),
        gain=found.gain,
        sentence=tell_gain(found, unit="weekday", evenly="a weekday drawn evenly"),
    )
