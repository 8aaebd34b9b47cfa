"""The second graph, measure → learn: run once for each planned look of each campaign."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from sqlalchemy import Connection, select

from agents.checkpoints import open_checkpoints
from agents.desk import Desk
from agents.graph import Compiled
from agents.learn import learn
from agents.look import LookState, planned_looks
from agents.measure import measure
from agents.programme import read_due_quarter
from memory import campaigns, readouts
from memory.campaigns import Campaign
from memory.readouts import Verdict, readout_id_of
from memory.schema import lookups
from tools.lookups import keep

_ENDED = "look.ended"
_CHUNK = 500


def build_learning_graph(desk: Desk) -> StateGraph[LookState, Any, Any, Any]:
    """Nodes and edges, not yet compiled."""
    graph: StateGraph[LookState, Any, Any, Any] = StateGraph(LookState)
    nodes: dict[str, Callable[[LookState, Desk], LookState]] = {"measure": measure, "learn": learn}
    for name, node in nodes.items():
        graph.add_node(name, _at_desk(node, desk))
    graph.add_edge(START, "measure")
    graph.add_edge("measure", "learn")
    graph.add_edge("learn", END)
    return graph


def compile_learning_graph(desk: Desk, checkpointer: BaseCheckpointSaver[Any]) -> Compiled:
    """The graph of one workspace, with checkpoints."""
    return build_learning_graph(desk).compile(checkpointer=checkpointer, name="learner")


def due_looks(desk: Desk) -> list[tuple[str, int]]:
    """Looks whose moment has come and whose learning is not finished, as (campaign id, look), oldest moment first.

    A campaign that harms or that cannot be trusted is not looked at again; a cancelled one, and one that holds nobody
    out, never.
    """
    now = desk.clock.now()
    with desk.store.read() as connection:
        taken = readouts.verdicts(connection)
        due: list[tuple[datetime, str, int]] = []
        for campaign in campaigns.list_campaigns(connection, ["live", "paused", "finished"]):
            due += _due(campaign, taken.get(campaign.campaign_id, {}), now)
        ended = _ended(connection, [thread_id_of(campaign_id, look) for _, campaign_id, look in due])
    return [(campaign_id, look) for _, campaign_id, look in sorted(due) if thread_id_of(campaign_id, look) not in ended]


def run_due_looks(desk: Desk, checkpointer: BaseCheckpointSaver[Any] | None = None) -> list[str]:
    """Take every look that is due and learn from it; returns the ids of the read-outs.

    Safe to run twice, by two workers at once, and after a crash at any point: a look is stored once and teaches once.
    A campaign that cannot be read keeps no other from being read; its error is raised when the rest is done.
    Without a ``checkpointer`` the workspace's own is opened, beside its lake. A quarter that is over is read here too.
    """
    taken: list[str] = []
    if due_looks(desk):
        if checkpointer is None:
            with open_checkpoints(desk.store, desk.lake.folder.parent) as opened:
                taken += _run(desk, opened)
        else:
            taken += _run(desk, checkpointer)
    quarter = read_due_quarter(desk)
    return [*taken, quarter.readout_id] if quarter is not None else taken


def thread_id_of(campaign_id: str, look: int) -> str:
    """The thread in which one look is taken: always the same."""
    return f"look-{campaign_id}-{look}"


def _run(desk: Desk, checkpointer: BaseCheckpointSaver[Any]) -> list[str]:
    graph = compile_learning_graph(desk, checkpointer)
    taken: list[str] = []
    failed: dict[str, Exception] = {}
    # One at a time: a look at which a campaign harms leaves its later ones undone.
    while due := [one for one in due_looks(desk) if one[0] not in failed]:
        campaign_id, look = due[0]
        try:
            _take(desk, graph, campaign_id, look)
        except Exception as error:  # noqa: BLE001 - raised below, when the others are done
            failed[campaign_id] = error
        else:
            taken.append(readout_id_of(campaign_id, look))
    if failed:
        raise next(iter(failed.values()))
    return taken


def _take(desk: Desk, graph: Compiled, campaign_id: str, look: int) -> None:
    thread_id = thread_id_of(campaign_id, look)
    config: Any = {"configurable": {"thread_id": thread_id}}
    begun = bool(graph.get_state(config).next)
    graph.invoke(None if begun else {"campaign_id": campaign_id, "look": look}, config, durability="sync")
    with desk.store.write() as connection:
        keep(connection, thread_id=thread_id, name=_ENDED, arguments={}, result={}, at=desk.clock.now())


def _at_desk(node: Callable[[LookState, Desk], LookState], desk: Desk) -> Any:
    def run(state: LookState) -> LookState:
        return node(state, desk)

    return run


def _due(campaign: Campaign, taken: dict[int, Verdict], now: datetime) -> list[tuple[datetime, str, int]]:
    if not 0 < campaign.holdout_share < 1:
        return []
    over = min((look for look, verdict in taken.items() if verdict in {"harms", "invalid"}), default=None)
    return [
        (moment, campaign.campaign_id, look)
        for look, moment in enumerate(planned_looks(campaign), start=1)
        if moment <= now and (over is None or look <= over)
    ]


def _ended(connection: Connection, threads: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(threads), _CHUNK):
        query = select(lookups.c.thread_id).where(
            lookups.c.thread_id.in_(threads[start : start + _CHUNK]), lookups.c.name == _ENDED
        )
        found |= set(connection.execute(query).scalars())
    return found
