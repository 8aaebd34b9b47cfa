"""The packaged playbooks as plays, each message of them, and offers for those that use one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from agents.playbook import PACKAGED, Playbook, load_playbooks
from memory.play import Offer, Play, Schedule
from memory.steps import SendStep
from tests.examples import NOW, brand

PLAYBOOKS = load_playbooks(PACKAGED)

LABELS = {
    "percent": {"en": "10 % off your next basket", "fr": "10 % de remise sur votre prochain panier"},
    "gift": {"en": "A small gift with your next order", "fr": "Un petit cadeau avec votre prochaine commande"},
}


def offer_for(playbook: Playbook, *, code: str = "BACK10") -> Offer | None:
    """An offer of a kind that the playbook allows; None where it uses none."""
    if playbook.offer.use == "none":
        return None
    kind = "percent" if "percent" in playbook.offer.kinds else "gift"
    return Offer(
        offer_id=f"{kind}-1",
        kind=kind,
        value=1000 if kind == "percent" else 0,
        code=code,
        labels=LABELS[kind],
        starts_at=NOW,
        ends_at=NOW + timedelta(days=28),
    )


def play_of(playbook: Playbook, **changes: Any) -> Play:
    """The play that the playbook describes on some channels, with an offer where it can use one."""
    offer = changes.pop("offer", offer_for(playbook))
    channels: Collection[str] = changes.pop("channels", ("email",))
    values: dict[str, Any] = {
        "playbook": playbook.id,
        "name": playbook.name,
        "audience": playbook.segment,
        "audience_sentence": playbook.signal["en"],
        "trigger": playbook.trigger,
        "reentry": playbook.reentry,
        "records": playbook.records,
        "size_band": (1, 1000),
        "sequences": playbook.tellings(offer, channels),
        "templates": playbook.templates,
        "offer": offer,
        "goal": playbook.goal,
        "exits": playbook.exits,
        "schedule": Schedule(starts_at=NOW, send_from_hour=9, send_until_hour=18, fallback_zone="Europe/Paris"),
        "holdout_share": playbook.holdout_share,
        "limits": playbook.limits.model_copy(update={"contacts_per_day": 50} if playbook.trigger.runs_days else {}),
        "brand": brand(),
        "owner": "marie",
        "policy_version": "base-1",
        **changes,
    }
    return Play.model_validate(values)


def messages() -> list[tuple[str, str, str, str]]:
    """Every e-mail there is, as (playbook, sequence, step, language)."""
    return [
        (name, sequence.key, step.key, language)
        for name, playbook in PLAYBOOKS.items()
        for sequence in playbook.sequences
        for step in sequence.steps
        if isinstance(step, SendStep) and step.channel == "email"
        for language in step.copies
    ]


def step_of(play: Play, sequence_key: str, step_key: str) -> SendStep:
    """One message of a play."""
    return next(step for sequence, step in play.sends() if (sequence.key, step.key) == (sequence_key, step_key))
