"""What a team sets for Shopify, and what can be had from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from pydantic import Field

from tools.crm.connector import System, SystemOptions


class ShopifyOptions(SystemOptions):
    """Customers, products, orders and abandoned checkouts of one shop; its key is NORIA_SHOPIFY_KEY."""

    title: ClassVar[str] = "Shopify"

    shop: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """The name before .myshopify.com."""

    @property
    def needs(self) -> Sequence[str]:
        return ("NORIA_SHOPIFY_KEY",)


SYSTEM: Final = System(
    name="shopify",
    title="Shopify",
    options=ShopifyOptions,
    things={"products": "products", "contacts": "contacts", "orders": "orders", "checkouts": "events"},
    discovers=False,
    scope="read_products, read_customers, read_orders and read_all_orders",
    secrets={"NORIA_SHOPIFY_KEY": "the Admin API access token of a custom app"},
    limits="extensions.cost.throttleStatus",
)
