"""Processes of their own that start in a blink, so that a test can kill many of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_SERVER = multiprocessing.get_context("forkserver")
# What they run, loaded once: to load it takes seconds in each process that starts from nothing.
_SERVER.set_forkserver_preload(
    ["tests.tools.worker_process", "tests.agents.dying_worker", "tests.agents.dying_learner"]
)


def start(main: Callable[..., None], *arguments: Any, errors: Path) -> BaseProcess:
    """Run a function in another process; what that says on standard error is added to a file."""
    process = _SERVER.Process(target=_run, args=(main, arguments, errors), daemon=True)
    process.start()
    return process


def _run(main: Callable[..., None], arguments: tuple[Any, ...], errors: Path) -> None:
    with errors.open("a") as file:
        os.dup2(file.fileno(), 2)
    main(*arguments)
