"""What the hour of a message brings, by the hours that were drawn at random."""

from __future__ import annotations

from agents.desk import Desk
from agents.drawn_times import Draw, tell_gain, value_times
from agents.learning.counts import Frozen, MeasurementError
from agents.learning.off_policy import Value
from memory import campaigns, hour_draws


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
        draws: dict[int, Draw] = {}
        for contact_id, one in hour_draws.of_campaign(connection, campaign.campaign_id):
            hours_open = range(one.from_hour, one.until_hour)
            draws.setdefault(contact_id, Draw(one.hour, one.own_hour, one.probability, hours_open))
    if not draws:
        raise MeasurementError(
            "No hours were drawn at random in this campaign.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Give its wait_window at: favourite_hour and explored: 0.2, and propose it again.",
        )
    found = value_times(desk, campaign.campaign_id, draws, unit="an hour")
    return Hours(
        campaign_id=campaign.campaign_id,
        contacts=found.contacts,
        explored=found.explored,
        hours=tuple(
            HourValue(hour=hour, contacts=contacts, value=value) for hour, (contacts, value) in found.each.items()
        ),
        gain=found.gain,
        sentence=tell_gain(found, unit="hour", evenly="an hour drawn evenly"),
    )
