"""Messages leave at decent hours in the contact's own time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pydantic import Field, model_validator

from policies.facts import MessageFacts, ProposalFacts, is_marketing, need
from policies.public_holidays import country_of, is_holiday, knows_country
from policies.rule import Context, Parameters, Rule, Ruling, hold, note, refuse

_ALL_WEEK = (0, 1, 2, 3, 4, 5, 6)
_FARTHEST_DAYS: Final = 31
"""Closed weekdays and holidays in a row are fewer."""


class SendWindowLimits(Parameters):
    """The widest window that any play may ask for; hours of the contact's day."""

    earliest_hour: int = Field(default=8, ge=0, le=23)
    latest_hour: int = Field(default=21, ge=1, le=24)
    weekdays: tuple[int, ...] = Field(default=_ALL_WEEK, min_length=1)
    """0 is Monday."""
    sms_earliest_hour: int = Field(default=8, ge=0, le=23)
    sms_latest_hour: int = Field(default=20, ge=1, le=24)
    sms_weekdays: tuple[int, ...] = Field(default=(0, 1, 2, 3, 4, 5), min_length=1)
    """Text messages wake people: a narrower window of their own."""
    holidays_of: tuple[str, ...] = ()
    """Countries, as two letters: nothing leaves on their public holidays to contacts whose time zone lies there."""
    sms_holidays_of: tuple[str, ...] = ()
    """The same for text messages, besides those above."""
    fallback_zone_allowed: bool = True
    """Whether contacts of unknown zone may be written to by the play's declared fallback zone."""

    @model_validator(mode="after")
    def _window_is_open(self) -> SendWindowLimits:
        if self.earliest_hour >= self.latest_hour or self.sms_earliest_hour >= self.sms_latest_hour:
            raise ValueError("earliest_hour must be before latest_hour, or nothing could ever be sent")
        if not {*self.weekdays, *self.sms_weekdays} <= set(_ALL_WEEK):
            raise ValueError("weekdays run from 0 (Monday) to 6 (Sunday)")
        if unknown := sorted(one for one in {*self.holidays_of, *self.sms_holidays_of} if not knows_country(one)):
            raise ValueError(f"no public holidays are known of {', '.join(unknown)}; write two letters, such as FR")
        return self


def gate(facts: MessageFacts, limits: SendWindowLimits, context: Context) -> Ruling | None:
    if not (facts.reaches_contact and is_marketing(facts)):
        return None
    local = need(facts.local_now, "local_now")
    first = max(need(facts.send_from_hour, "send_from_hour"), limits.earliest_hour)
    last = min(need(facts.send_until_hour, "send_until_hour"), limits.latest_hour)
    open_days = set(need(facts.weekdays, "weekdays")) & set(limits.weekdays)
    if facts.channel == "sms":
        first, last = max(first, limits.sms_earliest_hour), min(last, limits.sms_latest_hour)
        open_days &= set(limits.sms_weekdays)
    closed = _closed_on(local, limits, facts.channel)
    zone_known = need(facts.zone_known, "zone_known")
    if not zone_known and not limits.fallback_zone_allowed:
        return hold("The contact's time zone is unknown.", fact="zone unknown", limit="a known time zone")
    weekday = local.weekday()
    holiday = closed(local.date())
    if first <= local.hour < last and weekday in open_days and not holiday:
        if zone_known:
            return None
        return note(
            "The contact's time zone is unknown; the play's declared fallback zone was used.",
            fact=f"{local:%H:%M} in the fallback zone",
            limit=f"{first}:00 to {last}:00",
        )
    opens_at = next_opening(local, first, last, frozenset(open_days), closed)
    outside = "It is a public holiday there." if holiday else "It is outside the send window."
    return hold(
        outside if opens_at else "The send window never opens.",
        fact=f"{local:%A %H:%M}" + (f", opens {opens_at:%Y-%m-%d %H:%M} UTC" if opens_at else ""),
        limit=f"{first}:00 to {last}:00" if first < last else "no common hour",
        retry_at=opens_at,
    )


def _closed_on(local: datetime, limits: SendWindowLimits, channel: str | None) -> Callable[[date], bool]:
    """Whether a day is a holiday on which the pack closes, where the contact's clock is."""
    countries = {*limits.holidays_of, *(limits.sms_holidays_of if channel == "sms" else ())}
    country = country_of(str(local.tzinfo)) if countries else ""
    return (lambda day: is_holiday(day, country)) if country in countries else _never


def _never(_day: date) -> bool:
    return False


def next_opening(
    local: datetime, first: int, last: int, weekdays: frozenset[int], closed: Callable[[date], bool] = _never
) -> datetime | None:
    """The next moment (UTC) at which a window of local hours opens; None when it never does."""
    if first >= last or not weekdays:
        return None
    for ahead in range(_FARTHEST_DAYS):
        start = (local + timedelta(days=ahead)).replace(hour=first, minute=0, second=0, microsecond=0)
        opens_at = start.astimezone(UTC)
        # A clock change can move the opening: what counts is the wall clock at that very moment.
        if opens_at > local.astimezone(UTC) and start.weekday() in weekdays and not closed(start.date()):
            return opens_at
    return None


def review(facts: ProposalFacts, limits: SendWindowLimits, context: Context) -> list[Ruling]:
    schedule = facts.play.schedule
    said = []
    if schedule.send_from_hour < limits.earliest_hour or schedule.send_until_hour > limits.latest_hour:
        said.append(
            refuse(
                "The play's send window is wider than the policy allows.",
                fact=f"{schedule.send_from_hour}:00 to {schedule.send_until_hour}:00",
                limit=f"{limits.earliest_hour}:00 to {limits.latest_hour}:00",
                part="schedule",
            )
        )
    if not set(schedule.weekdays) & set(limits.weekdays):
        said.append(
            refuse(
                "The play's weekdays are all closed.",
                fact=str(schedule.weekdays),
                limit=str(limits.weekdays),
                part="schedule",
            )
        )
    if not schedule.fallback_zone:
        said.append(refuse("The play declares no time zone for contacts of unknown zone.", part="schedule"))
    return said


RULE = Rule(id="send_window", parameters=SendWindowLimits, gate=gate, review=review, locked=True)
