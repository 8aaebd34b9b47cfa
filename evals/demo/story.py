"""How a shorter act is told: step by step, then what must be true and was, then the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from agents.planning import plan
from agents.resume import Threads
from console.cli.output import quote, say
from console.report.facts import ReportFacts
from console.report.page import Chapter, write_report
from console.wiring import Workspace
from evals.demo.result import Promise
from evals.demo.small_shop import brief
from memory import proposals
from memory.errors import NoriaError
from memory.proposal import Decision, DecisionVerdict, ProposalStatus
from memory.proposals import StoredProposal
from tools.launch import Launch


class ActResult(BaseModel):
    """What `noria demo --act … --json` prints, whatever the act."""

    model_config = ConfigDict(frozen=True)

    act: str
    workspace: str
    seconds: float
    promises: list[Promise]

    @property
    def kept(self) -> bool:
        """True when no promise was broken."""
        return all(one.held for one in self.promises)


class Watch:
    """Real time since an act began, and the number of the step that is told."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._steps = 0

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self._started, 1)

    def step(self, title: str) -> None:
        """Print the next heading."""
        self._steps += 1
        say()
        say(f"[bold]{self._steps}. {title}[/bold]")


def conclude(watch: Watch, promises: list[Promise], folder: Path) -> None:
    """Print what must be true, whether it was, and where to look further."""
    watch.step("What must be true")
    tell_promises(promises)
    say()
    say(f"[dim]{watch.seconds:.0f} seconds. Look further: .venv/bin/noria journal show -w {quote(folder)}[/dim]")


def tell_launches(workspace: Workspace, launched: Sequence[Launch], now: datetime) -> None:
    """Print what became of each proposal at the door, by the name of its playbook."""
    with workspace.store.read() as connection:
        plays = [proposals.get(connection, one.proposal_id).proposal.play for one in launched]
    for one, play in zip(launched, plays, strict=True):
        say(f"  {now:%d %b} {quote(play.name['en'])}: {quote(one.sentence)}")


def tell_promises(promises: Sequence[Promise]) -> None:
    """Print each, and whether it was held."""
    for one in promises:
        say(f"  {'[green]held[/green]' if one.held else '[red]BROKEN[/red]'} {quote(one.sentence)}")


def report_on(workspace: Workspace, facts: ReportFacts, kept: Sequence[Promise], title: str) -> Path:
    """Write the report of a simulated story into its workspace, with what must always be true as its last chapter."""
    chapter = Chapter(
        title="What must always be true",
        paragraphs=tuple(f"{'Held' if one.held else 'BROKEN'}: {one.sentence}" for one in kept),
    )
    return write_report(facts, workspace.folder / "report.html", title=title, simulated=True, chapters=(chapter,))


@contextmanager
def deliberation(workspace: Workspace) -> Iterator[Threads]:
    """The threads of a workspace, brought to where they stood."""
    with workspace.threads() as threads:
        threads.recover()
        yield threads


def propose(threads: Threads, brief_id: str, playbook: str = "win_back") -> StoredProposal:
    """Plan, and return the proposal of that playbook. Raises NoriaError with the reason where there is none."""
    found = plan(threads, brief(brief_id))
    with threads.desk.store.read() as connection:
        made = [proposals.get(connection, one) for one in found.proposal_ids]
    for one in made:
        if one.proposal.play.playbook == playbook:
            return one
    why = " ".join(held.sentence for held in found.withheld if held.playbook == playbook)
    raise NoriaError(f"Nothing was proposed. {why}", where=playbook)


def say_about(
    workspace: Workspace,
    stored: StoredProposal,
    verdict: DecisionVerdict,
    actor: str,
    *,
    reason: str = "",
    changes: dict[str, Any] | None = None,
) -> Decision:
    """Put on record what somebody says about exactly the version they saw."""
    with workspace.store.write() as connection:
        decision = proposals.decide(
            connection,
            proposal_id=stored.proposal.proposal_id,
            version=stored.proposal.version,
            digest=stored.proposal.digest,
            verdict=verdict,
            actor=actor,
            reason=reason,
            changes=changes,
            at=workspace.clock.now(),
        )
    colour = {"approve": "green", "edit": "yellow", "reject": "red", "ask": "cyan"}[verdict]
    say(f"  [{colour}]{verdict}[/{colour}] by {quote(actor)} of version {decision.version}"
        f" [dim](digest {decision.digest[:12]})[/dim]" + (f": {quote(reason)}" if reason else ""))  # fmt: skip
    return decision


def read(workspace: Workspace, stored: StoredProposal) -> StoredProposal:
    """The proposal as it stands now."""
    with workspace.store.read() as connection:
        return proposals.get(connection, stored.proposal.proposal_id)


def status(workspace: Workspace, stored: StoredProposal) -> ProposalStatus:
    return read(workspace, stored).status


def first_send(stored: StoredProposal) -> datetime:
    """A moment inside the window of the first day on which messages may leave."""
    schedule = stored.proposal.play.schedule
    return schedule.starts_at + timedelta(hours=1)
