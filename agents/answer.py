"""What a person says about a proposal, in whichever shape their screen sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from memory.proposal import DecisionVerdict

_VERDICTS: dict[str, DecisionVerdict] = {
    "accept": "approve",
    "approve": "approve",
    "edit": "edit",
    "response": "ask",
    "respond": "ask",
    "ask": "ask",
    "ignore": "reject",
    "reject": "reject",
}
SEPARATOR = "/"
PARAGRAPHS = "\n\n"


class Answer(BaseModel):
    """One decision. Agent Inbox's and LangChain's shapes are mapped to it before it is checked."""

    model_config = ConfigDict(extra="forbid")

    verdict: DecisionVerdict
    reason: str = Field(default="", max_length=4_000)
    changes: dict[str, Any] = Field(default_factory=dict)
    """For an edit, as in memory.proposal.Decision.changes."""
    decision_id: str = ""
    """The stored decision that this answer carries; empty when it comes straight from an inbox."""
    actor: str = Field(default="", max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _from_any_inbox(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            given = _only(list(given))
        if isinstance(given, Mapping) and "decisions" in given:
            given = _only(list(given["decisions"]))
        if isinstance(given, Mapping) and "type" in given:
            return _mapped(given)
        return given

    @model_validator(mode="after")
    def _says_enough(self) -> Answer:
        if self.verdict == "edit" and not self.changes:
            raise ValueError("an edit must say what to change")
        if self.verdict in ("approve", "reject") and self.changes:
            raise ValueError(f"to {self.verdict} changes nothing; send an edit first")
        if self.verdict in ("ask", "reject") and not self.reason.strip():
            raise ValueError(f"to {self.verdict} needs a few words")
        return self


def flatten(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Editable values under one name each, as an inbox shows them: copies/STEP/LANGUAGE/SLOT, holdout_share, …"""
    flat = {name: value for name, value in changes.items() if name != "copies"}
    for step, languages in changes.get("copies", {}).items():
        for language, slots in languages.items():
            for slot, text in slots.items():
                shown = PARAGRAPHS.join(text) if isinstance(text, list | tuple) else text
                flat[SEPARATOR.join(("copies", step, language, slot))] = shown
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The changes that flat names mean. Raises ValueError for a name that is none."""
    changes: dict[str, Any] = {}
    for name, value in flat.items():
        if not name.startswith("copies" + SEPARATOR):
            changes[name] = value
            continue
        parts = name.split(SEPARATOR)
        if len(parts) != 4:
            raise ValueError(f"{name} is not copies/STEP/LANGUAGE/SLOT")
        _, step, language, slot = parts
        text = [part for part in str(value).split(PARAGRAPHS) if part.strip()] if slot == "body" else value
        changes.setdefault("copies", {}).setdefault(step, {}).setdefault(language, {})[slot] = text
    return changes


def _only(answers: list[Any]) -> Any:
    if len(answers) != 1:
        raise ValueError("exactly one decision answers one question")
    return answers[0]


def _mapped(given: Mapping[str, Any]) -> dict[str, Any]:
    kind = given["type"]
    if kind not in _VERDICTS:
        raise ValueError(f"{kind!r} is not a decision: use {', '.join(sorted(_VERDICTS))}")
    verdict = _VERDICTS[kind]
    said = given.get("message") or given.get("args")
    mapped: dict[str, Any] = {"verdict": verdict}
    if verdict == "edit":
        action = given.get("edited_action") or given.get("args") or {}
        if not isinstance(action, Mapping):
            raise ValueError("an edit must carry the edited values")
        values = action.get("args", action)
        if not isinstance(values, Mapping):
            raise ValueError("an edit must carry the edited values")
        mapped["changes"] = unflatten(values)
    elif verdict in ("ask", "reject"):
        words = said if isinstance(said, str) else ""
        mapped["reason"] = words or ("Set aside in the inbox." if kind == "ignore" else "No reason was given.")
        if kind in ("response", "respond", "ask") and not words:
            raise ValueError("a question needs words")
    return mapped
