"""Shopify: what its customers, products, orders and checkouts become, and how its points are kept to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from memory.clock import ManualClock
from memory.schema import consent_current, contacts
from memory.store import Store
from tests.memory.importing.loading import rows_of
from tests.tools.crm.scene import intake, people, read
from tests.tools.crm.shopify_server import ShopifyServer
from tools.crm.connector import ConnectorError
from tools.crm.intake import Intake


@pytest.fixture
def server() -> Iterator[ShopifyServer]:
    with ShopifyServer() as found:
        yield found


@pytest.fixture
def place(store: Store, tmp_path: Path, clock: ManualClock) -> Intake:
    return intake(store, tmp_path, clock)


def money(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount}}


def fill(server: ShopifyServer) -> None:
    server.put(1, first_name="Ann")
    server.nodes["customers"][1]["defaultEmailAddress"] |= {
        "marketingState": "SUBSCRIBED",
        "marketingUpdatedAt": "2024-08-01T10:00:00Z",
        "marketingOptInLevel": "CONFIRMED_OPT_IN",
    }
    variants = [
        {"legacyResourceId": "11", "sku": "CUP-S", "title": "S", "price": "12.50", "inventoryQuantity": 3},
        {"legacyResourceId": "12", "sku": "", "title": "L", "price": "15.00", "inventoryQuantity": -1},
    ]
    product = {"title": "Cup", "handle": "cup", "vendor": "Maple", "category": {"name": "Cups"}}
    server.keep("products", 1, {**product, "variants": {"nodes": variants}})
    lines = [
        {"sku": "CUP-S", "name": "Cup - S", "quantity": 2, "discountedTotalSet": money("20.00")},
        {"sku": "CUP-S", "name": "Cup - S", "quantity": 1, "discountedTotalSet": money("12.50")},
    ]
    order = {
        "name": "#1001",
        "email": "person1@shop.example.com",
        "customer": {"legacyResourceId": "1"},
        "displayFinancialStatus": "PAID",
        "currencyCode": "EUR",
        "currentTotalPriceSet": money("32.50"),
        "currentTotalDiscountsSet": money("5.0"),
        "lineItems": {"nodes": lines},
    }
    server.keep("orders", 1, order)
    server.keep("orders", 2, {**order, "name": "#1002", "cancelledAt": "2024-09-02T10:00:00Z"})
    server.keep("orders", 3, {**order, "name": "#1003", "currencyCode": "USD"})
    checkout = {"id": "gid://shopify/AbandonedCheckout/7", "customer": {"legacyResourceId": "1"}}
    server.keep("abandonedCheckouts", 7, {**checkout, "totalPriceSet": money("40.00")})
    server.keep("abandonedCheckouts", 8, {**checkout, "id": "gid://x/8", "completedAt": "2024-09-02T10:00:00Z"})


def test_a_shop_becomes_customers_products_orders_with_lines_and_checkouts(
    server: ShopifyServer, place: Intake, tmp_path: Path
) -> None:
    fill(server)
    done = read(place, server, tmp_path)
    assert {name: one.trouble for name, one in done.items()} == dict.fromkeys(done, "")
    assert list(done) == ["products", "contacts", "orders", "checkouts"]
    assert rows_of(place.lake, "SELECT product_id, name, price_cents, stock_units FROM products ORDER BY 1") == [
        ("12", "Cup L", 1500, 0),
        ("CUP-S", "Cup S", 1250, 3),
    ]
    with place.store.read() as connection:
        ann = connection.execute(select(contacts.c.contact_id)).scalar_one()
        consent = connection.execute(select(consent_current.c.state, consent_current.c.has_proof)).one()
    assert tuple(consent) == ("granted", True)
    assert rows_of(place.lake, "SELECT order_id, contact_id, total_cents, discount_cents FROM orders") == [
        ("#1001", ann, 3250, 500)
    ]
    assert rows_of(
        place.lake, "SELECT line, product_id, category, quantity, amount_cents FROM lines ORDER BY line"
    ) == [
        (1, "CUP-S", "Cups", 2, 2000),
        (2, "CUP-S", "Cups", 1, 1250),
    ]
    assert rows_of(place.lake, "SELECT event_id, contact_id, kind, value_cents FROM events") == [
        ("shopify-7", ann, "checkout", 4000)
    ]
    assert done["orders"].set_aside == 2  # both lines
    again = read(place, server, tmp_path, again=True)
    assert {name: one.written for name, one in again.items()} == dict.fromkeys(done, 0)


def test_who_has_no_points_left_waits_as_long_as_shopify_says(
    server: ShopifyServer, place: Intake, tmp_path: Path
) -> None:
    fill(server)
    server.throttled = 2
    assert read(place, server, tmp_path)["contacts"].complete
    assert people(place.store, "shopify") == {"1": "Ann"}


def test_a_scope_that_is_missing_is_named(server: ShopifyServer) -> None:
    connector = server.connector()
    assert "all orders" in connector.check()
    server.scopes = ("read_products", "read_customers")
    with pytest.raises(ConnectorError, match="read_orders is missing"):
        connector.check()
    connector.close()
