"""What travels between the nodes of the graph: ids, never payloads, and only types that JSON knows."""

from __future__ import annotations

from typing import Any, TypedDict


class ProposalState(TypedDict, total=False):
    """One thread, one proposal. Everything else is in the store, under these ids."""

    thread_id: str
    """Set from the run's own configuration before each node, so that edited state cannot move it."""
    proposal_id: str
    """Follows from the thread id, see agents.graph."""
    brief_id: str
    playbook: str
    questions_id: str
    """What the clarity gate asks, stored before it asks; empty when the brief is clear."""
    answers: dict[str, str]
    plan_id: str
    """The thread of the planning round that chose its playbook; empty where none did."""
    recall_id: str
    """Lessons and past campaigns that were recalled."""
    analysis_id: str
    writing_id: str
    scheduling_id: str
    draft_id: str
    """The proposal as the guardian last saw it, with its findings."""
    request_id: str
    """What people are shown, stored before they are asked."""
    revisions: int
    """How often the guardian sent it back since a person last saw it."""
    answer: dict[str, Any]
    """What a person said: their own words and changes, checked against the record by the next node."""
    route: str
    """Where the last node that may choose sent the thread."""
    outcome: str
    """How it ended: approved, rejected, withheld, settled elsewhere; empty while it goes on."""


class PlanState(TypedDict, total=False):
    """One planning round over all playbooks, or some."""

    thread_id: str
    brief_id: str
    playbooks: list[str]
    """Those to be planned for; all without it."""
    questions_id: str
    """The questions that the clarity gate asks, stored before it asks them."""
    answers: dict[str, str]
    ranking_id: str
    """The opportunities, best first."""
