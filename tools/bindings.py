"""Personal values of a message, read from records at the send and written as the reader's language writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, get_currency_precision
from sqlalchemy import Connection, select

from memory.bindings import ANSWER
from memory.play import Play, RecordKind
from memory.schema import contacts
from memory.slots import MissingValueError, layout_names, layout_needs, parse_slot
from memory.steps import Copy, SendStep
from tools.display_names import display_name, first_name

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the catalogue has it."""

    product_id: str
    name: str
    category: str = ""
    price_cents: int | None = None
    url: str = ""
    image_url: str = ""
    stock_units: int | None = None
    """How many can be sold; None where the record does not say."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One contact of a step, with the records fixed at its entry and its own way out."""

    contact_id: int
    records: Mapping[RecordKind, str] = field(default_factory=dict)
    """`{"product": product_id, "category": category}`, as the enrolment keeps them."""
    unsubscribe_url: str = ""
    preferences_url: str = ""
    confirm_url: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Question → answer, as the contact gave them."""
    code: str = ""
    """The contact's own code, where the offer's codes work once."""


@dataclass(frozen=True, slots=True)
class Bindings:
    """Everything `{{ … }}` stands for in one message, by dotted name; what is not on record is not in it."""

    language: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The values of each recipient, or what the record lacks to write to them."""

    ready: Mapping[int, Bindings]
    missing: Mapping[int, MissingValueError]


@dataclass(frozen=True, slots=True)
class Person:
    """What the record says of a reader."""

    first_name: str
    language: str
    country: str
    time_zone: str
    last_order_at: datetime | None


def resolve_many(
    connection: Connection,
    play: Play,
    step: SendStep,
    recipients: Sequence[Recipient],
    *,
    products: Mapping[str, Product] = MappingProxyType({}),
    currency: str = "",
) -> Resolution:
    """Values for every recipient of one step.

    ``products`` holds at least the products that the recipients' records name; ``currency`` is that of the catalogue.
    A contact whose record lacks a value that the text needs is in ``missing``, with the binding that has none.
    """
    people = _people(connection, [recipient.contact_id for recipient in recipients])
    ready: dict[int, Bindings] = {}
    missing: dict[int, MissingValueError] = {}
    for recipient in recipients:
        person = people.get(recipient.contact_id)
        if person is None:
            missing[recipient.contact_id] = _without("contact.first_name", "There is no such contact any more.")
            continue
        found = resolve(play, step, person, recipient, products=products, currency=currency)
        if isinstance(found, Bindings):
            ready[recipient.contact_id] = found
        else:
            missing[recipient.contact_id] = found
    return Resolution(ready, missing)


def resolve(
    play: Play,
    step: SendStep,
    person: Person,
    recipient: Recipient,
    *,
    products: Mapping[str, Product],
    currency: str,
) -> Bindings | MissingValueError:
    """The values for one recipient, or the first that the text needs and the record lacks."""
    language = language_of(person.language, step, play)
    if not step.copies:
        return Bindings(language, {})
    product = products.get(recipient.records.get("product", ""))
    source = _Source(play, language, person, recipient, product, currency)
    named, needed = _names_of(play, step, language)
    values = {name: value for name in named if (value := source.value(name)) is not None}
    lacking = [name for name in needed if name not in values]
    return _without(lacking[0]) if lacking else Bindings(language, values)


Ingredient = Literal["first_name", "last_order", "records", "answers"]


def ingredients(play: Play, step: SendStep) -> set[Ingredient]:
    """What of a contact decides, besides the language, whether all values that a message needs are there."""
    needed = {name for language in step.copies for name in _names_of(play, step, language)[1]}
    found: set[Ingredient] = {"answers"} if any(name.startswith(ANSWER) for name in needed) else set()
    for name in needed:
        found.update(_INGREDIENTS.get(name, ()))
    return found


def _names_of(play: Play, step: SendStep, language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    choices = (*step.labels(language), *step.links[1:])
    return _names(step.copies[language], step.link, play.layout(step), choices)


def language_of(wanted: str, step: SendStep, play: Play) -> str:
    """The language a contact is written to: their own, else the brand's, else the first that was written."""
    for language in (wanted.lower()[:2], play.brand.language):
        if language in step.copies:
            return language
    return min(step.copies, default=play.brand.language)


def speaks(wanted: str, step: SendStep, play: Play) -> bool:
    """Whether a contact who reads a language gets it; true where nobody knows what they read, or nothing is written."""
    return not (wanted and step.copies) or language_of(wanted, step, play) == wanted.lower()[:2]


def shows_code(play: Play, step: SendStep) -> bool:
    """Whether a message of this step names the code of the offer, in any language."""
    layout = play.layout(step)
    return any("offer.code" in _names(copy, step.link, layout)[0] for copy in step.copies.values())


def promotes_product(play: Play, step: SendStep) -> bool:
    """Whether a message of this step shows its product, or leads to it, in any language."""
    return any(
        name.startswith("product.") or name == "links.product"
        for language in step.copies
        for name in _names_of(play, step, language)[0]
    )


def named_by(play: Play, step: SendStep, language: str) -> frozenset[str]:
    """The values that a message speaks of, also where it can do without them."""
    return frozenset(_names_of(play, step, language)[0])


def needed_by(play: Play, step: SendStep, language: str) -> frozenset[str]:
    """The values without which a message cannot be written."""
    return frozenset(_names_of(play, step, language)[1])


def format_money(cents: int, currency: str, *, language: str, country: str = "") -> str:
    """An amount in minor units as the reader writes it, for example `12,50 €`."""
    amount = Decimal(cents).scaleb(-get_currency_precision(currency))
    return str(format_currency(amount, currency, locale=_locale(language, country)))


def format_day(at: datetime, zone: str, *, language: str, country: str = "") -> str:
    """The day of a moment in a time zone, written out, for example `15 octobre 2017`."""
    day = str(format_date(at.astimezone(ZoneInfo(zone)).date(), format="long", locale=_locale(language, country)))
    # The Unicode data write the first of a month as a plain number, French does not.
    return f"1er {day[2:]}" if language == "fr" and day.startswith("1 ") else day


class _Source:
    """Looks one contact's values up, each when it is named."""

    def __init__(
        self,
        play: Play,
        language: str,
        person: Person,
        recipient: Recipient,
        product: Product | None,
        currency: str,
    ) -> None:
        self._play = play
        self._language = language
        self._person = person
        self._recipient = recipient
        self._product = product
        self._currency = currency

    def value(self, name: str) -> str | None:
        if name.startswith(ANSWER):
            return self.answer(name.removeprefix(ANSWER))
        look_up = _LOOK_UPS.get(name)
        return look_up(self) if look_up is not None else None

    def first_name(self) -> str | None:
        return first_name(self._person.first_name)

    def product_name(self) -> str | None:
        return display_name(self._product.name) if self._product else None

    def product_price(self) -> str | None:
        if self._product is None or self._product.price_cents is None or not self._currency:
            return None
        return format_money(
            self._product.price_cents, self._currency, language=self._language, country=self._person.country
        )

    def product_category(self) -> str | None:
        return display_name(self._product.category) if self._product else None

    def product_image(self) -> str | None:
        found = self._product.image_url if self._product else ""
        return found if found.startswith("https://") and self._play.brand.allows_link(found) else None

    def category_name(self) -> str | None:
        return display_name(self._recipient.records.get("category", ""))

    def last_order_product_name(self) -> str | None:
        # Only a play that reads the product of the last order may speak of it as such.
        return self.product_name() if self._play.records.get("product") == "last_product_id" else None

    def last_order_date(self) -> str | None:
        at = self._person.last_order_at
        return None if at is None else self._day(at)

    def offer_label(self) -> str | None:
        offer = self._play.offer
        return (offer.labels.get(self._language) or None) if offer else None

    def offer_code(self) -> str | None:
        offer = self._play.offer
        return ((self._recipient.code if offer.single_use else offer.code) or None) if offer else None

    def offer_ends_on(self) -> str | None:
        # The last day on which it holds until midnight where the contact is: no message may promise an hour too many.
        # An offer's last second may be written as 23:59:59.
        if (offer := self._play.offer) is None:
            return None
        # Less a day by the calendar: the one on which the clocks change has not 24 hours.
        ends_at = (offer.ends_at + timedelta(seconds=1)).astimezone(ZoneInfo(self._zone()))
        return self._day(ends_at - timedelta(days=1))

    def shop_link(self) -> str:
        return self._play.brand.website

    def product_link(self) -> str | None:
        found = self._product.url if self._product else ""
        return found if self._play.brand.allows_link(found) else None

    def reorder_link(self) -> str:
        return self.product_link() or self.shop_link()

    def unsubscribe_link(self) -> str | None:
        return self._recipient.unsubscribe_url or None

    def confirm_link(self) -> str | None:
        return self._recipient.confirm_url or None

    def preferences_link(self) -> str | None:
        return self._recipient.preferences_url or None

    def answer(self, question: str) -> str | None:
        given = self._recipient.answers.get(question, "")
        asked = next((one for one in self._play.brand.questions if one.id == question), None)
        return asked.name_of(given, self._language) if asked else None

    def brand_name(self) -> str:
        return self._play.brand.name

    def sender_name(self) -> str:
        return self._play.brand.sender_name

    def _zone(self) -> str:
        return self._person.time_zone if _is_zone(self._person.time_zone) else self._play.schedule.fallback_zone

    def _day(self, at: datetime) -> str:
        return format_day(at, self._zone(), language=self._language, country=self._person.country)


_LOOK_UPS: Mapping[str, Callable[[_Source], str | None]] = {
    "contact.first_name": _Source.first_name,
    "product.name": _Source.product_name,
    "product.price": _Source.product_price,
    "product.category": _Source.product_category,
    "product.image": _Source.product_image,
    "category.name": _Source.category_name,
    "last_order.date": _Source.last_order_date,
    "last_order.product_name": _Source.last_order_product_name,
    "offer.label": _Source.offer_label,
    "offer.code": _Source.offer_code,
    "offer.ends_on": _Source.offer_ends_on,
    "links.shop": _Source.shop_link,
    "links.product": _Source.product_link,
    # No export carries pages of categories: the shop is the nearest address that is certain to exist.
    "links.category": _Source.shop_link,
    "links.reorder": _Source.reorder_link,
    "links.unsubscribe": _Source.unsubscribe_link,
    "links.confirm": _Source.confirm_link,
    "links.preferences": _Source.preferences_link,
    "brand.name": _Source.brand_name,
    "brand.sender_name": _Source.sender_name,
}


_INGREDIENTS: Mapping[str, tuple[Ingredient, ...]] = {
    "contact.first_name": ("first_name",),
    "last_order.date": ("last_order",),
    "last_order.product_name": ("records",),
    "product.name": ("records",),
    "product.price": ("records",),
    "product.category": ("records",),
    "product.image": ("records",),
    "category.name": ("records",),
    "links.product": ("records",),
}


@lru_cache(maxsize=1024)
def _names(
    copy: Copy, link: str, layout: str, choices: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every binding that a message names, and those that it cannot do without."""
    slots = [parse_slot(text) for text in (*texts_of(copy, link), *choices)]
    named = {name for slot in slots for name in slot.names} | set(layout_names(layout))
    needed = {name for slot in slots for name in slot.needed} | set(layout_needs(layout))
    personal = sorted(name for name in named if name in _LOOK_UPS or name.startswith(ANSWER))
    return tuple(personal), tuple(name for name in personal if name in needed)


def texts_of(copy: Copy, link: str) -> tuple[str, ...]:
    """Every text of a message that may hold bindings; empty slots are left out."""
    return tuple(text for text in (copy.subject, copy.preheader, copy.headline, *copy.body, copy.button, link) if text)


_PEOPLE = select(
    contacts.c.contact_id,
    contacts.c.first_name,
    contacts.c.language,
    contacts.c.country,
    contacts.c.time_zone,
    contacts.c.last_order_at,
    contacts.c.merged_into,
    contacts.c.erased_at,
)


def _people(connection: Connection, contact_ids: Iterable[int]) -> dict[int, Person]:
    found: dict[int, Person] = {}
    asked = {contact_id: contact_id for contact_id in contact_ids}
    while asked:
        heirs: dict[int, int] = {}
        wanted = sorted(set(asked.values()))
        rows = {}
        for start in range(0, len(wanted), _CHUNK):
            query = _PEOPLE.where(contacts.c.contact_id.in_(wanted[start : start + _CHUNK]))
            rows.update({row.contact_id: row for row in connection.execute(query)})
        for contact_id, current in asked.items():
            row = rows.get(current)
            if row is None or row.erased_at is not None:
                continue
            if row.merged_into is not None:
                heirs[contact_id] = row.merged_into
                continue
            found[contact_id] = Person(row.first_name, row.language, row.country, row.time_zone, row.last_order_at)
        asked = heirs
    return found


def _without(binding: str, what: str = "") -> MissingValueError:
    return MissingValueError(
        what or f"The record has no usable value for “{binding}”.",
        where=binding,
        remedy="Complete the record, or write a text that does without it.",
    )


@lru_cache(maxsize=256)
def _locale(language: str, country: str) -> Locale:
    for name in (f"{language}_{country.upper()}", language):
        try:
            return Locale.parse(name)
        except (ValueError, UnknownLocaleError):
            continue
    return Locale.parse("en")


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError):
        return False
    return bool(name)
