"""Load offers and approved facts, and deals: few rows, each read on its own."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, select

from memory import codes
from memory.importing.amounts import Mark, UnreadableError, read_minor_units, read_percent, read_whole_number
from memory.importing.identity import Reference, resolve_all
from memory.importing.job import Job, Outcome
from memory.importing.vocabulary import plain
from memory.schema import accounts, deals, facts, from_micros, offers
from memory.store import upsert

_OFFER_WORDS = {
    "percent": "percent|percentage|pourcentage|pct|percent off|remise en pourcentage",
    "amount": "amount|fixed|fixed amount|montant|fixed cart|remise|montant fixe",
    "free_shipping": "free shipping|free_shipping|shipping|livraison offerte|livraison gratuite|port offert",
    "gift": "gift|cadeau|free gift",
    "points": "points|loyalty points|points de fidelite",
}
_KINDS = {word: kind for kind, words in _OFFER_WORDS.items() for word in words.replace("_", " ").split("|")}
# As many are written in one transaction, so that nobody else waits long.
_CODES = 5000
_WON = {"closed won", "closedwon", "won", "gagne", "gagnee", "fermee gagnee", "closed and won", "signe"}
_LOST = {"closed lost", "closedlost", "lost", "perdu", "perdue", "fermee perdue"}


def load_offers(job: Job) -> Outcome:
    """Offers that somebody approved; one without a name under it is kept and never used."""
    job.refuse_second_meanings(["offer_id"])
    job.refuse("SELECT line FROM rows WHERE ends_at <= starts_at ORDER BY line", "it ends before it starts", "ends_at")
    mark: Mark = next((one.decimal_mark for one in job.mapping.of("minimum_basket") if one.decimal_mark), ".")
    rows, refused = [], []
    for row in job.read("SELECT * FROM rows ORDER BY line"):
        kind = _KINDS.get(plain(row["kind"]))
        if kind is None:
            refused.append((row["line"], "kind", f"an offer is one of {', '.join(_OFFER_WORDS)}"))
            continue
        try:
            value = _value(kind, row["percent"] or row["value"] or "", mark, job.settings.currency)
        except UnreadableError as error:
            refused.append((row["line"], "value", str(error)))
            continue
        labels = {language: row[f"label_{language}"] for language in ("en", "fr") if row[f"label_{language}"]}
        rows.append(
            {
                "offer_id": row["offer_id"][:64],
                "kind": kind,
                "value": value,
                "currency": job.settings.currency if kind == "amount" else "",
                "code": row["code"] or "",
                "labels": labels,
                "category": row["category"] or "",
                "minimum_basket_cents": row["minimum_basket"] or 0,
                "starts_at": from_micros(row["starts_at"]),
                "ends_at": from_micros(row["ends_at"]),
                "approved_by": row["approved_by"] or "",
            }
        )
    job.refuse_lines(refused)
    outcome = Outcome()
    with job.store.write() as connection:
        changed = _changed(connection, offers, ["offer_id"], rows)
        upsert(
            connection, offers, changed, update=[column.name for column in offers.columns if column.name != "offer_id"]
        )
    _say_unapproved(job, outcome, rows, "offers")
    outcome.add("offers", len(changed))
    outcome.rows_written = len(changed)
    return outcome


def load_codes(job: Job) -> Outcome:
    """Codes that work once each, into the pool of their offer; one that is there already stays with its contact."""
    job.refuse(
        r"SELECT line FROM rows WHERE length(code) > 64 OR regexp_matches(code, '\s') ORDER BY line",
        "a code is one word of at most 64 characters",
        "code",
    )
    outcome = Outcome()
    with job.store.read() as connection:
        known = sorted(connection.execute(select(offers.c.offer_id)).scalars())
    job.sql.register("known_offers", pa.table({"offer_id": pa.array(known, pa.string())}))
    job.refuse(
        "SELECT line FROM rows WHERE offer_id NOT IN (SELECT offer_id FROM known_offers) ORDER BY line",
        "no offer with this id is known; import the offers first",
        "offer_id",
    )
    job.sql.unregister("known_offers")
    total = job.count()
    rows = job.sql.sql("SELECT offer_id, code FROM rows ORDER BY line").to_arrow_table()
    for batch in rows.to_batches(max_chunksize=_CODES):
        with job.store.write() as connection:
            outcome.rows_written += codes.add(connection, [(row["offer_id"], row["code"]) for row in batch.to_pylist()])
        job.progress("writing codes", outcome.rows_written, total)
    outcome.add("offer_codes", outcome.rows_written)
    return outcome


def load_facts(job: Job) -> Outcome:
    """Claims that copy may make; one without a name under it is kept and never used."""
    job.refuse_second_meanings(["fact_id", "language"])
    rows = [
        {
            "fact_id": row["fact_id"][:64],
            "language": row["language"],
            "text": row["text"],
            "approved_by": row["approved_by"] or "",
            "valid_until": None if row["valid_until"] is None else from_micros(row["valid_until"]),
        }
        for row in job.read("SELECT * FROM rows ORDER BY line")
    ]
    outcome = Outcome()
    with job.store.write() as connection:
        changed = _changed(connection, facts, ["fact_id", "language"], rows)
        upsert(connection, facts, changed, update=["text", "approved_by", "valid_until"])
    _say_unapproved(job, outcome, rows, "facts")
    outcome.add("facts", len(changed))
    outcome.rows_written = len(changed)
    return outcome


def load_deals(job: Job) -> Outcome:
    """Deals with their account and contact; won and lost are read from the stage where nothing else says it."""
    outcome = Outcome()
    job.refuse_second_meanings(["deal_id"])
    rows = job.read("SELECT * FROM rows ORDER BY line")
    with job.store.write() as connection:
        people, _ = resolve_all(
            connection,
            # A deal may name several contacts; the first is the one to speak to.
            [
                Reference(
                    None if row["contact"] is None else row["contact"].split(";")[0].strip() or None,
                    row["anonymous"],
                    row["email"],
                )
                for row in rows
            ],
            source=job.source,
            salt=job.salt,
            now=job.now,
            create_for="email",
        )
        account_ids = _accounts(connection, rows)
        listed = []
        for row, contact_id in zip(rows, people, strict=True):
            won = _won(row)
            listed.append(
                {
                    "external_id": f"{job.source}:{row['deal_id']}",
                    "account_id": account_ids.get(_account_key(row)),
                    "contact_id": contact_id,
                    "name": row["name"] or "",
                    "stage": row["stage"] or "",
                    "amount_cents": row["amount"],
                    "currency": None if row["amount"] is None else job.settings.currency,
                    "opened_at": None if row["opened_at"] is None else from_micros(row["opened_at"]),
                    # The close date of an open deal is only a plan.
                    "closed_at": None if won is None or row["closed_at"] is None else from_micros(row["closed_at"]),
                    "won": won,
                }
            )
        changed = _changed(connection, deals, ["external_id"], listed)
        upsert(
            connection,
            deals,
            changed,
            keys=["external_id"],
            update=[column.name for column in deals.columns if column.name not in {"deal_id", "external_id"}],
        )
    outcome.add("deals", len(changed))
    outcome.rows_written = len(changed)
    return outcome


def _value(kind: str, text: str, mark: Mark, currency: str) -> int:
    if kind == "percent":
        value = read_percent(text, mark=mark) if text else 0
        if not 0 < value <= 10_000:
            raise UnreadableError("a percentage is between 0 and 100")
        return value
    if kind == "amount":
        value = read_minor_units(text, mark=mark, currency=currency) if text else 0
        if value <= 0:
            raise UnreadableError("the amount must be above zero")
        return value
    return read_whole_number(text, mark=mark) if text and kind == "points" else 0


def _won(row: dict[str, Any]) -> bool | None:
    stage = plain(row["stage"] or "")
    if row["won"] or stage in _WON:
        return True
    if row["closed"] or stage in _LOST:
        return False
    return None


def _account_key(row: dict[str, Any]) -> str:
    return row["account"] or (f"name:{row['company']}" if row["company"] else "")


def _accounts(connection: Connection, rows: list[dict[str, Any]]) -> dict[str, int]:
    named = {_account_key(row): row["company"] or "" for row in rows if _account_key(row)}
    listed: list[dict[str, Any]] = [
        {"external_id": key, "name": name, "domain": "", "attributes": {}} for key, name in sorted(named.items())
    ]
    upsert(connection, accounts, listed, keys=["external_id"])
    query = select(accounts.c.external_id, accounts.c.account_id)
    return {row.external_id: row.account_id for row in connection.execute(query) if row.external_id in named}


def _changed(connection: Connection, table: Any, keys: list[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that are new or differ from what the store has."""
    known = {tuple(getattr(row, key) for key in keys): row for row in connection.execute(select(table))}
    return [
        row
        for row in rows
        if (old := known.get(tuple(row[key] for key in keys))) is None
        or any(getattr(old, name) != value for name, value in row.items())
    ]


def _say_unapproved(job: Job, outcome: Outcome, rows: list[dict[str, Any]], what: str) -> None:
    missing = sum(1 for row in rows if not row["approved_by"])
    if missing:
        outcome.notes.append(
            f"{missing} {what} say nobody who approved them and will not be used; fill the column approved_by."
        )
