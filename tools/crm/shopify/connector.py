"""How Shopify is read: page by page in order of ids, all there is or what changed since the last pull began.

A question costs points, and each answer says how many are left (https://shopify.dev/docs/api/usage/limits).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from pydantic import SecretStr

from memory.importing.mapping import Mapping as ReadAs
from tools.crm.api import Api, Key
from tools.crm.connector import ConnectorError, Page, Property, Record, cursor_at, moment_of, place_in, written
from tools.crm.secrets import needed_key
from tools.crm.shopify.options import SYSTEM, ShopifyOptions
from tools.crm.shopify.questions import FIELDS, PAGE_SIZES, QUESTIONS

VERSION: Final = "2025-07"
_OVERLAP: Final = timedelta(minutes=5)
_SCOPE: Final = re.compile(r"\b(?:read|write)_[a-z_]{1,40}\b")


class Shopify:
    """Reads products, customers, orders with their lines, and abandoned checkouts."""

    system = SYSTEM

    def __init__(
        self, options: ShopifyOptions, secrets: Mapping[str, SecretStr], *, url: str = "", **more: Any
    ) -> None:
        key = Key("X-Shopify-Access-Token", needed_key(SYSTEM, secrets, "NORIA_SHOPIFY_KEY"))
        self._api = Api(SYSTEM, url or f"https://{options.shop}.myshopify.com", key, busy=_busy, **more)

    def read(self, thing: str, cursor: str, wanted: Sequence[str]) -> Page:
        place = place_in(cursor)
        since = place.get("since", "")
        variables = {
            "first": PAGE_SIZES[thing],
            "after": place.get("after"),
            "query": f"updated_at:>='{since}'" if since else None,
        }
        answer = self._api.post(
            f"/admin/api/{VERSION}/graphql.json", {"query": QUESTIONS[thing], "variables": variables}
        )
        following = place.get("next") or written(answer.at - _OVERLAP)
        found = _data(answer.said)[FIELDS[thing]]
        records = [record for node in found["nodes"] for record in _RECORDS[thing](node)]
        if found["pageInfo"]["hasNextPage"]:
            after = found["pageInfo"]["endCursor"]
            return Page(records, cursor_at(since=since, after=after, next=following), more=True)
        return Page(records, cursor_at(since=following), more=False)

    def properties(self, thing: str) -> list[Property]:
        return []

    def read_as(self, thing: str) -> ReadAs | None:
        return None

    def check(self, *, writing: bool = False) -> str:
        question = "query Access { currentAppInstallation { accessScopes { handle } } }"
        answer = self._api.post(f"/admin/api/{VERSION}/graphql.json", {"query": question})
        held = {one["handle"] for one in _data(answer.said)["currentAppInstallation"]["accessScopes"]}
        missing = sorted({"read_products", "read_customers", "read_orders"} - held)
        if missing:
            raise ConnectorError(
                f"The app may not do all that is needed: {', '.join(missing)} is missing.",
                where=SYSTEM.name,
                remedy=f"Grant it in the app's configuration and install it again ({SYSTEM.page}).",
            )
        history = "all orders" if "read_all_orders" in held else "orders of the last 60 days"
        return f"Shopify takes the key; products, customers and {history} can be read."

    def close(self) -> None:
        self._api.close()


def _busy(said: Any) -> float | None:
    """How long until the points of the question are there again; None where it was answered."""
    errors = said.get("errors") if isinstance(said, dict) else None
    codes = [one.get("extensions", {}).get("code") for one in errors or [] if isinstance(one, dict)]
    if "THROTTLED" not in codes:
        return None
    cost = said.get("extensions", {}).get("cost", {})
    status = cost.get("throttleStatus", {})
    lacking = float(cost.get("requestedQueryCost", 0)) - float(status.get("currentlyAvailable", 0))
    return max(lacking / max(float(status.get("restoreRate", 50)), 1.0), 0.0)


def _data(said: Any) -> dict[str, Any]:
    errors = said.get("errors") if isinstance(said, dict) else None
    if not errors and isinstance(said, dict) and isinstance(said.get("data"), dict):
        return dict(said["data"])
    about = [one.get("extensions", {}) for one in errors or [] if isinstance(one, dict)]
    if any(one.get("code") == "ACCESS_DENIED" for one in about):
        named = sorted({word for one in about for word in _SCOPE.findall(str(one.get("requiredAccess", "")))})
        raise ConnectorError(
            "Shopify does not allow it.",
            where=SYSTEM.name,
            remedy=f"The app needs {' or '.join(named) or SYSTEM.scope} ({SYSTEM.page}).",
        )
    raise ConnectorError(
        "Shopify could not answer the question.",
        where=SYSTEM.name,
        remedy="The next pull asks again; if it stays so, its interface has changed.",
    )


def _products(node: Mapping[str, Any]) -> list[Record]:
    """One for each variant, known by its SKU as in orders, else by its number."""
    image = ((node.get("featuredMedia") or {}).get("preview") or {}).get("image") or {}
    shared = {
        "handle": node["handle"],
        "vendor": node.get("vendor"),
        "url": node.get("onlineStoreUrl"),
        "category": (node.get("category") or {}).get("name"),
        "image": image.get("url"),
    }
    return [
        Record(
            variant.get("sku") or variant["legacyResourceId"],
            {
                **shared,
                "sku": variant.get("sku") or variant["legacyResourceId"],
                "title": node["title"]
                if variant["title"] == "Default Title"
                else f"{node['title']} {variant['title']}",
                "price": variant.get("price"),
                "cost": ((variant.get("inventoryItem") or {}).get("unitCost") or {}).get("amount"),
                "stock": variant.get("inventoryQuantity"),
            },
            moment_of(node.get("updatedAt")),
        )
        for variant in node["variants"]["nodes"]
    ]


def _customers(node: Mapping[str, Any]) -> list[Record]:
    mail, address = node.get("defaultEmailAddress") or {}, node.get("defaultAddress") or {}
    values = {
        **{name: node.get(name) for name in ("firstName", "lastName", "locale", "note", "tags", "createdAt")},
        "email": mail.get("emailAddress"),
        **{name: mail.get(name) for name in ("marketingState", "marketingUpdatedAt", "marketingOptInLevel")},
        "phone": (node.get("defaultPhoneNumber") or {}).get("phoneNumber"),
        **{name: address.get(name) for name in ("company", "address1", "zip", "city")},
        "country": address.get("countryCodeV2"),
    }
    return [Record(str(node["legacyResourceId"]), values, moment_of(node.get("updatedAt")))]


def _orders(node: Mapping[str, Any]) -> list[Record]:
    """One for each line; an order without lines is one record."""
    shared = {
        **{name: node.get(name) for name in ("name", "email", "createdAt", "cancelledAt", "displayFinancialStatus")},
        "customer": (node.get("customer") or {}).get("legacyResourceId"),
        "total": _amount(node, "currentTotalPriceSet"),
        "discount": _amount(node, "currentTotalDiscountsSet"),
        "currency": node.get("currencyCode"),
    }
    lines = [
        {
            "position": position,
            "sku": line.get("sku"),
            "product": line.get("name"),
            "quantity": line.get("quantity"),
            "unitPrice": _amount(line, "originalUnitPriceSet"),
            "amount": _amount(line, "discountedTotalSet"),
        }
        for position, line in enumerate(node["lineItems"]["nodes"], start=1)
    ]
    at = moment_of(node.get("updatedAt"))
    return [Record(node["name"], {**shared, **line}, at) for line in lines or [{"position": 1}]]


def _checkouts(node: Mapping[str, Any]) -> list[Record]:
    """Of somebody who can be named; one that was completed is an order."""
    customer = node.get("customer") or {}
    email = (customer.get("defaultEmailAddress") or {}).get("emailAddress")
    if node.get("completedAt") or not (email or customer):
        return []
    values = {
        "customer": customer.get("legacyResourceId"),
        "email": email,
        "createdAt": node["createdAt"],
        "total": _amount(node, "totalPriceSet"),
        "properties": json.dumps({"link": node.get("abandonedCheckoutUrl") or ""}),
    }
    return [Record(f"shopify-{str(node['id']).rsplit('/', 1)[-1]}", values, moment_of(node.get("updatedAt")))]


def _amount(node: Mapping[str, Any], name: str) -> Any:
    return ((node.get(name) or {}).get("shopMoney") or {}).get("amount")


_RECORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], list[Record]]]] = {
    "products": _products,
    "contacts": _customers,
    "orders": _orders,
    "checkouts": _checkouts,
}
CONNECTOR: Final = Shopify
