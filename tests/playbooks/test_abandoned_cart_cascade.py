"""The abandoned cart on several channels: who is texted, who is put on an audience, and who goes on with neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memory import consents
from memory.clock import ManualClock
from memory.store import Store
from tests.playbooks.scene import DAY, HOUR, MINUTE, Shop, open_shop
from tests.plays import PLAYBOOKS
from tests.tools.scene import NOW, PROOF, add_contacts
from tools.unsubscribe import opt_out

TEXTED, LISTED, NEITHER, BOTH = 1, 2, 3, 4
"""Contacts by what they agreed to beside e-mail."""
REMINDER = ("email", "reminder", 20 * MINUTE)
SECOND = ("email", "second", DAY + 20 * MINUTE)
TEXT = ("sms", "text", HOUR + 20 * MINUTE)
LIST = ("audience", "listed", HOUR + 20 * MINUTE)
TAKEN_OFF = ("audience", "listed/off", DAY + 30 * MINUTE)
Open = Callable[..., Shop]


@pytest.fixture
def opened(store: Store, clock: ManualClock, tmp_path: Path) -> Open:
    def open_on(*channels: Any) -> Shop:
        add_contacts(store, [TEXTED, LISTED, NEITHER, BOTH])
        agreed = [(TEXTED, "sms"), (LISTED, "audience"), (BOTH, "sms"), (BOTH, "audience")]
        with store.write() as connection:
            consents.record(
                connection,
                [
                    consents.Consent(
                        contact_id=one, channel=channel, purpose="marketing", state="granted", at=NOW - DAY, proof=PROOF
                    )
                    for one, channel in agreed
                ],
            )
        shop = open_shop(store, clock, tmp_path, *channels)
        shop.run("abandoned_cart", only="after_20_minutes")
        return shop

    return open_on


def cart(shop: Shop) -> None:
    for one in (TEXTED, LISTED, NEITHER, BOTH):
        shop.happens("cart", one, product_id="p-coffee")


def two_days(shop: Shop) -> None:
    shop.passes(2 * HOUR)
    shop.passes(21 * HOUR, every=3 * HOUR)
    shop.passes(3 * HOUR)


@pytest.mark.parametrize(
    ("channels", "between"),
    [
        (("sms", "audience"), {TEXTED: [TEXT], LISTED: [LIST], NEITHER: [], BOTH: [TEXT]}),
        (("sms",), {TEXTED: [TEXT], LISTED: [], NEITHER: [], BOTH: [TEXT]}),
        (("audience",), {TEXTED: [], LISTED: [LIST], NEITHER: [], BOTH: [LIST]}),
        ((), {TEXTED: [], LISTED: [], NEITHER: [], BOTH: []}),
    ],
    ids=["both", "texts", "audiences", "neither"],
)
def test_an_hour_without_a_sign_each_goes_the_way_that_they_agreed_to(
    opened: Open, channels: tuple[str, ...], between: dict[int, list[Any]]
) -> None:
    shop = opened(*channels)
    cart(shop)
    two_days(shop)
    for one, its in between.items():
        # With the last mail they leave the campaign, and the audience with it.
        after = [TAKEN_OFF] if LIST in its else []
        assert shop.left(one) == [REMINDER, *its, SECOND, *after]
    assert {shop.entries(one)[0].exit_reason for one in between} == {"completed"}


@pytest.mark.parametrize(("kind", "minutes"), [("click", 40), ("view", 70), ("visit", 25)])
def test_whoever_reacts_to_the_mail_is_neither_texted_nor_listed(opened: Open, kind: str, minutes: int) -> None:
    shop = opened("sms", "audience")
    cart(shop)
    shop.passes(minutes * MINUTE, every=5 * MINUTE)
    for one in (TEXTED, LISTED):
        shop.happens(kind, one)
    two_days(shop)
    assert [step for _, step, _ in shop.left(TEXTED)] == ["reminder", "second"]
    assert [step for _, step, _ in shop.left(LISTED)] == ["reminder", "second"]


def test_looking_on_before_the_mail_is_no_reaction_to_it(opened: Open) -> None:
    shop = opened("sms", "audience")
    cart(shop)
    shop.passes(10 * MINUTE)
    shop.happens("view", TEXTED)
    two_days(shop)
    assert shop.left(TEXTED) == [REMINDER, TEXT, SECOND]


@pytest.mark.parametrize(("minutes", "steps"), [(60, ["reminder"]), (120, ["reminder", "text"])])
def test_an_order_ends_it_before_the_text_and_after_it(opened: Open, minutes: int, steps: list[str]) -> None:
    shop = opened("sms", "audience")
    cart(shop)
    shop.passes(minutes * MINUTE)
    shop.buys(TEXTED)
    two_days(shop)
    assert [step for _, step, _ in shop.left(TEXTED)] == steps
    assert shop.entries(TEXTED)[0].exit_reason == "goal"


def test_whoever_wants_no_more_texts_gets_the_mails(opened: Open, store: Store) -> None:
    shop = opened("sms", "audience")
    cart(shop)
    shop.passes(30 * MINUTE)
    with store.write() as connection:
        opt_out(connection, TEXTED, "sms", "STOP", shop.clock.now())
    two_days(shop)
    assert shop.left(TEXTED) == [REMINDER, SECOND]


def test_whoever_has_no_number_is_not_texted_whatever_they_agreed_to(opened: Open, store: Store) -> None:
    shop = opened("sms", "audience")
    add_contacts(store, [9], phone=None)
    with store.write() as connection:
        for channel in ("sms", "audience"):
            one = consents.Consent(
                contact_id=9, channel=channel, purpose="marketing", state="granted", at=NOW - DAY, proof=PROOF
            )
            consents.record(connection, [one])
    shop.happens("cart", 9)
    two_days(shop)
    assert shop.left(9) == [REMINDER, LIST, SECOND, TAKEN_OFF]


def test_the_text_says_where_the_cart_is_and_how_to_end_texts(opened: Open, tmp_path: Path) -> None:
    shop = opened("sms", "audience")
    cart(shop)
    two_days(shop)
    texts = [path.read_text() for path in (tmp_path / "outbox").glob("*.txt")]
    assert len(texts) == 2
    assert all("https://shop.example.com" in one and "STOP" in one for one in texts)
    told = [json.loads(path.read_text()) for path in (tmp_path / "outbox").glob("*.json")]
    assert sorted((one["audience"], one["action"]) for one in told) == [("open_carts", "add"), ("open_carts", "remove")]


def test_an_order_takes_them_off_the_audience(opened: Open) -> None:
    shop = opened("sms", "audience")
    cart(shop)
    shop.passes(2 * HOUR)
    shop.buys(LISTED)
    shop.passes(10 * MINUTE)
    assert [step for _, step, _ in shop.left(LISTED)] == ["reminder", "listed", "listed/off"]


@pytest.mark.parametrize("channels", [("email",), ("email", "sms"), ("email", "audience")])
def test_no_sequence_asks_for_a_channel_that_is_not_there(channels: tuple[str, ...]) -> None:
    tellings = PLAYBOOKS["abandoned_cart"].tellings(None, channels)
    assert [one.key for one in tellings] == ["after_20_minutes", "after_30_minutes", "after_60_minutes"]
    for one in tellings:
        assert {step.channel for step in one.steps if step.kind == "send"} == set(channels)


def test_without_other_channels_the_cart_is_two_mails_a_day_apart() -> None:
    first = PLAYBOOKS["abandoned_cart"].tellings(None, ["email"])[0]
    assert [step.kind for step in first.steps] == ["wait", "send", "wait", "send", "exit"]
    wait = first.steps[2]
    assert wait.kind == "wait"
    assert wait.duration == DAY
