"""The shape of the graph: fixed edges, one question per node, no hidden retries, served without checkpoints."""

from __future__ import annotations

import ast
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agents.graph import build_graph
from agents.served import serve_graph
from memory import proposals
from memory.errors import ConfigurationError
from tests.agents.world import BRIEF, World, make_desk

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "agents").glob("*.py"))


def unbuilt(_config: Any) -> Any:
    raise AssertionError("the shape needs no desk")


def test_the_graph_runs_as_designed() -> None:
    shape = build_graph(unbuilt).compile().get_graph()
    edges = {(edge.source, edge.target) for edge in shape.edges}
    line = ["__start__", "recall", "analyse", "write", "schedule", "review", "submit", "grant", "approve"]
    assert set(pairwise(line)) <= edges
    assert ("approve", "decide") in edges
    assert ("launch", "__end__") in edges
    assert {edge for edge in edges if edge[1] == "launch"} == {("decide", "launch"), ("grant", "launch")}
    assert {edge[0] for edge in edges if edge[1] == "approve"} == {"grant", "decide"}


def test_no_node_is_retried_behind_our_back() -> None:
    assert all(node.retry_policy is None for node in build_graph(unbuilt).nodes.values())


def test_each_node_asks_at_most_once_and_never_inside_a_try() -> None:
    asked = 0
    for source in SOURCES:
        tree = ast.parse(source.read_text(encoding="utf-8"))
        guarded = [
            node
            for block in ast.walk(tree)
            if isinstance(block, ast.Try | ast.For | ast.While)
            for node in ast.walk(block)
        ]
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                calls = [node for node in ast.walk(function) if is_interrupt(node)]
                assert len(calls) <= 1, source
                assert not set(map(id, calls)) & set(map(id, guarded)), source
                asked += len(calls)
    assert asked == 2


def test_every_interrupt_names_the_form_of_its_answer() -> None:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if is_interrupt(node):
                assert isinstance(node, ast.Call)
                assert "response_schema" in {keyword.arg for keyword in node.keywords}


def is_interrupt(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "interrupt"


def test_langgraph_is_imported_nowhere_but_in_agents() -> None:
    for folder in ("memory", "policies", "tools", "console", "evals"):
        for source in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not [name for name in names if name.split(".")[0].startswith(("langgraph", "langchain"))], source


def test_langgraph_json_names_a_graph_without_checkpoints() -> None:
    config = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))
    path, name = config["graphs"]["operator"].split(":")
    from console import studio

    assert (ROOT / path).samefile(studio.__file__)
    assert getattr(studio, name).checkpointer is None
    assert "env" not in config


def test_a_served_run_works_on_the_workspace_that_it_names(fresh: Path) -> None:
    opened: list[Path] = []

    def open_desk(folder: Path) -> Any:
        opened.append(folder)
        return make_desk(folder, sandbox=True)

    served = serve_graph(open_desk)
    # The server adds its own checkpoints, as this does.
    served.checkpointer = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "0f5c", "workspace": str(fresh)}}
    desk = make_desk(fresh)
    with desk.store.write() as connection:
        proposals.write_brief(connection, BRIEF, desk.clock.now())
    desk.store.close()
    for _ in range(2):
        served.invoke({"brief_id": BRIEF.brief_id, "playbook": "win_back"}, config)
    (waiting,) = served.get_state(config).interrupts
    assert waiting.value["kind"] == "approval"
    assert opened == [fresh.resolve()]


@pytest.mark.parametrize("named", [{}, {"workspace": ""}, {"workspace": 7}], ids=str)
def test_a_served_run_that_names_no_workspace_fails_closed(named: dict[str, Any]) -> None:
    served = serve_graph(unbuilt)
    with pytest.raises(ConfigurationError, match="names no workspace"):
        served.invoke({"brief_id": "b", "playbook": "p"}, {"configurable": {"thread_id": "t", **named}})


def test_a_thread_stays_small_however_often_it_is_edited(sandbox: World) -> None:
    from tests.agents.world import first_proposal, question

    for turn in range(6):
        proposal = first_proposal(sandbox)
        change = {"holdout_share": round(0.2 + turn / 100, 2)}
        answer = {"verdict": "edit", "changes": change}
        sandbox.threads.answer(proposal.thread_id, question(sandbox, proposal).interrupt_id, answer)
    assert first_proposal(sandbox).version == 7
    assert len(json.dumps(sandbox.threads.values(proposal.thread_id))) < 1_500
