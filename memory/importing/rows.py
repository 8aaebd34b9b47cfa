"""What a row of each kind must say: the pydantic models that every row of an import is checked against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic_core import PydanticCustomError

from memory.importing.amounts import (
    Mark,
    UnreadableError,
    read_minor_units,
    read_whole_number,
)
from memory.importing.moments import read_micros
from memory.importing.report import Kind
from memory.importing.words import (
    NOTHING,
    read_attributes,
    read_consent,
    read_country,
    read_email,
    read_flag,
    read_id,
    read_language,
    read_reason,
    read_time_zone,
)
from memory.schema import to_micros


@dataclass(frozen=True, slots=True)
class Reading:
    """How the texts of one column are read."""

    currency: str
    mark: Mark
    day_first: bool
    zone: ZoneInfo
    now: datetime


@dataclass(frozen=True, slots=True)
class Means:
    """What a field's text stands for: which reader, and whether an unreadable cell costs the row or only itself."""

    role: str
    soft: bool = False


def _reader(read: Callable[[str, Reading], Any]) -> BeforeValidator:
    def validate(value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        if not isinstance(info.context, Reading):
            raise TypeError("a row is read with a Reading as its context")
        try:
            return read(value, info.context)
        except UnreadableError as error:
            raise PydanticCustomError("unreadable", "{reason}", {"reason": str(error)}) from error

    return BeforeValidator(validate)


def _text(value: str, _reading: Reading) -> str:
    text = value.strip()
    # The apostrophe by which exports keep spreadsheets from calculating with +33 or rounding 0123.
    return text[1:] if text[:1] == "'" and text[1:2] and text[1] in "+-=@0123456789" else text


def _amount(value: str, reading: Reading) -> int:
    amount = read_minor_units(value, mark=reading.mark, currency=reading.currency)
    if amount < 0:
        raise UnreadableError("the amount is negative")
    return amount


def _discount(value: str, reading: Reading) -> int:
    # Tools write a discount of 5 as 5 or as -5.
    return abs(read_minor_units(value, mark=reading.mark, currency=reading.currency))


def _count(value: str, reading: Reading) -> int:
    count = read_whole_number(value, mark=reading.mark)
    if count < 0:
        raise UnreadableError("the number is negative")
    if count > 2**31 - 1:
        raise UnreadableError("the number is too large")
    return count


def _stock(value: str, reading: Reading) -> int:
    # Shops that sell on order count below zero; there is nothing to send then.
    return max(read_whole_number(value, mark=reading.mark), 0)


def _currency(value: str, reading: Reading) -> str:
    if value.strip().upper() != reading.currency:
        raise UnreadableError(f"the amount is in another currency than {reading.currency}")
    return reading.currency


def _past(value: str, reading: Reading) -> int:
    at = read_micros(value, day_first=reading.day_first, zone=reading.zone)
    if at > to_micros(reading.now):
        raise UnreadableError("this date is in the future")
    return at


def _any_moment(value: str, reading: Reading) -> int:
    return read_micros(value, day_first=reading.day_first, zone=reading.zone)


def _until(value: str, reading: Reading) -> int:
    return read_micros(value, day_first=reading.day_first, zone=reading.zone, end_of_day=True)


def _simple(read: Callable[[str], Any]) -> BeforeValidator:
    return _reader(lambda value, _reading: read(value))


Text = Annotated[str, _reader(_text), Means("text")]
Id = Annotated[str, _simple(read_id), Means("id")]
Email = Annotated[str, _simple(read_email), Means("email")]
Amount = Annotated[int, _reader(_amount), Means("amount")]
Discount = Annotated[int, _reader(_discount), Means("amount")]
Value = Annotated[int, _reader(_amount), Means("amount", soft=True)]
Count = Annotated[int, _reader(_count), Means("count")]
Stock = Annotated[int, _reader(_stock), Means("count", soft=True)]
Currency = Annotated[str, _reader(_currency), Means("currency")]
Past = Annotated[int, _reader(_past), Means("moment")]
AnyMoment = Annotated[int, _reader(_any_moment), Means("moment")]
Until = Annotated[int, _reader(_until), Means("moment")]
Flag = Annotated[bool, _simple(read_flag), Means("flag")]
State = Annotated[str, _simple(read_consent), Means("consent")]
WhySuppressed = Annotated[str, _simple(read_reason), Means("reason")]
Language = Annotated[str, _simple(read_language), Means("language", soft=True)]
Country = Annotated[str, _simple(read_country), Means("country", soft=True)]
Attributes = Annotated[str, _simple(read_attributes), Means("text")]
TimeZone = Annotated[str, _simple(read_time_zone), Means("time_zone", soft=True)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Named(_Row):
    """A row that names a person by the source's id, an anonymous id or an address."""

    contact: Id | None = None
    anonymous: Id | None = None
    email: Email | None = None


class ContactRow(_Named):
    """A contact, with the consent that many exports carry along."""

    phone: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    full_name: Text | None = None
    company: Text | None = None
    account: Id | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    country: Country | None = None
    address: Text | None = None
    postal_code: Text | None = None
    city: Text | None = None
    notes: Text | None = None
    attributes: Attributes | None = None
    created_at: Past | None = None
    consent: State | None = None
    consent_at: Past | None = None
    consent_source: Text | None = None
    consent_proof: Text | None = None
    consent_wording: Text | None = None
    consent_ip: Text | None = None
    confirmed_at: Past | None = None
    confirmed_ip: Text | None = None
    opted_out: Flag | None = None


class ConsentRow(_Named):
    """What a contact allowed or withdrew on a channel, and how that can be shown."""

    channel: Text | None = None
    purpose: Text | None = None
    state: State
    at: Past
    source: Text | None = None
    proof: Text | None = None
    wording: Text | None = None
    consent_ip: Text | None = None
    confirmed_at: Past | None = None
    confirmed_ip: Text | None = None


class SuppressionRow(_Named):
    """An address that may not be written to."""

    channel: Text | None = None
    reason: WhySuppressed | None = None
    at: Past | None = None
    source: Text | None = None


class ProductRow(_Row):
    """A product or one of its variants."""

    product_id: Id | None = None
    handle: Text | None = None
    name: Text | None = None
    category: Text | None = None
    department: Text | None = None
    brand: Text | None = None
    price: Amount | None = None
    cost: Amount | None = None
    url: Text | None = None
    image_url: Text | None = None
    stock: Stock | None = None
    product_type: Text | None = None


class _Item(_Named):
    position: Count | None = None
    product_id: Id | None = None
    product_name: Text | None = None
    category: Text | None = None
    quantity: Count | None = None
    unit_price: Amount | None = None
    amount: Amount | None = None
    line_discount: Discount | None = None


class OrderRow(_Item):
    """An order, or one of several lines of an order that repeat it."""

    order_id: Id
    at: Past | None = None
    total: Amount | None = None
    discount: Discount | None = None
    currency: Currency | None = None
    status: Text | None = None
    payment: Text | None = None
    cancelled_at: AnyMoment | None = None


class LineRow(_Item):
    """One line of an order."""

    order_id: Id
    at: Past | None = None
    currency: Currency | None = None


class SendRow(_Named):
    """A message that another tool sent, and what came back; or one of these events alone."""

    message_key: Id | None = None
    campaign: Text | None = None
    channel: Text | None = None
    at: Past
    event: Text | None = None
    delivered: Flag | None = None
    delivered_at: Past | None = None
    bounced_at: Past | None = None
    bounce: Text | None = None
    opened_at: Past | None = None
    clicked_at: Past | None = None
    replied_at: Past | None = None
    unsubscribed_at: Past | None = None
    complained_at: Past | None = None
    human: Flag | None = None


class EventRow(_Named):
    """Something a contact did."""

    event_id: Id | None = None
    kind: Text
    at: Past
    category: Text | None = None
    product_id: Id | None = None
    value: Value | None = None
    human: Flag | None = None
    properties: Text | None = None


class DealRow(_Named):
    """A sale in the making, or won, or lost."""

    deal_id: Id
    account: Id | None = None
    company: Text | None = None
    name: Text | None = None
    stage: Text | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    opened_at: Past | None = None
    closed_at: AnyMoment | None = None
    won: Flag | None = None
    closed: Flag | None = None


class OfferRow(_Row):
    """An offer that somebody approved."""

    offer_id: Id
    kind: Text
    percent: Text | None = None
    value: Text | None = None
    currency: Currency | None = None
    code: Text | None = None
    label_en: Text | None = None
    label_fr: Text | None = None
    category: Text | None = None
    minimum_basket: Amount | None = None
    starts_at: AnyMoment
    ends_at: Until
    approved_by: Text | None = None


class CodeRow(_Row):
    """A code that works once, of an offer that has a pool of them."""

    offer_id: Id
    code: Text


class FactRow(_Row):
    """A claim that copy may make, in one language, and who approved it."""

    fact_id: Id
    language: Annotated[str, _simple(read_language), Means("language")]
    text: Text
    approved_by: Text | None = None
    valid_until: Until | None = None


MODELS: dict[Kind, type[BaseModel]] = {
    "products": ProductRow,
    "contacts": ContactRow,
    "consents": ConsentRow,
    "suppressions": SuppressionRow,
    "orders": OrderRow,
    "lines": LineRow,
    "sends": SendRow,
    "events": EventRow,
    "deals": DealRow,
    "offers": OfferRow,
    "codes": CodeRow,
    "facts": FactRow,
}


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a kind, apart from the others."""

    annotation: Any
    """The annotated type, which pydantic validates a text against."""
    python_type: type
    means: Means
    required: bool


@cache
def fields_of_kind(kind: Kind) -> dict[str, FieldSpec]:
    """The fields of a kind with their readers."""
    model = MODELS[kind]
    found: dict[str, FieldSpec] = {}
    for name, hint in get_type_hints(model, include_extras=True).items():
        if name not in model.model_fields:
            continue
        annotated = next((one for one in get_args(hint) if get_origin(one) is Annotated), hint)
        python_type, *metadata = get_args(annotated)
        means = next(one for one in metadata if isinstance(one, Means))
        found[name] = FieldSpec(annotated, python_type, means, model.model_fields[name].is_required())
    return found


def is_nothing(text: str, role: str) -> bool:
    """Whether a cell is empty, or holds a tool's word for nothing."""
    return not text.strip() or (role != "text" and text.strip().lower() in NOTHING)
