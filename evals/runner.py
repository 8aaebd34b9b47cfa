"""Plays a case with the real product: the planning graph, the policy pack, the door, the ledger and the sandbox."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from sqlalchemy import update

from agents.checkpoints import open_checkpoints
from agents.desk import Desk, DeskSettings
from agents.extractor import extract
from agents.model import Model
from agents.planning import PlanResult, answer_questions, plan
from agents.playbook import PACKAGED, Playbook, load_playbooks
from agents.resume import Threads
from console.packs import PACKAGED_PACKS
from evals import reading
from evals.bad_models import Contender, provider_for
from evals.outcome import Outcome
from evals.people import Person, people_of
from evals.planting import judge_again, judge_planted
from evals.scenario import Answer, ChangeOffer, Decide, Plan, Scenario, Step, Switch, Tamper, Withdraw, Work
from evals.small_world import CURRENCY, SHOP, build_world
from memory import campaigns, consents, proposals, queue
from memory.brand import Brand, Voice
from memory.canonical import digest
from memory.clock import ManualClock
from memory.errors import NoriaError, NotFoundError
from memory.proposal import Brief
from memory.proposals import StoredProposal
from memory.schema import campaign_versions, offers
from memory.workspace import turn_switch
from policies.pack import Pack, parse_pack
from tools.channels.sandbox import SandboxChannel
from tools.worker import tick
from tools.workplace import Workplace

_BRIEF = {
    "brief_id": "brief",
    "metric": "repeat orders",
    "intention": "Keep regular customers coming back",
    "owner": "marie",
    "stop_rule": "Stop when more than one in a hundred unsubscribes",
    "decision": "Whether this play runs all year",
    "author": "cli:marie",
}
_OPERATOR = "cli:marie"


@dataclass
class Workbench:
    """One case being played."""

    scenario: Scenario
    people: dict[int, Person]
    folder: Path
    desk: Desk
    threads: Threads
    place: Workplace
    clock: ManualClock
    planned: PlanResult | None = None
    refused: list[str] = field(default_factory=list)
    withdrawn_at: dict[str, datetime] = field(default_factory=dict)
    stopped: list[tuple[datetime, datetime]] = field(default_factory=list)
    stopped_at: datetime | None = None


def play(scenario: Scenario, contender: Contender) -> Outcome:
    """Make the world, do the steps, and read what came of it. Nothing is left on disk."""
    people = dict(people_of(scenario))
    playbooks = _playbooks(scenario)
    pack = _pack(yaml.safe_dump(scenario.desk.policy) if scenario.desk.policy else "")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="noria-eval-")))
        store, lake = build_world(folder, scenario, people, playbooks, pack.cap.messages)
        stack.callback(store.close)
        provider, model = stack.enter_context(provider_for(contender, scenario.model))
        clock = ManualClock(scenario.clock)
        desk = Desk(
            store=store,
            lake=lake,
            clock=clock,
            pack=pack,
            playbooks=playbooks,
            brand=_brand(scenario),
            provider=provider,
            settings=DeskSettings(
                currency=CURRENCY,
                programme_share=scenario.desk.programme_share,
                fallback_zone=scenario.desk.fallback_zone,
                open_limit=scenario.desk.open_limit,
                sandbox=scenario.desk.sandbox,
                critic=scenario.desk.critic,
            ),
        )
        place = Workplace(
            store=store,
            lake=lake,
            pack=pack,
            clock=clock,
            channels={"email": SandboxChannel(folder / "outbox")},
            public_url="http://127.0.0.1:8321",
            currency=CURRENCY,
            programme_share=scenario.desk.programme_share,
        )
        saver = stack.enter_context(open_checkpoints(store, folder))
        bench = Workbench(scenario, people, folder, desk, Threads(desk, saver), place, clock)
        started = time.monotonic()
        for step in scenario.steps:
            _do(bench, step)
        seconds = time.monotonic() - started
        return _read(bench, model, seconds)


def _do(bench: Workbench, step: Step) -> None:
    """One step; an error of the product is part of the outcome, any other breaks the case."""
    try:
        match step:
            case Plan():
                bench.planned = plan(bench.threads, Brief.model_validate({**_BRIEF, **bench.scenario.brief}))
            case Answer(answers=answers):
                assert bench.planned is not None
                bench.planned = answer_questions(bench.threads, bench.planned.questions[0], answers)
            case Decide():
                _decide(bench, step)
            case Work(days=days, every_hours=hours):
                _work(bench, bench.clock.now() + timedelta(days=days), timedelta(hours=hours))
            case Switch(do=do):
                _switch(bench, stopped=do == "stop")
            case Withdraw(group=group):
                _withdraw(bench, group)
            case ChangeOffer(offer=offer, value=value):
                with bench.desk.store.write() as connection:
                    connection.execute(update(offers).where(offers.c.offer_id == offer).values(value=value))
            case Tamper():
                _tamper(bench, step)
    except NoriaError as error:
        bench.refused.append(error.code)


def _decide(bench: Workbench, step: Decide) -> None:
    stored = proposal_of(bench, step.playbook)
    with bench.desk.store.write() as connection:
        proposals.decide(
            connection,
            proposal_id=stored.proposal.proposal_id,
            version=stored.proposal.version,
            digest=stored.proposal.digest,
            verdict=step.do,
            actor=step.actor,
            reason=step.reason,
            changes=step.changes,
            at=bench.clock.now(),
        )
    bench.threads.apply_decisions()


def _work(bench: Workbench, until: datetime, pause: timedelta) -> None:
    while True:
        now = bench.clock.now()
        bench.threads.apply_decisions()
        with bench.desk.store.write() as connection:
            queue.expire(connection, now)
            queue.promote(connection, at=now, open_limit=bench.desk.settings.open_limit)
        tick(bench.place)
        if now >= until:
            return
        bench.clock.advance_to(min(now + pause, until))


def _switch(bench: Workbench, *, stopped: bool) -> None:
    now = bench.clock.now()
    with bench.desk.store.write() as connection:
        turn_switch(connection, stopped=stopped, actor=_OPERATOR, reason="an eval", at=now)
    if stopped:
        bench.stopped_at = now
    elif bench.stopped_at is not None:
        bench.stopped.append((bench.stopped_at, now))
        bench.stopped_at = None


def _withdraw(bench: Workbench, group: str) -> None:
    now = bench.clock.now()
    with bench.desk.store.write() as connection:
        for person in bench.people.values():
            if person.group_name == group:
                consents.withdraw(connection, person.contact_id, "email", "marketing", now, "an eval")
    bench.withdrawn_at[group] = now


def _tamper(bench: Workbench, step: Tamper) -> None:
    """Rewrite the stored play and its digest together, as somebody would who knows how they belong to each other."""
    with bench.desk.store.write() as connection:
        campaign = next(one for one in campaigns.list_campaigns(connection) if one.playbook == step.playbook)
        version = campaigns.get_version(connection, campaign.campaign_id, campaign.version)
        body = version.body
        for sequence in body["sequences"]:
            for part in sequence["steps"]:
                for copy in part.get("copies", {}).values():
                    copy["body"] = [step.text]
        connection.execute(
            update(campaign_versions)
            .where(campaign_versions.c.campaign_id == campaign.campaign_id)
            .values(body=body, digest=digest(body))
        )


def proposal_of(bench: Workbench, playbook: str) -> StoredProposal:
    """The newest proposal of a playbook. Raises NotFoundError."""
    with bench.desk.store.read() as connection:
        found = [one for one in proposals.list_proposals(connection) if one.proposal.play.playbook == playbook]
    if not found:
        raise NotFoundError(f"There is no proposal of {playbook}.")
    return max(found, key=lambda one: one.updated_at)


def _read(bench: Workbench, model: Model | None, seconds: float) -> Outcome:
    scenario, desk = bench.scenario, bench.desk
    stopped = [*bench.stopped, *([(bench.stopped_at, bench.clock.now())] if bench.stopped_at else [])]
    notes = sorted({person.group.notes for person in bench.people.values() if person.group.notes})
    set_aside = reading.outside_marketing(scenario, bench.people)
    with desk.store.read() as connection:
        seen = reading.seen_proposals(connection)
        balances, journal_holds = reading.integrity(connection)
        found = Outcome(
            proposals=seen,
            withheld={one.playbook: one.sentence for one in bench.planned.withheld} if bench.planned else {},
            questions=reading.open_questions(bench.planned),
            truth=reading.truths(scenario, bench.people, desk.playbooks, set_aside, seen),
            set_aside=set_aside,
            messages=reading.seen_messages(connection, scenario, bench.people),
            mails=reading.seen_mails(connection, bench.folder / "outbox", bench.people),
            campaigns=reading.seen_campaigns(connection),
            refused=tuple(bench.refused),
            balances=balances,
            journal_holds=journal_holds,
            withdrawn_at=bench.withdrawn_at,
            stopped=tuple(stopped),
            tokens=reading.tokens(connection),
            model_calls=reading.model_calls(connection),
            seconds=seconds,
        )
    more = {
        "planted": (*judge_planted(scenario, desk, seen), *judge_again(scenario, desk.pack)),
        "features": reading.features(scenario, bench.people, desk),
        "extracted": tuple(extract(model, note)[0].model_dump() for note in notes) if model is not None else (),
    }
    return found.model_copy(update=more)


def _playbooks(scenario: Scenario) -> dict[str, Playbook]:
    every = _packaged()
    return {name: every[name] for name in scenario.desk.playbooks or every}


@cache
def _packaged() -> dict[str, Playbook]:
    return load_playbooks(PACKAGED)


@cache
def _pack(rules: str) -> Pack:
    base = (PACKAGED_PACKS / "base.yaml").read_text(encoding="utf-8")
    if not rules:
        return parse_pack(base, where="base.yaml")
    own = yaml.safe_dump({"schema_version": 1, "name": "own", "extends": "base", "rules": yaml.safe_load(rules)})
    return parse_pack(own, where="the case's own policy", parents={"base": base})


def _brand(scenario: Scenario) -> Brand:
    return Brand(
        name="Maple & Finch",
        sender_name="Maple & Finch",
        sender_address="hello@shop.example.com",
        postal_address="12 Orchard Road, Springfield",
        website=SHOP,
        voice=Voice(banned_words=scenario.world.banned_words),
    )
