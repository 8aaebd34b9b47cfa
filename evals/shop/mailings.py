"""The shop's past mailings and the addresses it must never write to again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from evals.shop.people import Person

SENT_AT = time(14, 0, tzinfo=UTC)
HARD_BOUNCE_SHARE = 0.008
LETTER_EVERY = timedelta(days=14)
COMPLAINTS, PHONE_REFUSALS, STRANGERS = 5, 6, 4


@dataclass(frozen=True, slots=True)
class PastSend:
    """One past message and what came back; opens are left out, because machines open mail too."""

    send_id: str
    contact_id: str
    campaign: str
    sent_at: datetime
    delivered_at: datetime | None
    bounced_at: datetime | None
    clicked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """One address that may not be written to, and why."""

    email: str
    reason: str
    at: datetime
    source: str


def past_sends(
    people: Sequence[Person],
    targets: Iterable[tuple[int, str, date, int, date | None]],
    *,
    cut_off: datetime,
    seed: int,
) -> list[PastSend]:
    """One send per household and campaign that began before the cut-off, if the shop then held consent.

    ``targets`` are (campaign, type, start day, household, day of the first coupon redeemed). Who redeemed a coupon of
    the campaign had clicked before; nobody else is given a click. A hard bounce ends the mailings to its address.
    """
    by_household = {person.household: person for person in people}
    bounced: set[int] = set()
    sends: list[PastSend] = []
    for campaign, kind, start, household, redeemed_on in sorted(targets, key=lambda row: (row[2], row[0], row[3])):
        person = by_household.get(household)
        draw = np.random.default_rng([seed, 2, campaign, household]).random(4)
        sent_at = datetime.combine(start, SENT_AT) + timedelta(seconds=int(draw[0] * 1500))
        delivered_at = sent_at + timedelta(seconds=1 + int(draw[1] * 40))
        if person is None or household in bounced or delivered_at >= cut_off:
            continue
        if not person.may_be_mailed(sent_at):
            continue
        bounces = redeemed_on is None and draw[2] < HARD_BOUNCE_SHARE
        clicked_at = None if redeemed_on is None else _click(delivered_at, redeemed_on, float(draw[3]))
        if bounces:
            bounced.add(household)
        sends.append(
            PastSend(
                send_id=f"S{campaign:02d}-{household:05d}",
                contact_id=person.contact_id,
                campaign=f"Coupon mailing {campaign} ({kind})",
                sent_at=sent_at,
                delivered_at=None if bounces else delivered_at,
                bounced_at=delivered_at if bounces else None,
                clicked_at=clicked_at if clicked_at is not None and clicked_at < cut_off else None,
            )
        )
    return sends


def past_letters(
    people: Sequence[Person], sends: Sequence[PastSend], *, count: int, cut_off: datetime, seed: int
) -> list[PastSend]:
    """The last ``count`` letters of the shop's earlier tool: every two weeks, the same to all who agreed.

    Addresses that bounced in the mailings ``sends`` got none. No click is known of any.
    """
    bounced = {send.contact_id for send in sends if send.bounced_at is not None}
    draws = np.random.default_rng([seed, 5]).random((count, max((one.household for one in people), default=0) + 1))
    letters: list[PastSend] = []
    for number in range(count):
        # The last one lies so far back that no frequency cap counts it any more.
        day = (cut_off - LETTER_EVERY * (count - number)).date()
        for person in people:
            sent_at = datetime.combine(day, SENT_AT) + timedelta(seconds=int(draws[number, person.household] * 1500))
            if person.contact_id in bounced or not person.may_be_mailed(sent_at):
                continue
            letters.append(
                PastSend(
                    send_id=f"L{number + 1:02d}-{person.household:05d}",
                    contact_id=person.contact_id,
                    campaign=f"Letter of {day:%-d %B}",
                    sent_at=sent_at,
                    delivered_at=sent_at + timedelta(seconds=20),
                    bounced_at=None,
                    clicked_at=None,
                )
            )
    return letters


def suppressions(
    people: Sequence[Person], sends: Sequence[PastSend], *, cut_off: datetime, seed: int
) -> list[Suppressed]:
    """Hard bounces of the past mailings, a few complaints and refusals by telephone, and a few strangers."""
    emails = {person.contact_id: person.email for person in people}
    rows = [
        Suppressed(emails[send.contact_id], "hard_bounce", send.bounced_at, "mail server")
        for send in sends
        if send.bounced_at is not None
    ]
    taken = {row.email for row in rows}
    rng = np.random.default_rng([seed, 3])
    chosen = [person for person in people if person.consents and person.email not in taken]
    picks = rng.permutation(len(chosen))[: COMPLAINTS + PHONE_REFUSALS]
    for place, pick in enumerate(picks.tolist()):
        person = chosen[pick]
        reason, source = ("complained", "mailbox provider") if place < COMPLAINTS else ("manual", "telephone")
        at = person.created_at + float(rng.uniform(0.3, 0.95)) * (cut_off - person.created_at)
        rows.append(Suppressed(person.email, reason, at.replace(microsecond=0), source))
    for number in range(STRANGERS):
        at = cut_off - timedelta(days=40 + 25 * number)
        rows.append(Suppressed(f"former.customer.{number + 1}@example.com", "unsubscribed", at, "earlier tool"))
    return sorted(rows, key=lambda row: (row.at, row.email))


def _click(delivered_at: datetime, redeemed_on: date, draw: float) -> datetime:
    """Some moment between the delivery and the evening of the day on which the coupon was used."""
    evening = datetime.combine(redeemed_on, time(20, 0), tzinfo=UTC)
    room = max(evening - delivered_at, timedelta(hours=2)) - timedelta(minutes=2)
    return (delivered_at + timedelta(minutes=2) + draw**2 * room).replace(microsecond=0)
