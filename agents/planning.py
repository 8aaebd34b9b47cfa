"""A planning round: is the brief clear, which playbooks does the record support, and which come first?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from agents.analyst import UnsupportedError, size
from agents.clarity import clarify, complete, gate
from agents.desk import Desk
from agents.goal_window import FEWEST_COUNTED
from agents.graph import Compiled, DeskOf, at_desk, proposal_id_of
from agents.handover import Draft, fetch, keep
from agents.measures import lookups_for
from agents.playbook import Playbook
from agents.provider import Opportunity, Task
from agents.ranking import Ranking, Withheld
from agents.recall import gather
from agents.series import RUNNING, why_not_yet
from agents.state import PlanState
from memory import proposals
from memory.canonical import digest
from memory.errors import NoriaError
from memory.events import ORDER
from memory.finding import Verdict
from memory.journal import append
from memory.proposal import Brief, ProposalStatus

if TYPE_CHECKING:
    from agents.resume import Threads, Waiting

BUSY: Final = (
    ProposalStatus.QUEUED,
    ProposalStatus.OPEN,
    ProposalStatus.ASKED,
    ProposalStatus.APPROVED,
    ProposalStatus.LAUNCHING,
)
"""Nothing more is proposed of a playbook of which a proposal stands here."""
_CALLS_EACH = 12
"""Look-ups that sizing one playbook takes, at most."""


class PlanResult(BaseModel):
    """What a planning round led to."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    thread_id: str
    proposal_ids: tuple[str, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    questions: tuple[Any, ...] = ()
    """Open questions of the clarity gate (agents.resume.Waiting); answer them, and the round goes on."""


def plan(threads: Threads, brief: Brief) -> PlanResult:
    """Plan for a brief: rank the opportunities and deliberate on the best, one thread each.

    A brief that leaves questions open comes back with them instead of proposals; the same brief planned again on the
    same business day goes on where it stood.
    """
    desk = threads.desk
    now = desk.clock.now()
    thread_id = f"plan-{digest([brief.brief_id, now.date().isoformat()])[:16]}"
    with desk.store.write() as connection:
        proposals.write_brief(connection, brief, now)
        append(
            connection,
            at=now,
            actor=brief.author or "noria",
            action="plan.started",
            subject=brief.brief_id,
            payload={"thread": thread_id, "provider": desk.provider.name},
        )
    threads.start(thread_id, {"brief_id": brief.brief_id})
    return go_on(threads, thread_id)


def answer_questions(threads: Threads, waiting: Waiting, answers: dict[str, str]) -> PlanResult:
    """Answer the clarity gate by question id, and go on with the round."""
    threads.answer(waiting.thread_id, waiting.interrupt_id, answers)
    return go_on(threads, waiting.thread_id)


def go_on(threads: Threads, thread_id: str) -> PlanResult:
    """Carry out what a planning thread decided: one proposal thread per chosen opportunity, best first."""
    desk = threads.desk
    values = threads.values(thread_id)
    if not values.get("ranking_id"):
        return PlanResult(thread_id=thread_id, questions=tuple(threads.waiting(thread_id)))
    ranking = fetch(desk, thread_id, values["ranking_id"], Ranking)
    made: list[str] = []
    withheld = list(ranking.withheld)
    for opportunity in ranking.opportunities[: desk.settings.opportunities]:
        proposal_thread = f"proposal-{digest([thread_id, opportunity.playbook])[:16]}"
        started = {"brief_id": values["brief_id"], "playbook": opportunity.playbook, "plan_id": thread_id}
        try:
            threads.start(proposal_thread, started)
        except NoriaError as error:
            # One thread that breaks off must not cost the others; planning again goes on with it.
            withheld.append(Withheld(playbook=opportunity.playbook, sentence=str(error)))
            continue
        why_not = why_withheld(desk, threads, proposal_thread, opportunity.playbook)
        if why_not is None:
            made.append(proposal_id_of(proposal_thread))
        else:
            withheld.append(why_not)
    return PlanResult(thread_id=thread_id, proposal_ids=tuple(made), withheld=tuple(withheld))


def why_withheld(desk: Desk, threads: Threads, thread_id: str, playbook: str) -> Withheld | None:
    """Why a thread ended without a proposal; None when there is one."""
    values = threads.values(thread_id)
    if values.get("request_id"):
        return None
    sentence = str(values.get("outcome") or "It needs an answer first.")
    if values.get("draft_id"):
        findings = fetch(desk, thread_id, values["draft_id"], Draft).proposal.findings
        against = [f"{one.sentence} ({one.rule}: {one.fact})" for one in findings if one.verdict is not Verdict.ALLOW]
        sentence = " ".join(against) or sentence
    return Withheld(playbook=playbook, sentence=sentence)


def busy_playbooks(connection: Connection) -> set[str]:
    """Playbooks of which nothing more is proposed; a change of a letter keeps none from following it."""
    found = (one.proposal for one in proposals.list_proposals(connection, BUSY))
    return {one.play.playbook for one in found if one.kind != "change_campaign" or one.play.trigger.kind != "once"}


def rank(state: PlanState, desk: Desk) -> PlanState:
    """Size every playbook, or those that were asked for, and order them by expected additional value per message."""
    thread_id = state["thread_id"]
    with desk.store.read() as connection:
        brief = proposals.read_brief(connection, state["brief_id"])
        busy = busy_playbooks(connection)
        early = {name: why_not_yet(connection, desk, one) for name, one in desk.playbooks.items()}
    lookups = lookups_for(desk, thread_id, least_calls=_CALLS_EACH * len(desk.playbooks))
    found: list[Opportunity] = []
    withheld: list[Withheld] = []
    for name in sorted(state.get("playbooks") or desk.playbooks):
        if sentence := RUNNING if name in busy else early[name]:
            withheld.append(Withheld(playbook=name, sentence=sentence))
            continue
        playbook = desk.playbooks[name]
        task = Task(desk=desk, lookups=lookups, brief=brief, playbook=playbook, recall=gather(desk, brief, name))
        try:
            sized = size(task)
        except UnsupportedError as error:
            withheld.append(Withheld(playbook=name, sentence=error.what))
            continue
        if sentence := _changes_nothing(sized, playbook) or _loses(sized):
            withheld.append(Withheld(playbook=name, sentence=sentence))
        else:
            found.append(sized)
    found.sort(key=lambda one: (-one.rank_score, one.playbook))
    lookups.journal_spent("agent:analyst")
    return {
        "ranking_id": keep(desk, thread_id, "ranking", Ranking(opportunities=tuple(found), withheld=tuple(withheld)))
    }


def _changes_nothing(sized: Opportunity, playbook: Playbook) -> str:
    """Why a play that would sell nothing, to the precision in which people read it, is not proposed; else empty.

    One that only serves holds nobody out and promises no effect; where nobody ordered yet, a test may show one, and so
    it may where the rate was counted on a handful.
    """
    forecast = sized.forecast
    sells = playbook.goal.event == ORDER and playbook.holdout_share
    is_known = forecast.has_rate and sized.base_contacts >= FEWEST_COUNTED
    if not sells or not is_known or round(forecast.incremental_mean, 1) != 0:
        return ""
    return (
        f"It is expected to change nothing: 0.0 additional orders in {forecast.window_days} days, on top "
        f"of {sized.audience.treated * sized.base_rate:.1f} that come anyway."
    )


def _loses(sized: Opportunity) -> str:
    """Why a play that is expected to cost more than it brings is not proposed; empty for any other.

    What an order is worth must be known: a play that does not sell is not judged by it. Nor is one of which nobody
    knows how many order anyway, unless letters like it were measured to do harm, at whatever rate. A letter of a series
    that is still measured stays away only where it costs more three times in four: without it nothing more is learnt.
    """
    forecast = sized.forecast
    is_judged = bool(sized.value_per_order_cents) and (forecast.has_rate or forecast.effect_mean < 0)
    likely = forecast.value_cents_quantiles["0.75"] if sized.holdout_key else forecast.value_cents_mean
    if not is_judged or likely >= 0:
        return ""
    taught = f" {len(sized.lessons)} lessons of earlier campaigns say so." if sized.lessons else ""
    loss = f"{-forecast.value_cents_mean / 100:.2f} {forecast.currency}"
    return f"It is expected to cost {loss} more than it brings in {forecast.window_days} days.{taught}"


def build_planning(desk_of: DeskOf) -> StateGraph[PlanState, Any, Any, Any]:
    """gate → (clarify → complete → gate) → rank."""
    graph: StateGraph[PlanState, Any, Any, Any] = StateGraph(PlanState)
    for name, node in {"gate": gate, "clarify": clarify, "complete": complete, "rank": rank}.items():
        graph.add_node(name, at_desk(node, desk_of))
    graph.add_edge(START, "gate")
    graph.add_conditional_edges("gate", _after_gate)
    graph.add_edge("clarify", "complete")
    graph.add_edge("complete", "gate")
    graph.add_edge("rank", END)
    return graph


def compile_planning(desk: Desk, checkpointer: BaseCheckpointSaver[Any]) -> Compiled:
    """The planning graph of one workspace, with checkpoints."""
    return build_planning(lambda _config: desk).compile(checkpointer=checkpointer, name="planning")


def _after_gate(state: PlanState) -> Literal["clarify", "rank"]:
    return "clarify" if state.get("questions_id") else "rank"
