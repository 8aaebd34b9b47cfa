"""`noria up`: console and worker on one machine, by one command."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from console.cli.output import say
from console.cli.place import InWorkspace
from console.cli.serve import first_address, web_app
from console.settings import SERVING_SECRETS
from console.wiring import open_workspace


def add_commands(app: typer.Typer) -> None:
    app.command()(up)


def up(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8321,
    workspace: InWorkspace = None,
) -> None:
    """Start the console and a worker on this machine, print the link, and stop both with Ctrl-C."""
    import uvicorn

    with open_workspace(workspace, secret_names=SERVING_SECRETS) as opened:
        web = web_app(opened, console=True)
        # A process of its own: what serves pages holds nothing that can send or call a model.
        command = [sys.executable, "-m", "noria", "work", "--workspace", str(opened.folder)]
        worker = subprocess.Popen(command)  # noqa: S603 - our own command
        try:
            say(f"The console: {first_address(opened, f'http://127.0.0.1:{port}')}")
            say("It works and listens on this machine alone – stop with Ctrl-C; nothing is lost.")
            uvicorn.run(web, host="127.0.0.1", port=port, log_level="warning", access_log=False)
        finally:
            worker.terminate()
            worker.wait()
