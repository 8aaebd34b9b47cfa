"""One valid brand, play, proposal and brief to start a test from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from memory.brand import Brand
from memory.finding import Finding, Verdict
from memory.play import Goal, Play, Schedule
from memory.proposal import Audience, Brief, DetectionLimit, Evidence, Forecast, Proposal
from memory.steps import Copy, ExitStep, SendStep, Sequence

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


def brand(**changes: Any) -> Brand:
    """A shop under example.com."""
    return Brand.model_validate(
        {
            "name": "Maple & Finch",
            "sender_name": "Maple & Finch",
            "sender_address": "hello@shop.example.com",
            "postal_address": "12 Orchard Road, Springfield",
            "website": "https://shop.example.com",
            **changes,
        }
    )


def copy(language: str = "en", **changes: Any) -> Copy:
    """Short, truthful copy."""
    words = {
        "en": ("It has been a while", "We would love to see you again", "Your favourites are still here.", "Visit us"),
        "fr": ("Cela fait un moment", "Au plaisir de vous revoir", "Vos favoris sont toujours là.", "Nous voir"),
    }[language]
    return Copy.model_validate(
        {"subject": words[0], "headline": words[1], "body": (words[2],), "button": words[3], **changes}
    )


def play(**changes: Any) -> Play:
    """A one-mail win-back with a tenth of its audience held out."""
    step = SendStep(key="reminder", template="letter", copies={"en": copy("en"), "fr": copy("fr")})
    values: dict[str, Any] = {
        "playbook": "win_back",
        "name": {"en": "Win back", "fr": "Reconquête"},
        "audience": {"type": "compare", "field": "recency_days", "operator": ">=", "value": 60},
        "audience_sentence": "days since the last order is at least 60",
        "size_band": (1, 1000),
        "sequences": (Sequence(key="one", title="One reminder", steps=(step, ExitStep(key="end")), share=1),),
        "templates": {"letter": "<mjml><mj-body></mj-body></mjml>"},
        "goal": Goal(window_days=14),
        "schedule": Schedule(starts_at=NOW, send_from_hour=9, send_until_hour=18, fallback_zone="Europe/Paris"),
        "holdout_share": 0.1,
        "brand": brand(),
        "owner": "marie",
        "policy_version": "base-1",
        **changes,
    }
    return Play.model_validate(values)


def proposal(proposal_id: str = "p1", **changes: Any) -> Proposal:
    """A proposal whose findings allow it."""
    values: dict[str, Any] = {
        "proposal_id": proposal_id,
        "thread_id": f"thread-{proposal_id}",
        "title": "Win back 100 customers",
        "summary": "One e-mail to 90 customers on Monday.",
        "hypothesis": "A reminder brings some of them back.",
        "why_now": "They usually buy every 30 days.",
        "evidence": (Evidence(lookup_id="l1", sentence="100 customers have not ordered for 60 days.", value=100),),
        "play": play(),
        "audience": Audience(selected=120, reachable=100, holdout=10, treated=90, sample=(1, 2)),
        "forecast": Forecast(
            window_days=14,
            base_rate=0.05,
            effect_mean=0.1,
            effect_sd=0.2,
            incremental_mean=0.5,
            incremental_quantiles={"0.05": -1.0, "0.25": 0.1, "0.5": 0.5, "0.75": 0.9, "0.95": 2.0},
            value_cents_mean=1500,
            currency="USD",
        ),
        "detection": DetectionLimit(
            relative_lift=2.0,
            absolute_lift=0.1,
            holdout=10,
            treated=90,
            base_rate=0.05,
            sentence="This list can only prove lifts above 200 %.",
        ),
        "findings": (Finding(rule="consent", verdict=Verdict.ALLOW, sentence="Everybody consented."),),
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=3),
        **changes,
    }
    return Proposal.model_validate(values)


def brief(**changes: Any) -> Brief:
    """A brief that answers every question of the clarity gate."""
    values: dict[str, Any] = {
        "brief_id": "b1",
        "metric": "orders",
        "intention": "bring lapsed customers back",
        "horizon_days": 28,
        "owner": "marie",
        "stop_rule": "complaints above 0.1 %",
        "decision": "whether to keep win-back mails",
        "author": "cli:marie",
        **changes,
    }
    return Brief.model_validate(values)
