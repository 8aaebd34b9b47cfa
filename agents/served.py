"""The graph as a server runs it: without checkpoints of our own, for the workspace that each run names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from langchain_core.runnables import RunnableConfig

from agents.desk import Desk
from agents.graph import Compiled, build_graph
from memory.errors import ConfigurationError


def serve_graph(open_desk: Callable[[Path], Desk]) -> Compiled:
    """The graph for `langgraph dev`; a run's configuration must name its workspace folder under `workspace`."""
    desks: dict[Path, Desk] = {}
    opening = threading.Lock()

    def desk_of(config: RunnableConfig) -> Desk:
        named = config.get("configurable", {}).get("workspace")
        if not isinstance(named, str) or not named:
            raise ConfigurationError(
                "The run names no workspace.",
                where="configurable.workspace",
                remedy="Set it to the folder that holds noria.toml.",
            )
        folder = Path(named).resolve()
        with opening:
            if folder not in desks:
                desks[folder] = open_desk(folder)
            return desks[folder]

    return build_graph(desk_of).compile(name="operator")
