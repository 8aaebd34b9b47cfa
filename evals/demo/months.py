"""Some months of the shop: every playbook that finds its moment runs, on simulated carts, looks and sign-ups."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from agents.planning import plan
from agents.resume import Threads
from console.cli.output import number, quote, say
from console.report.facts import CampaignLine, read_facts
from console.work import work_once
from evals.demo.loop import BRIEF, WorldKind, deliveries_between, market_of
from evals.demo.operator import Wish, decide
from evals.demo.result import promises
from evals.demo.stage import SHOP, Stage, shop_stage
from evals.demo.story import ActResult, report_on, tell_launches, tell_promises
from evals.market.browsing import Browsing
from evals.market.event import MarketEvent
from evals.market.handover import contact_ids, incoming
from evals.market.market import Market
from evals.market.sign_ups import SignUps
from evals.shop.export import CUT_OFF
from memory import campaigns, ledger, proposals
from memory.importing.report import Progress, no_progress
from memory.proposal import ProposalStatus
from memory.schema import consent_current, contacts
from tools.drain import drain
from tools.intake import receive
from tools.records import LakeRecords
from tools.renewal import renew

STEP = timedelta(hours=8)
"""Every contact's morning or afternoon falls on one of the three, wherever they live."""
DAYS_A_MONTH = 30
PLAN_EVERY = timedelta(days=15)
_PRODUCTS = 200
LEADS, LETTERS = 200, 13
"""Invented besides the data: people who left their details and never bought, and letters of the last half year."""
_HISTORY = timedelta(days=90)
_PEOPLE = ("demo:script", "console:second")


class MonthsResult(ActResult):
    """What `noria demo --months N --json` prints."""

    simulated: bool = True
    world: str
    months: int
    campaigns: list[dict[str, Any]]
    """Each with entries, arms, exits by reason, messages by final state and the newest read-out."""
    idle: dict[str, str]
    """Playbooks of which nothing was launched, and why."""
    ledger: dict[str, int]
    planned: int
    report: str


def play_months(
    folder: Path, months: int, *, world: WorldKind = "normal", seed: int = 1, progress: Progress = no_progress
) -> MonthsResult:
    """Let the shop run for some months with everything approved that the guardian lets through; prints the story."""
    started = time.monotonic()
    say(f"[bold]Noria, {months} months of a shop[/bold]")
    say("Real purchases of 2,469 households up to 1 October 2017; names and addresses are made up. "
        "[yellow]Whatever customers do after that, carts and sign-ups among it, is simulated,[/yellow] and so are "
        f"{LEADS} people who never bought and {LETTERS} letters of the half year before.")  # fmt: skip
    with (
        shop_stage(folder, seed=seed, progress=progress, leads=LEADS, letters=LETTERS) as stage,
        stage.workspace.threads() as threads,
    ):
        crowd = open_shop(stage, world, seed)
        withheld = _live(stage, threads, crowd, timedelta(days=months * DAYS_A_MONTH))
        return _result(stage, months, world, started, withheld)


@dataclass(frozen=True)
class Crowd:
    """Everybody who lives in the demo's months: as customers, as visitors, and as those who leave their address."""

    market: Market
    browsing: Browsing
    sign_ups: SignUps


def open_shop(stage: Stage, world: WorldKind, seed: int) -> Crowd:
    """The crowd as the months begin, and on record what it did in the three months before.

    That is history: it starts nothing, and triggers are sized by it.
    """
    workspace, begins_at = stage.workspace, CUT_OFF - _HISTORY
    everybody = contact_ids(workspace.store, SHOP).values()
    market = market_of(stage, world, seed)
    with workspace.store.read() as connection:
        bought = set(
            connection.execute(select(contacts.c.contact_id).where(contacts.c.last_order_at.is_not(None))).scalars()
        )
        spoken = set(connection.execute(select(consent_current.c.contact_id)).scalars())
    crowd = Crowd(
        market,
        Browsing(
            seed,
            list(everybody),
            sorted(LakeRecords(workspace.lake).products())[:_PRODUCTS],
            habits=market.habits,
            leads=set(everybody) - bought,
        ),
        SignUps(seed, set(everybody) - spoken, starts_at=begins_at),
    )
    events = crowd.browsing.between(begins_at, CUT_OFF) + crowd.sign_ups.advance(CUT_OFF, [])
    _hear(stage, events, CUT_OFF)
    drain(workspace.store, workspace.lake)
    say(f"  {number(len(events))} looks, carts, forms and sign-ups of the last three months are on record (simulated)")
    return crowd


def _hear(stage: Stage, events: list[MarketEvent], at: datetime) -> None:
    in_order = sorted(events, key=lambda event: event.at)
    receive(stage.workspace.store, [incoming(event) for event in in_order], at)


def _live(stage: Stage, threads: Threads, crowd: Crowd, span: timedelta) -> dict[str, str]:
    """Let time pass; returns by playbook why it was withheld when it was last."""
    ends_at, plans_at = CUT_OFF + span, CUT_OFF
    withheld: dict[str, str] = {}
    while (now := stage.clock.now()) < ends_at:
        if now >= plans_at:
            found = plan(threads, BRIEF.model_copy(update={"brief_id": f"months-{now:%Y-%m-%d}"}))
            say()
            say(f"[bold]{now:%d %B}[/bold]: {len(found.proposal_ids)} proposals")
            withheld |= {one.playbook: one.sentence for one in found.withheld}
            plans_at = now + PLAN_EVERY
        _say_yes(stage, threads)
        _renew(stage)
        tell_launches(stage.workspace, work_once(stage.workspace, threads).tick.launched, now)
        later = min(stage.clock.advance(STEP), ends_at)
        events = crowd.market.advance(now, later, deliveries_between(stage, now, later))
        events += crowd.browsing.between(now, later)
        events += crowd.sign_ups.advance(later, deliveries_between(stage, now, later, "transactional"))
        _hear(stage, events, later)
    work_once(stage.workspace, threads)
    return withheld


def _renew(stage: Stage) -> None:
    """The owner's word on campaigns whose review date has come: they go on until they are read for the last time."""
    workspace, now = stage.workspace, stage.clock.now()
    with workspace.store.write() as connection:
        for one in campaigns.list_campaigns(connection, ["live"]):
            if one.review_at <= now:
                reason = "It runs to its last look, so that we learn what it is worth."
                until = now + timedelta(days=DAYS_A_MONTH)
                renew(
                    connection, workspace.pack, one.campaign_id, until=until, at=now, actor="demo:script", reason=reason
                )


def _say_yes(stage: Stage, threads: Threads) -> None:
    """Approve what is put before people now, by two where two are asked; what waits behind it comes next."""
    now, store = stage.clock.now(), stage.workspace.store
    with store.read() as connection:
        waiting = proposals.list_proposals(connection, [ProposalStatus.OPEN])
    for stored in waiting:
        say(f"  {now:%d %b} {quote(stored.proposal.title)}: {quote(stored.proposal.forecast.sentence)}")
        for actor in _PEOPLE[: stored.proposal.approvals.people]:
            decide(store, stored, Wish(verdict="approve", reason="Let it run, and measure it."), actor, now)
    if waiting:
        threads.apply_decisions()


def _result(stage: Stage, months: int, world: WorldKind, started: float, withheld: Mapping[str, str]) -> MonthsResult:
    workspace = stage.workspace
    with workspace.store.read() as connection:
        facts = read_facts(connection)
        balance = ledger.reconcile(connection)
    kept = promises(workspace, stage.server.folder, running=True)
    say()
    say("[bold]What ran[/bold] [yellow](reactions simulated)[/yellow]")
    for line in facts.campaigns:
        _tell(line)
    unlaunched = sorted(set(workspace.desk.playbooks) - {line.playbook for line in facts.campaigns})
    idle = {name: withheld.get(name, "It did not find its moment.") for name in unlaunched}
    for name, why in idle.items():
        say(f"  {quote(workspace.desk.playbooks[name].name['en'])} was not launched. {quote(why)}")
    report = report_on(workspace, facts, kept, f"Noria: {months} months of a shop")
    say()
    say("[bold]What must always be true[/bold]")
    tell_promises(kept)
    say()
    say(f"Report: {quote(report)}")
    seconds = round(time.monotonic() - started, 1)
    say(f"[dim]{seconds:.0f} seconds.[/dim]")
    return MonthsResult(
        act="months",
        workspace=str(workspace.folder),
        seconds=seconds,
        promises=kept,
        world=world,
        months=months,
        campaigns=[line.model_dump(mode="json") for line in facts.campaigns],
        idle=idle,
        ledger=balance.states,
        planned=balance.planned,
        report=str(report),
    )


def _tell(line: CampaignLine) -> None:
    say(f"  [bold]{quote(line.name)}[/bold] [dim]{line.status}[/dim]: {number(line.treated)} entries, "
        f"{number(line.holdout)} held out")  # fmt: skip
    for title, counts in (("arms", line.arms), ("exits", line.exits), ("messages", line.states)):
        if counts:
            say(f"    {title}: " + ", ".join(f"{number(count)} {quote(name)}" for name, count in counts.items()))
    say(f"    {quote(line.looks[-1].text)}" if line.looks else "    not read out yet")
