"""The weekly round: look at what runs, weigh it, and put what follows before people as proposals like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import select

from agents.desk import Desk
from agents.graph import Compiled, DeskOf, at_desk, proposal_id_of
from agents.handover import fetch, keep, newest
from agents.ideas import MOST_TESTS, Idea, ideas
from agents.live import Live, observe, turned_down
from agents.planning import rank, why_withheld
from agents.ranking import Ranking
from agents.redraw import put_idea_forward
from memory import lessons
from memory.canonical import digest
from memory.clock import SystemClock
from memory.errors import ConflictError, NoriaError
from memory.journal import append
from memory.schema import EPOCH, from_micros, proposals, to_micros
from memory.workspace import get_value, set_value, swap_value

if TYPE_CHECKING:
    from agents.resume import Threads

EVERY: Final = timedelta(days=7)
PREFIX: Final = "round"
_LAST: Final = "round_at"
_BUSY: Final = "round_busy_until"
_LEASE: Final = timedelta(hours=1)
_DONE: Final = "round.done"


class RoundState(TypedDict, total=False):
    """One round, one thread; everything else is in the store, under these ids."""

    thread_id: str
    brief_id: str
    """The newest brief from which something was proposed; empty where there is none, and then nothing new is tried."""
    live_id: str
    ranking_id: str
    ideas_id: str


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Running(_Frozen):
    """Everything that runs, as it stood when the round looked."""

    campaigns: tuple[Live, ...]


class Ideas(_Frozen):
    """What follows, the most pressing first."""

    ideas: tuple[Idea, ...]


class Outcome(_Frozen):
    """One idea, and the proposal that it became, or why it became none."""

    idea: Idea
    proposal_id: str = ""
    withheld: str = ""


class Round(_Frozen):
    """One weekly round and what came of it."""

    thread_id: str
    at: AwareDatetime
    looked_at: int
    """Campaigns that ran."""
    outcomes: tuple[Outcome, ...]


def look_around(state: RoundState, desk: Desk) -> RoundState:
    """Write down what runs, and from which brief something new would be tried."""
    found = Running(campaigns=tuple(observe(desk, state["thread_id"])))
    query = select(proposals.c.brief_id).where(proposals.c.kind == "launch_campaign", proposals.c.brief_id.is_not(None))
    with desk.store.read() as connection:
        briefs = connection.execute(query.order_by(proposals.c.created_at.desc(), proposals.c.proposal_id)).scalars()
        brief_id = briefs.first() or ""
    return {"live_id": keep(desk, state["thread_id"], "running", found), "brief_id": brief_id}


def weigh(state: RoundState, desk: Desk) -> RoundState:
    """Draw from it what should change, and which playbooks deserve a test because nothing certain is known of them."""
    thread_id = state["thread_id"]
    found = ideas(fetch(desk, thread_id, state["live_id"], Running).campaigns)
    if state.get("ranking_id"):
        found += _tests(desk, fetch(desk, thread_id, state["ranking_id"], Ranking))
    return {"ideas_id": keep(desk, thread_id, "ideas", Ideas(ideas=tuple(found)))}


def build_round(desk_of: DeskOf) -> StateGraph[RoundState, Any, Any, Any]:
    """look_around → (rank) → weigh."""
    graph: StateGraph[RoundState, Any, Any, Any] = StateGraph(RoundState)
    for name, node in {"look_around": look_around, "rank": rank, "weigh": weigh}.items():
        graph.add_node(name, at_desk(node, desk_of))
    graph.add_edge(START, "look_around")
    graph.add_conditional_edges("look_around", _after_look_around)
    graph.add_edge("rank", "weigh")
    graph.add_edge("weigh", END)
    return graph


def compile_round(desk: Desk, checkpointer: BaseCheckpointSaver[Any]) -> Compiled:
    """The round's graph of one workspace, with checkpoints."""
    return build_round(lambda _config: desk).compile(checkpointer=checkpointer, name="round")


def run_round(threads: Threads) -> Round:
    """Run a round now, and count the week to the next one from here; safe to run again after it was cut off."""
    desk = threads.desk
    now = desk.clock.now()
    with _alone(desk) as free:
        if not free:
            raise ConflictError("A round is going on.", where="round", remedy="Look again in some minutes.")
        with desk.store.write() as connection:
            set_value(connection, _LAST, to_micros(now))
        return _go_on(threads, thread_id_of(to_micros(now)))


def run_due_round(threads: Threads) -> Round | None:
    """Run the weekly round if it is due, or finish one that was cut off; the first comes a week after the first work.

    Of several workers one begins it. None when nothing is due.
    """
    desk = threads.desk
    now = desk.clock.now()
    with desk.store.read() as connection:
        last = get_value(connection, _LAST)
    begun = to_micros(now)
    if last is not None and now < from_micros(last) + EVERY:
        thread_id = thread_id_of(last)
        if newest(desk, thread_id, _DONE, Round) is not None or not threads.values(thread_id):
            return None
        begun = last
    with _alone(desk) as free:
        if not free:
            return None
        if begun != last:
            with desk.store.write() as connection:
                if not swap_value(connection, _LAST, last, begun):
                    # Another worker was faster.
                    return None
        return None if last is None else _go_on(threads, thread_id_of(begun))


@contextmanager
def _alone(desk: Desk) -> Iterator[bool]:
    """Whether nobody else is at a round; a worker that died over one is waited for no longer than an hour."""
    now = to_micros(SystemClock().now())
    until = now + to_micros(EPOCH + _LEASE)
    with desk.store.write() as connection:
        busy = get_value(connection, _BUSY)
        free = (busy is None or busy <= now) and swap_value(connection, _BUSY, busy, until)
    try:
        yield free
    finally:
        if free:
            with desk.store.write() as connection:
                swap_value(connection, _BUSY, until, 0)


def last_round(desk: Desk) -> tuple[Round | None, AwareDatetime | None]:
    """The newest round, if there was one, and when the next is due, if somebody works here."""
    with desk.store.read() as connection:
        last = get_value(connection, _LAST)
    if last is None:
        return None, None
    return newest(desk, thread_id_of(last), _DONE, Round), from_micros(last) + EVERY


def thread_id_of(begun_micros: int) -> str:
    """The thread of the round that began at a moment."""
    return f"{PREFIX}-{digest(['round', begun_micros])[:16]}"


def _go_on(threads: Threads, thread_id: str) -> Round:
    """Carry out what the round's thread decided: one proposal thread for each idea. Doing it again changes nothing."""
    desk = threads.desk
    if (done := newest(desk, thread_id, _DONE, Round)) is not None:
        return done
    threads.start(thread_id, {})
    values = threads.values(thread_id)
    outcomes = []
    for idea in fetch(desk, thread_id, values["ideas_id"], Ideas).ideas:
        try:
            outcomes.append(_carried_out(threads, thread_id, values.get("brief_id", ""), idea))
        except NoriaError as error:
            # One idea that breaks off must not cost the others.
            outcomes.append(Outcome(idea=idea, withheld=str(error)))
    now = desk.clock.now()
    running = fetch(desk, thread_id, values["live_id"], Running).campaigns
    found = Round(thread_id=thread_id, at=now, looked_at=len(running), outcomes=tuple(outcomes))
    keep(desk, thread_id, _DONE, found)
    made = [one.proposal_id for one in outcomes if one.proposal_id]
    with desk.store.write() as connection:
        payload = {"campaigns": len(running), "ideas": len(outcomes), "proposals": made}
        append(connection, at=now, actor="noria", action="round.done", subject=thread_id, payload=payload)
    return found


def _carried_out(threads: Threads, thread_id: str, brief_id: str, idea: Idea) -> Outcome:
    if idea.kind != "test":
        proposal_thread = put_idea_forward(threads, idea, thread_id)
    else:
        proposal_thread = f"proposal-{digest([thread_id, idea.playbook])[:16]}"
        started = {"brief_id": brief_id, "playbook": idea.playbook, "plan_id": thread_id}
        threads.start(proposal_thread, started)
    why_not = why_withheld(threads.desk, threads, proposal_thread, idea.playbook)
    if why_not is not None:
        return Outcome(idea=idea, withheld=why_not.sentence)
    return Outcome(idea=idea, proposal_id=proposal_id_of(proposal_thread))


def _tests(desk: Desk, ranking: Ranking) -> list[Idea]:
    """The best playbooks that the record supports now, of unknown worth, that nobody turned down lately."""
    now = desk.clock.now()
    with desk.store.read() as connection:
        known = lessons.usable(connection, now)
        left = turned_down(connection, now) | {one.playbook for one in known if one.verdict != "inconclusive"}
    found = []
    for one in [each for each in ranking.opportunities if each.playbook not in left][:MOST_TESTS]:
        before = [each.lesson_id for each in known if each.playbook == one.playbook]
        said = f"lessons {', '.join(before[:3])} are inconclusive" if before else "it was never measured here"
        found.append(
            Idea(
                kind="test",
                playbook=one.playbook,
                name=desk.playbooks[one.playbook].name["en"],
                sentence=f"Test {desk.playbooks[one.playbook].name['en']} on {one.audience.reachable} contacts.",
                why=f"The record supports it, and whether it works is not known: {said}. {one.detection.sentence}",
                evidence=one.evidence,
            )
        )
    return found


def _after_look_around(state: RoundState) -> Literal["rank", "weigh"]:
    return "rank" if state.get("brief_id") else "weigh"
