"""People who left their address: once each, whatever the steps, and only whoever was asked confirms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evals.market.event import Delivered, MarketEvent
from evals.market.sign_ups import SignUps

STARTS_AT = datetime(2017, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CONTACTS = range(1, 401)


def asked(events: list[MarketEvent]) -> list[Delivered]:
    """A confirmation message for each address that was left, an hour later."""
    return [
        Delivered(one.contact_id, f"m-{one.contact_id}", "c", None, one.at + timedelta(hours=1), is_offer=False)
        for one in events
        if one.kind == "signup_pending"
    ]


def lived(steps: int, seed: int = 3) -> list[MarketEvent]:
    """Sixty days in so many steps, each address asked for its confirmation."""
    people = SignUps(seed, CONTACTS, starts_at=STARTS_AT)
    found: list[MarketEvent] = []
    new: list[MarketEvent] = []
    for step in range(steps):
        new = people.advance(STARTS_AT + (step + 1) * 60 * DAY / steps, asked(new))
        found += new
    return found


def test_everybody_leaves_their_address_at_most_once_and_about_a_third_in_sixty_days() -> None:
    left = [one.contact_id for one in SignUps(3, CONTACTS, starts_at=STARTS_AT).advance(STARTS_AT + 60 * DAY, [])]
    assert len(left) == len(set(left))
    # 1 - 0.994 ** 60 is 30 % of 400.
    assert 90 < len(left) < 150


@pytest.mark.parametrize("steps", [60, 240])
def test_most_of_those_who_are_asked_confirm_afterwards_and_once(steps: int) -> None:
    found = lived(steps)
    pending = {one.contact_id: one for one in found if one.kind == "signup_pending"}
    confirmed = {one.contact_id: one for one in found if one.kind == "confirm"}
    assert len(pending) + len(confirmed) == len(found)
    assert 0.45 < len(confirmed) / len(pending) < 0.75
    assert all(one.at > pending[contact_id].at for contact_id, one in confirmed.items())
    # The consent that follows can be proved by the text that was agreed to.
    assert all(one.properties["text"] for one in pending.values())


def test_nobody_confirms_who_was_not_asked_or_has_not_left_an_address() -> None:
    people = SignUps(3, CONTACTS, starts_at=STARTS_AT)
    strangers = [Delivered(one, f"m-{one}", "c", None, STARTS_AT, is_offer=False) for one in CONTACTS]
    assert {one.kind for one in people.advance(STARTS_AT + 60 * DAY, strangers)} == {"signup_pending"}
