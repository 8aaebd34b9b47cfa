"""One message that may leave, one proposal that may be put before people and one copy that may be sent: what the tests
of a pack, and its examples, start from. A test changes a few facts and says what the rule must make of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from memory.brand import Brand
from memory.play import Fact, Goal, Offer, Play, Schedule
from memory.proposal import Audience
from memory.standing import FINE
from memory.steps import Copy, ExitStep, SendStep, Sequence, WaitStep
from policies.facts import (
    ANY_TOPIC,
    NEVER,
    NO_OFFER,
    NO_PRODUCT,
    NOT_MEASURED,
    ApprovalFacts,
    MessageFacts,
    ProposalFacts,
)
from policies.rule import Wording

NOW: Final = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
"""A Monday, ten in the morning in Paris."""
ZONE: Final = ZoneInfo("Europe/Paris")
COPIES: Final = {
    "en": Copy(
        subject="It has been a while",
        headline="We would love to see you again",
        body=("Your favourites are still here.",),
        button="Visit us",
    ),
    "fr": Copy(
        subject="Cela fait un moment",
        headline="Au plaisir de vous revoir",
        body=("Vos favoris sont toujours là.",),
        button="Nous voir",
    ),
}
BRAND: Final = Brand(
    name="Maple & Finch",
    sender_name="Maple & Finch",
    sender_address="hello@shop.example.com",
    postal_address="12 Orchard Road, Springfield",
    website="https://shop.example.com",
)
OFFER: Final = Offer(
    offer_id="spring",
    kind="percent",
    value=1000,
    code="SPRING10",
    labels={"en": "10 % off your next basket", "fr": "10 % sur votre prochain panier"},
    starts_at=NOW - timedelta(days=1),
    ends_at=NOW + timedelta(days=60),
)
FACT: Final = Fact(fact_id="returns", language="en", text="Returns are free for 30 days.", approved_by="marie")
LETTER: Final = """<mjml><mj-head><mj-title>{{ copy.subject }}</mj-title></mj-head><mj-body><mj-section><mj-column>
<mj-text>{{ copy.headline }}{% for paragraph in copy.body %}<p>{{ paragraph }}</p>{% endfor %}</mj-text>
<mj-button href="{{ copy.link }}">{{ copy.button }}</mj-button>
<mj-text><a href="{{ links.unsubscribe }}">Unsubscribe</a> {{ brand.name }}, {{ brand.postal_address }}</mj-text>
</mj-column></mj-section></mj-body></mjml>"""


def message(pack_version: str, **changes: Any) -> MessageFacts:
    """A message with nothing against it under a pack of that version, with some facts changed."""
    values: dict[str, Any] = {
        "now": NOW,
        "channel": "email",
        "purpose": "marketing",
        "switch_stopped": False,
        "deadline_at": NOW + timedelta(days=3),
        "approval": ApprovalFacts(
            digest_expected="a" * 64,
            digest_found="a" * 64,
            approved=True,
            expires_at=NOW + timedelta(days=10),
            revoked=False,
            policy_version=pack_version,
        ),
        "contact_erased": False,
        "suppressed_reason": "",
        "consent_state": "granted",
        "consent_has_proof": True,
        "consent_confirmed": True,
        "customer_told": False,
        "similar_bought_at": NEVER,
        "last_heard_at": NOW - timedelta(days=10),
        "playbook": "win_back",
        "language_matches": True,
        "topic": "",
        "topics_wanted": ANY_TOPIC,
        "paused_until": NEVER,
        "at_most_days": 0,
        "last_sent_at": NEVER,
        "sent_in_window": 0,
        "room_left": 3,
        "rivals": (),
        "tracking_known": True,
        "last_human_signal_at": NOW - timedelta(days=10),
        "sent_since_signal": 2,
        "exempt_sent_in_lapse": 0,
        "last_purchase_at": NEVER,
        "recent_purchase_days": 14,
        "local_now": NOW.astimezone(ZONE),
        "zone_known": True,
        "send_from_hour": 0,
        "send_until_hour": 24,
        "weekdays": (0, 1, 2, 3, 4, 5, 6),
        "in_holdout": False,
        "in_programme_holdout": False,
        "standing": FINE,
        "offer": NO_OFFER,
        "product_stock_units": NO_PRODUCT,
        "in_barred_segment": False,
        "bindings_missing": (),
        "example_parts": (),
        "sender_address": BRAND.sender_address,
        "postal_address": BRAND.postal_address,
        "unsubscribe_url": "https://shop.example.com/u/abc",
    }
    return MessageFacts(**{**values, **changes})


def step(number: int = 1, **changes: Any) -> SendStep:
    """One e-mail in English and French."""
    return SendStep(**{"key": f"mail-{number}", "template": "letter", "copies": COPIES, **changes})


def sequence(messages: int = 1, *, days_apart: int = 1, **changes: Any) -> Sequence:
    """Some messages, some days apart; ``changes`` are those of each message."""
    steps: list[SendStep | WaitStep | ExitStep] = []
    for number in range(1, messages + 1):
        if number > 1:
            steps.append(WaitStep(key=f"wait-{number}", days=days_apart))
        steps.append(step(number, **changes))
    return Sequence(key="one", title="One", steps=(*steps, ExitStep(key="end")), share=1)


def play() -> Play:
    """A win-back letter in English and French, without an offer, of which a tenth is held out."""
    return Play(
        playbook="win_back",
        name={"en": "Win back", "fr": "Reconquête"},
        audience={"type": "compare", "field": "recency_days", "operator": ">=", "value": 60},
        audience_sentence="days since the last order is at least 60",
        size_band=(1, 1000),
        sequences=(sequence(),),
        templates={"letter": LETTER},
        goal=Goal(window_days=14),
        schedule=Schedule(starts_at=NOW, send_from_hour=10, send_until_hour=18, fallback_zone="Europe/Paris"),
        holdout_share=0.1,
        brand=BRAND,
        owner="marie",
        policy_version="sample",
    )


def proposal(**changes: Any) -> ProposalFacts:
    """A proposal with nothing against it, with some facts changed."""
    values: dict[str, Any] = {
        "play": play(),
        "now": NOW,
        "channels": {"email": None, "sms": None, "audience": None, "crm": None},
        "audience": Audience(selected=120, reachable=100, holdout=10, treated=90),
        "consent_coverage": 0.8,
        "quality": {"consent_proof_share": 0.9},
        "requirements": {"consent_proof_share": 0.5},
        "offers": (OFFER,),
        "codes_left": {},
        "approved_facts": (FACT,),
        "reference_price_cents": 5000,
        "html_bytes": 12_000,
        "spam_score": NOT_MEASURED,
        "senders": {"marketing": (BRAND.sender_address,)},
        "words_last_sent": {},
        "cost_cents": 900,
        "standings": (),
        "times_run": 1,
        "harmed_before": False,
    }
    return ProposalFacts(**{**values, **changes})


def wording(language: str = "en", **changes: Any) -> Wording:
    """Short, truthful copy in English or French, with some slots or records changed."""
    slots = {name: changes.pop(name) for name in list(changes) if name in Copy.model_fields}
    values: dict[str, Any] = {
        "copy": COPIES[language].model_copy(update=slots),
        "language": language,
        "brand": BRAND,
        "offer": None,
        "facts": (FACT,) if language == FACT.language else (),
        "where": f"one/mail-1 ({language})",
    }
    return Wording(**{**values, **changes})
