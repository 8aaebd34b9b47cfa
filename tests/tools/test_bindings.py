"""Personal values: read from records, written as the reader writes them, and missed aloud."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update

from memory.contacts import merge
from memory.play import Play
from memory.schema import contacts
from memory.store import Store
from tests.examples import NOW, brand
from tests.plays import PLAYBOOKS, offer_for, play_of, step_of
from tools.bindings import (
    Bindings,
    Product,
    Recipient,
    Resolution,
    format_day,
    format_money,
    language_of,
    resolve_many,
)
from tools.render import render

WAY_OUT = "https://noria.example.net/u/abc"
CHOOSE = "https://noria.example.net/p/abc"
COFFEE = Product("42", "GROUND COFFEE", "Coffee", 1299, "https://shop.example.com/p/42")


def add(store: Store, contact_id: int, **values: Any) -> None:
    row = {"contact_id": contact_id, "created_at": NOW, "updated_at": NOW, "attributes": {}, **values}
    with store.write() as connection:
        connection.execute(insert(contacts).values(row))


def resolve(
    store: Store, play: Play, *ids: int, records: Any = None, products: Any = None, currency: str = "EUR", at: int = 0
) -> Resolution:
    recipients = [Recipient(contact_id, records or {}, WAY_OUT, CHOOSE) for contact_id in ids]
    with store.read() as connection:
        return resolve_many(
            connection, play, play.sends()[at][1], recipients, products=products or {}, currency=currency
        )


def test_values_come_from_the_contact_the_offer_and_the_brand(any_store: Store) -> None:
    add(any_store, 1, first_name="anna", language="fr", country="FR", time_zone="Europe/Paris", last_order_at=NOW)
    play = play_of(PLAYBOOKS["win_back"])
    found = resolve(any_store, play, 1, at=2).ready[1]
    assert found.language == "fr"
    assert found.values["contact.first_name"] == "Anna"
    assert found.values["offer.label"] == "10 % de remise sur votre prochain panier"
    assert found.values["offer.ends_on"] == "30 mars 2025"
    assert found.values["links.shop"] == "https://shop.example.com"
    assert found.values["links.unsubscribe"] == WAY_OUT
    assert found.values["links.preferences"] == CHOOSE
    message = render(play, step_of(play, "reminder_then_offer", "offer"), "fr", found)
    assert "Bonjour Anna," in message.text


def test_what_a_contact_may_lack_is_left_out_and_the_message_still_renders(store: Store) -> None:
    add(store, 1, first_name="<script>", language="xx", time_zone="Nowhere/Land")
    play = play_of(PLAYBOOKS["win_back"], offer=None)
    found = resolve(store, play, 1).ready[1]
    assert "contact.first_name" not in found.values
    assert "last_order.date" not in found.values
    assert "\nHello,\n" in render(play, play.sends()[0][1], found.language, found).text


def test_a_missing_product_is_told_and_the_others_are_resolved(store: Store) -> None:
    add(store, 1, language="en")
    add(store, 2, language="en")
    play = play_of(PLAYBOOKS["replenishment"])
    recipients = [Recipient(1, {"product": "42"}, WAY_OUT, CHOOSE), Recipient(2, {"product": "404"}, WAY_OUT, CHOOSE)]
    with store.read() as connection:
        found = resolve_many(connection, play, play.sends()[0][1], recipients, products={"42": COFFEE})
    assert found.ready[1].values["product.name"] == "Ground coffee"
    assert found.ready[1].values["links.reorder"] == "https://shop.example.com/p/42"
    assert found.missing[2].binding == "product.name"
    assert found.missing[2].code == "missing_value"


@pytest.mark.parametrize("name", ["", "visit evil.com now", "<b>x</b>", "\u200b"])
def test_a_product_name_that_is_no_name_counts_as_missing(store: Store, name: str) -> None:
    add(store, 1)
    play = play_of(PLAYBOOKS["replenishment"])
    found = resolve(store, play, 1, records={"product": "42"}, products={"42": Product("42", name)})
    assert found.missing[1].binding == "product.name"


def test_a_product_page_on_a_foreign_domain_gives_way_to_the_shop(store: Store) -> None:
    add(store, 1)
    play = play_of(PLAYBOOKS["replenishment"])
    foreign = Product("42", "Tea", url="https://evil.example.net/tea")
    found = resolve(store, play, 1, records={"product": "42"}, products={"42": foreign})
    assert found.ready[1].values["links.reorder"] == "https://shop.example.com"


def test_a_contact_without_a_way_out_is_not_ready(store: Store) -> None:
    add(store, 1)
    play = play_of(PLAYBOOKS["win_back"], offer=None)
    with store.read() as connection:
        found = resolve_many(connection, play, play.sends()[0][1], [Recipient(1, preferences_url=CHOOSE)])
    assert found.missing[1].binding == "links.unsubscribe"


def test_unknown_and_erased_contacts_are_missing(store: Store) -> None:
    add(store, 1, erased_at=NOW)
    found = resolve(store, play_of(PLAYBOOKS["win_back"], offer=None), 1, 99)
    assert set(found.missing) == {1, 99}


def test_a_merged_contact_is_greeted_by_the_name_of_the_one_that_was_kept(store: Store) -> None:
    add(store, 1, first_name="Zoé")
    add(store, 2)
    with store.write() as connection:
        merge(connection, kept=1, merged=2, actor="cli:test", at=NOW)
    found = resolve(store, play_of(PLAYBOOKS["win_back"], offer=None), 2)
    assert found.ready[2].values["contact.first_name"] == "Zoé"


def test_the_values_follow_the_record_at_the_send(store: Store) -> None:
    add(store, 1, first_name="Anna")
    play = play_of(PLAYBOOKS["win_back"], offer=None)
    with store.write() as connection:
        connection.execute(update(contacts).values(first_name="Anne"))
    assert resolve(store, play, 1).ready[1].values["contact.first_name"] == "Anne"


def test_only_values_that_the_message_names_are_looked_up(store: Store) -> None:
    add(store, 1, first_name="Anna", last_order_at=NOW)
    names = set(resolve(store, play_of(PLAYBOOKS["vip_thank_you"], offer=None), 1).ready[1].values)
    assert names == {"contact.first_name", "brand.name", "links.shop", "links.preferences", "links.unsubscribe"}


@pytest.mark.parametrize(
    ("wanted", "brand_language", "language"),
    [("fr", "en", "fr"), ("FR-ca", "en", "fr"), ("de", "fr", "fr"), ("", "en", "en"), ("de", "nl", "en")],
)
def test_a_contact_is_written_to_in_their_language_else_the_brands(
    wanted: str, brand_language: str, language: str
) -> None:
    play = play_of(PLAYBOOKS["win_back"], brand=brand(language=brand_language))
    assert language_of(wanted, play.sends()[0][1], play) == language


@pytest.mark.parametrize(
    ("ends_at", "zone", "day"),
    [
        ("2025-03-29T00:00:00", "Europe/London", "28 March 2025"),
        ("2025-02-28T23:59:59", "Europe/London", "28 February 2025"),
        ("2025-02-28T23:59:59", "Europe/Paris", "28 February 2025"),
        ("2025-02-28T23:59:59", "America/New_York", "27 February 2025"),
        ("2025-02-28T12:00:00", "Europe/London", "27 February 2025"),
        ("2025-03-30T22:00:00", "Europe/Paris", "30 March 2025"),
        ("2025-10-26T23:00:00", "Europe/Paris", "26 October 2025"),
    ],
)
def test_the_last_day_of_an_offer_is_one_on_which_it_holds_until_midnight_where_the_contact_is(
    store: Store, ends_at: str, zone: str, day: str
) -> None:
    add(store, 1, language="en", country="GB", time_zone=zone)
    playbook = PLAYBOOKS["win_back"]
    offer = offer_for(playbook)
    assert offer is not None
    changed = offer.model_copy(update={"ends_at": datetime.fromisoformat(ends_at).replace(tzinfo=UTC)})
    assert resolve(store, play_of(playbook, offer=changed), 1, at=2).ready[1].values["offer.ends_on"] == day


def test_the_first_of_a_month_is_an_ordinal_in_french() -> None:
    first = datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert format_day(first, "Europe/Paris", language="fr", country="FR") == "1er mars 2025"
    assert format_day(first, "Europe/London", language="en", country="GB") == "1 March 2025"


def test_a_day_is_the_readers_own_day() -> None:
    at = datetime(2025, 3, 3, 23, 30, tzinfo=UTC)
    assert format_day(at, "Europe/Paris", language="fr") == "4 mars 2025"
    assert format_day(at, "America/New_York", language="en", country="US") == "March 3, 2025"
    assert format_day(at, "Europe/London", language="en", country="gb") == "3 March 2025"


@pytest.mark.parametrize(
    ("cents", "currency", "language", "country", "written"),
    [
        (1250, "EUR", "fr", "FR", "12,50\u00a0€"),
        (1250, "EUR", "en", "IE", "€12.50"),
        (123456789, "USD", "en", "US", "$1,234,567.89"),
        (1250, "JPY", "en", "US", "¥1,250"),
        (-5, "EUR", "fr", "??", "-0,05\u00a0€"),
    ],
)
def test_money_is_written_as_the_reader_writes_it(
    cents: int, currency: str, language: str, country: str, written: str
) -> None:
    assert format_money(cents, currency, language=language, country=country) == written


def test_many_recipients_are_read_in_chunks(store: Store) -> None:
    rows = [
        {"contact_id": number, "created_at": NOW, "updated_at": NOW, "attributes": {}, "first_name": "Anna"}
        for number in range(1, 1202)
    ]
    with store.write() as connection:
        connection.execute(insert(contacts), rows)
    found = resolve(store, play_of(PLAYBOOKS["win_back"], offer=None), *range(1, 1202))
    assert len(found.ready) == 1201
    assert isinstance(found.ready[1201], Bindings)
