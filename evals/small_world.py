"""Makes the small world of a case real: a store and a lake in a folder, filled as an import would leave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, insert

from agents.drafting import audience_sentence
from agents.playbook import Playbook
from evals.people import Person
from evals.scenario import Scenario, World
from memory import cap, consents, contacts, lessons
from memory.canonical import address_hash
from memory.lake import SCHEMAS, Lake, LakeTable
from memory.lessons import Lesson
from memory.schema import contacts as contact_rows
from memory.schema import facts as fact_rows
from memory.schema import offers as offer_rows
from memory.schema import to_micros
from memory.snapshot import refresh
from memory.store import Store
from memory.workspace import salt, set_value

CURRENCY = "EUR"
SHOP = "https://shop.example.com"
SALT = "5a17" * 16
"""The same in every run, so that the same contacts are held out."""
_PROOF = "sign-up form, text 3"
_SOURCE = "eval"


def build_world(
    folder: Path, scenario: Scenario, people: Mapping[int, Person], playbooks: Mapping[str, Playbook], cap_messages: int
) -> tuple[Store, Lake]:
    """Write the record of a case; the caller closes the store."""
    folder.mkdir(parents=True, exist_ok=True)
    store, lake = Store(f"sqlite:///{folder / 'store.db'}"), Lake(folder / "lake")
    store.migrate()
    now = scenario.clock
    with store.write() as connection:
        set_value(connection, "salt", SALT)
        _write_people(connection, people.values(), now, cap_messages)
        _write_claims(connection, scenario.world, now)
        for lesson in _lessons(scenario, playbooks):
            lessons.write(connection, lesson, at=lesson.created_at)
    _write_lake(lake, scenario.world, people.values(), now)
    refresh(store, lake)
    return store, lake


def product_id(category: str) -> str:
    """Each category has one product."""
    return f"product-{category}"


def _write_people(connection: Connection, people: Iterable[Person], now: datetime, cap_messages: int) -> None:
    secret = salt(connection)
    rows, agreed, sends = [], [], []
    for person in people:
        group = person.group
        signal = person.last_signal_at
        if group.last_signal_days is not None:
            signal = now - timedelta(days=group.last_signal_days)
        rows.append(
            {
                "contact_id": person.contact_id,
                "email": person.email,
                "email_hash": address_hash(secret, person.email),
                "first_name": group.first_name,
                "language": group.language,
                "time_zone": group.time_zone,
                "country": "FR",
                "notes": group.notes,
                "created_at": now - timedelta(days=800),
                "updated_at": now - timedelta(days=1),
                "last_human_signal_at": signal if group.tracked else None,
                "last_order_at": person.last_signal_at,
                "sent_since_signal": group.messages_unanswered,
            }
        )
        if group.consent:
            agreed.append(
                consents.Consent(
                    contact_id=person.contact_id,
                    channel="email",
                    purpose="marketing",
                    state="granted" if group.consent == "granted" else "withdrawn",
                    at=now - timedelta(days=300),
                    source=_SOURCE,
                    proof=_PROOF if group.proof else "",
                )
            )
        sends += [
            (person.contact_id, f"earlier-{person.contact_id}-{number}", now - timedelta(days=1 + number))
            for number in range(group.sends_last_7_days)
        ]
    if rows:
        connection.execute(insert(contact_rows), rows)
    consents.record(connection, agreed)
    cap.seed(connection, sends, cap_messages)
    for person in people:
        if person.group.suppressed:
            hashed = address_hash(secret, person.email)
            contacts.suppress(
                connection,
                channel="email",
                address_hash=hashed,
                reason=person.group.suppressed,
                at=now - timedelta(days=30),
                source=_SOURCE,
            )


def _write_claims(connection: Connection, world: World, now: datetime) -> None:
    offers = [
        {
            "offer_id": offer_id,
            "kind": offer.kind,
            "value": offer.value,
            "currency": CURRENCY,
            "code": offer.code,
            "labels": offer.labels,
            "starts_at": now - timedelta(days=offer.starts_days_ago),
            "ends_at": now + timedelta(days=offer.ends_in_days),
            "approved_by": offer.approved_by,
        }
        for offer_id, offer in world.offers.items()
    ]
    facts = [
        {"fact_id": fact_id, "language": language, "text": text, "approved_by": "marie"}
        for fact_id, texts in world.facts.items()
        for language, text in texts.items()
    ]
    if offers:
        connection.execute(insert(offer_rows), offers)
    if facts:
        connection.execute(insert(fact_rows), facts)


def _lessons(scenario: Scenario, playbooks: Mapping[str, Playbook]) -> list[Lesson]:
    found = []
    for lesson_id, row in scenario.world.lessons.items():
        playbook = playbooks[row.playbook]
        ended = scenario.clock - timedelta(days=row.days_ago)
        found.append(
            Lesson(
                lesson_id=lesson_id,
                campaign_id=None,
                readout_id=None,
                playbook=row.playbook,
                segment=audience_sentence(playbook),
                lever=playbook.lever,
                level=next(iter(playbook.levels.values()), ""),
                goal=playbook.goal.event,
                channel="email",
                effect=row.effect,
                standard_error=row.standard_error,
                contacts=row.contacts,
                conversions=row.contacts // 10,
                verdict=row.verdict,
                text={"en": row.text, "fr": row.text},
                evidence={},
                observed_from=ended - timedelta(days=28),
                observed_to=ended,
                expires_at=scenario.clock + timedelta(days=300),
                created_at=ended,
            )
        )
    return found


def _write_lake(lake: Lake, world: World, people: Iterable[Person], now: datetime) -> None:
    orders: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    sends: list[dict[str, Any]] = []
    for person in people:
        for number, order in enumerate(person.orders):
            common = {"order_id": f"o{person.contact_id}-{number}", "contact_id": person.contact_id}
            at = to_micros(order.at)
            orders.append(
                {
                    **common,
                    "at": at,
                    "total_cents": order.cents,
                    "discount_cents": 0,
                    "currency": CURRENCY,
                    "source": _SOURCE,
                }
            )
            lines.append(
                {
                    **common,
                    "at": at,
                    "line": 1,
                    "product_id": product_id(order.category),
                    "category": order.category,
                    "quantity": 1,
                    "amount_cents": order.cents,
                    "discount_cents": 0,
                }
            )
        sends += [
            {
                "message_key": f"earlier-{person.contact_id}-{number}",
                "contact_id": person.contact_id,
                "campaign": "earlier",
                "channel": "email",
                "at": to_micros(now - timedelta(days=1 + number)),
                "delivered": True,
                "bounced": "",
                "source": _SOURCE,
            }
            for number in range(person.group.sends_last_7_days)
        ]
    bought = {line["product_id"].removeprefix("product-"): int(line["amount_cents"]) for line in lines}
    products = [_product(category, world, cents) for category, cents in sorted(bought.items())]
    rows = {
        LakeTable.ORDERS: orders,
        LakeTable.LINES: lines,
        LakeTable.SENDS: sends,
        LakeTable.PRODUCTS: products,
    }
    for table, values in rows.items():
        lake.replace(table, pa.Table.from_pylist(values, schema=SCHEMAS[table]))


def _product(category: str, world: World, cents: int) -> dict[str, Any]:
    row = world.products.get(category)
    return {
        "product_id": product_id(category),
        "name": (row.name if row else "") or category.title(),
        "category": category,
        "department": "",
        "brand": "",
        "price_cents": cents,
        "cost_cents": row.cost_cents if row else None,
        "url": f"{SHOP}/p/{category}",
        "image_url": "",
        "stock_units": row.stock_units if row else None,
    }
