"""`noria serve`: the pages that contacts see."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import say
from console.cli.place import InWorkspace
from console.settings import SERVING_SECRETS
from console.wiring import open_workspace


def add_commands(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; behind a proxy that speaks HTTPS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8321,
    workspace: InWorkspace = None,
) -> None:
    """Serve what contacts see, take events and providers' reports; holds no key that can send or call a model."""
    import uvicorn

    from console.click_redirect import ClickRules
    from console.web import public_app

    with open_workspace(workspace, secret_names=SERVING_SECRETS) as opened:
        say(f"Listening on http://{host}:{port} – stop with Ctrl-C.")
        tracking = opened.settings.tracking
        web = public_app(
            opened.store,
            opened.clock,
            opened.brand,
            clicks=ClickRules(tracking.clicks, tracking.human_after_seconds),
            events_key=opened.events_key,
            webhooks=opened.webhooks,
            public_url=opened.settings.public_url,
        )
        uvicorn.run(web, host=host, port=port, log_level="warning", access_log=False)
