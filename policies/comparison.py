"""Which rules of one pack are stricter or looser than those of another."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from policies.pack import Pack, RuleSetting
from policies.rules import RULES
from policies.strictness import STRICTER, Direction


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
        lost, gained = [one for one in old if one not in new], [one for one in new if one not in old]
        grows, shrinks = bool(gained) and not lost, bool(lost) and not gained
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
