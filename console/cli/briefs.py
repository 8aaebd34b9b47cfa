"""`noria plan`: turn a brief into proposals, or into the questions it leaves open."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from console.cli.output import AsJson, answer, counted, money, number, plain, quote, say, table
from console.cli.place import InWorkspace, operator
from console.wiring import Workspace, open_workspace
from memory import proposals
from memory.errors import InvalidInputError
from memory.proposal import Brief, ProposalStatus

if TYPE_CHECKING:
    from agents.planning import PlanResult
    from agents.resume import Threads, Waiting


def add_commands(app: typer.Typer) -> None:
    app.command("plan")(plan_command)


def plan_command(
    brief: Annotated[Path | None, typer.Option(help="YAML file with the brief.", exists=True, dir_okay=False)] = None,
    metric: Annotated[str, typer.Option(help="The number to move.")] = "",
    intention: Annotated[str, typer.Option(help="What should change for your customers.")] = "",
    owner: Annotated[str, typer.Option(help="Who answers for it.")] = "",
    stop_rule: Annotated[str, typer.Option(help="What would make you stop it.")] = "",
    decision: Annotated[str, typer.Option(help="The decision that the numbers will steer.")] = "",
    horizon_days: Annotated[int | None, typer.Option(min=1, help="How far to look.")] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Find opportunities in the record and put proposals before you; an unclear brief comes back with questions."""
    from agents.planning import plan
    from tools.drain import drain

    given = {
        "metric": metric,
        "intention": intention,
        "owner": owner,
        "stop_rule": stop_rule,
        "decision": decision,
        "horizon_days": horizon_days,
    }
    wanted = read_brief(brief, {name: value for name, value in given.items() if value})
    with open_workspace(workspace) as opened, opened.threads() as threads:
        # Opportunities are found in the lake: what came in live has to be there first.
        drain(opened.store, opened.lake)
        result = plan(threads, wanted)
        while result.questions and not as_json and sys.stdin.isatty():
            result = _ask(threads, result.questions[0])
        value, rows = _told(opened, result)

    def show() -> None:
        if result.questions:
            say("[yellow]The brief leaves questions open[/yellow]; nothing is automated before they are answered:")
            for question in result.questions[0].payload["questions"]:
                flag = "--" + question["question_id"].replace("_", "-")
                say(f"  {flag}: {quote(question['sentence']['en'])} [dim]{quote(question['why']['en'])}[/dim]")
            return
        for held in result.withheld:
            say(f"[dim]Not proposed:[/dim] {quote(held.playbook)}. {quote(held.sentence)}")
        if rows:
            headings = ["id", "status", "what", "contacts", "orders expected", "worth"]
            table("Proposals", headings, rows, numbers=[3, 4, 5])
        queued = [row[0] for row in rows if row[1] == ProposalStatus.QUEUED]
        _sum_up([row[0] for row in rows if row[0] not in queued], len(queued), len(result.withheld))

    answer(value, as_json=as_json, show=show)


def _sum_up(made: Sequence[str], queued: int, withheld: int) -> None:
    """The end of a plan: what came of it, where to see it, and what to do next."""
    say()
    why = f"; {counted(withheld, 'playbook')} not proposed, for the reasons above" if withheld else ""
    turn = "waits its turn" if queued == 1 else "wait their turn"
    if made:
        later = f", {number(queued)} {turn}" if queued else ""
        say(
            f"[bold]{counted(len(made), 'proposal')}[/bold] for you to decide on{later}{why}. "
            "Nothing is sent before a yes."
        )
        say(f"Look:   `noria proposals show {made[0]}`, or the inbox of the console (`noria up`)")
        say("Decide: `noria proposals approve`, `edit`, `ask` or `reject`, with the id")
        say("Then:   `noria up` or `noria work` acts on what you said")
    elif queued:
        say(f"[bold]{counted(queued, 'proposal')}[/bold] {turn} behind those that are open{why}.")
        say(
            "Next:   settle one of these, from `noria proposals list`; `noria work` then brings up the best of the rest"
        )
    elif withheld:
        say(f"[bold]Nothing is proposed[/bold]{why}.")
        say("Next:   mend what they name, often by `noria import`, then `noria plan` again")
    else:
        say("[bold]Nothing is proposed[/bold]: no playbook is installed.")
        say("Next:   `playbooks` in noria.toml names those that may be proposed; leave it empty for all")


def read_brief(path: Path | None, given: dict[str, Any]) -> Brief:
    """A brief from a file, with what was given on the command line over it. Raises InvalidInputError."""
    found: dict[str, Any] = {}
    if path is not None:
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"It is not YAML: {error}.", where=str(path), remedy="Mend that line.") from error
        if not isinstance(found, dict) or (unknown := sorted(set(found) - set(Brief.model_fields))):
            names = ", ".join(sorted(set(Brief.model_fields) - {"brief_id", "author"}))
            what = f"Unknown keys: {', '.join(unknown)}." if isinstance(found, dict) else "It holds no mapping."
            raise InvalidInputError(what, where=str(path), remedy=f"A brief may say: {names}.")
    try:
        return Brief.model_validate({"brief_id": uuid.uuid4().hex[:12], "author": operator(), **found, **given})
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise InvalidInputError(f"{key}: {fault['msg']}.", where=str(path or "brief"), remedy="Correct it.") from error


def _ask(threads: Threads, waiting: Waiting) -> PlanResult:
    from agents.planning import answer_questions

    answers = {}
    for question in waiting.payload["questions"]:
        say(f"[bold]{quote(question['sentence']['en'])}[/bold] [dim]{quote(question['why']['en'])}[/dim]")
        answers[question["question_id"]] = typer.prompt(">", prompt_suffix=" ")
    return answer_questions(threads, waiting, answers)


def _told(opened: Workspace, result: PlanResult) -> tuple[dict[str, Any], list[list[str]]]:
    with opened.store.read() as connection:
        made = [proposals.get(connection, one) for one in result.proposal_ids]
    rows = [
        [
            one.proposal.proposal_id,
            one.status,
            one.proposal.title,
            number(one.proposal.audience.treated),
            f"{one.proposal.forecast.incremental_mean:+.1f}" if one.proposal.says_what_it_adds else "unknown",
            money(one.proposal.forecast.value_cents_mean, one.proposal.forecast.currency)
            if one.proposal.says_what_it_adds
            else "unknown",
        ]
        for one in made
    ]
    value = {
        "thread_id": result.thread_id,
        "proposals": [
            {
                "proposal_id": one.proposal.proposal_id,
                "playbook": one.proposal.play.playbook,
                "title": one.proposal.title,
                "status": one.status,
                "digest": one.proposal.digest,
            }
            for one in made
        ],
        "withheld": plain(result.withheld),
        "questions": [question for one in result.questions for question in one.payload["questions"]],
    }
    return value, rows
