"""One message that may leave and one proposal that may be put before people; each test spoils one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from memory.play import Fact, Offer, Play
from memory.proposal import Audience
from memory.standing import FINE
from memory.steps import Copy, ExitStep, Purpose, SendStep, Sequence
from policies.facts import ANY_TOPIC, NEVER, NO_OFFER, ApprovalFacts, MessageFacts, ProposalFacts
from policies.pack import Pack, parse_pack
from policies.rule import Wording
from tests import examples

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
BASE = Path(__file__).parents[2] / "policies" / "packs" / "base.yaml"

LETTER = """<mjml><mj-body><mj-section><mj-column>
<mj-text>{{ copy.headline }}{% for paragraph in copy.body %}<p>{{ paragraph }}</p>{% endfor %}</mj-text>
<mj-button href="{{ copy.link }}">{{ copy.button }}</mj-button>
<mj-text><a href="{{ links.unsubscribe }}">Unsubscribe</a> {{ brand.name }}, {{ brand.postal_address }}</mj-text>
</mj-column></mj-section></mj-body></mjml>"""

OFFER = Offer(
    offer_id="spring",
    kind="percent",
    value=1000,
    code="SPRING10",
    labels={"en": "10 % off your next basket", "fr": "10 % sur votre prochain panier"},
    starts_at=NOW - timedelta(days=1),
    ends_at=NOW + timedelta(days=60),
)
FACT = Fact(fact_id="returns", language="en", text="Returns are free for 30 days.", approved_by="marie")


@cache
def base_text() -> str:
    return BASE.read_text(encoding="utf-8")


@cache
def base_pack() -> Pack:
    return parse_pack(base_text(), where="base.yaml")


def own_pack(rules: str) -> Pack:
    """The base pack with some rules set otherwise."""
    text = f"schema_version: 1\nname: own\nextends: base\nrules:\n{rules}"
    return parse_pack(text, where="own.yaml", parents={"base": base_text()})


def approval(**changes: Any) -> ApprovalFacts:
    values: dict[str, Any] = {
        "digest_expected": "a" * 64,
        "digest_found": "a" * 64,
        "approved": True,
        "expires_at": NOW + timedelta(days=10),
        "revoked": False,
        "policy_version": base_pack().version,
        **changes,
    }
    return ApprovalFacts(**values)


def message(**changes: Any) -> MessageFacts:
    """A message with nothing against it."""
    values: dict[str, Any] = {
        "now": NOW,
        "channel": "email",
        "purpose": "marketing",
        "switch_stopped": False,
        "deadline_at": NOW + timedelta(days=3),
        "approval": approval(),
        "contact_erased": False,
        "suppressed_reason": "",
        "consent_state": "granted",
        "consent_has_proof": True,
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
        "local_now": NOW.astimezone(PARIS),
        "zone_known": True,
        "send_from_hour": 9,
        "send_until_hour": 18,
        "weekdays": (0, 1, 2, 3, 4),
        "in_holdout": False,
        "in_programme_holdout": False,
        "offer": NO_OFFER,
        "standing": FINE,
        "bindings_missing": (),
        "example_parts": (),
        "sender_address": "hello@shop.example.com",
        "postal_address": "12 Orchard Road, Springfield",
        "unsubscribe_url": "https://shop.example.com/u/abc",
        **changes,
    }
    return MessageFacts(**values)


def play(**changes: Any) -> Play:
    """A win-back letter in English and French, without an offer."""
    return examples.play(**{"templates": {"letter": LETTER}, **changes})


def sends(count: int, every_days: int = 1) -> tuple[Sequence, ...]:
    """One sequence of some messages, some days apart."""
    steps: list[Any] = []
    for number in range(count):
        if number:
            steps.append({"kind": "wait", "key": f"wait-{number}", "days": every_days})
        steps.append(step(key=f"mail-{number}"))
    steps.append({"kind": "exit", "key": "done"})
    return (Sequence.model_validate({"key": "one", "title": "One", "steps": steps, "share": 1}),)


def step(**changes: Any) -> SendStep:
    values: dict[str, Any] = {"key": "mail", "template": "letter", "copies": {"en": examples.copy("en")}, **changes}
    return SendStep(**values)


def one_mail(**changes: Any) -> tuple[Sequence, ...]:
    return (Sequence(key="one", title="One", steps=(step(**changes), ExitStep(key="done")), share=1),)


def proposal(**changes: Any) -> ProposalFacts:
    """A proposal with nothing against it; `play_changes` go to its play."""
    play_changes = changes.pop("play_changes", {})
    values: dict[str, Any] = {
        "play": play(**play_changes),
        "now": NOW,
        "channels": {"email": None, "sms": None, "audience": None},
        "audience": Audience(selected=120, reachable=100, holdout=10, treated=90),
        "consent_coverage": 0.8,
        "quality": {"consent_proof_share": 0.9},
        "requirements": {"consent_proof_share": 0.5},
        "offers": (OFFER,),
        "codes_left": {},
        "approved_facts": (FACT,),
        "reference_price_cents": 5000,
        "html_bytes": 12_000,
        "cost_cents": 900,
        "times_run": 1,
        "standings": (),
        "harmed_before": False,
        **changes,
    }
    return ProposalFacts(**values)


def wording(
    language: str = "en",
    *,
    offer: Offer | None = None,
    facts: tuple[Fact, ...] = (FACT,),
    text: tuple[str, ...] = (),
    purpose: Purpose = "marketing",
    **slots: Any,
) -> Wording:
    """Short, truthful copy with some slots written otherwise, or a text message."""
    copy = Copy(body=text) if text else examples.copy(language, **slots)
    return Wording(
        copy=copy,
        language=language,
        brand=examples.brand(),
        offer=offer,
        facts=facts,
        where="one/mail",
        channel="sms" if text else "email",
        purpose=purpose,
    )
