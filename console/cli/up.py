"""`noria up`: console and worker on one machine, by one command."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from console.cli.output import say
from console.cli.place import InWorkspace
from console.cli.serve import first_address, web_app
from console.settings import SECRET_NAMES, SERVING_SECRETS
from console.wiring import open_workspace
from memory.errors import NoriaError

if TYPE_CHECKING:
    import uvicorn

_SIGNAL_AT_DEATH_OF_PARENT = 1
"""PR_SET_PDEATHSIG of linux/prctl.h."""


class StoppedError(NoriaError):
    """A process that is needed has ended by itself."""

    code: ClassVar[str] = "stopped"


def add_commands(app: typer.Typer) -> None:
    app.command()(up)


def up(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8321,
    workspace: InWorkspace = None,
) -> None:
    """Start the console and a worker on this machine, print the link, and stop both with Ctrl-C.

    Whichever ends takes the other with it; a worker that ends by itself is an error.
    """
    import uvicorn

    # Stopped by a service manager as by Ctrl-C, so that what follows `finally` is done.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with open_workspace(workspace, secret_names=SERVING_SECRETS) as opened:
        web = web_app(opened, console=True)
        server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=port, log_level="warning", access_log=False))
        # A process of its own: what serves pages holds nothing that can send or call a model.
        command = [sys.executable, "-m", "noria", "work", "--workspace", str(opened.folder)]
        at_start = _end_with_parent if sys.platform == "linux" else None
        worker = subprocess.Popen(command, preexec_fn=at_start)  # noqa: S603, PLW1509 - our own command, no thread yet
        try:
            for name in set(SECRET_NAMES) - set(SERVING_SECRETS):
                os.environ.pop(name, None)
            say(f"The console: {first_address(opened, f'http://127.0.0.1:{port}')}")
            say("It works and listens on this machine alone – stop with Ctrl-C; nothing is lost.")
            threading.Thread(target=_end_after, args=(worker, server), daemon=True).start()
            server.run()
        except KeyboardInterrupt:
            return
        finally:
            # One that was asked to stop, as by the same Ctrl-C, ends with 0.
            broken = worker.poll() or 0
            worker.terminate()
            worker.wait()
    if broken:
        raise StoppedError(
            f"The worker has ended (status {broken}), and the console with it.",
            where="noria work",
            remedy="Read what it wrote last, and run `noria doctor`; then start `noria up` again.",
        )


def _end_with_parent() -> None:
    """Ask Linux to stop this process when its parent is gone, however it went."""
    ctypes.CDLL(None).prctl(_SIGNAL_AT_DEATH_OF_PARENT, signal.SIGTERM)


def _end_after(worker: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    """Stop serving once the worker is gone: nobody would act on what people say."""
    worker.wait()
    server.should_exit = True
