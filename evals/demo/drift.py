"""What was approved changes behind the approvers' backs, in five ways: the approval falls, and nothing leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select, update

from agents.resume import Threads
from console.cli.output import number, quote, say
from console.wiring import Workspace
from console.work import Cycle, work_once
from evals.demo.operator import edited_subject
from evals.demo.result import Promise
from evals.demo.small_shop import OFFER, invent_customers, small_stage
from evals.demo.stage import Stage
from evals.demo.story import ActResult, Watch, conclude, deliberation, first_send, propose, read, say_about
from memory import campaigns, journal, ledger, proposals
from memory.canonical import digest
from memory.proposal import Proposal, ProposalStatus
from memory.proposals import StoredProposal
from memory.schema import campaign_versions, messages, offers
from memory.schema import proposals as proposal_rows
from tools import campaign

CUSTOMERS = 260
JANE, TOM = "cli:jane", "console:tom"
PLANTED = "Everything must go"
PACK = """\
schema_version: 1
name: house
extends: base
rules:
  approval: {{ parameters: {{ two_people_from_contacts: 20 }} }}
  frequency: {{ parameters: {{ messages: {cap}, window_days: 7 }} }}
"""
"""The team's own policy: two people approve whatever reaches twenty contacts."""


class Drift(BaseModel):
    """One change behind an approval, and what came of it."""

    model_config = ConfigDict(frozen=True)

    change: str
    status: str
    """Of the proposal after the worker looked at it."""
    said: str
    """The message that names what changed."""
    names_the_change: bool
    sent: int
    """How many messages of it left."""


class DriftResult(ActResult):
    """Every change, and the fresh approval that went out in the end."""

    drifts: list[Drift]
    fresh: dict[str, str | int]


@dataclass(frozen=True)
class Case:
    """A change that is made between the approval and the send."""

    change: str
    launched_first: bool
    """True when the campaign is launched, and waits for its first message."""
    make: Callable[[Stage, StoredProposal], None]
    told_as: tuple[str, ...]
    """What the message must name."""


def play_drift(folder: Path) -> DriftResult:
    """Approve, tamper, and let the worker work: five times, each followed by what it said; then approve afresh."""
    watch = Watch()
    say("[bold]Noria, when what was approved changes[/bold]")
    say(f"The team's policy here: two people approve. Jane is {JANE}, Tom is {TOM}.")
    packs = {"house": PACK.format(cap=3)}
    with small_stage(
        folder, invent_customers(CUSTOMERS), name="Marlow & Finch (drift)", packs=packs, policy="house"
    ) as stage:
        drifts = [_edited(stage, watch)]
        drifts += [_tampered(stage, watch, case, turn) for turn, case in enumerate(CASES, start=2)]
        watch.step("A fresh approval")
        fresh, sent = _approve_afresh(stage)
        promises = _promises(stage, drifts, fresh, sent)
        conclude(watch, promises, stage.workspace.folder)
        return DriftResult(
            act="drift",
            workspace=str(stage.workspace.folder),
            seconds=watch.seconds,
            promises=promises,
            drifts=drifts,
            fresh={"proposal_id": fresh.proposal.proposal_id, "digest": fresh.proposal.digest, "sent": sent},
        )


def _edited(stage: Stage, watch: Watch) -> Drift:
    """The honest way: a colleague edits between the first approval and the second; all approve again."""
    watch.step("A colleague edits it after the first approval")
    workspace = stage.workspace
    with deliberation(workspace) as threads:
        stored = propose(threads, "drift-1")
        _tell(stored.proposal)
        say_about(workspace, stored, "approve", JANE, reason="Good as it is.")
        threads.apply_decisions()
        before = read(workspace, stored)
        changes = edited_subject(before.proposal, "A word from us")
        say_about(workspace, before, "edit", TOM, reason="In our words.", changes=changes)
        threads.apply_decisions()
        edited = read(workspace, stored)
        say_about(workspace, edited, "approve", TOM, reason="My own edit.")
        threads.apply_decisions()
        waiting = threads.waiting(stored.proposal.thread_id)
        said = str(waiting[0].payload["notes"][-1]) if waiting and waiting[0].payload["notes"] else ""
        _let_it_work(stage, threads, edited)
        after = read(workspace, stored)
        with workspace.store.read() as connection:
            approvals = proposals.approvals_for(connection, stored.proposal.proposal_id, edited.proposal.digest)
            valid = proposals.approval_is_complete(after, approvals)
    drift = _told(stage, after, "edited by a colleague after the first approval", said, names=("Another person",))
    say(f"  [dim]Jane's yes was to digest {before.proposal.digest[:12]}; it is now {edited.proposal.digest[:12]}. "
        f"An approval in force: {'yes' if valid else 'no'}.[/dim]")  # fmt: skip
    return drift


def _tampered(stage: Stage, watch: Watch, case: Case, turn: int) -> Drift:
    """Approve, change, work: as somebody with access to the database or to a file would."""
    watch.step(case.change[0].upper() + case.change[1:])
    stored = _approved(stage, f"drift-{turn}")
    if case.launched_first:
        with deliberation(stage.workspace) as threads:
            launched = work_once(stage.workspace, threads).tick.launched
            say(f"  launched: {quote(launched[0].sentence)}" if launched else "  [red]not launched[/red]")
    case.make(stage, stored)
    # Another process, as after a restart: it reads everything anew.
    again = Workspace(stage.workspace.folder, {})
    try:
        with deliberation(again) as threads:
            cycle = _let_it_work(stage, threads, stored, again)
    finally:
        again.close()
    said = " ".join([*(one.sentence for one in cycle.tick.launched), *cycle.tick.delivered.drifted])
    if not said:
        said = _held_because(stage, stored)
    return _told(stage, read(stage.workspace, stored), case.change, said, names=case.told_as)


def _approved(stage: Stage, brief_id: str) -> StoredProposal:
    """A fresh proposal, approved by both under the policy that is in force now."""
    now = Workspace(stage.workspace.folder, {})
    try:
        with deliberation(now) as threads:
            _withdraw_open(now, threads)
            stored = propose(threads, brief_id)
            _tell(stored.proposal)
            for actor in (JANE, TOM):
                say_about(now, stored, "approve", actor, reason="Read and agreed.")
                threads.apply_decisions()
        return read(now, stored)
    finally:
        now.close()


def _withdraw_open(workspace: Workspace, threads: Threads) -> None:
    """Turn down what waits and stop what runs, so that the same play may be proposed again."""
    with workspace.store.read() as connection:
        waiting = proposals.list_proposals(connection, proposals.WAITING)
    for one in waiting:
        say_about(workspace, one, "reject", JANE, reason="We start again.")
    threads.apply_decisions()
    with workspace.store.write() as connection:
        for running in campaigns.list_campaigns(connection, ["live", "paused"]):
            campaign.stop(
                connection, running.campaign_id, at=workspace.clock.now(), actor=JANE, reason="We start again."
            )
            say(f"  [red]stop[/red] by {JANE} of the {running.status} campaign {quote(running.name)}")


def _let_it_work(stage: Stage, threads: Threads, stored: StoredProposal, workspace: Workspace | None = None) -> Cycle:
    stage.clock.advance_to(first_send(stored))
    return work_once(workspace or stage.workspace, threads)


def _approve_afresh(stage: Stage) -> tuple[StoredProposal, int]:
    stored = _approved(stage, "drift-fresh")
    now = Workspace(stage.workspace.folder, {})
    try:
        with deliberation(now) as threads:
            for _ in range(3):
                _let_it_work(stage, threads, stored, now)
                stage.clock.advance(timedelta(days=4))
    finally:
        now.close()
    sent = _sent(stage, stored)
    say(f"  [green]sent[/green] {number(sent)} messages of it")
    return read(stage.workspace, stored), sent


def _tell(proposal: Proposal) -> None:
    say(f"  {quote(proposal.title)}, digest {proposal.digest[:12]}, "
        f"needs {'two people' if proposal.approvals.people > 1 else 'one person'}")  # fmt: skip


def _told(stage: Stage, stored: StoredProposal, change: str, said: str, *, names: tuple[str, ...]) -> Drift:
    sent = _sent(stage, stored)
    drift = Drift(
        change=change,
        status=stored.status,
        said=said,
        names_the_change=all(name in said for name in names),
        sent=sent,
    )
    colour = "red" if sent or not drift.names_the_change else "green"
    say(f"  [{colour}]{stored.status}[/{colour}] {quote(said or 'Nothing was said.')}")
    say(f"  [dim]{number(sent)} messages of it left.[/dim]")
    return drift


def _sent(stage: Stage, stored: StoredProposal) -> int:
    """Messages of a proposal that the receiving server has."""
    campaign_id = campaigns.campaign_id_of(stored.proposal.proposal_id)
    with stage.workspace.store.read() as connection:
        keys = connection.execute(select(messages.c.message_key).where(messages.c.campaign_id == campaign_id)).scalars()
        return sum(stage.server.received[key] for key in keys)


def _held_because(stage: Stage, stored: StoredProposal) -> str:
    """What the findings on its messages say."""
    campaign_id = campaigns.campaign_id_of(stored.proposal.proposal_id)
    with stage.workspace.store.read() as connection:
        rows = connection.execute(select(messages.c.findings).where(messages.c.campaign_id == campaign_id)).scalars()
        said = {f"{one['sentence']} {one['fact']}" for findings in rows for one in findings if one["rule"] != "holdout"}
    return " ".join(sorted(said))


def _promises(stage: Stage, drifts: list[Drift], fresh: StoredProposal, sent: int) -> list[Promise]:
    with stage.workspace.store.read() as connection:
        balance, chain = ledger.reconcile(connection), journal.verify(connection).intact
        gone = connection.execute(
            select(func.count()).select_from(messages).where(messages.c.state == "sent")
        ).scalar_one()
    planted = [path for path in stage.server.folder.glob("*.eml") if PLANTED.encode() in path.read_bytes()]
    return [
        Promise(
            sentence=f"Nothing left under any of the {len(drifts)} approvals that no longer covered it.",
            held=not any(one.sent for one in drifts),
        ),
        Promise(sentence="Each message names what changed.", held=all(one.names_the_change for one in drifts)),
        Promise(
            sentence="No proposal that changed is still approved or launched.",
            held=not any(one.status in _IN_FORCE for one in drifts),
        ),
        Promise(sentence="No mail holds words that were planted after the approval.", held=not planted),
        Promise(
            sentence=f"A fresh approval by two people made it go: {sent} messages, and no other mail left.",
            held=sent > 0
            and fresh.status is ProposalStatus.LAUNCHED
            and sum(stage.server.received.values()) == sent == gone,
        ),
        Promise(sentence=f"The states add up to the {balance.planned} planned.", held=balance.balances),
        Promise(sentence="The journal is an unbroken chain.", held=chain),
    ]


_IN_FORCE = (ProposalStatus.APPROVED, ProposalStatus.LAUNCHING, ProposalStatus.LAUNCHED)


def _change_proposal(stage: Stage, stored: StoredProposal) -> None:
    """The approved proposal itself is rewritten in the database."""
    body = stored.proposal.model_dump(mode="json")
    body["play"]["sequences"][0]["steps"][0]["copies"]["en"]["subject"] = PLANTED
    with stage.workspace.store.write() as connection:
        connection.execute(
            update(proposal_rows)
            .where(proposal_rows.c.proposal_id == stored.proposal.proposal_id)
            .values(body=body, digest=digest(body["play"]))
        )
    _tell_change("UPDATE proposals SET body = …", f"the English subject is “{PLANTED}”")


def _change_campaign(stage: Stage, stored: StoredProposal) -> None:
    """The launched campaign is rewritten, with its digest, so that the two agree."""
    campaign_id = campaigns.campaign_id_of(stored.proposal.proposal_id)
    with stage.workspace.store.write() as connection:
        body = campaigns.get_version(connection, campaign_id, 1).body
        body["sequences"][0]["steps"][0]["copies"]["en"]["subject"] = PLANTED
        connection.execute(
            update(campaign_versions)
            .where(campaign_versions.c.campaign_id == campaign_id)
            .values(body=body, digest=digest(body))
        )
    _tell_change("UPDATE campaign_versions SET body = …, digest = …", f"the English subject is “{PLANTED}”")


def _change_offer(stage: Stage, _stored: StoredProposal) -> None:
    with stage.workspace.store.write() as connection:
        connection.execute(update(offers).where(offers.c.offer_id == OFFER).values(value=500))
    _tell_change("UPDATE offers SET value = 500", "the 10 % that were promised are 5 %")


def _change_policy(stage: Stage, _stored: StoredProposal) -> None:
    (stage.workspace.folder / "packs" / "house.yaml").write_text(PACK.format(cap=5), encoding="utf-8")
    _tell_change("packs/house.yaml", "five messages in seven days instead of three")


def _tell_change(how: str, what: str) -> None:
    say(f"  [red]changed[/red] {quote(how)}: {quote(what)}")


CASES = (
    Case("the approved proposal is rewritten in the database", False, _change_proposal, ("subject", PLANTED)),
    Case("the launched campaign is rewritten behind its back", True, _change_campaign, ("subject", PLANTED)),
    Case("the record of its offer changes", False, _change_offer, ("offer", "1000 is now 500")),
    Case("the policy changes", False, _change_policy, ("policy", "house")),
)
