"""The data-quality measures: how good the record is that automation would stand on, and which cleaning would help."""

# ruff: noqa: S608 - the queries are put together from names of this module; values stand in tables

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import pyarrow as pa
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import and_, select

from memory.lake import Lake
from memory.schema import EPOCH, consent_current, contacts, from_micros, to_micros
from memory.store import Store

FRESH_DAYS = 60
_DAY = timedelta(days=1)
_EARLIEST = datetime(1990, 1, 1, tzinfo=EPOCH.tzinfo)


class Measure(BaseModel):
    """One measure of the record: its value, what it says, and the cleaning that would raise it."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: float
    """A share from 0 to 1, or a number of days; more is always better, so that a playbook can ask for a minimum."""
    unit: Literal["share", "days"] = "share"
    of: int = 0
    """How many records it was measured on; 0 means that there was nothing to measure, and the value is 0."""
    sentence: str
    remedy: str = ""
    """Empty where there is nothing to clean."""


class SourceAge(BaseModel):
    """How long ago a source last told something."""

    model_config = ConfigDict(frozen=True)

    source: str
    table: Literal["orders", "events"]
    last_at: AwareDatetime
    days: float


class Quality(BaseModel):
    """All measures of a record at one moment; playbooks ask for minima of them by name."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    contacts: int
    orders: int
    measures: dict[str, Measure]
    sources: tuple[SourceAge, ...] = ()
    """Every source, the longest silent first."""


def assess(store: Store, lake: Lake, at: datetime) -> Quality:
    """Measure the record as it stands; ``at`` is the business time that ages are counted from."""
    sql = lake.connect().con
    sql.register("people", _people(store))
    who = _row(
        sql,
        """SELECT count(*) AS n, count(email) AS email, count(*) FILTER (language <> '') AS language,
            count(*) FILTER (time_zone <> '') AS zone, count(*) FILTER (state = 'granted') AS granted,
            count(*) FILTER (state = 'granted' AND proof) AS proven FROM people""",
    )
    bought = _row(
        sql,
        f"""SELECT count(*) AS n, count(contact_id) AS named, min("at") AS first, max("at") AS last,
            count(*) FILTER ({_possible(at)}) AS possible FROM orders""",
    )
    seen = _row(
        sql, f'SELECT count(*) AS n, count(*) FILTER ({_possible(at)}) AS possible, max("at") AS last FROM events'
    )
    sent = _row(sql, f"SELECT count(*) AS n, count(*) FILTER ({_possible(at)}) AS possible FROM sends")
    lines = _row(sql, "SELECT count(*) AS n, count(*) FILTER (category <> '') AS labelled FROM lines")
    goods = _row(sql, "SELECT count(*) AS n, count(cost_cents) AS costed FROM products")
    doubles = int(_row(sql, _DOUBLES)["n"])
    dated = bought["n"] + seen["n"] + sent["n"]
    possible = bought["possible"] + seen["possible"] + sent["possible"]
    found = [
        _share(
            "email_share",
            who["email"],
            who["n"],
            "contacts have an e-mail address",
            "Import the addresses, or ask for one at the till and in the account.",
        ),
        _share(
            "consent_share",
            who["granted"],
            who["n"],
            "contacts have consented to marketing by e-mail",
            "Import the consents of your mailing tool; without consent nobody is mailed.",
        ),
        _share(
            "consent_proof_share",
            who["proven"],
            who["granted"],
            "consents come with a proof",
            "Export the consents with their date, form and wording, and import them again as consents.",
        ),
        _share(
            "language_share",
            who["language"],
            who["n"],
            "contacts have a known language",
            "Import a language column, or set the workspace's own language as the fallback.",
        ),
        _share(
            "time_zone_share",
            who["zone"],
            who["n"],
            "contacts have a known time zone",
            "Import a column time_zone, for example Europe/Paris; until then the workspace's zone is used.",
        ),
        _share(
            "unique_contacts_share",
            who["n"] - doubles,
            who["n"],
            "contacts seem to stand in the record only once",
            "Look through the likely duplicates (same mailbox, or same name and address) and merge them.",
        ),
        _share(
            "orders_with_contact_share",
            bought["named"],
            bought["n"],
            "orders belong to a contact",
            "Export the orders with the customer's id or e-mail address, and import the contacts first.",
        ),
        _share(
            "category_share",
            lines["labelled"],
            lines["n"],
            "order lines have a category",
            "Import the products with their category; lines learn it from there.",
        ),
        _share(
            "cost_share",
            goods["costed"],
            goods["n"],
            "products have a cost",
            "Import the cost per product; without it only revenue can be shown, not margin.",
        ),
        _share(
            "possible_dates_share",
            possible,
            dated,
            "orders, events and sends have a possible date",
            "Correct dates before 1990 or in the future in the source and import it again.",
        ),
        _freshness(max((one["last"] for one in (bought, seen) if one["last"] is not None), default=None), at),
        _history(bought["first"], bought["last"]),
    ]
    return Quality(
        at=at,
        contacts=who["n"],
        orders=bought["n"],
        measures={one.name: one for one in found},
        sources=_sources(sql, at),
    )


def _people(store: Store) -> pa.Table:
    consented = and_(
        consent_current.c.contact_id == contacts.c.contact_id,
        consent_current.c.channel == "email",
        consent_current.c.purpose == "marketing",
    )
    query = (
        select(
            contacts.c.contact_id,
            contacts.c.email,
            contacts.c.first_name,
            contacts.c.last_name,
            contacts.c.language,
            contacts.c.time_zone,
            contacts.c.attributes,
            consent_current.c.state,
            consent_current.c.has_proof,
        )
        .outerjoin(consent_current, consented)
        .where(contacts.c.merged_into.is_(None), contacts.c.erased_at.is_(None))
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    return pa.table(
        {
            "contact_id": pa.array([row.contact_id for row in rows], pa.int64()),
            "email": pa.array([row.email for row in rows], pa.string()),
            "name": pa.array([f"{row.first_name} {row.last_name}".strip().lower() for row in rows], pa.string()),
            "place": pa.array([_place(row.attributes) for row in rows], pa.string()),
            "language": pa.array([row.language for row in rows], pa.string()),
            "time_zone": pa.array([row.time_zone for row in rows], pa.string()),
            "state": pa.array([row.state or "" for row in rows], pa.string()),
            "proof": pa.array([bool(row.has_proof) for row in rows], pa.bool_()),
        }
    )


def _place(attributes: dict[str, Any] | None) -> str:
    held = attributes or {}
    address = str(held.get("address", "")).strip().lower()
    return f"{address} {str(held.get('postal_code', '')).strip().lower()}" if address else ""


# One mailbox may be written in many ways: a tag after "+", and at Gmail any points.
_DOUBLES = """
    WITH boxes AS (
        SELECT contact_id, name, place, split_part(email, '@', 2) AS domain,
            split_part(split_part(email, '@', 1), '+', 1) AS box FROM people
    ), keyed AS (
        SELECT contact_id, name, place, CASE WHEN domain IN ('gmail.com', 'googlemail.com')
            THEN replace(box, '.', '') || '@gmail.com' ELSE box || '@' || domain END AS mailbox FROM boxes
    ), ranked AS (
        SELECT row_number() OVER (PARTITION BY mailbox ORDER BY contact_id) AS by_mailbox, mailbox,
            row_number() OVER (PARTITION BY name, place ORDER BY contact_id) AS by_place, name, place FROM keyed
    )
    SELECT count(*) AS n FROM ranked
    WHERE (mailbox IS NOT NULL AND by_mailbox > 1) OR (name <> '' AND place <> '' AND by_place > 1)
"""


def _possible(at: datetime) -> str:
    return f'"at" BETWEEN {to_micros(_EARLIEST)} AND {to_micros(at)}'


def _row(sql: Any, query: str) -> dict[str, Any]:
    found: dict[str, Any] = sql.sql(query).to_arrow_table().to_pylist()[0]
    return found


def _share(name: str, part: int, whole: int, what: str, remedy: str) -> Measure:
    if not whole:
        return Measure(name=name, value=0.0, sentence=f"There is nothing yet of which {what}.", remedy=remedy)
    value = part / whole
    # A share never reads as full while something is missing.
    shown = min(round(value * 100, 1), 99.9) if part < whole else 100
    return Measure(
        name=name,
        value=value,
        of=whole,
        sentence=f"{part} of {whole} {what} ({shown:g} %).",
        remedy=remedy if part < whole else "",
    )


def _freshness(last: int | None, at: datetime) -> Measure:
    remedy = "Import the latest orders and events, or connect the source."
    if last is None:
        return Measure(name="freshness", value=0.0, sentence="No order or event is on record.", remedy=remedy)
    days = max((at - from_micros(last)) / _DAY, 0.0)
    value = max(0.0, 1 - days / FRESH_DAYS)
    sentence = f"The newest order or event is {int(days)} days old (0 after {FRESH_DAYS} days)."
    return Measure(name="freshness", value=value, of=1, sentence=sentence, remedy=remedy if days > 7 else "")


def _history(first: int | None, last: int | None) -> Measure:
    days = 0.0 if first is None or last is None else (last - first) / (_DAY / timedelta(microseconds=1))
    return Measure(
        name="history_days",
        value=days,
        unit="days",
        of=0 if first is None else 1,
        sentence=f"Orders cover {int(days)} days." if first is not None else "No order is on record.",
        remedy="" if days >= 365 else "Import older orders: a year shows every rhythm of buying.",
    )


def _sources(sql: Any, at: datetime) -> tuple[SourceAge, ...]:
    rows = sql.sql(
        """SELECT source, 'orders' AS "table", max("at") AS last FROM orders GROUP BY source
        UNION ALL SELECT source, 'events', max("at") FROM events GROUP BY source
        ORDER BY last, source, 2"""
    ).fetchall()
    return tuple(
        SourceAge(source=source, table=table, last_at=from_micros(last), days=max((at - from_micros(last)) / _DAY, 0.0))
        for source, table, last in rows
    )
