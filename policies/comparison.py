"""Which rules of one pack are stricter or looser than those of another."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from policies.pack import Pack, RuleSetting
from policies.rules import RULES

Direction = Literal["more", "less"]


class Effect(StrEnum):
    """What a change does to what may leave."""

    STRICTER = "stricter"
    LOOSER = "looser"
    OTHER = "other"
    """Some of both, or words only."""


class Change(BaseModel):
    """One thing that two packs set differently."""

    model_config = ConfigDict(frozen=True)

    rule: str
    what: str
    """A parameter, or ``enabled``, ``severity``, ``sentence``, ``source``."""
    old: Any
    new: Any
    effect: Effect


STRICTER: Final[Mapping[str, Mapping[str, Direction]]] = {
    "approval": {
        "two_people_from_contacts": "less",
        "two_people_from_spend_cents": "less",
        "two_people_from_discount_basis_points": "less",
        "two_people_when_new_from_contacts": "less",
        "two_people_when_held": "more",
        "two_people_when_harmed": "more",
    },
    "deadline": {"maximum_days": "less"},
    "consent": {"proof_required": "more", "double_opt_in_required": "more", "existing_customer_days": "less"},
    "preferences": {"general_to_choosers": "less"},
    "hibernation": {
        "silent_days": "less",
        "messages_unanswered": "less",
        "exempt_messages_per_lapse": "less",
        "exempt_playbooks": "less",
    },
    "data_age": {"maximum_days": "less"},
    "recent_purchase": {"minimum_days": "more", "similar_days": "more", "similar_exempt_playbooks": "less"},
    "frequency": {"messages": "less", "window_days": "more"},
    "pressure": {"look_ahead_hours": "more"},
    "send_window": {
        "earliest_hour": "more",
        "latest_hour": "less",
        "weekdays": "less",
        "sms_earliest_hour": "more",
        "sms_latest_hour": "less",
        "sms_weekdays": "less",
        "holidays_of": "more",
        "sms_holidays_of": "more",
        "fallback_zone_allowed": "less",
    },
    "reputation": dict.fromkeys(
        (
            "slow_complaint_share",
            "stop_complaint_share",
            "slow_bounce_share",
            "stop_bounce_share",
            "slow_unsubscribe_share",
            "stop_unsubscribe_share",
            "slow_deferral_share",
            "minimum_messages",
            "minimum_reports",
            "slowed_room_share",
            "silent_domains",
        ),
        "less",
    ),
    "holdout": {"minimum_share": "more", "maximum_share": "less"},
    "identity": {"free_mail_domains": "more"},
    "claims": {"urgency_needs_fact": "more"},
    "subject": {"maximum_exclamation_marks": "less", "maximum_capitals_share": "less"},
    "language": {"minimum_marker_words": "less", "own_language_required": "more"},
    "length": {
        "subject_characters": "less",
        "preheader_characters": "less",
        "headline_characters": "less",
        "paragraph_characters": "less",
        "button_characters": "less",
        "paragraphs": "less",
    },
    "text_message": {"maximum_segments": "less", "opt_out_words": "less"},
    "links": {"extra_domains": "less", "shorteners": "more"},
    "accessibility": {"minimum_contrast_ratio": "more"},
    "message_size": {"maximum_html_bytes": "less"},
    "spam_score": {"spam_from_score": "less"},
    "reuse": {"minimum_days": "more"},
    "discount": {"maximum_basis_points": "less"},
    "spend": {"maximum_cents": "less"},
    "audience_size": {"minimum_contacts": "more", "maximum_contacts": "less"},
    "consent_coverage": {"minimum_share": "more"},
    "data_quality": {"minimum_measures": "more"},
    "transactional": {"playbooks": "less"},
    "exits": {"required": "more"},
    "start_date": {"maximum_days": "less"},
    "review_date": {"maximum_days": "less"},
}
"""Per parameter, whether more of it or less of it is stricter; of a list, more or fewer of its items."""


def compare(old: Pack, new: Pack) -> list[Change]:
    """What the new pack sets otherwise than the old one, rule by rule; empty where they say the same."""
    return [change for rule_id in RULES for change in _compare(old.setting(rule_id), new.setting(rule_id))]


def _compare(old: RuleSetting, new: RuleSetting) -> list[Change]:
    found = []
    before, after = old.parameters.model_dump(mode="json"), new.parameters.model_dump(mode="json")
    sides: list[tuple[str, Any, Any, Effect]] = [
        ("enabled", old.enabled, new.enabled, _effect("more", old.enabled, new.enabled)),
        ("severity", old.severity, new.severity, _graver(old.severity, new.severity)),
        *(
            (name, before[name], after[name], _effect(STRICTER[old.id][name], before[name], after[name]))
            for name in before
        ),
        ("sentence", old.sentence.model_dump(), new.sentence.model_dump(), Effect.OTHER),
        ("source", old.source, new.source, Effect.OTHER),
    ]
    for what, one, other, effect in sides:
        if one != other:
            found.append(Change(rule=old.id, what=what, old=one, new=other, effect=effect))
    return found


def _effect(stricter: Direction, old: Any, new: Any) -> Effect:
    if isinstance(old, list):
        grows, shrinks = set(old) < set(new), set(new) < set(old)
    elif isinstance(old, dict):
        names = {*old, *new}
        grows = all(new.get(name, 0) >= old.get(name, 0) for name in names)
        shrinks = all(new.get(name, 0) <= old.get(name, 0) for name in names)
    else:
        grows, shrinks = new > old, new < old
    if grows == shrinks:
        return Effect.OTHER
    return Effect.STRICTER if grows == (stricter == "more") else Effect.LOOSER


def _graver(old: str, new: str) -> Effect:
    """Serious and critical rules both stop what they find; an advisory one does not."""
    if (old == "advisory") == (new == "advisory"):
        return Effect.OTHER
    return Effect.LOOSER if new == "advisory" else Effect.STRICTER
