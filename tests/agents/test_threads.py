"""Threads survive crashes, restarts and double clicks; each known trap of checkpointed graphs has its test."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.serde import _msgpack
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command
from pydantic import ValidationError

from agents import approve as approve_node
from agents.checkpoints import open_checkpoints, strict_serializer
from agents.graph import compile_graph, proposal_id_of
from agents.planning import plan
from agents.provider import Analysis, Task, Writing
from agents.resume import NotWaitingError, Threads
from agents.rules import RulesProvider
from memory import proposals
from memory.errors import ConfigurationError, ConflictError, NoriaError, NotFoundError
from memory.proposal import Proposal, ProposalStatus
from memory.store import Store
from tests import examples, forks
from tests.agents import dying_worker
from tests.agents.world import (
    BRIEF,
    World,
    add_offer,
    fill,
    first_proposal,
    journalled,
    make_desk,
    open_world,
    question,
    say,
    status_of,
)

ROOT = Path(__file__).parents[2]


def raw_graph(world: World) -> Any:
    """The graph as any client of LangGraph would drive it, past our own entrance."""
    return compile_graph(world.desk, world.threads.checkpointer)


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


def test_strict_decoding_is_on_before_langgraph_is_imported() -> None:
    assert _msgpack.STRICT_MSGPACK_ENABLED


def test_checkpoint_bytes_that_name_code_to_run_are_not_obeyed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    permissive = JsonPlusSerializer(allowed_msgpack_modules=True)

    kind, data = permissive.dumps_typed(Path("/tmp/x"))
    assert strict_serializer().loads_typed((kind, data)) == Path("/tmp/x")
    kind, data = permissive.dumps_typed(ProposalStatus.OPEN)
    assert not isinstance(strict_serializer().loads_typed((kind, data)), ProposalStatus)
    with pytest.raises(Exception, match=r"pickle|Unknown"):
        strict_serializer().loads_typed(("pickle", pickle.dumps(1)))


def test_strict_decoding_holds_even_where_langgraph_was_imported_first() -> None:
    code = (
        "import langgraph.checkpoint.serde._msgpack as m; assert not m.STRICT_MSGPACK_ENABLED;"
        "from agents.checkpoints import strict_serializer as s; assert s()._allowed_msgpack_modules is None"
    )
    environment = {name: value for name, value in os.environ.items() if name != "LANGGRAPH_STRICT_MSGPACK"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)


def test_the_state_holds_ids_and_plain_values_only(world: World) -> None:
    proposal = first_proposal(world)
    values = world.threads.values(proposal.thread_id)
    assert json.loads(json.dumps(values)) == values
    assert len(json.dumps(values)) < 1_000
    assert proposal.play.brand.name not in json.dumps(values)


def test_no_checkpoint_holds_an_address_or_a_name(folder: Path, world: World) -> None:
    say(world, first_proposal(world), "reject", reason="no")
    world.threads.apply_decisions()
    data = (folder / "checkpoints.db").read_bytes()
    assert b"@shop.example.com" not in data.replace(b"hello@shop.example.com", b"")
    assert b"Name1" not in data


def test_one_thread_makes_one_proposal_and_its_id_follows_from_the_thread(world: World) -> None:
    with world.store.read() as connection:
        found = [one.proposal for one in proposals.list_proposals(connection)]
    assert len({one.thread_id for one in found}) == len(found) >= 2
    assert all(one.proposal_id == proposal_id_of(one.thread_id) for one in found)


def test_the_question_can_be_read_by_old_and_new_inboxes(world: World) -> None:
    proposal = first_proposal(world)
    asked = question(world, proposal)
    (action,) = asked.payload["action_requests"]
    assert action["args"] == action["arguments"] == asked.payload["action_request"]["args"]
    assert action["name"] == asked.payload["review_configs"][0]["action_name"]
    assert set(asked.payload["config"]) == {"allow_ignore", "allow_respond", "allow_edit", "allow_accept"}
    assert all(not isinstance(value, dict | list) for value in action["args"].values())
    assert asked.payload["digest"] == proposal.digest
    assert asked.response_schema["properties"]["verdict"]["enum"] == ["approve", "edit", "reject", "ask"]


def test_the_interrupt_id_is_on_record_with_the_proposal(world: World) -> None:
    proposal = first_proposal(world)
    with world.store.read() as connection:
        assert proposals.get(connection, proposal.proposal_id).interrupt_id == question(world, proposal).interrupt_id


def test_a_bad_answer_past_our_entrance_does_not_poison_the_thread(sandbox: World) -> None:
    proposal, graph = first_proposal(sandbox), raw_graph(sandbox)
    for bad in ([{"type": "accept"}, {"type": "accept"}], "launch it", {"verdict": "maybe"}):
        with pytest.raises(ValidationError):
            graph.invoke(Command(resume=bad), config(proposal.thread_id))
    graph.invoke(Command(resume=[{"type": "accept", "args": None}]), config(proposal.thread_id))
    assert status_of(sandbox, proposal.proposal_id) is ProposalStatus.APPROVED


def test_going_on_without_an_answer_never_approves(sandbox: World) -> None:
    proposal, graph = first_proposal(sandbox), raw_graph(sandbox)
    for _ in range(3):
        graph.invoke(None, config(proposal.thread_id))
        sandbox.threads.advance(proposal.thread_id)
    assert status_of(sandbox, proposal.proposal_id) is ProposalStatus.OPEN
    assert question(sandbox, proposal).kind == "approval"


def test_no_answer_given_to_one_question_answers_the_next(sandbox: World) -> None:
    proposal, graph = first_proposal(sandbox), raw_graph(sandbox)
    first = question(sandbox, proposal)
    sandbox.threads.answer(
        proposal.thread_id, first.interrupt_id, {"verdict": "edit", "changes": {"holdout_share": 0.2}}
    )
    graph.invoke(None, config(proposal.thread_id))
    assert question(sandbox, proposal).interrupt_id != first.interrupt_id
    with pytest.raises(NotWaitingError):
        sandbox.threads.answer(proposal.thread_id, first.interrupt_id, {"verdict": "approve"})
    assert status_of(sandbox, proposal.proposal_id) is ProposalStatus.OPEN


def test_an_unknown_interrupt_id_is_an_error_and_not_silence(sandbox: World) -> None:
    proposal = first_proposal(sandbox)
    with pytest.raises(NotWaitingError):
        sandbox.threads.answer(proposal.thread_id, "0" * 32, {"verdict": "approve"})
    assert status_of(sandbox, proposal.proposal_id) is ProposalStatus.OPEN


def test_an_answer_of_nothing_is_an_error(sandbox: World) -> None:
    proposal = first_proposal(sandbox)
    with pytest.raises(NoriaError):
        sandbox.threads.answer(proposal.thread_id, question(sandbox, proposal).interrupt_id, None)


def test_new_input_on_a_waiting_thread_drops_nothing_and_starts_nothing(world: World) -> None:
    proposal = first_proposal(world)
    before = question(world, proposal)
    world.threads.start(proposal.thread_id, {"brief_id": BRIEF.brief_id, "playbook": "win_back"})
    assert question(world, proposal).interrupt_id == before.interrupt_id


def test_new_input_past_our_entrance_asks_again_and_approves_nothing(sandbox: World) -> None:
    proposal, graph = first_proposal(sandbox), raw_graph(sandbox)
    graph.invoke({"brief_id": BRIEF.brief_id, "playbook": "win_back"}, config(proposal.thread_id))
    assert status_of(sandbox, proposal.proposal_id) is ProposalStatus.OPEN
    sandbox.threads.recover()
    assert question(sandbox, proposal).payload["proposal_id"] == proposal.proposal_id


def test_planning_again_on_the_same_day_goes_on_where_it_stood(world: World) -> None:
    with world.store.read() as connection:
        before = [one.proposal.proposal_id for one in proposals.list_proposals(connection)]
    assert sorted(plan(world.threads, BRIEF).proposal_ids) == sorted(before)
    with world.store.read() as connection:
        assert [one.proposal.proposal_id for one in proposals.list_proposals(connection)] == before


@pytest.mark.parametrize("field", ["request_id", "draft_id", "playbook", "proposal_id", "thread_id", "brief_id"])
def test_state_edited_between_question_and_answer_approves_nothing_else(sandbox: World, field: str) -> None:
    proposal, other = first_proposal(sandbox), first_proposal(sandbox, "cross_sell")
    graph = raw_graph(sandbox)
    own = {"proposal_id": other.proposal_id, "thread_id": other.thread_id}
    foreign = {**sandbox.threads.values(other.thread_id), **own}[field]
    graph.update_state(config(proposal.thread_id), {field: foreign}, as_node="submit")
    try:
        waiting = sandbox.threads.advance(proposal.thread_id)
        sandbox.threads.answer(proposal.thread_id, waiting[0].interrupt_id, {"verdict": "approve"})
    except (NotFoundError, ConflictError):
        pass
    assert status_of(sandbox, other.proposal_id) is ProposalStatus.OPEN
    with sandbox.store.read() as connection:
        stored = proposals.get(connection, proposal.proposal_id)
    assert stored.proposal.digest == proposal.digest


def test_a_proposal_changed_on_record_after_it_was_shown_voids_the_answer(sandbox: World) -> None:
    proposal = first_proposal(sandbox)
    asked = question(sandbox, proposal)
    play = proposal.play.model_copy(update={"owner": "mallory"})
    changed = proposal.model_copy(update={"version": 2, "play": play})
    with sandbox.store.write() as connection:
        proposals.revise(connection, changed, author="cli:mallory", at=sandbox.clock.now())
        proposals.set_interrupt(connection, proposal.proposal_id, asked.interrupt_id)
    sandbox.threads.answer(proposal.thread_id, asked.interrupt_id, {"verdict": "approve"})
    assert status_of(sandbox, proposal.proposal_id) is ProposalStatus.OPEN
    again = question(sandbox, proposal)
    assert (again.payload["version"], again.payload["digest"]) == (2, changed.digest)
    assert "void" in again.payload["notes"][0]


def test_a_restart_between_question_and_answer_changes_nothing(folder: Path) -> None:
    with open_world(folder, sandbox=True) as before:
        proposal = first_proposal(before)
        asked = question(before, proposal)
    with open_world(folder, sandbox=True) as after:
        assert question(after, proposal) == asked
        after.threads.answer(proposal.thread_id, asked.interrupt_id, {"verdict": "approve"})
        assert status_of(after, proposal.proposal_id) is ProposalStatus.APPROVED


def test_two_clicks_at_once_in_one_process_have_one_effect(sandbox: World) -> None:
    proposal = first_proposal(sandbox)
    asked = question(sandbox, proposal)
    outcomes = at_once(
        *[lambda: sandbox.threads.answer(proposal.thread_id, asked.interrupt_id, {"verdict": "approve"})] * 4
    )
    assert sorted(outcomes) == ["NotWaitingError"] * 3 + ["done"]
    assert_launched_once(sandbox, proposal.proposal_id)


def test_two_workers_that_act_on_one_decision_at_once_have_one_effect(folder: Path) -> None:
    with open_world(folder) as one, open_world(folder) as other:
        proposal = first_proposal(one)
        say(one, proposal, "approve")
        outcomes = at_once(one.threads.apply_decisions, other.threads.apply_decisions)
        assert outcomes == ["done", "done"]
        assert_launched_once(one, proposal.proposal_id)


def test_two_raw_resumes_at_once_have_one_effect(folder: Path) -> None:
    with open_world(folder, sandbox=True) as one, open_world(folder, sandbox=True) as other:
        proposal = first_proposal(one)
        asked = question(one, proposal)
        command: Command[Any] = Command(resume={asked.interrupt_id: [{"type": "accept"}]})

        def resume(world: World) -> None:
            raw_graph(world).invoke(command, config(proposal.thread_id))

        at_once(lambda: resume(one), lambda: resume(other))
        assert_launched_once(one, proposal.proposal_id)


def test_a_decision_taken_by_a_worker_that_died_is_acted_on_after_a_restart(world: World) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "approve")
    with world.store.write() as connection:
        # What a worker leaves behind when it dies after taking the question and before answering it.
        proposals.set_interrupt(connection, proposal.proposal_id, None)
    assert world.threads.apply_decisions() == []
    world.threads.recover()
    assert world.threads.apply_decisions() == [proposal.proposal_id]
    assert_launched_once(world, proposal.proposal_id)


def test_a_run_without_a_thread_id_fails_closed(world: World) -> None:
    node = compile_graph(world.desk, world.threads.checkpointer).nodes["recall"]
    with pytest.raises((ConfigurationError, KeyError)):
        node.invoke({"brief_id": "b1", "playbook": "win_back"}, {"configurable": {}})


def test_the_approval_node_does_nothing_but_ask(world: World) -> None:
    proposal = first_proposal(world)
    before = (world.folder / "store.db").read_bytes(), len(journalled(world, "proposal.submitted"))
    graph = raw_graph(world)
    for _ in range(2):
        graph.invoke(None, config(proposal.thread_id))
    assert len(journalled(world, "proposal.submitted")) == before[1]
    assert "write" not in approve_node.approve.__code__.co_names


def test_a_thread_that_waits_cannot_be_forgotten_and_one_that_ended_can(world: World) -> None:
    proposal = first_proposal(world)
    with pytest.raises(ConflictError):
        world.threads.forget(proposal.thread_id)
    say(world, proposal, "reject", reason="no")
    world.threads.apply_decisions()
    world.threads.forget(proposal.thread_id)
    with sqlite3.connect(world.folder / "checkpoints.db") as connection:
        left = connection.execute("select count(*) from checkpoints where thread_id = ?", (proposal.thread_id,))
        assert left.fetchone() == (0,)


def test_rejected_and_finished_threads_are_not_started_again_by_recovery(world: World) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "reject", reason="no")
    world.threads.apply_decisions()
    assert proposal.thread_id not in world.threads.recover()


@pytest.mark.slow
@pytest.mark.parametrize("node", ["analyse", "write", "review", "submit", "decide", "launch"])
def test_a_kill_in_the_middle_of_a_node_loses_and_repeats_nothing(fresh: Path, tmp_path: Path, node: str) -> None:
    """The child process dies by SIGKILL inside the node, after the node did its work; this process goes on."""
    errors = tmp_path / "errors.txt"
    child = forks.start(dying_worker.main, fresh, node, errors=errors)
    child.join(timeout=120)
    assert child.exitcode == -signal.SIGKILL, errors.read_text()
    with open_world(fresh, sandbox=True, names=["win_back"]) as world:
        world.threads.recover()
        result = plan(world.threads, BRIEF)
        proposal = first_proposal(world)
        assert proposal.proposal_id in result.proposal_ids
        assert len(journalled(world, "proposal.submitted", proposal.proposal_id)) == 1
        say(world, proposal, "approve", actor="demo:child")
        world.threads.apply_decisions()
        assert_launched_once(world, proposal.proposal_id)


def test_deliberation_runs_on_postgresql(postgres_store: Store, tmp_path: Path) -> None:
    fill(postgres_store, tmp_path)
    add_offer(postgres_store)
    desk = make_desk(tmp_path, store_url=postgres_store.url, sandbox=True)
    with open_checkpoints(desk.store, tmp_path) as saver:
        threads = Threads(desk, saver)
        result = plan(threads, BRIEF)
    assert not (tmp_path / "checkpoints.db").exists()
    with open_checkpoints(desk.store, tmp_path) as saver:
        threads = Threads(desk, saver)
        with desk.store.read() as connection:
            stored = proposals.get(connection, result.proposal_ids[0])
        (asked,) = threads.waiting(stored.proposal.thread_id)
        threads.answer(asked.thread_id, asked.interrupt_id, [{"type": "accept"}])
        with desk.store.read() as connection:
            assert proposals.get(connection, result.proposal_ids[0]).status is ProposalStatus.APPROVED
    desk.store.close()


def at_once(*actions: Callable[[], object]) -> list[str]:
    """Run actions at the same moment; what became of each: "done" or the name of its error."""
    outcomes: list[str] = []
    gate = threading.Barrier(len(actions))

    def run(action: Callable[[], object]) -> None:
        gate.wait()
        try:
            action()
            outcomes.append("done")
        except NoriaError as error:
            outcomes.append(type(error).__name__)

    runners = [threading.Thread(target=run, args=(action,)) for action in actions]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(timeout=60)
    return outcomes


def assert_launched_once(world: World, proposal_id: str) -> None:
    deadline = time.monotonic() + 5
    while status_of(world, proposal_id) is not ProposalStatus.APPROVED and time.monotonic() < deadline:
        time.sleep(0.05)
    assert status_of(world, proposal_id) is ProposalStatus.APPROVED
    assert len(journalled(world, "proposal.approved", proposal_id)) == 1
    assert len(journalled(world, "decision.approve", proposal_id)) == 1


class Broken(RulesProvider):
    """Fails as no provider should, for a while."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.works = False

    def write(self, task: Task, analysis: Analysis) -> Writing:
        if self.method == "write" and not self.works:
            raise ZeroDivisionError("secret@shop.example.com")
        return super().write(task, analysis)

    def reply(self, task: Task, proposal: Proposal, question: str) -> str:
        if self.method == "reply" and not self.works:
            raise ZeroDivisionError("secret@shop.example.com")
        return super().reply(task, proposal, question)


def test_a_node_that_breaks_is_one_clear_error_without_personal_data_and_goes_on_later(fresh: Path) -> None:
    provider = Broken("write")
    with open_world(fresh, provider=provider, names=["win_back"]) as world:
        result = plan(world.threads, BRIEF)
        assert result.proposal_ids == ()
        assert "broke off (ZeroDivisionError)" in result.withheld[0].sentence
        assert "secret" not in result.withheld[0].sentence
        provider.works = True
        assert len(plan(world.threads, BRIEF).proposal_ids) == 1


def test_a_thread_that_breaks_on_a_decision_holds_up_no_other_and_is_tried_again(folder: Path) -> None:
    provider = Broken("reply")
    with open_world(folder, provider=provider) as world:
        broken, fine = first_proposal(world), first_proposal(world, "cross_sell")
        say(world, broken, "ask", reason="Why now?")
        say(world, fine, "approve")
        assert world.threads.apply_decisions() == [fine.proposal_id]
        assert status_of(world, fine.proposal_id) is ProposalStatus.APPROVED
        provider.works = True
        world.threads.apply_decisions()
        assert question(world, broken).payload["exchanges"]
        say(world, broken, "approve")
        world.threads.apply_decisions()
        assert status_of(world, broken.proposal_id) is ProposalStatus.APPROVED


def test_a_decision_on_a_thread_that_lives_elsewhere_holds_up_no_other(world: World) -> None:
    elsewhere = examples.proposal("p-elsewhere", thread_id="served-by-another")
    with world.store.write() as connection:
        proposals.submit(connection, elsewhere, author="noria", at=world.clock.now(), open_limit=99)
    fine = first_proposal(world)
    say(world, elsewhere, "approve")
    say(world, fine, "approve")
    assert world.threads.apply_decisions() == [fine.proposal_id]
    with world.store.read() as connection:
        (left,) = proposals.unconsumed_decisions(connection)
    assert left.proposal_id == elsewhere.proposal_id
