"""What is different between two versions of a proposal, part by part, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from agents.edit import step_names
from memory.bands import by_label
from memory.finding import Verdict
from memory.play import Play
from memory.proposal import Proposal
from memory.step_text import tell_reentry, tell_sequence, tell_trigger

_HAS_WORDS: Final = re.compile(
    r"(?:audience_sentence|size_band|offer|tiers|trigger|reentry|holdout_share|owner|policy_version|goal|days_between)\b"
    r"|limits\.contacts_per_day$|schedule\.(?:starts_at|send_from_hour|send_until_hour)$"
    r"|sequences\.\d+\.(?:share$|steps\.\d+\.copies\.)"
)


class Difference(BaseModel):
    """One part that is not as it was; empty where it was not there, or is there no more."""

    model_config = ConfigDict(frozen=True)

    part: str
    before: str
    after: str


def differences(before: Proposal, after: Proposal, language: str) -> list[Difference]:
    """Every part that differs: of what would happen first, then of what is known about it."""
    plays = play_differences(before.play, after.play, language)
    return plays + _between(_told_about(before), _told_about(after))


def play_differences(before: Play, after: Play, language: str) -> list[Difference]:
    """Every part of what would happen that differs; nothing that the digest covers is left out."""
    if before.digest == after.digest:
        return []
    told = _between(_told(before, language), _told(after, language))
    recorded = _between(_flat(before.model_dump(mode="json")), _flat(after.model_dump(mode="json")))
    # Whatever has no words of its own is shown as it is recorded.
    return told + [one for one in recorded if not _HAS_WORDS.match(one.part)]


def _told(play: Play, language: str) -> dict[str, str]:
    told = {
        "trigger": tell_trigger(play.trigger, language),
        "re-entry": tell_reentry(play.reentry, language),
        "audience": play.audience_sentence,
        "contacts who may enter": " – ".join(str(one) for one in play.size_band),
        "offer": ", ".join(one.labels.get(language, one.offer_id) for one in play.offers),
        "held out": f"{play.holdout_share:.1%}",
        "contacts a day": str(play.limits.contacts_per_day or ""),
        "days between letters": str(play.days_between or ""),
        "start": f"{play.schedule.starts_at:%Y-%m-%d %H:%M} UTC",
        "sending hours": f"{play.schedule.send_from_hour}:00 – {play.schedule.send_until_hour}:00",
        "goal": f"{play.goal.noun}, {play.goal.window_days} d",
        "owner": play.owner,
        "policy": play.policy_version,
    }
    for one in play.sequences:
        told[f"sequence {one.key}"] = f"{one.share:.0%}: {tell_sequence(one, language, play.trigger)}"
    for label, shares in by_label(play.bands, play.shares, language).items():
        told[label] = ", ".join(f"{key} {share:.0%}" for key, share in shares.items())
    for name, (_, step) in step_names(play).items():
        for spoken, copy in sorted(step.copies.items()):
            for slot, text in copy.model_dump().items():
                told[f"{name} · {spoken} · {slot}"] = (
                    "\n".join(text) if isinstance(text, list | tuple) else str(text or "")
                )
    return told


def _told_about(proposal: Proposal) -> dict[str, str]:
    against = [one for one in proposal.findings if one.verdict is not Verdict.ALLOW]
    return {
        "reach": str(proposal.audience.treated),
        "cost": f"{proposal.cost_cents / 100:.2f} {proposal.currency}",
        "forecast": proposal.forecast.sentence,
        "findings": "\n".join(f"{one.verdict}: {one.sentence}" for one in against),
        "people": str(proposal.approvals.people),
        "decide by": f"{proposal.expires_at:%Y-%m-%d %H:%M} UTC",
    }


def _between(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    parts = dict.fromkeys([*after, *before])
    return [
        Difference(part=part, before=before.get(part, ""), after=after.get(part, ""))
        for part in parts
        if before.get(part, "") != after.get(part, "")
    ]


def _flat(value: Any, place: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        parts = [(f"{place}.{key}" if place else str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        parts = [(f"{place}.{number}", item) for number, item in enumerate(value)]
    else:
        return {place: str(value)}
    return {name: text for part, item in parts for name, text in _flat(item, part).items()}
