"""A worker that takes the due looks of a workspace and kills itself with SIGKILL between measuring and learning.

The business clock is in the store.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, NoReturn

from agents import learning_graph
from memory.clock import ManualClock
from memory.store import Store
from memory.workspace import StoreClock
from tests.agents.trial import desk_of


def _die(_state: Any, _desk: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def main(folder: Path) -> None:
    store = Store(f"sqlite:///{folder / 'store.db'}")
    setattr(learning_graph, "learn", _die)  # noqa: B010  # the module does not offer it for change
    learning_graph.run_due_looks(desk_of(store, folder, ManualClock(StoreClock(store).now())))
