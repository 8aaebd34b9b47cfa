"""The exports are what a shop would hand over: complete, consistent, dated before the cut-off, with real gaps."""

from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from evals.shop.export import CUT_OFF, ShopCounts, write_shop
from memory.importing.mapping import guess

Shop = tuple[Path, ShopCounts]


def _rows(shop: Shop, name: str) -> list[dict[str, str]]:
    with (shop[0] / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _one(shop: Shop, query: str) -> tuple[int, ...]:
    """The single row of a query over the exports."""
    with duckdb.connect() as db:
        for name in ("orders", "order_lines", "products", "contacts"):
            path = shop[0] / f"{name}.csv"
            db.execute(f"CREATE VIEW {name} AS FROM read_csv('{path}')")
        rows: list[tuple[int, ...]] = db.execute(query).fetchall()
    return rows[0]


def _contacts_in_force(shop: Shop) -> dict[str, dict[str, str]]:
    latest: dict[str, dict[str, str]] = {}
    for row in sorted(_rows(shop, "consents"), key=lambda row: row["at"]):
        latest[row["contact_id"]] = row
    return latest


def test_every_household_becomes_one_contact_with_an_address_of_its_own(shop: Shop) -> None:
    contacts = _rows(shop, "contacts")
    assert len(contacts) == shop[1].contacts == 2469
    assert len({row["contact_id"] for row in contacts}) == len({row["email"] for row in contacts}) == 2469
    assert all(row["email"].isascii() and row["email"].endswith("@example.com") for row in contacts)


def test_line_amounts_and_discounts_add_up_to_their_orders(shop: Shop) -> None:
    unequal, orders, lines = _one(
        shop,
        """
        WITH s AS (
            SELECT order_id, sum(round(amount * 100)::BIGINT) AS amount, sum(round(discount * 100)::BIGINT) AS discount,
                   count(*) AS n, max(line) AS last
            FROM order_lines GROUP BY 1
        )
        SELECT count(*) FILTER (s.amount IS DISTINCT FROM round(o.total * 100)::BIGINT
                                OR s.discount IS DISTINCT FROM round(o.discount * 100)::BIGINT OR s.n <> s.last),
               count(*), sum(s.n)::BIGINT
        FROM orders o FULL JOIN s USING (order_id)
        """,
    )
    assert unequal == 0
    assert (orders, lines) == (shop[1].orders, shop[1].order_lines)
    assert lines + shop[1].voided_lines == 1_095_588


def test_every_line_names_a_product_of_the_catalogue_and_every_order_a_contact(shop: Shop) -> None:
    assert _one(shop, "SELECT count(*) FROM order_lines ANTI JOIN products USING (product_id)") == (0,)
    assert _one(shop, "SELECT count(*) FROM orders ANTI JOIN contacts USING (contact_id)") == (0,)
    assert _one(shop, "SELECT count(*) FROM order_lines WHERE quantity NOT BETWEEN 1 AND 150 OR amount < 0") == (0,)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("contacts", ["created_at"]),
        ("consents", ["at"]),
        ("suppressions", ["at"]),
        ("orders", ["ordered_at"]),
        ("sends", ["sent_at", "delivered_at", "bounced_at", "clicked_at"]),
        ("offers", ["starts_at"]),
    ],
)
def test_nothing_is_dated_at_or_after_the_cut_off(shop: Shop, name: str, columns: list[str]) -> None:
    moments = [row[column] for row in _rows(shop, name) for column in columns if row[column]]
    assert moments
    assert all(datetime.fromisoformat(moment) < CUT_OFF for moment in moments)


def test_a_contact_exists_before_its_consents_orders_and_mailings(shop: Shop) -> None:
    created = {row["contact_id"]: row["created_at"] for row in _rows(shop, "contacts")}
    for name, column in (("consents", "at"), ("orders", "ordered_at"), ("sends", "sent_at")):
        assert all(created[row["contact_id"]] <= row[column] for row in _rows(shop, name)), name


def test_consents_have_the_gaps_of_a_real_file(shop: Shop) -> None:
    latest = _contacts_in_force(shop)
    states = [(row["state"], bool(row["proof"])) for row in latest.values()]
    assert states.count(("granted", True)) == shop[1].contacts_with_proof
    assert 0.77 <= states.count(("granted", True)) / shop[1].contacts <= 0.83
    assert 0.03 <= states.count(("granted", False)) / shop[1].contacts <= 0.07
    assert 0.03 <= sum(state == "withdrawn" for state, _ in states) / shop[1].contacts <= 0.07
    assert 0.06 <= 1 - len(latest) / shop[1].contacts <= 0.14
    assert {(row["channel"], row["purpose"]) for row in latest.values()} == {("email", "marketing")}


def test_languages_zones_and_countries_are_several_and_partly_missing(shop: Shop) -> None:
    contacts = _rows(shop, "contacts")
    languages = [row["language"] for row in contacts]
    assert set(languages) == {"en", "fr", ""}
    assert 0.2 < languages.count("fr") / len(languages) < 0.4
    zones = {row["time_zone"] for row in contacts}
    assert "" in zones
    assert len(zones) >= 6
    assert all(ZoneInfo(zone).key == zone for zone in zones - {""})
    assert 0.02 < sum(not row["time_zone"] for row in contacts) / len(contacts) < 0.1


def test_past_mailings_went_only_to_contacts_whose_consent_was_in_force(shop: Shop) -> None:
    history: dict[str, list[tuple[str, str]]] = {}
    for row in _rows(shop, "consents"):
        history.setdefault(row["contact_id"], []).append((row["at"], row["state"]))
    sends = _rows(shop, "sends")
    assert 3000 < len(sends) == shop[1].sends
    for send in sends:
        past = [state for at, state in sorted(history.get(send["contact_id"], [])) if at <= send["sent_at"]]
        assert past
        assert past[-1] == "granted"


def test_a_click_needs_a_delivery_and_a_bounced_address_gets_no_more_mail(shop: Shop) -> None:
    sends = _rows(shop, "sends")
    assert any(send["clicked_at"] for send in sends)
    for send in sends:
        assert bool(send["delivered_at"]) != bool(send["bounced_at"])
        assert not send["clicked_at"] or send["delivered_at"] < send["clicked_at"]
    bounced = {send["contact_id"]: send["bounced_at"] for send in sends if send["bounced_at"]}
    assert bounced
    assert not [send for send in sends if send["sent_at"] > bounced.get(send["contact_id"], "9")]
    emails = {row["contact_id"]: row["email"] for row in _rows(shop, "contacts")}
    hard = {row["email"] for row in _rows(shop, "suppressions") if row["reason"] == "hard_bounce"}
    assert hard == {emails[contact] for contact in bounced}


def test_costs_are_missing_for_a_part_and_below_the_price_elsewhere(shop: Shop) -> None:
    products = _rows(shop, "products")
    known = [(float(row["cost"]), float(row["price"])) for row in products if row["cost"]]
    assert 0.3 < 1 - len(known) / len(products) < 0.4
    assert all(0.54 * price - 0.01 <= cost <= 0.81 * price + 0.01 for cost, price in known)


def test_offers_speak_both_languages_and_name_categories_of_the_catalogue(shop: Shop) -> None:
    categories = {row["category"] for row in _rows(shop, "products")}
    offers = _rows(shop, "offers")
    assert len(offers) == shop[1].offers
    assert all(row["label_en"] and row["label_fr"] and row["approved_by"] for row in offers)
    assert {row["category"] for row in offers} - {""} <= categories
    assert {(row["fact_id"], row["language"]) for row in _rows(shop, "facts")} >= {
        (row["fact_id"], other) for row in _rows(shop, "facts") for other in ("en", "fr")
    }


def test_the_same_seed_writes_the_same_bytes_and_another_seed_other_people(shop: Shop, tmp_path: Path) -> None:
    write_shop(tmp_path / "again")
    for path in sorted(shop[0].iterdir()):
        again = tmp_path / "again" / path.name
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest(), path.name
    write_shop(tmp_path / "other", cut_off=datetime(2017, 2, 1, tzinfo=UTC), seed=7)
    assert (tmp_path / "other" / "contacts.csv").read_bytes() != (shop[0] / "contacts.csv").read_bytes()


def test_a_household_stays_the_same_person_at_another_cut_off(shop: Shop, tmp_path: Path) -> None:
    counts = write_shop(tmp_path, cut_off=datetime(2017, 2, 1, tzinfo=UTC))
    assert counts.contacts == 2469
    assert counts.orders < shop[1].orders
    named = ("contact_id", "email", "first_name", "last_name", "language", "time_zone")
    earlier = [[row[column] for column in named] for row in _rows((tmp_path, counts), "contacts")]
    assert earlier == [[row[column] for column in named] for row in _rows(shop, "contacts")]


def test_leads_and_letters_come_on_top_of_the_data_and_change_nothing_of_it(tmp_path: Path) -> None:
    cut_off = datetime(2017, 2, 1, 6, tzinfo=UTC)
    plain, more = (tmp_path / "plain"), (tmp_path / "more")
    counts = write_shop(plain, cut_off=cut_off)
    with_more = write_shop(more, cut_off=cut_off, leads=40, letters=2)
    people = [[row["contact_id"] for row in _rows((place, counts), "contacts")] for place in (plain, more)]
    leads = set(people[1]) - set(people[0])
    assert people[1][: len(people[0])] == people[0]
    assert len(leads) == 40
    assert (plain / "orders.csv").read_bytes() == (more / "orders.csv").read_bytes()
    letters = [row for row in _rows((more, with_more), "sends") if row["campaign"].startswith("Letter of")]
    assert with_more.sends == counts.sends + len(letters)
    assert {row["campaign"] for row in letters} == {"Letter of 4 January", "Letter of 18 January"}
    agreed = {row["contact_id"] for row in _rows((more, with_more), "consents")}
    assert {row["contact_id"] for row in letters} <= agreed
    assert {row["contact_id"] for row in letters} & leads


def test_a_naive_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time zone"):
        write_shop(tmp_path, cut_off=datetime(2017, 10, 1))  # noqa: DTZ001 -- the mistake under test


def test_the_import_recognises_every_file_and_every_column(shop: Shop) -> None:
    kinds = {}
    for path in shop[0].glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            mapping = guess(next(csv.reader(file)), file_name=path.name)
        kinds[path.stem] = mapping.kind
        assert [one.column for one in mapping.columns if not one.field] == [], path.name
    assert kinds.pop("order_lines") == "lines"
    assert kinds == {kind: kind for kind in kinds}
    assert len(kinds) == 8
