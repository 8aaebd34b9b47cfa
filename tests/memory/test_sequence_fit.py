"""A sequence where channels are missing: it loses their messages and what served only those, and stays a sound one."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from memory.sequence_check import defects, most_sends
from memory.sequence_fit import fit, shape
from memory.steps import Sequence
from tests.memory.sequences import any_sequence, branch, cart, leave, send, sequence, wait

MAIL_ONLY = ("email",)
TEXT: dict[str, object] = {"template": "", "channel": "sms", "copies": {"en": {"body": ["Hello."]}}}


def text(key: str, **more: object) -> dict[str, object]:
    return {**send(key), **TEXT, **more}


def agreed(key: str, then: str, otherwise: str) -> dict[str, object]:
    return {**branch(key, then, otherwise), "condition": {"type": "consent", "channel": "sms"}}


def keys(of: Sequence) -> list[str]:
    return [step.key for step in of.steps]


def test_where_every_channel_is_there_nothing_changes() -> None:
    whole = sequence(send("mail"), wait("day", days=1), text("text"), leave())
    assert fit(whole, ("email", "sms")) is whole
    assert fit(cart(), MAIL_ONLY) == cart()


def test_a_text_goes_with_the_wait_that_only_it_needed() -> None:
    left = fit(sequence(send("mail"), wait("day", days=1), text("text"), leave()), MAIL_ONLY)
    assert keys(left) == ["mail", "end"]


def test_waits_around_it_become_one() -> None:
    whole = sequence(
        send("mail"), wait("hour", hours=1), text("text"), wait("day", hours=23, minutes=30), send("last"), leave()
    )
    left = fit(whole, MAIL_ONLY)
    assert keys(left) == ["mail", "hour", "last", "end"]
    one = left.steps[1]
    assert one.kind == "wait"
    assert one.duration == timedelta(days=1, minutes=30)
    assert (one.days, one.minutes) == (1, 30)


def test_a_wait_to_which_two_ways_lead_stays_apart() -> None:
    whole = sequence(
        branch("clicked", "hour", "day"),
        wait("hour", hours=1),
        text("text"),
        wait("day", days=1),
        send("last"),
        leave(),
    )
    assert keys(fit(whole, MAIL_ONLY)) == ["clicked", "hour", "day", "last", "end"]


def test_a_branch_goes_once_both_ways_are_one() -> None:
    whole = sequence(branch("clicked", "mail", "text"), text("text"), send("mail"), leave())
    assert keys(fit(whole, MAIL_ONLY)) == ["mail", "end"]


def test_nobody_has_agreed_to_a_channel_that_is_not_there() -> None:
    whole = sequence(agreed("agreed", "text", "mail"), text("text", next="end"), send("mail"), leave())
    assert keys(fit(whole, MAIL_ONLY)) == ["mail", "end"]
    assert fit(whole, ("email", "sms")) is whole


def test_a_sequence_of_texts_alone_stays_for_the_guardian_to_refuse() -> None:
    whole = sequence(text("text"), leave())
    assert fit(whole, MAIL_ONLY) is whole


def test_sequences_of_one_shape_differ_in_names_alone() -> None:
    one, other = (
        sequence(send(f"{name}1"), wait(f"{name}2", days=1), send(f"{name}3"), leave(f"{name}4")) for name in "ab"
    )
    assert shape(one) == shape(other)
    assert shape(one) != shape(sequence(send("a1"), wait("a2", days=2), send("a3"), leave("a4")))
    assert shape(one) != shape(sequence(send("a1", next="a4"), send("a3", next="a4"), leave("a4")))


@given(whole=any_sequence(forward=True), data=st.data())
def test_what_is_left_of_a_sound_sequence_is_sound(whole: Sequence, data: st.DataObject) -> None:
    changed = [
        step.model_copy(update={"channel": "sms"}) if step.kind == "send" and data.draw(st.booleans()) else step
        for step in whole.steps
    ]
    mixed = whole.model_copy(update={"steps": tuple(changed)})
    left = fit(mixed, MAIL_ONLY)
    mails = {step.key for step in mixed.steps if step.kind == "send" and step.channel == "email"}
    if defects(mixed) or not mails:
        return
    assert defects(left) == []
    assert {step.key for step in left.steps if step.kind == "send"} <= mails
    assert most_sends(left) <= most_sends(mixed)
