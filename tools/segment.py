"""Calls of the Segment protocol, told in Noria's words.

https://segment.com/docs/connections/spec/ecommerce/v2/ names the events of a shop; others keep their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from babel.numbers import get_currency_precision

from memory.canonical import digest
from memory.events import ORDER, UNSUBSCRIBE

KINDS: Final = {
    "Product Viewed": "view",
    "Product List Viewed": "visit",
    "Products Searched": "search",
    "Product Added": "cart",
    "Cart Viewed": "visit",
    "Checkout Started": "checkout",
    "Order Completed": ORDER,
    "Signed Up": "signup",
    "Unsubscribed": UNSUBSCRIBE,
}
_AMOUNTS: Final = frozenset({"price", "value", "total", "revenue", "discount", "tax", "shipping", "subtotal"})
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MOST_PROPERTIES: Final = 50
_MOST_LINES: Final = 500
_MOST_OF_ONE: Final = 1_000_000


def is_identity(call: Mapping[str, Any]) -> bool:
    """Whether a call says who somebody is, instead of what they did."""
    return call.get("type") in {"identify", "alias"}


def event_of(call: Mapping[str, Any], received_at: datetime) -> dict[str, Any]:
    """One `track`, `page` or `screen` call as an event of a shop. Raises ValueError for what is none.

    Amounts become whole minor units of the currency that the call names; without one they are left out.
    """
    kind = _kind(call)
    said = call.get("properties")
    properties = dict(said) if isinstance(said, Mapping) else {}
    who = {"contact": str(call["userId"])} if call.get("userId") else {"anonymous_id": str(call.get("anonymousId", ""))}
    if not next(iter(who.values())):
        raise ValueError("it has neither userId nor anonymousId")
    return {
        "event_id": call_id(call),
        "kind": kind,
        "at": _moment(call, received_at),
        "properties": _order(properties) if kind == ORDER else _plain(properties),
        **who,
    }


def call_id(call: Mapping[str, Any]) -> str:
    """By which the same call is known again: the sender's own id, else its content."""
    named = call.get("messageId")
    return named if isinstance(named, str) and 0 < len(named) <= 200 else digest(_printable(call))


def _kind(call: Mapping[str, Any]) -> str:
    if call.get("type") in {"page", "screen"}:
        return "visit"
    name = call.get("event")
    if call.get("type") != "track" or not isinstance(name, str) or not name.strip():
        raise ValueError("it is no track call with an event")
    return KINDS.get(name) or _snake(name)


def _moment(call: Mapping[str, Any], received_at: datetime) -> datetime:
    said = call.get("timestamp") or call.get("originalTimestamp") or call.get("sentAt")
    if not said:
        return received_at
    try:
        found = datetime.fromisoformat(str(said))
    except ValueError as error:
        raise ValueError("its timestamp is no ISO 8601") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _order(said: Mapping[str, Any]) -> dict[str, Any]:
    currency = str(said.get("currency", "")).upper()
    order_id = said.get("order_id") or said.get("orderId")
    if not order_id or not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError("an order needs order_id and currency")
    products = said.get("products")
    lines = [_line(one, currency) for one in products if isinstance(one, Mapping)] if isinstance(products, list) else []
    total = said.get("total", said.get("revenue"))
    return {
        "order_id": str(order_id),
        "currency": currency,
        "total_cents": sum(one["amount_cents"] for one in lines) if total is None else _minor(total, currency),
        "discount_cents": _minor(said.get("discount", 0), currency),
        "lines": lines[:_MOST_LINES],
    }


def _line(said: Mapping[str, Any], currency: str) -> dict[str, Any]:
    count = said.get("quantity", 1)
    known = isinstance(count, int | Decimal) and not isinstance(count, bool)
    if known and not abs(count) <= _MOST_OF_ONE:
        raise ValueError("a quantity is too large")
    quantity = int(count) if known else 1
    return {
        "product_id": str(said.get("product_id") or said.get("productId") or said.get("sku") or ""),
        "category": str(said.get("category") or ""),
        "quantity": quantity,
        "amount_cents": quantity * _minor(said.get("price", 0), currency),
    }


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    """Texts, numbers and truths under names in small letters; amounts where their currency is known."""
    currency = str(said.get("currency", "")).upper()
    found: dict[str, Any] = {}
    for name, value in said.items():
        short = _snake(str(name))
        if not short or len(found) == _MOST_PROPERTIES:
            continue
        if short in _AMOUNTS:
            if re.fullmatch(r"[A-Z]{3}", currency) and isinstance(value, int | Decimal) and not isinstance(value, bool):
                found[f"{short}_cents"] = _minor(value, currency)
        elif isinstance(value, Decimal):
            found[short] = float(value)
        elif (isinstance(value, str | int) or value is None) and not short.endswith("_cents"):
            found[short] = value[:2000] if isinstance(value, str) else value
    return found


def _minor(amount: Any, currency: str) -> int:
    """Whole minor units of an amount, half a unit rounded up. Raises ValueError for what is no amount."""
    try:
        value = Decimal(str(amount)).scaleb(get_currency_precision(currency))
        return int(value.quantize(Decimal(1), ROUND_HALF_UP))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ValueError("an amount is no number") from error


def _snake(name: str) -> str:
    found = "_".join(part.lower() for part in _WORDS.findall(name))[:64].strip("_")
    return found if found[:1].isalpha() else ""


def _printable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _printable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_printable(one) for one in value]
    return str(value) if isinstance(value, Decimal) else value
