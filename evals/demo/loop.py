"""The main act: opportunities, proposals, a yes and a no, real mail, four weeks, read-outs, lessons, a second round."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select

from agents.planning import PlanResult, plan
from agents.resume import Threads
from agents.round import last_round
from console.cli.output import moment, number, plain, quote, say
from console.cli.proposals import moved_by, print_proposal
from console.report.facts import read_facts
from console.work import work_once
from evals.demo.operator import Operator, ScriptedOperator, decide
from evals.demo.result import DemoResult, promises
from evals.demo.stage import SHOP, Stage, shop_stage
from evals.demo.story import report_on, tell_launches, tell_promises
from evals.market.event import Delivered
from evals.market.handover import contact_ids, incoming
from evals.market.history import read_histories
from evals.market.market import Market
from evals.market.world import World
from evals.shop.export import CUT_OFF
from memory import campaigns, ledger, lessons, proposals
from memory.importing.report import Progress, no_progress
from memory.proposal import Brief
from memory.schema import messages, readouts
from tools.drain import drain
from tools.intake import receive

WorldKind = Literal["normal", "null", "harmful"]
STEP = timedelta(hours=6)
DAYS = 28

PLAYBOOKS = ("win_back", "cross_sell", "post_purchase", "vip_thank_you")
"""The two that the script approves start once: their four weeks end within the act, and so do their read-outs."""

BRIEF = Brief(
    brief_id="demo-autumn",
    metric="repeat orders",
    intention="Keep regular customers coming back, and bring back those who are drifting away.",
    horizon_days=DAYS,
    owner="Jane Marlow",
    stop_rule="Complaints above 0.1 % or a read-out that says it harms.",
    decision="Which of these plays we keep running this winter.",
    author="demo:script",
)


def play_loop(
    folder: Path,
    *,
    world: WorldKind = "normal",
    seed: int = 1,
    operator: Operator | None = None,
    progress: Progress = no_progress,
) -> DemoResult:
    """Run the whole loop once in a fresh workspace and return what happened; prints the story as it goes."""
    started = time.monotonic()
    say("[bold]Noria, once around the loop[/bold]")
    say("Real purchases of 2,469 households up to 1 October 2017; names and addresses are made up. "
        "[yellow]What customers do after that is simulated[/yellow], and labelled so.")  # fmt: skip
    with (
        shop_stage(folder, seed=seed, progress=progress, playbooks=PLAYBOOKS) as stage,
        stage.workspace.threads() as threads,
    ):
        _tell_import(stage, started)
        market = market_of(stage, world, seed)
        first = plan(threads, BRIEF)
        decisions = _decide_all(stage, threads, first, operator or ScriptedOperator())
        _live(stage, threads, market)
        _tell_outcome(stage)
        second = plan(threads, BRIEF.model_copy(update={"brief_id": "demo-winter"}))
        ids = _waiting(stage)
        changes = _tell_second_round(stage, ids, second)
        return _result(stage, first, decisions, ids, changes, world, started)


def _tell_import(stage: Stage, started: float) -> None:
    say()
    say("[bold]1. The record[/bold]")
    assert stage.imported is not None
    for report in stage.imported.reports:
        aside = f", {number(report.rows_quarantined)} set aside" if report.rows_quarantined else ""
        say(f"  {report.kind}: {number(report.rows_read)} rows{aside}")
    say(f"  {quote(stage.imported.mailable.sentence)}")
    say(f"  [dim]{time.monotonic() - started:.0f} s so far[/dim]")


def market_of(stage: Stage, world: WorldKind, seed: int) -> Market:
    """Customers of one world, made of the histories that the shop exported."""
    ids = contact_ids(stage.workspace.store, SHOP)
    histories = read_histories(stage.exports, ids, cut_off=CUT_OFF)
    return Market(World.draw(world, seed), histories, starts_at=CUT_OFF)


def _decide_all(stage: Stage, threads: Threads, found: PlanResult, operator: Operator) -> list[dict[str, Any]]:
    store = stage.workspace.store
    said: list[dict[str, Any]] = []
    say()
    say(f"[bold]2. {len(found.proposal_ids)} proposals[/bold], the most valuable per message first")
    for held in found.withheld:
        say(f"  [dim]Not proposed: {quote(held.playbook)}. {quote(held.sentence)}[/dim]")
    for proposal_id in found.proposal_ids:
        while True:
            with store.read() as connection:
                stored = proposals.get(connection, proposal_id)
                history = proposals.decisions_on(connection, proposal_id)
            if stored.status not in proposals.WAITING:
                break
            print_proposal(stored, history)
            wish = operator.judge(stored)
            if wish is None:
                say("  [dim]left waiting[/dim]")
                break
            decision = decide(store, stored, wish, operator.actor, stage.clock.now())
            said.append({**plain(decision), "playbook": stored.proposal.play.playbook})
            # The graph acts on the decision at once; mail leaves only when the worker's clock says so.
            threads.apply_decisions()
            if wish.verdict == "edit":
                say("  [dim]The edit made a new version; whatever was approved before no longer counts.[/dim]")
    return said


def _live(stage: Stage, threads: Threads, market: Market) -> None:
    """Let four weeks pass: the worker works, the market reacts."""
    say()
    say(f"[bold]3. Four weeks[/bold] from {moment(CUT_OFF)}, real SMTP to 127.0.0.1:{stage.server.port}")
    workspace, store = stage.workspace, stage.workspace.store
    ends_at = CUT_OFF + timedelta(days=DAYS)
    told: set[str] = set()
    while True:
        now = stage.clock.now()
        cycle = work_once(workspace, threads)
        tell_launches(workspace, cycle.tick.launched, now)
        told |= _tell_readouts(stage, cycle.readouts, told)
        if cycle.round:
            _tell_weekly_round(threads, now)
        if now >= ends_at:
            break
        later = stage.clock.advance(STEP)
        events = market.advance(now, later, deliveries_between(stage, now, later))
        receive(store, [incoming(event) for event in events], later)
    # A worker that runs all the time would have it on record within a minute.
    drain(store, workspace.lake)


def deliveries_between(stage: Stage, since: datetime, until: datetime, purpose: str = "marketing") -> list[Delivered]:
    """What the worker sent at this moment; deliveries carry the moment of the step they were sent in."""
    with stage.workspace.store.read() as connection:
        rows = connection.execute(
            select(messages)
            .where(messages.c.state == "sent", messages.c.purpose == purpose)
            .where(messages.c.sent_at >= since, messages.c.sent_at < until)
        ).all()
        offered = {
            key: campaigns.get_version(connection, *key).play.offer is not None
            for key in {(row.campaign_id, row.version) for row in rows}
        }
    return [
        Delivered(
            contact_id=row.contact_id,
            message_key=row.message_key,
            campaign=row.campaign_id,
            category=None,
            delivered_at=row.sent_at,
            is_offer=offered[row.campaign_id, row.version],
        )
        for row in rows
    ]


def _tell_readouts(stage: Stage, ids: Sequence[str], told: set[str]) -> set[str]:
    new = [one for one in ids if one not in told]
    if new:
        with stage.workspace.store.read() as connection:
            rows = connection.execute(select(readouts).where(readouts.c.readout_id.in_(new))).all()
            names = {one.campaign_id: one.name for one in campaigns.list_campaigns(connection)}
        for row in rows:
            name = names.get(row.campaign_id, "programme")
            say(f"  {row.read_at:%d %b} {quote(name)}, look {row.look} of {row.looks_planned}: "
                f"[bold]{row.verdict}[/bold]")  # fmt: skip
    return set(new)


def _tell_weekly_round(threads: Threads, now: datetime) -> None:
    done, _ = last_round(threads.desk)
    for outcome in done.outcomes if done is not None else ():
        if outcome.proposal_id:
            say(f"  {now:%d %b} Noria's weekly round proposes by itself: {quote(outcome.idea.sentence)}")


def _tell_outcome(stage: Stage) -> None:
    with stage.workspace.store.read() as connection:
        balance = ledger.reconcile(connection)
        reasons = ledger.reasons(connection)
        facts = read_facts(connection)
    say()
    say("[bold]4. What happened[/bold] [yellow](reactions simulated)[/yellow]")
    say(f"  {number(balance.planned)} messages were planned: "
        + ", ".join(f"{number(count)} {state}" for state, count in balance.states.items()))  # fmt: skip
    for state, causes in reasons.items():
        for reason, count in causes.items():
            if reason:
                say(f"    {state}: {number(count)} {quote(reason)}")
    for campaign in facts.campaigns:
        if campaign.looks:
            say(f"  [bold]{quote(campaign.name)}[/bold]: {quote(campaign.looks[-1].text)}")
    say()
    say("[bold]5. What was learned[/bold]")
    for lesson in facts.lessons:
        say(f"  {quote(lesson.text['en'])}")


def _waiting(stage: Stage) -> list[str]:
    """What waits for a yes or no now, from the weekly round or just planned, the most valuable first."""
    with stage.workspace.store.read() as connection:
        found = proposals.list_proposals(connection, proposals.WAITING)
    return [one.proposal.proposal_id for one in found]


def _tell_second_round(stage: Stage, ids: Sequence[str], second: PlanResult) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = []
    say()
    say(f"[bold]6. The second round[/bold], {moment(stage.clock.now())}")
    with stage.workspace.store.read() as connection:
        made = [proposals.get(connection, one).proposal for one in ids]
    for proposal in made:
        say(f"  [bold]{quote(proposal.title)}[/bold]: {quote(proposal.forecast.sentence)}")
        for use in proposal.lessons:
            changes.append({"proposal_id": proposal.proposal_id, "playbook": proposal.play.playbook, **plain(use)})
            say(f"    learned: {quote(use.sentence)}")
            say(f"    {moved_by(use, proposal.forecast.base_rate)}")
    shown = {proposal.play.playbook for proposal in made}
    for held in [one for one in second.withheld if one.playbook not in shown]:
        say(f"  [dim]Not proposed: {quote(held.playbook)}. {quote(held.sentence)}[/dim]")
    return changes


def _result(
    stage: Stage,
    first: PlanResult,
    decisions: list[dict[str, Any]],
    second: Sequence[str],
    changes: list[dict[str, Any]],
    world: WorldKind,
    started: float,
) -> DemoResult:
    workspace = stage.workspace
    emails = stage.server.folder
    with workspace.store.read() as connection:
        facts = read_facts(connection)
        balance = ledger.reconcile(connection)
        found = [proposals.get(connection, one) for one in (*first.proposal_ids, *second)]
        taught = lessons.every(connection)
        looks = connection.execute(select(readouts).order_by(readouts.c.read_at, readouts.c.readout_id)).all()
    kept = promises(workspace, emails)
    report = report_on(workspace, facts, kept, "Noria: once around the loop")
    say()
    say("[bold]7. What must always be true[/bold]")
    tell_promises(kept)
    say()
    say(f"Report: {quote(report)}")
    say(f"Mail:   {quote(emails)}")
    say(f"Go on:  .venv/bin/noria up -w {quote(workspace.folder)}")
    say(f"        Its clock runs on from {moment(stage.clock.now())}; what it sends goes into its outbox/.")
    say(f"[dim]{time.monotonic() - started:.0f} seconds[/dim]")
    rounds = dict.fromkeys(first.proposal_ids, 1) | dict.fromkeys(second, 2)
    return DemoResult(
        workspace=str(workspace.folder),
        world=world,
        proposals=[
            {
                "proposal_id": one.proposal.proposal_id,
                "playbook": one.proposal.play.playbook,
                "round": rounds[one.proposal.proposal_id],
                "title": one.proposal.title,
                "status": one.status,
                "audience": plain(one.proposal.audience),
                "forecast": plain(one.proposal.forecast),
                "detection": plain(one.proposal.detection),
                "findings": plain(one.proposal.findings),
            }
            for one in found
        ],
        decisions=decisions,
        ledger=balance.states,
        planned=balance.planned,
        emails=str(emails),
        emails_count=sum(1 for _ in emails.glob("*.eml")),
        readouts=[
            {
                "readout_id": row.readout_id,
                "campaign_id": row.campaign_id,
                "look": row.look,
                "looks_planned": row.looks_planned,
                "verdict": row.verdict,
                "text": row.body["text"]["en"],
            }
            for row in looks
        ],
        lessons=[plain(one) for one in taught],
        second_round={"proposals": list(second), "lessons_used": changes},
        report=str(report),
        promises=kept,
    )
