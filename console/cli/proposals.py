"""`noria proposals`: what agents propose, and the place to say yes, no, change it, or ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.learning.wording import effect_points, percent
from console.cli.edits import read_edit
from console.cli.output import AsJson, answer, moment, money, number, plain, quote, say, table
from console.cli.place import InWorkspace, as_role
from console.cli.previews import preview_as_json, print_previews, write_pages
from console.decisions import keeping, note
from console.flow.steps import nodes_of
from console.flow.tree import tree
from console.wiring import Workspace, open_workspace
from memory import proposals
from memory.bands import by_label
from memory.events import ORDER
from memory.finding import Verdict
from memory.pending_decisions import voided
from memory.play import Goal
from memory.proposal import Decision, DecisionVerdict, LessonUse, Proposal, ProposalStatus, is_known
from memory.proposals import StoredProposal
from memory.step_text import readable, tell_reentry, tell_sequence, tell_trigger
from memory.steps import Sequence as PlaySequence
from tools.lookups import notes_on

if TYPE_CHECKING:
    from console.candidates import Candidate
    from tools.previews import Preview

commands = typer.Typer(help="What agents propose, and your yes, no, edit or question.", no_args_is_help=True)

ProposalId = Annotated[str, typer.Argument(help="Id of the proposal, or the beginning of it.")]
Seen = Annotated[
    str,
    typer.Option("--seen", help="Beginning of the digest you looked at; refused if the proposal has changed since."),
]
Reason = Annotated[
    str, typer.Option("--reason", "-r", help="Why; kept with the decision, and its digest in the journal.")
]

_COLOUR = {Verdict.ALLOW: "green", Verdict.HOLD: "yellow", Verdict.REFUSE: "red"}


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="proposals")


@commands.command("list")
def listing(
    workspace: InWorkspace = None,
    everything: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print proposals, the most valuable first."""
    waiting = [ProposalStatus.OPEN, ProposalStatus.ASKED, ProposalStatus.QUEUED, ProposalStatus.APPROVED]
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = proposals.list_proposals(connection, None if everything else waiting)
    rows = [
        [
            one.proposal.proposal_id,
            one.status,
            one.proposal.title,
            number(one.proposal.audience.treated),
            f"{one.proposal.forecast.incremental_mean:+.1f}" if one.proposal.says_what_it_adds else "unknown",
            moment(one.proposal.expires_at),
        ]
        for one in found
    ]

    def show_rows() -> None:
        if not rows:
            say("Nothing waits for you. `noria plan` looks for opportunities.")
            return
        table("Proposals", ["id", "status", "what", "contacts", "orders expected", "decide by"], rows, numbers=[3, 4])
        say("`noria proposals show ID` for the whole of one.")

    answer([_summary(one) for one in found], as_json=as_json, show=show_rows)


@commands.command()
def show(
    proposal_id: ProposalId,
    html: Annotated[
        Path | None, typer.Option("--html", help="Folder to write the previews into, as pages.", file_okay=False)
    ] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print one proposal with evidence, audience, forecast, findings, and the messages as they would be read."""
    from tools.previews import preview_messages

    with open_workspace(workspace) as opened:
        with opened.store.read() as connection:
            stored = proposals.get(connection, proposal_id)
            said = proposals.decisions_on(connection, stored.proposal.proposal_id)
            void = voided(connection, stored.proposal.proposal_id)
            notes = notes_on(connection, stored.proposal)
        previews = preview_messages(
            opened.store,
            opened.lake,
            stored.proposal.play,
            stored.proposal.audience.sample,
            at=opened.clock.now(),
            currency=opened.settings.currency,
        )
    pages = write_pages(html, previews) if html is not None else []
    value = {
        **_summary(stored),
        "proposal": plain(stored.proposal),
        "decisions": plain(said),
        "void": void,
        "notes": notes,
        "messages": [preview_as_json(one) for one in previews],
        "pages": [str(page) for page in pages],
    }

    def show_all() -> None:
        print_proposal(stored, said, previews, void)
        for one in notes:
            say(f"[yellow]Note[/yellow]         {quote(one)}")
        if pages:
            say(f"{len(pages)} pages in {quote(html)}")

    answer(value, as_json=as_json, show=show_all)


@commands.command()
def approve(
    proposal_id: ProposalId,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="Sequence or language (fr) to say yes to; give it several times. The others are left out."
        ),
    ] = None,
    seen: Seen = "",
    reason: Reason = "",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Say yes to exactly this version, or to some of its sequences or languages; the worker carries it out."""
    if only:
        _approve_part(workspace, proposal_id, only, seen=seen, reason=reason, as_json=as_json)
        return
    _decide(workspace, proposal_id, "approve", seen=seen, reason=reason, as_json=as_json)


@commands.command()
def reject(
    proposal_id: ProposalId, reason: Reason, seen: Seen = "", workspace: InWorkspace = None, as_json: AsJson = False
) -> None:
    """Say no, and why."""
    _decide(workspace, proposal_id, "reject", seen=seen, reason=reason, as_json=as_json)


@commands.command()
def ask(
    proposal_id: ProposalId,
    question: Annotated[str, typer.Argument(help="What you want to know before you decide.")],
    seen: Seen = "",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question; the proposal waits for your decision after the answer."""
    _decide(workspace, proposal_id, "ask", seen=seen, reason=question, as_json=as_json)


@commands.command()
def edit(
    proposal_id: ProposalId,
    text: Annotated[
        list[str] | None,
        typer.Option("--set", help="STEP.LANGUAGE.SLOT=TEXT, for example reminder.en.subject='We miss you'."),
    ] = None,
    offer: Annotated[
        str | None,
        typer.Option(help="Id of an approved offer, or several with commas: tiers by open cart. Empty takes it out."),
    ] = None,
    holdout: Annotated[float | None, typer.Option(min=0.05, max=0.5, help="Share held out.")] = None,
    per_day: Annotated[int | None, typer.Option(min=1, help="Contacts that may enter per day.")] = None,
    starts_at: Annotated[str | None, typer.Option(help="First day and hour, for example 2025-03-04T09:00:00Z.")] = None,
    sequence: Annotated[list[str] | None, typer.Option(help="Sequence to keep; give it several times.")] = None,
    file: Annotated[Path | None, typer.Option(help="YAML or JSON file with the changes.", exists=True)] = None,
    seen: Seen = "",
    reason: Reason = "",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Change it: a new version is made and checked, and needs an approval of its own."""
    given = {"offer_id": offer, "holdout_share": holdout, "contacts_per_day": per_day, "starts_at": starts_at,
             "sequences": sequence or None}  # fmt: skip
    changes = read_edit(file, text or [], given, where="proposals edit")
    _decide(workspace, proposal_id, "edit", seen=seen, reason=reason, changes=changes, as_json=as_json)


def _decide(
    workspace: Path | None,
    proposal_id: str,
    verdict: DecisionVerdict,
    *,
    seen: str,
    reason: str,
    as_json: bool,
    changes: dict[str, Any] | None = None,
) -> None:
    from console.candidates import candidates

    with open_workspace(workspace) as opened:
        decision, missing = _note(opened, proposal_id, verdict, seen=seen, reason=reason, changes=changes)
        could = candidates(opened, decision.decision_id) if verdict in ("reject", "edit") and reason else []
    _answer_noted(decision, missing, could, as_json=as_json)


def _note(
    opened: Workspace,
    proposal_id: str,
    verdict: DecisionVerdict,
    *,
    seen: str,
    reason: str,
    changes: dict[str, Any] | None = None,
) -> tuple[Decision, str]:
    """Write a decision down as whoever types; returns it, and what an approval still lacks."""
    actor = as_role(opened, "approver" if verdict == "approve" else "operator")
    return note(opened, proposal_id, verdict, actor=actor, seen=seen, reason=reason, changes=changes)


def _answer_noted(decision: Decision, missing: str, could: Sequence[Candidate], *, as_json: bool) -> None:
    said = {"approve": "approved", "edit": "edited", "reject": "rejected", "ask": "asked"}[decision.verdict]

    def show_noted() -> None:
        say(
            f"Noted: {said} version {decision.version} of {quote(decision.proposal_id)} as {quote(decision.actor)}. "
            + ("[yellow]Nothing is launched yet.[/yellow]" if missing else "`noria work` acts on it.")
        )
        if missing:
            say(f"[bold]Missing[/bold]      {quote(missing)}")
        for one in could:
            say(f"[bold]Say it once[/bold]  {quote(one.limit.sentence)} {quote(one.past.sentence)} "
                f"[dim]noria policy adopt {one.candidate_id}[/dim]")  # fmt: skip

    value = {**plain(decision), "missing": missing, "candidates": [one.candidate_id for one in could]}
    answer(value, as_json=as_json, show=show_noted)


def _approve_part(
    workspace: Path | None, proposal_id: str, parts: list[str], *, seen: str, reason: str, as_json: bool
) -> None:
    """Make the version that holds only these parts, and say yes to that one: the digest covers what happens."""
    from agents.edit import apply_changes

    with open_workspace(workspace) as opened:
        as_role(opened, "approver")
        with opened.store.read() as connection:
            before = proposals.get(connection, proposal_id).proposal
        changes = keeping(before, parts)
        expected = apply_changes(before, changes, opened.desk).digest
        said = _note(opened, before.proposal_id, "edit", seen=seen, reason=reason, changes=changes)
        with opened.threads() as threads:
            threads.apply_decisions()
        # Whatever else was edited meanwhile, nobody looked at it.
        decision, missing = _note(opened, said[0].proposal_id, "approve", seen=expected, reason=reason)
    _answer_noted(decision, missing, [], as_json=as_json)


def print_proposal(
    stored: StoredProposal,
    said: list[Decision],
    previews: Sequence[Preview] = (),
    void: Mapping[str, str] | None = None,
) -> None:
    """Print one proposal the way an approver reads it; with previews instead of the copy where they are given.

    ``void`` says why decisions came to nothing, by their id.
    """
    proposal = stored.proposal
    play = proposal.play
    say()
    say(f"[bold]{quote(proposal.title)}[/bold]  [dim]{proposal.proposal_id} · version {proposal.version} · "
        f"{stored.status} · playbook {play.playbook}[/dim]")  # fmt: skip
    say(quote(proposal.summary))
    say(f"[bold]Why now[/bold]      {quote(proposal.why_now)}")
    say(f"[bold]Hypothesis[/bold]   {quote(proposal.hypothesis)}")
    for item in proposal.evidence:
        say(f"  · {quote(item.sentence)} [dim]\\[{quote(item.lookup_id[:8])}][/dim]")
    print_audience(proposal)
    say(f"[bold]Goal[/bold]         {quote(_told_goal(play.goal))}")
    say(f"[bold]Forecast[/bold]     {quote(proposal.forecast.sentence)}")
    low, high = (proposal.forecast.value_cents_quantiles.get(share) for share in ("0.05", "0.95"))
    if low is not None and high is not None:
        currency, kind = proposal.forecast.currency, proposal.forecast.value_kind
        worth = (
            f"worth {money(proposal.forecast.value_cents_mean, currency)} in {kind} "
            f"(9 times in 10 between {money(low, currency)} and {money(high, currency)})"
            if proposal.says_what_it_adds
            else "worth unknown"
        )
        say(f"             {worth}, message cost {money(proposal.cost_cents, currency)}")
    say(f"[bold]Proof[/bold]        {quote(proposal.detection.sentence)}")
    for use in proposal.lessons:
        say(f"[bold]Lesson[/bold]       {quote(use.sentence)} {moved_by(use, proposal.forecast.base_rate)}")
    _print_findings(proposal)
    _print_sequences(proposal)
    for one in proposal.left_out:
        say(f"[bold]Left out[/bold]     {one.kind} {quote(one.name)}: {quote(one.why)}")
    if previews:
        print_previews(previews)
    else:
        _print_copy(proposal)
    needed = "two people" if proposal.approvals.people > 1 else "one person"
    if proposal.approvals.second_person:
        needed += ", not the last editor alone"
    why = f" ({'; '.join(proposal.approvals.reasons)})" if proposal.approvals.reasons else ""
    say(f"[bold]Needs[/bold]        {needed}{quote(why)}, by {moment(proposal.expires_at)}")
    if proposal.approvals.people == 1:
        alone = "; ".join(proposal.approvals.asks_because) or "nobody would be asked"
        say(f"[dim]             at auto: {quote(alone)}[/dim]")
    for author in proposal.authors:
        if author.note:
            say(f"[dim]{author.agent} worked with {author.provider}: {quote(author.note)}[/dim]")
    for decision in said:
        say(f"[bold]{decision.verdict}[/bold] by {quote(decision.actor)}, {moment(decision.decided_at)}: "
            f"{quote(decision.reason or '–')} {quote(decision.changes.get('answer', ''))}")  # fmt: skip
        if void and decision.decision_id in void:
            say(f"             [yellow]void[/yellow]: {quote(void[decision.decision_id])}")
    is_open = stored.status in proposals.WAITING
    yes = f" · noria proposals approve {proposal.proposal_id} --seen {proposal.digest[:12]}" if is_open else ""
    say(f"[dim]digest {proposal.digest[:12]}{yes}[/dim]")


def _told_goal(goal: Goal) -> str:
    what = f"an order of {goal.category}" if goal.category else "an order" if goal.event == ORDER else goal.event
    return f"{what} within {goal.window_days} days of entering"


def moved_by(use: LessonUse, base_rate: float) -> str:
    """What a lesson changed in what is expected, in points of the rate that comes anyway."""
    if not is_known(base_rate):
        return "It bears on the expected effect; by how much is unknown, for there is no rate to add to."
    before, after = (effect_points(one, base_rate, "en") for one in (use.effect_before, use.effect_after))
    rate = percent(base_rate, "en")
    if before == after:
        return f"The expected effect stays at {after} on a rate of {rate}: it was about as expected."
    return f"The expected effect went from {before} to {after} on a rate of {rate}, and the forecast with it."


def print_audience(proposal: Proposal) -> None:
    """Print the audience as a subtraction."""
    audience = proposal.audience
    say(f"[bold]Audience[/bold]     {number(audience.selected)} selected: {quote(proposal.play.audience_sentence)}")
    if proposal.counts_those_inside:
        say("             (counted are those who are in it now; others may come in from now on)")
    for item in audience.subtractions:
        say(f"             − {number(item.contacts)} {quote(item.sentence)}")
    say(f"             = {number(audience.reachable)} may be written to: about {number(audience.treated)} get it, "
        f"{number(audience.holdout)} are held out")  # fmt: skip
    if proposal.holdout_why:
        say(f"             {quote(proposal.holdout_why)}")


def _print_findings(proposal: Proposal) -> None:
    passed = [finding.rule for finding in proposal.findings if finding.verdict is Verdict.ALLOW]
    for finding in proposal.findings:
        if finding.verdict is not Verdict.ALLOW:
            colour = _COLOUR[finding.verdict]
            say(f"[{colour}]{finding.verdict}[/{colour}] {quote(finding.rule)}: {quote(finding.sentence)} "
                f"[dim]({quote(finding.fact)}; allowed: {quote(finding.limit)})[/dim]")  # fmt: skip
    if passed:
        say(f"[bold]Rules[/bold]        [green]passed[/green]: {quote(', '.join(dict.fromkeys(passed)))}")


def _print_sequences(proposal: Proposal) -> None:
    for offer in proposal.play.offers:
        least = money(offer.minimum_basket_cents, offer.currency or proposal.forecast.currency)
        whom = f", for an open cart of {least} or more" if proposal.play.tiers else f", for orders of {least} or more"
        whom = whom if proposal.play.tiers or offer.minimum_basket_cents else ""
        say(f"[bold]Offer[/bold]        {quote(offer.labels.get('en', offer.offer_id))}{whom}")
    trigger = proposal.play.trigger
    say(f"[bold]Trigger[/bold]      {quote(tell_trigger(trigger, 'en'))}")
    if trigger.runs_days:
        say(f"             lets contacts in for {trigger.runs_days} days; "
            f"{quote(tell_reentry(proposal.play.reentry, 'en'))}")  # fmt: skip
        if proposal.play.holdout_share:
            say(f"             up to {proposal.play.limits.nobody_share_max:.0%} may get nothing, "
                "if messages prove to cost more than they bring")  # fmt: skip
    if proposal.shares_why:
        say(f"             {quote(proposal.shares_why)}")
    for sequence in proposal.play.sequences:
        branches = any(step.kind == "branch" for step in sequence.steps)
        said = quote(sequence.title if branches else tell_sequence(sequence, "en", trigger))
        share = f"{sequence.share:.0%}{_movable(proposal, sequence)}"
        say(f"[bold]Sequence[/bold]     {quote(sequence.key)} ({share}): {said}")
        for line in tree(nodes_of(sequence, trigger, "en")) if branches else ():
            say(f"             {quote(line)}")
    for label, shares in by_label(proposal.play.bands, proposal.play.shares, "en").items():
        say(f"[bold]Shares of[/bold]    {quote(label)}: "
            f"{quote(', '.join(f'{key} {share:.0%}' for key, share in shares.items()))}")  # fmt: skip


def _print_copy(proposal: Proposal) -> None:
    for sequence, step in proposal.play.sends():
        for language, copy in sorted(step.copies.items()):
            title = readable(copy.subject) or step.channel
            say(f"  [dim]{quote(sequence.key)}.{quote(step.key)}.{language}[/dim] “{quote(title)}” "
                f"[dim]{quote(readable(copy.body[0]))}[/dim]")  # fmt: skip


def _summary(stored: StoredProposal) -> dict[str, Any]:
    proposal = stored.proposal
    return {
        "proposal_id": proposal.proposal_id,
        "version": proposal.version,
        "digest": proposal.digest,
        "status": stored.status,
        "playbook": proposal.play.playbook,
        "title": proposal.title,
        "summary": proposal.summary,
        "treated": proposal.audience.treated,
        "expected_incremental": proposal.forecast.incremental_mean if proposal.says_what_it_adds else None,
        "expires_at": proposal.expires_at.isoformat(),
    }


def _movable(proposal: Proposal, sequence: PlaySequence) -> str:
    """How far the share may go while the campaign lets contacts in."""
    if not proposal.play.trigger.runs_days or len(proposal.play.sequences) == 1:
        return ""
    low, high = sequence.share_range
    return f", may move from {low:.0%} to {high:.0%}"
