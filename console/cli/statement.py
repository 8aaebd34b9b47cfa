"""`noria statement`: what a month of marketing gained, what it cost, and what each guardrail kept back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, counted, moment, money, number, quote, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace

if TYPE_CHECKING:
    from agents.learning.intervals import Estimate
    from agents.statement import Statement


def add_commands(app: typer.Typer) -> None:
    app.command()(statement)


def statement(
    month: Annotated[
        str, typer.Option(help="Which month, such as 2025-03; the last one that is over if left out.")
    ] = "",
    html: Annotated[Path | None, typer.Option(help="Write it as a page into this file, too.")] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print the account of a month: what all marketing gained, what it cost, what each guardrail kept back."""
    from agents.statement import last_month, make_statement
    from console.report.statement import write_statement

    with open_workspace(workspace) as opened:
        found = make_statement(opened.desk, month or last_month(opened.clock.now()))
    if html is not None:
        write_statement(found, html)

    def show_all() -> None:
        show(found)
        if html is not None:
            say(f"Written to {quote(html)}.")

    answer(found, as_json=as_json, show=show_all)


def show(found: Statement) -> None:
    """Print the account of a month."""
    over = "" if found.is_over else ", so far"
    say(f"[bold]{found.month}{over}[/bold]")
    if found.gain is None:
        say(f"  Gained      not known: {quote(found.why_no_gain)}")
    else:
        gain = found.gain
        doubt = "" if gain.is_certain else ": it proves neither gain nor loss"
        span = _span(gain.total_cents, found.currency)
        say(f"  Gained      {span} {gain.kind}, {gain.confidence:.0%} interval{doubt}")
        say(
            f"              {gain.orders.value:+,.0f} customers who ordered ({gain.orders.low:+,.0f} to "
            f"{gain.orders.high:+,.0f}); {number(gain.outside)} contacts outside all marketing against "
            f"{number(gain.marketed)}"
        )
        if gain.since > found.since:
            say(f"              counted from {moment(gain.since)}, when the first campaign of the month began")
    sent = ", ".join(f"{number(count)} by {channel}" for channel, count in found.sent.items()) or "none"
    say(f"  Messages    {sent}; they cost {money(found.message_cost_cents, found.currency)}")
    say(f"  Discounts   {money(found.discount_cents, found.currency)} on {number(found.discounted_orders)} orders")
    say(f"  Models      {number(found.model_tokens)} tokens in {number(found.model_calls)} calls")
    spent = f"about {counted(found.minutes, 'minute')} of {counted(found.people, 'person', 'people')}"
    said = counted(found.decisions, "decision")
    say(f"  People      {f'{spent}; {said}' if found.people else 'nobody decided anything'}")
    say("[bold]What each guardrail kept back[/bold]")
    for one in found.guardrails:
        forgone = one.forgone_cents
        worth = "not known" if forgone is None else f"as average messages {_span(forgone, found.currency)}"
        say(f"  {one.rule:<20}{counted(one.messages, 'message')}; what they would have brought: {worth}")
    if not found.guardrails:
        say("  Nothing.")
    say(f"[dim]digest {found.digest[:12]}: the same record gives the same account[/dim]")


def _span(amount: Estimate, currency: str) -> str:
    return f"{money(amount.value, currency)} ({money(amount.low, currency)} to {money(amount.high, currency)})"
