"""A proposal in the making, put together for an agent from the ids in the state."""

from __future__ import annotations

from agents.desk import Desk
from agents.handover import Draft, fetch
from agents.measures import lookups_for
from agents.playbook import Playbook
from agents.provider import Recall, Task
from agents.state import ProposalState
from memory import proposals
from memory.errors import NotFoundError
from memory.finding import Finding, Verdict


def task_of(state: ProposalState, desk: Desk) -> Task:
    """The task of this thread, with what the guardian held against the last draft."""
    with desk.store.read() as connection:
        brief = proposals.read_brief(connection, state["brief_id"])
    return Task(
        desk=desk,
        lookups=lookups_for(desk, state["thread_id"]),
        brief=brief,
        playbook=playbook_of(state["playbook"], desk),
        recall=fetch(desk, state["thread_id"], state["recall_id"], Recall),
        objections=_objections(state, desk),
    )


def playbook_of(name: str, desk: Desk) -> Playbook:
    """Raises NotFoundError."""
    if name not in desk.playbooks:
        raise NotFoundError(f"There is no playbook {name}.", remedy=f"There are: {', '.join(sorted(desk.playbooks))}.")
    return desk.playbooks[name]


def _objections(state: ProposalState, desk: Desk) -> tuple[Finding, ...]:
    draft_id = state.get("draft_id")
    if not draft_id or not state.get("revisions"):
        return ()
    found = fetch(desk, state["thread_id"], draft_id, Draft).proposal.findings
    return tuple(finding for finding in found if finding.verdict is not Verdict.ALLOW)
