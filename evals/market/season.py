"""Lets the real product run a simulated shop for some weeks: import, plans, approvals, mail, read-outs, lessons."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import select

from agents.planning import plan
from agents.resume import Threads
from agents.series import why_not_yet
from console.cli.importing import run_import
from console.settings import SETTINGS_FILE
from console.wiring import Workspace
from console.work import work_once
from evals.demo.stage import fresh_workspace
from evals.market.event import Delivered, MarketEvent
from evals.market.handover import contact_ids, incoming
from evals.market.history import Histories, read_histories
from evals.market.letters import PLAYBOOK, WINDOW_DAYS, letter_of, write_playbook
from evals.market.market import Market
from evals.market.noise import Ints
from evals.market.population import OPENS_AT, write_population
from evals.market.world import World
from memory import proposals
from memory.canonical import digest
from memory.importing.report import ImportSettings
from memory.proposal import Brief, ProposalStatus
from memory.schema import enrolments, messages, readouts
from memory.workspace import StoreClock, set_value
from tools.intake import receive

DAY = timedelta(days=1)
MESSAGE_COST_CENTS = 1
_PLANNED_EVERY = timedelta(days=WINDOW_DAYS)
_SOURCE = "shop"
_PEOPLE = ("console:anna", "console:bert")
_PACK = """\
schema_version: 1
name: market
extends: base
sentence: { en: The base pack for a shop that writes every week., fr: Le pack de base pour une boutique hebdomadaire. }
rules:
  reuse: { parameters: { minimum_days: 2 } }
"""
_SETTINGS = f"""\
name = "Simulated shop"
currency = "USD"
fallback_zone = "Europe/Paris"
sandbox = true
policy_pack = "market"
playbooks = ["{PLAYBOOK}"]
[channel]
kind = "sandbox"
message_cost_micros = {MESSAGE_COST_CENTS * 1_000_000}
"""


@dataclass(frozen=True, slots=True)
class Season:
    """What came of some weeks in one world, by contact in the order of the histories."""

    sent: Ints
    revenue_cents: Ints
    letters: Counter[str]
    """Messages by the letter that they were."""
    verdicts: Counter[str]
    """Of the read-outs."""
    withheld: Counter[str]
    """Reasons why a letter was not proposed."""
    seconds: float
    """Of the processor, all of its cores together."""


@contextmanager
def shop(folder: Path, world: World, contacts: int) -> Iterator[tuple[Workspace, Histories]]:
    """A workspace with the world's customers on record and the shop's letters as playbooks, on its opening day."""
    fresh_workspace(folder, name="Simulated shop", currency="USD", zone="Europe/Paris")
    (folder / SETTINGS_FILE).write_text(_SETTINGS, encoding="utf-8")
    (folder / "packs" / "market.yaml").write_text(_PACK, encoding="utf-8")
    write_playbook(folder / "playbooks")
    workspace = Workspace(folder.resolve(), {})
    try:
        with workspace.store.write() as connection:
            # A real workspace draws its salt at random; here the same seed must tell the same story.
            set_value(connection, "salt", digest(["market", world.seed]))
        StoreClock(workspace.store).advance_to(OPENS_AT)
        exports = folder / "exports"
        write_population(exports, contacts, opens_at=OPENS_AT, seed=world.seed)
        settings = ImportSettings(currency="USD", day_first=False, time_zone="Europe/Paris", source=_SOURCE)
        run_import(workspace, exports, settings)
        yield workspace, read_histories(exports, contact_ids(workspace.store, _SOURCE), cut_off=OPENS_AT)
    finally:
        workspace.close()


def play_season(workspace: Workspace, histories: Histories, world: World, days: int) -> Season:
    """Let people say yes to whatever is proposed, the worker work once a day, and customers react, for so many days."""
    started = time.process_time()
    market, tally = Market(world, histories, starts_at=OPENS_AT), _Tally(histories)
    clock = StoreClock(workspace.store)
    planned_at: datetime | None = None
    withheld: Counter[str] = Counter()
    with workspace.threads() as threads:
        for _ in range(days):
            now = clock.now()
            work_once(workspace, threads)
            delivered = _delivered(workspace, now)
            # After the worker: a letter whose last look was taken today may be planned anew today.
            if _is_free(workspace) and (planned_at is None or now >= planned_at + _PLANNED_EVERY):
                found = plan(threads, _brief(now))
                withheld.update(one.sentence for one in found.withheld)
                planned_at = now
            # Daily: the weekly round proposes too, the end of a letter that harms for example.
            _approve_all(workspace, threads, now)
            later = clock.advance(DAY)
            events = market.advance(now, later, delivered)
            tally.add(delivered, events)
            receive(workspace.store, [incoming(event) for event in events], later)
        work_once(workspace, threads)
    with workspace.store.read() as connection:
        verdicts = Counter(connection.execute(select(readouts.c.verdict)).scalars())
    return Season(tally.sent, tally.revenue_cents, tally.letters, verdicts, withheld, time.process_time() - started)


class _Tally:
    def __init__(self, histories: Histories) -> None:
        self._row_of = {contact: row for row, contact in enumerate(histories.contact_ids.tolist())}
        self.sent = np.zeros(histories.size, dtype=np.int64)
        self.revenue_cents = np.zeros(histories.size, dtype=np.int64)
        self.letters: Counter[str] = Counter()

    def add(self, delivered: list[Delivered], events: list[MarketEvent]) -> None:
        for message in delivered:
            self.sent[self._row_of[message.contact_id]] += 1
            self.letters[message.letter] += 1
        for event in events:
            if event.kind == "order":
                self.revenue_cents[self._row_of[event.contact_id]] += event.properties["total_cents"]


def _brief(now: datetime) -> Brief:
    return Brief(
        brief_id=f"market-{now:%Y-%m-%d}",
        metric="repeat orders",
        intention="Write to customers where it is worth it, and to each the letter that suits them.",
        horizon_days=28,
        owner="Anna Berg",
        stop_rule="Complaints above 0.1 % or a read-out that says it harms.",
        decision="Which letter goes to whom, and to whom none.",
        author=_PEOPLE[0],
    )


def _is_free(workspace: Workspace) -> bool:
    """Whether a letter is due that does not wait for a decision."""
    desk = workspace.desk
    with workspace.store.read() as connection:
        waiting = proposals.list_proposals(connection, [ProposalStatus.OPEN, ProposalStatus.APPROVED])
        return not waiting and not why_not_yet(connection, desk, desk.playbooks[PLAYBOOK])


def _approve_all(workspace: Workspace, threads: Threads, now: datetime) -> None:
    """Two people say yes, one after the other, as far as that is asked for."""
    for actor in _PEOPLE:
        with workspace.store.write() as connection:
            for one in proposals.list_proposals(connection, [ProposalStatus.OPEN]):
                proposals.decide(
                    connection,
                    proposal_id=one.proposal.proposal_id,
                    version=one.proposal.version,
                    digest=one.proposal.digest,
                    verdict="approve",
                    actor=actor,
                    reason="Let it run, and measure it.",
                    at=now,
                )
        threads.apply_decisions()


def _delivered(workspace: Workspace, now: datetime) -> list[Delivered]:
    """What the worker sent in this round."""
    query = (
        select(messages.c.contact_id, messages.c.message_key, messages.c.campaign_id, enrolments.c.sequence_key)
        .join(enrolments, enrolments.c.enrolment_id == messages.c.enrolment_id)
        .where(messages.c.state == "sent", messages.c.sent_at >= now)
    )
    with workspace.store.read() as connection:
        rows = connection.execute(query).all()
    return [
        Delivered(
            contact_id=row.contact_id,
            message_key=row.message_key,
            campaign=row.campaign_id,
            category=None,
            delivered_at=now,
            is_offer=False,
            letter=letter_of(row.sequence_key),
        )
        for row in rows
    ]
