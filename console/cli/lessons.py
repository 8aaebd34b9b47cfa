"""`noria lessons`: what was learned, from which evidence, and whether something like it was tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, counted, moment, number, plain, quote, say, table
from console.cli.place import InWorkspace, operator
from console.cli.proposals import moved_by
from console.wiring import Workspace, open_workspace
from memory import journal, lessons, proposals
from memory.lessons import Lesson

if TYPE_CHECKING:
    from memory.vectors import Document, Match

commands = typer.Typer(help="What was learned from measured campaigns.", invoke_without_command=True)


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="lessons")


@commands.callback()
def listing(context: typer.Context, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print every lesson, newest first."""
    if context.invoked_subcommand is not None:
        return
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = lessons.every(connection)
    rows = [[e.lesson_id, e.playbook, e.verdict, e.text.get("en", ""), e.state, moment(e.expires_at)] for e in found]
    answer(
        found,
        as_json=as_json,
        show=lambda: (
            table("Lessons", ["lesson", "playbook", "verdict", "what it says", "state", "expires"], rows)
            if rows
            else say("No lesson yet: the first read-out of a campaign writes one.")
        ),
    )


@commands.command()
def why(lesson_id: str, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Show the evidence behind a lesson, what became of it, and which proposals it moved."""
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = lessons.get(connection, lesson_id)
        story = list(journal.entries(connection, subject=lesson_id))
        used = [
            (one.proposal, use)
            for one in proposals.list_proposals(connection)
            for use in one.proposal.lessons
            if use.lesson_id == lesson_id
        ]

    def show() -> None:
        say(f"[bold]{quote(found.text.get('en', ''))}[/bold]")
        reached = f"{number(found.conversions)} of {counted(found.contacts, 'contact')} reached the goal"
        say(f"{reached}, campaign {quote(found.campaign_id)}.")
        say(f"Observed {moment(found.observed_from)} to {moment(found.observed_to)}; {_standing(found)}.")
        for fact in _counts(found):
            say(f"  {quote(fact)}")
        for line in story:
            because = quote(line.payload.get("reason", ""))
            say(f"{moment(line.at)} {quote(line.action)} by {quote(line.actor)}. {because}")
        for proposal, use in used:
            moved = moved_by(use, proposal.forecast.base_rate)
            say(f"It was recalled for {quote(proposal.title)} ({proposal.proposal_id}). {moved}")

    value = {
        **plain(found),
        "story": [
            {"at": line.at.isoformat(), "action": line.action, "actor": line.actor, "payload": line.payload}
            for line in story
        ],
        "used": [
            {"proposal_id": proposal.proposal_id, "title": proposal.title, **plain(use)} for proposal, use in used
        ],
    }
    answer(value, as_json=as_json, show=show)


def _counts(found: Lesson) -> Iterator[str]:
    """What the lesson was read from: its read-out, and each side of the comparison in numbers."""
    seen = found.evidence
    if "readout" in seen:
        yield f"Read-out {seen['readout']}, look {seen['look']} of {seen['looks_planned']}, {seen['window_days']} days"
    for name, side in {"treated": seen.get("treated"), "held out": seen.get("holdout"), **seen.get("arms", {})}.items():
        if side:
            yield f"{name}: {number(side['conversions'])} of {counted(side['contacts'], 'contact')} reached the goal"
    if seen.get("contacts_needed"):
        yield f"about {number(seen['contacts_needed'])} contacts would settle it"


def _standing(found: Lesson) -> str:
    """Whether it holds, and if not, or not everywhere, why."""
    if found.narrowed:
        return f"it holds for its own segment only: {quote(found.state_reason)}"
    return f"{found.state}{': ' if found.state_reason else ''}{quote(found.state_reason)}".rstrip(".")


@commands.command()
def search(words: str, workspace: InWorkspace = None, limit: int = 5, as_json: AsJson = False) -> None:
    """Have we tried this? Finds past campaigns and lessons by meaning, in English or French."""
    with open_workspace(workspace) as opened:
        found: list[Match] = opened.vectors.search(words, limit=limit)
    rows = [[f"{match.similarity:.2f}", match.kind, match.id, match.text] for match in found]
    answer(
        found,
        as_json=as_json,
        show=lambda: (
            table("Nearest in memory", ["similarity", "kind", "id", "words"], rows, numbers=[0])
            if rows
            else say("Nothing like it is in memory.")
        ),
    )


@commands.command()
def withdraw(
    lesson_id: str,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why it should not be used any more.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Take a lesson out of use; it stays on record."""
    with open_workspace(workspace) as opened:
        with opened.store.write() as connection:
            at = opened.clock.now()
            lessons.set_state(connection, lesson_id, "withdrawn", reason=reason, actor=operator(), at=at)
            found = lessons.get(connection, lesson_id)
        opened.vectors.forget("lesson", [lesson_id])
    answer(found, as_json=as_json, show=lambda: say(f"Lesson {quote(lesson_id)} is withdrawn."))


@commands.command()
def reindex(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Build the vector memory again from the rows of the store."""
    with open_workspace(workspace) as opened:
        documents = remembered(opened)
        opened.vectors.rebuild(documents)
    answer({"documents": len(documents)}, as_json=as_json, show=lambda: say(f"{len(documents)} documents indexed."))


def remembered(opened: Workspace) -> list[Document]:
    """Everything that the vector memory should hold."""
    from agents.remember import campaign_documents, lesson_document

    with opened.store.read() as connection:
        usable: list[Lesson] = lessons.usable(connection, opened.clock.now())
        return [*(lesson_document(lesson) for lesson in usable), *campaign_documents(connection)]
