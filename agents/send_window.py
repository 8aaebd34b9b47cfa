"""When messages may leave: within the hours and on the days that the policy allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agents.desk import Desk
from memory.play import Schedule
from policies.rules.send_window import SendWindowLimits

_WINDOW = (9, 19)


def send_hours(desk: Desk) -> tuple[int, int]:
    """The usual window, narrowed to what the policy allows."""
    limits = desk.pack.limits("send_window", SendWindowLimits)
    return max(_WINDOW[0], limits.earliest_hour), min(_WINDOW[1], limits.latest_hour)


def plain_schedule(desk: Desk, starts_at: datetime) -> Schedule:
    """A start within the hours and on the days that the policy allows."""
    limits = desk.pack.limits("send_window", SendWindowLimits)
    first, last = send_hours(desk)
    return Schedule(
        starts_at=starts_at,
        send_from_hour=first,
        send_until_hour=last,
        weekdays=tuple(sorted(limits.weekdays)),
        fallback_zone=desk.settings.fallback_zone,
    )


def starts_from(desk: Desk, *, days_ahead: int) -> datetime:
    """The first opening of the send window, in the fallback zone, so many days from now."""
    zone = ZoneInfo(desk.settings.fallback_zone)
    first, _ = send_hours(desk)
    weekdays = set(desk.pack.limits("send_window", SendWindowLimits).weekdays)
    local = desk.clock.now().astimezone(zone) + timedelta(days=days_ahead)
    opens = local.replace(hour=first, minute=0, second=0, microsecond=0)
    while opens.weekday() not in weekdays:
        opens += timedelta(days=1)
    return opens.astimezone(UTC)
