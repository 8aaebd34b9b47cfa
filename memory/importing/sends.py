"""Load past sends with what came back, and events: history, so nothing is triggered by it."""

# ruff: noqa: S608 - the queries are put together from names of this module; values stand in tables

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa

from memory.consents import Consent, record
from memory.events import CLICK, KINDS, REPLY
from memory.importing.identity import live_contacts
from memory.importing.job import Job, Outcome
from memory.importing.vocabulary import plain
from memory.lake import LakeTable
from memory.schema import from_micros, suppressions
from memory.store import upsert

_UNKNOWN = "no contact with this id is known; import the contacts first"
_EVENT_WORDS = {
    "sent": "sent|send|envoye|request|requests|processed|received email|email sent|message sent|queued",
    "delivered": "delivered|delivery|livre|delivre|received|recu",
    "hard_bounce": "hard bounce|hard bounced|hardbounce|bounce|bounced|hard_bounce|hard bounces|bounced email|invalid|"
    "invalid email|blocked|rebond|rebond definitif|error|dropped|dropped email",
    "soft_bounce": "soft bounce|soft bounced|softbounce|soft bounces|deferred|rebond temporaire",
    "open": "open|opened|opens|opened email|first opening|unique opened|ouvert|ouverture|email opened|loaded by proxy",
    CLICK: "click|clicked|clicks|clicked email|clique|clic|email clicked|clicked sms",
    REPLY: "reply|replied|reponse|repondu|replied to email",
    "unsubscribe": "unsubscribe|unsubscribed|unsubscribed from list|unsub|desinscrit|desinscription|"
    "unsubscribed from email marketing|desabonne",
    "complaint": "complaint|complained|spam|spam complaint|marked email as spam|plainte|marked as spam",
    "visit": "visit|visited|active on site|page view|pageview|page viewed|session start|visite|viewed page|session",
    "view": "view|viewed|viewed product|product viewed|view item|produit vu|product view|viewed item",
    "cart": "cart|added to cart|add to cart|product added|ajout au panier|cart add|panier",
    "search": "search|searched|submitted search|recherche|searched site|products searched",
    "checkout": "checkout|checkout started|started checkout|begin checkout|initiated checkout|commande commencee",
    "order": "order|ordered|placed order|order completed|purchase|purchased|bought|commande|achat|order placed",
    "form": "form|form submitted|submitted form|formulaire|form submit",
    "bounce": "bounce",
}
_BACK = {
    "opened_at": "open",
    "clicked_at": CLICK,
    "replied_at": REPLY,
    "unsubscribed_at": "unsubscribe",
    "complained_at": "complaint",
}


def load_sends(job: Job) -> Outcome:
    """Messages that another tool sent. Clicks and replies become events; bounces, complaints and refusals are kept.

    Whoever was written to and is not known becomes a contact, without consent.
    """
    outcome = Outcome()
    if not job.mapping.has("event"):
        job.refuse_second_meanings(["message_key"])
    job.resolve(create_for="email", known_id_reason=_UNKNOWN)
    _label(job, "event", default="sent", words=_EVENT_WORDS)
    job.refuse(
        "SELECT line FROM rows r JOIN labels l ON l.text IS NOT DISTINCT FROM r.event WHERE l.kind = '' ORDER BY line",
        "this kind of event is not known",
        "event",
    )
    source = job.source.replace("'", "''")
    # Without a key of its own, a message is one contact's part of a campaign, or of a moment where no event says more.
    when = "''" if job.mapping.has("event") and job.mapping.has("campaign") else "r.at::VARCHAR"
    delivered = "coalesce(r.delivered, r.delivered_at IS NOT NULL)" if _says_delivered(job) else "true"
    bounce = _bounce_of(job)
    job.sql.execute(
        f"""CREATE TEMP TABLE came AS
        SELECT r.line, p.contact_id, l.kind, r.at, coalesce(r.campaign, '') AS campaign,
            coalesce(lower(r.channel), 'email') AS channel, coalesce(r.human, true) AS human,
            coalesce(r.message_key, 'import-' || md5(concat_ws(chr(31), '{source}', p.contact_id::VARCHAR,
                coalesce(r.campaign, ''), {when}))) AS message_key,
            {delivered} AS delivered, {bounce} AS bounced, {", ".join(f"r.{name}" for name in _BACK)}
        FROM rows r JOIN people p USING (line)
        JOIN labels l ON l.text IS NOT DISTINCT FROM r.event"""
    )
    written, _ = job.upsert(
        LakeTable.SENDS,
        f"""SELECT message_key, arg_min(contact_id, line) AS contact_id, arg_min(campaign, line) AS campaign,
            arg_min(channel, line) AS channel, min("at") AS "at",
            bool_or(kind IN ('open', 'click', 'reply', 'delivered') OR opened_at IS NOT NULL OR clicked_at IS NOT NULL
                OR replied_at IS NOT NULL OR (kind = 'sent' AND delivered AND bounced = ''))
                AND NOT bool_or(bounced = 'hard' OR kind = 'hard_bounce') AS delivered,
            CASE WHEN bool_or(bounced = 'hard' OR kind = 'hard_bounce') THEN 'hard'
                 WHEN bool_or(bounced = 'soft' OR kind = 'soft_bounce') THEN 'soft' ELSE '' END AS bounced,
            '{source}' AS source
        FROM came GROUP BY message_key
        HAVING bool_or(kind IN ('sent', 'delivered', 'hard_bounce', 'soft_bounce'))""",
    )
    outcome.add("sends", written)
    backs = " UNION ALL ".join(
        f"""SELECT message_key, contact_id, '{kind}' AS kind, {name} AS "at", human
            FROM came WHERE {name} IS NOT NULL"""
        for name, kind in _BACK.items()
    )
    kinds = ", ".join(f"'{kind}'" for kind in _BACK.values())
    job.sql.execute(
        f"""CREATE TEMP TABLE back AS
        SELECT message_key || ':' || kind || ':' || "at" AS event_id, contact_id, kind, "at", bool_or(human) AS human
        FROM ({backs} UNION ALL
            SELECT message_key, contact_id, kind, "at", human FROM came WHERE kind IN ({kinds}))
        GROUP BY ALL"""
    )
    events, _ = job.upsert(
        LakeTable.EVENTS,
        f"""SELECT event_id, contact_id, kind, "at", '' AS category, '' AS product_id, NULL::BIGINT AS value_cents,
            human, '{source}' AS source, '{{}}' AS properties FROM back""",
    )
    outcome.add("events", events)
    _protect(job, outcome)
    outcome.rows_written = max(written, events)
    return outcome


def load_events(job: Job) -> Outcome:
    """Things that contacts did; a visitor without a name becomes an anonymous contact."""
    outcome = Outcome()
    job.refuse_second_meanings(["event_id"])
    job.resolve(create_for="email anonymous", known_id_reason=_UNKNOWN)
    job.refuse(
        "SELECT line FROM rows WHERE contact IS NULL AND anonymous IS NULL AND email IS NULL ORDER BY line",
        "the event names nobody",
        "contact" if job.mapping.has("contact") else "email",
    )
    _label(job, "kind", default="", words=_EVENT_WORDS, otherwise=lambda text: plain(text).replace(" ", "_"))
    job.refuse(
        "SELECT r.line FROM rows r JOIN labels l ON l.text = r.kind WHERE l.kind = '' ORDER BY r.line",
        "the event has no kind",
        "kind",
    )
    source = job.source.replace("'", "''")
    written, _ = job.upsert(
        LakeTable.EVENTS,
        f"""SELECT coalesce(r.event_id, 'import-' || md5(concat_ws(chr(31), '{source}', p.contact_id::VARCHAR, l.kind,
                r.at::VARCHAR, coalesce(r.product_id, ''), coalesce(r.category, '')))) AS event_id,
            p.contact_id, l.kind, r.at, coalesce(r.category, c.category, '') AS category,
            coalesce(r.product_id, '') AS product_id, r.value AS value_cents, coalesce(r.human, true) AS human,
            '{source}' AS source, coalesce(t.properties, '{{}}') AS properties
        FROM rows r JOIN people p USING (line) JOIN labels l ON l.text = r.kind
        LEFT JOIN products c ON c.product_id = r.product_id
        LEFT JOIN ({_properties(job)}) t ON t.text = r.properties""",
    )
    outcome.add("events", written)
    outcome.rows_written = written
    return outcome


def _label(
    job: Job, name: str, *, default: str, words: dict[str, str], otherwise: Callable[[str], str] = lambda _text: ""
) -> None:
    """Make the table ``labels`` (text, kind): what each distinct text of a column stands for."""
    known = {word: kind for kind, listed in reversed(words.items()) for word in listed.split("|")}
    known.update({kind: kind for kind in KINDS})
    texts = [row[0] for row in job.sql.execute(f"SELECT DISTINCT {name} FROM rows").fetchall()]
    kinds = [default if text is None else known.get(plain(text)) or otherwise(text) for text in texts]
    if name == "event":
        kinds = ["hard_bounce" if kind == "bounce" else kind for kind in kinds]
    job.sql.register(
        "label_rows", pa.table({"text": pa.array(texts, pa.string()), "kind": pa.array(kinds, pa.string())})
    )
    job.sql.execute("CREATE OR REPLACE TEMP TABLE labels AS SELECT * FROM label_rows")
    job.sql.unregister("label_rows")


def _properties(job: Job) -> str:
    """A query for (text, properties): each distinct text as a JSON object."""
    texts = [
        row[0]
        for row in job.sql.execute("SELECT DISTINCT properties FROM rows WHERE properties IS NOT NULL").fetchall()
    ]
    rows = pa.table({"text": pa.array(texts, pa.string()), "properties": pa.array(map(_as_json, texts), pa.string())})
    job.sql.register("property_rows", rows)
    return "SELECT text, properties FROM property_rows"


def _as_json(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return json.dumps(value if isinstance(value, dict) else {"text": value}, sort_keys=True, ensure_ascii=False)


def _says_delivered(job: Job) -> bool:
    return job.mapping.has("delivered") or job.mapping.has("delivered_at")


def _bounce_of(job: Job) -> str:
    said = "lower(coalesce(r.bounce, ''))"
    return f"""CASE WHEN contains({said}, 'soft') OR contains({said}, 'temporaire') THEN 'soft'
        WHEN {said} NOT IN ('', 'no', 'non', 'false', 'faux', '0', 'none', '-') THEN 'hard'
        WHEN r.bounced_at IS NOT NULL THEN 'hard' ELSE '' END"""


def _protect(job: Job, outcome: Outcome) -> None:
    """Who complained or whose address is dead is suppressed; who unsubscribed has withdrawn consent."""
    dead = job.read(
        """SELECT contact_id, channel, 'hard_bounce' AS reason, min("at") AS "at" FROM came
        WHERE kind = 'hard_bounce' OR bounced = 'hard' GROUP BY ALL
        UNION ALL
        SELECT contact_id, channel, 'complained' AS reason, min(coalesce(complained_at, "at")) AS "at" FROM came
        WHERE kind = 'complaint' OR complained_at IS NOT NULL GROUP BY ALL
        ORDER BY contact_id, reason"""
    )
    left = job.read(
        """SELECT contact_id, channel, coalesce(unsubscribed_at, "at") AS "at" FROM came
        WHERE kind = 'unsubscribe' OR unsubscribed_at IS NOT NULL ORDER BY contact_id, 3"""
    )
    with job.store.write() as connection:
        people = live_contacts(connection, sorted({row["contact_id"] for row in dead}))
        blocked = [
            {
                "channel": row["channel"],
                "address_hash": people[row["contact_id"]].email_hash,
                "reason": row["reason"],
                "at": from_micros(row["at"]),
                "source": job.source,
            }
            for row in dead
            if people[row["contact_id"]].email_hash
        ]
        outcome.add("suppressions", upsert(connection, suppressions, blocked))
        withdrawn = [
            Consent(
                contact_id=row["contact_id"],
                channel=row["channel"],
                purpose="marketing",
                state="withdrawn",
                at=from_micros(row["at"]),
                source=job.source,
                proof="unsubscribed from a message",
            )
            for row in left
        ]
        outcome.add("consents", record(connection, withdrawn))
