"""Threads of deliberation: start them, see what they wait for, answer by interrupt id, and go on after a crash."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import select, update

from agents.answer import Answer
from agents.clarity import Question, answers_model
from agents.desk import Desk
from agents.graph import Compiled, compile_graph, proposal_id_of
from agents.planning import compile_planning
from agents.round import PREFIX as ROUND
from agents.round import compile_round
from memory import proposals
from memory.errors import ConflictError, InvalidInputError, NoriaError, NotFoundError
from memory.journal import append
from memory.pending_decisions import VOID
from memory.proposal import Decision
from memory.proposals import WAITING, StoredProposal
from memory.schema import lookups
from memory.schema import proposals as proposal_rows
from tools.failure import failure_of
from tools.lookups import keep as keep_lookup
from tools.lookups import read_thread

_log = structlog.get_logger(__name__)
Kind = Literal["approval", "clarity"]
PLAN, PROPOSAL = "plan", "proposal"
_PRECEDENCE = ("reject", "edit", "ask", "approve")
_STARTED, _ENDED = "thread.started", "thread.ended"


class NotWaitingError(ConflictError):
    """Nobody waits for this answer: it was given before, or the question is another by now."""

    code: ClassVar[str] = "not_waiting"


class DeliberationError(NoriaError):
    """A node of the graph broke off; nothing it had not stored is lost, and it can be run again."""

    code: ClassVar[str] = "deliberation"


class Waiting(BaseModel):
    """A question that a thread waits for, with the form its answer must have."""

    model_config = ConfigDict(frozen=True)

    thread_id: str
    interrupt_id: str
    kind: Kind
    payload: dict[str, Any]
    response_schema: dict[str, Any]


class Threads:
    """The deliberations of one workspace. Safe to use from several threads and processes."""

    def __init__(self, desk: Desk, checkpointer: BaseCheckpointSaver[Any]) -> None:
        self.desk = desk
        self.checkpointer = checkpointer
        self._graphs: dict[str, Compiled] = {
            PROPOSAL: compile_graph(desk, checkpointer),
            PLAN: compile_planning(desk, checkpointer),
            ROUND: compile_round(desk, checkpointer),
        }
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def start(self, thread_id: str, values: Mapping[str, Any]) -> None:
        """Begin a thread, or go on with it: starting it twice has one effect."""
        with self.desk.store.write() as connection:
            keep_lookup(
                connection,
                thread_id=thread_id,
                name=_STARTED,
                arguments={},
                result=dict(values),
                at=self.desk.clock.now(),
            )
        self.advance(thread_id)

    def advance(self, thread_id: str) -> list[Waiting]:
        """Run a thread until it waits or ends. A thread that waits for people stays where it is."""
        with self._locks[thread_id]:
            state = self._graph(thread_id).get_state(self._config(thread_id))
            if not state.interrupts:
                if state.created_at is None:
                    self._run(thread_id, self._first_input(thread_id))
                elif state.next:
                    # Never on a waiting thread: it would answer the question with nothing.
                    self._run(thread_id, None)
            return self._settle(thread_id)

    def waiting(self, thread_id: str) -> list[Waiting]:
        """What a thread waits for; empty when it runs or has ended."""
        state = self._graph(thread_id).get_state(self._config(thread_id))
        return [
            Waiting(
                thread_id=thread_id,
                interrupt_id=one.id,
                kind=one.value["kind"],
                payload=one.value,
                response_schema=one.response_schema if isinstance(one.response_schema, dict) else {},
            )
            for one in state.interrupts
        ]

    def answer(self, thread_id: str, interrupt_id: str, answer: Any) -> list[Waiting]:
        """Give one answer to one question, and return what the thread waits for next.

        Raises NotWaitingError when that question is not open (any more), and InvalidInputError when the answer does
        not have the form asked for; the question then stays open.
        """
        with self._locks[thread_id]:
            asked = next((one for one in self.waiting(thread_id) if one.interrupt_id == interrupt_id), None)
            if asked is None:
                raise _not_waiting(thread_id)
            plain = _plain_answer(asked, answer)
            if asked.kind == "approval" and not self._claim(thread_id, interrupt_id):
                raise _not_waiting(thread_id)
            try:
                self._run(thread_id, Command(resume={interrupt_id: plain}))
            except NoriaError:
                # If the question is still open, others must be able to find it.
                self._settle(thread_id)
                raise
            return self._settle(thread_id)

    def apply_decisions(self) -> list[str]:
        """Act on every stored decision that the graph has not seen yet; returns the proposals that moved.

        A no beats a yes that was not acted on yet, and a change voids it, whichever was said first.
        """
        with self.desk.store.read() as connection:
            pending = proposals.unconsumed_decisions(connection)
        pending.sort(key=lambda decision: _PRECEDENCE.index(decision.verdict))
        return [decision.proposal_id for decision in pending if self._tried(decision)]

    def recover(self) -> list[str]:
        """After a start: go on with every thread that was cut off, and find every question again. Returns their ids."""
        with self.desk.store.read() as connection:
            started = select(lookups.c.thread_id).where(lookups.c.name == _STARTED)
            ended = select(lookups.c.thread_id).where(lookups.c.name == _ENDED)
            query = started.where(lookups.c.thread_id.not_in(ended)).order_by(lookups.c.at, lookups.c.thread_id)
            unfinished = list(connection.execute(query).scalars())
        return [thread_id for thread_id in unfinished if self._recovered(thread_id)]

    def questions(self) -> list[Waiting]:
        """The clarity questions that any planning round or proposal waits for."""
        with self.desk.store.read() as connection:
            started = select(lookups.c.thread_id).where(lookups.c.name == _STARTED).order_by(lookups.c.thread_id)
            threads = list(connection.execute(started).scalars())
        return [one for thread_id in threads for one in self.waiting(thread_id) if one.kind == "clarity"]

    def values(self, thread_id: str) -> dict[str, Any]:
        """The ids that a thread holds now."""
        return dict(self._graph(thread_id).get_state(self._config(thread_id)).values)

    def abandon(self, thread_id: str) -> None:
        """Never go on with a thread that broke off: what it was about is asked anew."""
        self._note_end(thread_id, "abandoned")

    def forget(self, thread_id: str) -> None:
        """Delete the checkpoints of a thread that has ended; what it wrote to the store stays."""
        if self.waiting(thread_id):
            raise ConflictError("A thread that waits for an answer cannot be forgotten.", where=thread_id)
        self.checkpointer.delete_thread(thread_id)

    def _run(self, thread_id: str, given: Any) -> None:
        """Run a thread on from where it stands; whatever breaks in a node is one clear error, to be tried again."""
        try:
            self._graph(thread_id).invoke(given, self._config(thread_id), durability="sync")
        except NoriaError:
            raise
        except Exception as error:
            raise DeliberationError(
                f"The deliberation broke off ({type(error).__name__}).",
                where=thread_id,
                remedy="It goes on from the same place when the worker starts again; report it if it breaks again.",
            ) from error

    def _tried(self, decision: Decision) -> bool:
        """Act on one decision; a thread that fails must not hold up the decisions on others."""
        try:
            return self._apply(decision)
        except Exception as error:  # noqa: BLE001 - whatever breaks in one thread
            _log.error("decision not acted on", proposal=decision.proposal_id, **_told(error))
            return False

    def _recovered(self, thread_id: str) -> bool:
        try:
            self.advance(thread_id)
        except Exception as error:  # noqa: BLE001 - whatever breaks in one thread
            _log.error("thread not recovered", thread=thread_id, **_told(error))
            return False
        return True

    def _apply(self, decision: Decision) -> bool:
        with self.desk.store.read() as connection:
            stored = proposals.get(connection, decision.proposal_id)
        thread_id = stored.proposal.thread_id
        current = (stored.proposal.version, stored.proposal.digest) == (decision.version, decision.digest)
        waiting = self.waiting(thread_id) if current and stored.status in WAITING else []
        if not waiting and current and stored.status in WAITING:
            waiting = self.advance(thread_id)
        if not waiting:
            self._void(decision, _why_too_late(stored, decision))
            return False
        if not self.desk.hears(decision.actor):
            self._void(decision, f"{decision.actor} may not decide here.")
            return False
        answer = {
            "verdict": decision.verdict,
            "reason": decision.reason,
            "changes": decision.changes if decision.verdict == "edit" else {},
            "decision_id": decision.decision_id,
            "actor": decision.actor,
        }
        if stored.interrupt_id is None:
            # Somebody is answering right now; what a crash left behind is found by recover().
            return False
        try:
            self.answer(thread_id, waiting[0].interrupt_id, answer)
        except NotWaitingError:
            # Another worker was faster.
            return False
        return True

    def _void(self, decision: Decision, reason: str) -> None:
        now = self.desk.clock.now()
        with self.desk.store.write() as connection:
            if proposals.consume(connection, decision.decision_id, now):
                append(
                    connection,
                    at=now,
                    actor="noria",
                    action=VOID,
                    subject=decision.proposal_id,
                    payload={"decision": decision.decision_id, "version": decision.version, "reason": reason},
                )

    def _claim(self, thread_id: str, interrupt_id: str) -> bool:
        """Take a question for oneself: of two who answer at once, in whatever processes, one gets it."""
        mine = proposal_rows.c.proposal_id == proposal_id_of(thread_id)
        with self.desk.store.write() as connection:
            taken = connection.execute(
                update(proposal_rows)
                .where(mine, proposal_rows.c.interrupt_id == interrupt_id)
                .values(interrupt_id=None)
            )
        return taken.rowcount == 1

    def _settle(self, thread_id: str) -> list[Waiting]:
        """Remember what a thread waits for, or that it has ended."""
        waiting = self.waiting(thread_id)
        if waiting:
            self._show(thread_id, waiting)
            return waiting
        if not self._graph(thread_id).get_state(self._config(thread_id)).next:
            self._note_end(thread_id, self.values(thread_id).get("outcome", ""))
        return waiting

    def _note_end(self, thread_id: str, outcome: str) -> None:
        with self.desk.store.write() as connection:
            keep_lookup(
                connection,
                thread_id=thread_id,
                name=_ENDED,
                arguments={},
                result={"outcome": outcome},
                at=self.desk.clock.now(),
            )

    def _show(self, thread_id: str, waiting: list[Waiting]) -> None:
        if waiting[0].kind == "approval":
            with self.desk.store.write() as connection:
                proposals.set_interrupt(connection, proposal_id_of(thread_id), waiting[0].interrupt_id)

    def _first_input(self, thread_id: str) -> dict[str, Any]:
        with self.desk.store.read() as connection:
            started = read_thread(connection, thread_id, _STARTED)
        if not started:
            raise NotFoundError(f"There is no thread {thread_id}.", remedy="`noria plan` starts them.")
        return started[0].result

    def _graph(self, thread_id: str) -> Compiled:
        kind = thread_id.partition("-")[0]
        return self._graphs[kind if kind in self._graphs else PROPOSAL]

    def _config(self, thread_id: str) -> Any:
        return {"configurable": {"thread_id": thread_id}}


def _why_too_late(stored: StoredProposal, decision: Decision) -> str:
    if stored.proposal.version != decision.version:
        return f"Version {stored.proposal.version} had taken the place of version {decision.version}."
    if stored.status not in WAITING:
        return f"The proposal was {stored.status} by then."
    return "Nobody waited for it any more."


def _told(error: Exception) -> dict[str, str]:
    failure = failure_of("thread", error)
    return {"code": failure.error, "what": failure.what, "where": failure.where}


def _plain_answer(asked: Waiting, answer: Any) -> dict[str, Any]:
    """The answer in its internal form, so that nothing else is ever saved in a checkpoint."""
    form: type[BaseModel] = Answer
    if asked.kind == "clarity":
        form = answers_model(tuple(Question.model_validate(one) for one in asked.payload["questions"]))
    try:
        return form.model_validate(answer).model_dump(mode="json")
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidInputError(
            f"This is not an answer to the question: {fault['msg']}.",
            where=".".join(str(part) for part in fault["loc"]) or asked.kind,
            remedy="The question stays open; answer again.",
        ) from error


def _not_waiting(thread_id: str) -> NotWaitingError:
    return NotWaitingError(
        "Nobody waits for this answer (any more).",
        where=thread_id,
        remedy="It may have been given before; look at the proposal as it stands.",
    )
