"""Which way each limit is stricter, and the strictest of several packs' settings of a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from policies.rules import RULES

Direction = Literal["more", "less"]
GRAVITY: Final = ("advisory", "serious", "critical")

STRICTER: Final[Mapping[str, Mapping[str, Direction]]] = {
    "approval": {
        "one_person_from_contacts": "less",
        "one_person_from_spend_cents": "less",
        "one_person_from_discount_basis_points": "less",
        "one_person_when_new": "more",
        "raise_after_decisions": "more",
        "remind_before_hours": "more",
        "two_people_from_contacts": "less",
        "two_people_from_spend_cents": "less",
        "two_people_from_discount_basis_points": "less",
        "two_people_when_new_from_contacts": "less",
        "admin_among_two": "more",
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
    "not_for": {"pairs": "more"},
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
    "stock": {"minimum_units": "more", "known_required": "more"},
    "identity": {"free_mail_domains": "more"},
    "claims": {"urgency_needs_fact": "more", "banned_words": "more"},
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


def strictest(rule_id: str, settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One rule as several packs set it, joined: on where one has it on, with the gravest severity and, of each limit,
    the strictest value. Lists of what is forbidden add up; of lists of what is allowed, what all allow is left.

    Sentence and source are those of the first pack that sets it all so; where none does, those of all that set a part.
    """
    limits = [_whole(rule_id, one) for one in settings]
    enabled = any(one.get("enabled", True) for one in settings)
    severity = max((one.get("severity", "serious") for one in settings), key=GRAVITY.index)
    joined = {
        name: _strictest(STRICTER[rule_id][name], [one[name] for one in limits]) for name in STRICTER.get(rule_id, {})
    }
    same = [
        one
        for one, its in zip(settings, limits, strict=True)
        if (one.get("enabled", True), one.get("severity", "serious"), _sorted(its))
        == (enabled, severity, _sorted(joined))
    ]
    spoken = same[:1] or list(settings)
    return {
        "enabled": enabled,
        "severity": severity,
        "sentence": {
            language: " ".join(dict.fromkeys(one["sentence"][language] for one in spoken)) for language in ("en", "fr")
        },
        "source": " ".join(dict.fromkeys(str(one["source"]) for one in spoken)),
        "parameters": joined,
    }


def _whole(rule_id: str, setting: Mapping[str, Any]) -> dict[str, Any]:
    """The limits of a rule with those that a pack leaves to their defaults."""
    defaults: dict[str, Any] = RULES[rule_id].parameters().model_dump(mode="json")
    return {**defaults, **(setting.get("parameters") or {})}


def _strictest(stricter: Direction, values: Sequence[Any]) -> Any:
    first, *others = values
    if isinstance(first, list) and stricter == "more":
        every = [item for one in values for item in one]
        return [item for place, item in enumerate(every) if item not in every[:place]]
    if isinstance(first, list):
        return [item for item in first if all(item in one for one in others)]
    pick = max if stricter == "more" else min
    if isinstance(first, dict):
        names = dict.fromkeys(name for one in values for name in one)
        return {name: pick(one[name] for one in values if name in one) for name in names}
    return pick(values)


def _sorted(limits: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sorted(value, key=repr) if isinstance(value, list) else value for name, value in limits.items()}
