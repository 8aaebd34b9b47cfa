"""The command line: each command a thin shell over a usable library."""

from __future__ import annotations

import typer

from console.cli import (
    adoption,
    alerts,
    audit,
    autonomy,
    backup,
    bounces,
    briefs,
    campaigns,
    connectors,
    contacts,
    doctor,
    forecasts,
    importing,
    journal,
    lessons,
    messages,
    playbooks,
    policies,
    proposals,
    readout,
    reputation,
    serve,
    setup,
    statement,
    switch,
    targeting,
    work,
    worth,
)

app = typer.Typer(
    name="noria",
    help="A self-hosted, autonomous marketing operator: agents propose, people approve, code disposes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)

for module in (
    setup,
    importing,
    audit,
    briefs,
    proposals,
    autonomy,
    work,
    campaigns,
    readout,
    targeting,
    forecasts,
    alerts,
    reputation,
    messages,
    connectors,
    bounces,
    worth,
    statement,
    lessons,
    contacts,
    playbooks,
    policies,
    adoption,
    journal,
    switch,
    doctor,
    serve,
    backup,
):
    module.add_commands(app)
