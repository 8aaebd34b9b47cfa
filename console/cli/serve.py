"""`noria serve`: the console in which people decide, and the pages that contacts see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import say
from console.cli.place import InWorkspace
from console.settings import SERVING_SECRETS
from console.wiring import Workspace, open_workspace

if TYPE_CHECKING:
    from fastapi import FastAPI


def add_commands(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; behind a proxy that speaks HTTPS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8321,
    console: Annotated[
        bool,
        typer.Option("--console/--no-console", help="Also the console; leave it out on a machine for contacts only."),
    ] = True,
    workspace: InWorkspace = None,
) -> None:
    """Serve the console, what contacts see, a shop's events and providers' reports.

    It holds no key that can send or call a model.
    """
    import uvicorn

    with open_workspace(workspace, secret_names=SERVING_SECRETS) as opened:
        web = web_app(opened, console=console)
        say(f"Listening on http://{host}:{port} – stop with Ctrl-C.")
        if console:
            say(f"The console: {first_address(opened, f'http://{host}:{port}')}")
        uvicorn.run(web, host=host, port=port, log_level="warning", access_log=False)


def web_app(opened: Workspace, *, console: bool) -> FastAPI:
    """Everything that a workspace serves: the public pages, and the console beside them."""
    from console.click_redirect import ClickRules
    from console.web import public_app

    tracking = opened.settings.tracking
    web = public_app(
        opened.store,
        opened.clock,
        opened.brand,
        clicks=ClickRules(tracking.clicks, tracking.human_after_seconds),
        events_key=opened.events_key,
        segment_key=opened.segment_key,
        webhooks=opened.webhooks,
        public_url=opened.settings.public_url,
    )
    if console:
        from console.screens import console_app

        opened.keep_brand_facts()
        web.mount("/console", console_app(opened))
    return web


def first_address(opened: Workspace, url: str) -> str:
    """Where people go: the console, or the one-time link of the first admin while there is none."""
    from console.sign_in import first_invitation
    from memory.clock import SystemClock

    token = first_invitation(opened.store, SystemClock().now())
    return f"{url}/console/" if token is None else f"{url}/console/welcome/{token} (once, to set the first password)"
