"""Where the contacts of a campaign are: what enrolments, messages and alerts say, and no more than that."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.flow.progress import Walker, notes_of, progress
from memory import campaigns
from memory.clock import ManualClock
from memory.steps import AlertStep, ExitStep, SendStep, Sequence
from memory.store import Store
from tests.memory.sequences import any_sequence, branch, cart, leave, send, sequence
from tests.tools.scene import DAY, add_contacts, mailable, play, start, workplace
from tools.intake import Incoming, receive
from tools.worker import tick
from tools.workplace import Workplace


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def did(place: Workplace, kind: str, contact: int, **properties: object) -> None:
    at = place.clock.now()
    event = Incoming(event_id=f"{kind}-{contact}", kind=kind, at=at, contact=contact, properties=properties)
    receive(place.store, [event], at)


def test_contacts_are_counted_where_they_stand_and_where_they_passed(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, range(1, 21))
    of = mailable(cart())
    done = start(place, play(sequences=(of,), holdout_share=0.25), range(1, 21))
    tick(place)
    clock.advance(timedelta(minutes=20))
    tick(place)
    with place.store.read() as connection:
        campaign = campaigns.get(connection, done.campaign_id)
        first = progress(connection, campaign, of)
    assert first.entered + first.held_out == 20
    assert first.held_out > 0
    everybody = first.entered
    assert first.steps["first"].messages == {"sent": everybody}
    assert (first.steps["calm"].passed, first.steps["look"].here) == (everybody, everybody)
    assert first.steps["clicked"].passed_at_most == 0

    treated = _treated(place)
    for contact in treated[:2]:
        did(place, "click", contact, link="shoes")
    did(place, "order", treated[2], order_id="o1", total_cents=900, currency="EUR")
    clock.advance(DAY + timedelta(hours=1))
    tick(place)
    tick(place)
    with place.store.read() as connection:
        found = progress(connection, campaign, of)
    counts = found.steps
    assert counts["clicked"].passed == counts["clicked"].passed_at_most == everybody - 1
    assert counts["call"].passed == counts["call"].passed_at_most == counts["mark"].passed == everybody - 3
    assert counts["mornings"].passed == counts["mornings"].passed_at_most == 2
    assert counts["shoes"].messages == {"sent": 2}
    assert counts["end"].passed == everybody - 1
    assert notes_of(found, of, "{:.0f}".format)[""] == f"{everybody} entered · {20 - everybody} held out"
    assert notes_of(found, of, "{:.0f}".format)["end"] == f"{everybody - 1} left here"


def _treated(place: Workplace) -> list[int]:
    with place.store.read() as connection:
        rows = connection.exec_driver_sql("select contact_id from messages where state = 'sent' order by contact_id")
        return [row[0] for row in rows]


def test_where_two_ways_leave_no_trace_the_count_says_between_what_it_lies() -> None:
    of = sequence(
        send("first"),
        branch("which", "mark", "last"),
        {"kind": "update", "key": "mark", "attribute": "tier", "value": 1},
        send("last"),
        leave(),
    )
    sure, possible = Walker(of).passed({"first", "last"}, "last", None)
    assert sure == {"first", "which"}
    assert possible == {"first", "which", "mark"}


@given(any_sequence(forward=True), st.data())
def test_what_is_counted_as_passed_was_passed_and_nothing_passed_is_left_out(of: Sequence, data: st.DataObject) -> None:
    way, at = [], of.steps[0]
    reason = None
    while True:
        stays = at.kind in ("send", "wait", "wait_window", "wait_event") and data.draw(st.booleans())
        if stays:
            break
        way.append(at.key)
        if isinstance(at, ExitStep):
            reason = at.reason
            break
        following = of.step(str(data.draw(st.sampled_from(of.followers(at.key)))))
        assert following is not None
        at = following
    stood = [key for key in (*way, at.key) if (one := of.step(key)) and one.kind in ("send", "wait", "wait_event")]
    stands = at.key if reason is None else next(iter(stood[::-1]), None)
    seen = {key for key in (*way, at.key) if isinstance(of.step(key), SendStep | AlertStep)}
    sure, possible = Walker(of).passed(seen, stands, reason)
    assert sure <= set(way) <= possible
