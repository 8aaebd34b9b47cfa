"""The deliberation: recall, analyse, write, schedule, review, submit, grant, approve, launch; one thread a proposal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents import decide as deciding
from agents.analyst import analyse
from agents.approve import approve
from agents.autonomy import grant
from agents.clarity import clarify, complete
from agents.copywriter import write
from agents.decide import decide
from agents.desk import Desk
from agents.launch import launch
from agents.recall import recall
from agents.review import review
from agents.scheduler import schedule
from agents.state import ProposalState
from agents.submit import submit
from agents.written import desk_for
from memory.canonical import digest
from memory.errors import ConfigurationError

DeskOf = Callable[[RunnableConfig], Desk]
Compiled = CompiledStateGraph[Any, Any, Any, Any]


def proposal_id_of(thread_id: str) -> str:
    """The id of the proposal that a thread deliberates on: always the same, and nobody else's."""
    return "p" + digest(["proposal", thread_id])[:15]


def build_graph(desk_of: DeskOf) -> StateGraph[ProposalState, Any, Any, Any]:
    """Nodes and edges, not yet compiled. ``desk_of`` finds the workspace of a run from its configuration."""
    graph: StateGraph[ProposalState, Any, Any, Any] = StateGraph(ProposalState)
    nodes: dict[str, Callable[[Any, Desk], Any]] = {
        "recall": recall,
        "clarify": clarify,
        "complete": complete,
        "analyse": analyse,
        "write": write,
        "schedule": schedule,
        "review": review,
        "submit": submit,
        "grant": grant,
        "approve": approve,
        "decide": decide,
        "launch": launch,
    }
    for name, node in nodes.items():
        graph.add_node(name, at_desk(node, desk_of))
    graph.add_conditional_edges(START, _first)
    # The clarity gate stands before the analyst: a brief that leaves questions open is asked, not automated.
    graph.add_conditional_edges("recall", _after_recall)
    graph.add_edge("clarify", "complete")
    graph.add_edge("complete", "recall")
    graph.add_conditional_edges("analyse", _after_analyse)
    graph.add_edge("write", "schedule")
    graph.add_edge("schedule", "review")
    # What the guardian holds against a draft goes back to whoever can mend it, at most twice.
    graph.add_conditional_edges("review", _after_review)
    # A no that was said while an edit was worked on leaves nothing to ask.
    graph.add_conditional_edges("submit", _after_submit)
    # Where the ladder stands at auto and the limits are kept nobody is asked.
    graph.add_conditional_edges("grant", _after_grant)
    graph.add_edge("approve", "decide")
    # An edit is seen by the guardian again before anybody may approve it.
    graph.add_conditional_edges("decide", _after_decide)
    graph.add_edge("launch", END)
    return graph


def compile_graph(desk: Desk, checkpointer: BaseCheckpointSaver[Any]) -> Compiled:
    """The graph of one workspace, with checkpoints."""
    return build_graph(lambda _config: desk).compile(checkpointer=checkpointer, name="operator")


def at_desk(node: Callable[[Any, Desk], Any], desk_of: DeskOf) -> Any:
    """A node that finds its desk and its thread in the run's configuration, never in the state that others can edit."""

    def run(state: dict[str, Any], config: RunnableConfig) -> Any:
        thread_id = config.get("configurable", {}).get("thread_id")
        if not thread_id:
            raise ConfigurationError("A run needs a thread_id.", where="graph", remedy="Start it through a thread.")
        own = {"thread_id": str(thread_id), "proposal_id": proposal_id_of(str(thread_id))}
        return node({**state, **own}, desk_for(desk_of(config), str(state.get("playbook", ""))))

    run.__name__ = node.__name__
    return run


def _first(state: ProposalState) -> Literal["recall", "review"]:
    """A person's draft is there already; everything else begins with what is remembered."""
    return "review" if state.get("draft_id") else "recall"


def _after_recall(state: ProposalState) -> Literal["clarify", "analyse"]:
    return "clarify" if state.get("questions_id") else "analyse"


def _after_analyse(state: ProposalState) -> Literal["write", "__end__"]:
    return "__end__" if state.get("outcome") else "write"


def _after_review(state: ProposalState) -> Literal["write", "schedule", "submit", "__end__"]:
    route = state.get("route")
    if route == "write":
        return "write"
    if route == "schedule":
        return "schedule"
    return "submit" if route == "submit" else "__end__"


def _after_submit(state: ProposalState) -> Literal["grant", "__end__"]:
    return "__end__" if state.get("outcome") else "grant"


def _after_grant(state: ProposalState) -> Literal["approve", "launch"]:
    return "launch" if state.get("route") == deciding.LAUNCH else "approve"


def _after_decide(state: ProposalState) -> Literal["approve", "review", "launch", "__end__"]:
    route = state.get("route")
    if route == deciding.LAUNCH:
        return "launch"
    if route == deciding.REVISE:
        return "review"
    return "approve" if route == deciding.ASK_AGAIN else "__end__"
