"""A worker that kills itself with SIGKILL inside a node of the graph, after the node did its work."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from agents import graph
from agents.planning import plan
from tests.agents.world import BRIEF, first_proposal, open_world, say


def main(folder: Path, node: str) -> None:
    """Plan and approve, and die on the way."""
    alive: Any = getattr(graph, node)

    def dies(state: Any, desk: Any) -> None:
        alive(state, desk)
        os.kill(os.getpid(), signal.SIGKILL)

    dies.__name__ = node
    setattr(graph, node, dies)
    with open_world(folder, sandbox=True, names=["win_back"]) as world:
        plan(world.threads, BRIEF)
        say(world, first_proposal(world), "approve", actor="demo:child")
        world.threads.apply_decisions()
