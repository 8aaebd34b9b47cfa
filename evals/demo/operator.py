"""Who decides in the demo: the person at the terminal, or a script that says yes, changes one, and says no."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import typer
from pydantic import BaseModel, ConfigDict

from console.cli.output import quote, say
from console.cli.place import operator
from memory import proposals
from memory.proposal import Decision, DecisionVerdict, Proposal
from memory.proposals import StoredProposal
from memory.steps import SendStep
from memory.store import Store


class Wish(BaseModel):
    """What somebody wants to say about one proposal."""

    model_config = ConfigDict(frozen=True)

    verdict: DecisionVerdict
    reason: str = ""
    changes: dict[str, Any] = {}


class Operator(Protocol):
    """Looks at a proposal and says what to do with it; None leaves it waiting."""

    actor: str

    def judge(self, stored: StoredProposal) -> Wish | None: ...


class ScriptedOperator:
    """Approves the first, edits the second and approves the new version, rejects the third with a reason."""

    actor = "demo:script"

    def __init__(self) -> None:
        self._seen: list[str] = []

    def judge(self, stored: StoredProposal) -> Wish | None:
        proposal = stored.proposal
        if proposal.proposal_id in self._seen:
            return Wish(verdict="approve", reason="The change is in, as asked.") if proposal.version > 1 else None
        self._seen.append(proposal.proposal_id)
        place = len(self._seen)
        if place == 1:
            return Wish(verdict="approve", reason="Clear evidence, and we can afford to be wrong.")
        if place == 2:
            return Wish(verdict="edit", reason="Say it in our words.", changes=edited_subject(proposal))
        if place == 3:
            return Wish(verdict="reject", reason="Two campaigns at once are enough for our small team.")
        return None


class AskingOperator:
    """Asks the person at the terminal."""

    def __init__(self) -> None:
        self.actor = operator()

    def judge(self, stored: StoredProposal) -> Wish | None:
        letter = typer.prompt(
            "Approve (a), edit the subject (e), reject (x), or leave it waiting (w)?", default="a", show_default=True
        )
        if letter.startswith("e") and stored.proposal.play.sends():
            subject = typer.prompt("New English subject of the first message")
            return Wish(verdict="edit", reason="Edited in the demo.", changes=edited_subject(stored.proposal, subject))
        if letter.startswith("x"):
            return Wish(verdict="reject", reason=typer.prompt("Why?"))
        return Wish(verdict="approve") if letter.startswith("a") else None


def edited_subject(proposal: Proposal, subject: str = "") -> dict[str, Any]:
    """Changes that replace the English subject of the first message."""
    sequence, step = proposal.play.sends()[0]
    name = _name(proposal, sequence.key, step)
    return {"copies": {name: {"en": {"subject": subject or f"A note from {proposal.play.brand.name}"}}}}


def decide(store: Store, stored: StoredProposal, wish: Wish, actor: str, at: datetime) -> Decision:
    """Record the wish on exactly the version that was shown."""
    with store.write() as connection:
        decision = proposals.decide(
            connection,
            proposal_id=stored.proposal.proposal_id,
            version=stored.proposal.version,
            digest=stored.proposal.digest,
            verdict=wish.verdict,
            actor=actor,
            reason=wish.reason,
            changes=wish.changes,
            at=at,
        )
    colour = {"approve": "green", "edit": "yellow", "reject": "red", "ask": "cyan"}[wish.verdict]
    say(f"  [{colour}]{wish.verdict}[/{colour}] by {quote(actor)}: {quote(wish.reason or '–')}")
    return decision


def _name(proposal: Proposal, sequence_key: str, step: SendStep) -> str:
    keys = [one.key for _, one in proposal.play.sends()]
    return step.key if keys.count(step.key) == 1 else f"{sequence_key}.{step.key}"
