"""`noria policy`: the packs, what their rules say, whether they are sound, and what changes from one to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, moment, number, plain, quote, say, table
from console.cli.place import InWorkspace, as_role
from console.packs import Shelf
from console.wiring import PACKAGED_PLAYBOOKS, Workspace, nearest_workspace, open_workspace
from memory.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from console.activation import Activation
    from console.backtest import Backtest
    from policies.comparison import Change
    from policies.explanation import Explanation
    from policies.pack_cases import Tried
    from policies.soundness import Known

commands = typer.Typer(help="Policy packs: what may leave, and why.", no_args_is_help=True)

Named = Annotated[
    str | None,
    typer.Argument(metavar="PACK", help="Name of a pack or path of its file; by default the one in force."),
]


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="policy")


@commands.command("list")
def listing(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print the policy packs: those that come with Noria and the team's own."""
    with open_shelf(workspace) as (shelf, opened):
        found, rows = [], []
        for name, file in shelf.files.items():
            pack = shelf.read(name)
            in_force = opened is not None and opened.settings.policy_pack == name
            whose = "Noria" if file.is_packaged else "own"
            extended = ", ".join(file.extends) or "–"
            rows.append([name, extended, whose, "yes" if in_force else "", pack.sentence.en])
            found.append(
                {
                    "name": name,
                    "version": pack.version,
                    "extends": file.extends,
                    "packaged": file.is_packaged,
                    "in_force": in_force,
                    "sentence": pack.sentence.model_dump(),
                    "file": str(file.path),
                }
            )
    headings = ["name", "extends", "from", "in force", "what it is for"]
    answer(found, as_json=as_json, show=lambda: table("Policy packs", headings, rows))


@commands.command()
def check(pack: Named = None, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Check a pack: unknown keys, limits that contradict each other, rules that can never fire; status 1 if any."""
    from policies.soundness import inspect_pack

    with open_shelf(workspace) as (shelf, opened):
        name = _named(pack, opened)
        file = shelf.find(name)
        problems = inspect_pack(file.text, where=str(file.path), parents=shelf.beside(name).texts, known=_known(opened))

    def show() -> None:
        for problem in problems:
            say(f"[red]problem[/red] {quote(problem)}")
        if not problems:
            say(f"[green]Sound[/green]: {quote(file.path)}")

    value = [
        {"file": one.file, "line": one.line, "what": one.what, "remedy": one.remedy} for one in problems
    ]  # fmt: skip
    answer(value, as_json=as_json, show=show)
    if problems:
        raise typer.Exit(1)


@commands.command()
def explain(
    rule: Annotated[str, typer.Argument(help="Id of the rule, for example frequency.")],
    pack: Annotated[str | None, typer.Option(help="Name or file of a pack; else the one in force.")] = None,
    language: Annotated[str, typer.Option("--language", "-l", help="Language of the sentence: en or fr.")] = "en",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print what a rule says, its limits with their units, its source, and examples of what it stops."""
    from policies.explanation import explain as explained
    from policies.rules import RULES

    if rule not in RULES:
        raise NotFoundError(f"There is no rule {rule}.", remedy=f"There are: {', '.join(RULES)}.")
    with open_shelf(workspace) as (shelf, opened):
        name = _named(pack, opened)
        found = shelf.read(name)
        beside = shelf.beside(name)
        cases = [tests for file in reversed(beside.ancestry(name)) if (tests := beside.cases(file))]
    what = explained(found, rule, cases)
    answer(what, as_json=as_json, show=lambda: _show_explanation(what, language))


@commands.command("test")
def run_tests(pack: Named = None, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Ask a pack its tests, and those of the packs it extends for rules it leaves alone; status 1 if one fails."""
    with open_shelf(workspace) as (shelf, opened):
        name = _named(pack, opened)
        tried, unpaired = try_pack(shelf, name)
    failed = [one for one in tried if not one.passed]

    def show() -> None:
        for one in failed:
            case = one.case
            wanted = f"{case.verdict}" + (f" by {case.people}" if case.people else "")
            found = f"{one.verdict}" + (f" by {one.people}" if one.people else "")
            say(f"[red]failed[/red] {quote(one.where)}: {quote(case.rule)}, {quote(case.title)}")
            say(f"  wanted {quote(wanted)}{quote(f', “{case.reason}”') if case.reason else ''}; found {quote(found)}")
            for said in one.said:
                say(f"  [dim]{quote(said)}[/dim]")
        for rule in unpaired:
            say(
                f"[yellow]no pair[/yellow] {quote(rule)}: the pack sets it, and no test shows what it allows and stops."
            )
        colour = "red" if failed else "green"
        say(f"[{colour}]{len(tried) - len(failed)} of {len(tried)} tests pass[/{colour}]: {quote(name)}")

    value = {
        "pack": name,
        "passed": len(tried) - len(failed),
        "failed": [
            {
                "where": one.where,
                "rule": one.case.rule,
                "title": one.case.title,
                "wanted": one.case.verdict,
                "found": one.verdict,
                "people": one.people,
                "said": one.said,
            }
            for one in failed
        ],
        "without_a_pair": unpaired,
    }
    answer(value, as_json=as_json, show=show)
    if failed or not tried:
        raise typer.Exit(1)


@commands.command()
def diff(
    old: Annotated[str, typer.Argument(help="Name or file of a pack.")],
    new: Annotated[str, typer.Argument(help="Name or file of the pack that would take its place.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print what becomes stricter and looser, and, in a workspace, which approvals the new pack would void."""
    from console.activation import voided_by
    from policies.comparison import compare

    with open_shelf(workspace) as (shelf, opened):
        before, after = shelf.read(old), shelf.read(new)
        voided = voided_by(opened, after) if opened is not None else None
    changes = compare(before, after)

    def show() -> None:
        _show_changes(changes, f"{before.version} → {after.version}")
        if voided is not None:
            _show_voided(voided, after.version)

    value = {"old": before.version, "new": after.version, "changes": plain(changes), "voids": voided}
    answer(value, as_json=as_json, show=show)


@commands.command()
def activate(
    pack: Annotated[str, typer.Argument(help="Name of the pack: packaged, or a file in packs/ without .yaml.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Put a pack in force: list the approvals that fall, ask, then void them and set it in noria.toml."""
    from console.activation import foresee_activation, put_in_force

    with open_workspace(workspace) as opened:
        actor = as_role(opened, "admin")
        foreseen = foresee_activation(opened, pack)
        tried, _ = try_pack(opened.packs, pack)
        if failed := [one for one in tried if not one.passed]:
            raise ConflictError(
                f"{len(failed)} of its tests fail: {failed[0].case.rule}, {failed[0].case.title}.",
                where=failed[0].where,
                remedy=f"`noria policy test {pack}` tells all.",
            )
        agree(foreseen, pack, yes=yes, as_json=as_json)
        put_in_force(opened, pack, foreseen, actor)

    def show() -> None:
        show_in_force(foreseen)

    answer(foreseen, as_json=as_json, show=show)


@commands.command("backtest")
def run_backtest(
    pack: Annotated[str, typer.Argument(help="Name or file of a pack.")],
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day to look at, as 2026-01-31.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Replay the messages and proposals of this workspace under a pack: what it would have stopped, asked and sent."""
    from console.backtest import backtest

    with open_workspace(workspace) as opened:
        found = backtest(opened, opened.packs.read(pack), since.replace(tzinfo=UTC))
    answer(found, as_json=as_json, show=lambda: show_backtest(found))


def try_pack(shelf: Shelf, name: str) -> tuple[list[Tried], list[str]]:
    """What came of a pack's tests, and the rules that it sets without a test that they allow and one that they do not.

    Tests of the packs that it extends are asked too, for the rules that it sets no other way.
    """
    from memory.marked_yaml import read_yaml

    shelf = shelf.beside(name)
    pack = shelf.read(name)
    tried: list[Tried] = []
    mine, *inherited = shelf.ancestry(name)
    own = shelf.cases(mine)
    tried += own.run(pack) if own else []
    for file in inherited:
        theirs, cases = shelf.read(file.path.stem), shelf.cases(file)
        same = {rule.id for rule in theirs.rules if pack.setting(rule.id) == rule}
        tried += [one for one in (cases.run(pack) if cases else []) if one.case.rule in same]
    said = [str(one) for one in read_yaml(mine.text, where=str(mine.path)).data.get("rules") or {}]
    # Nothing that a rule does not allow can be told of one that is off.
    sets = [one for one in said if pack.setting(one).enabled]
    return tried, own.unpaired(sets) if own else sets


def show_in_force(done: Activation) -> None:
    """Say that another policy is in force, and what its running campaigns wait for."""
    say(f"[bold]{quote(done.new)}[/bold] is in force. Workers take it up in their next round.")
    if done.voids["campaigns"]:
        say("`noria campaigns edit ID --renew` asks people to approve a running campaign again, as it is.")


def agree(foreseen: Activation, pack: str, *, yes: bool, as_json: bool) -> None:
    """Show what another policy would change and void, and go on only with a yes. Raises ConflictError."""
    if not as_json:
        _show_changes(list(foreseen.changes), f"{foreseen.old} → {foreseen.new}")
        _show_voided(foreseen.voids, foreseen.new)
    if not yes and (as_json or not typer.confirm("Put it in force?")):
        raise ConflictError("Nothing was changed.", where=f"pack {pack}", remedy="Say yes, or give --yes.")


@contextmanager
def open_shelf(workspace: Path | None) -> Iterator[tuple[Shelf, Workspace | None]]:
    """The packs of the workspace, or outside of any those that come with Noria."""
    if workspace is None and nearest_workspace() is None:
        yield Shelf(), None
        return
    with open_workspace(workspace) as opened:
        yield opened.packs, opened


def _named(pack: str | None, opened: Workspace | None) -> str:
    if pack is not None:
        return pack
    return opened.settings.policy_pack if opened is not None else "base"


def _known(opened: Workspace | None) -> Known:
    """The playbooks that a pack may name, and in a workspace the measures of its record."""
    from memory.quality import assess
    from policies.soundness import Known

    folders = [PACKAGED_PLAYBOOKS, *([opened.folder / "playbooks"] if opened else [])]
    playbooks = {path.parent.name for folder in folders for path in folder.glob("*/playbook.yaml")}
    if opened is None:
        return Known(playbooks=playbooks)
    measures = assess(opened.store, opened.lake, opened.clock.now()).measures
    return Known(playbooks=playbooks, measures=measures.keys())


def _show_explanation(what: Explanation, language: str) -> None:
    state = "always holds" if what.always else "can be switched off" if what.enabled else "is switched off"
    sentence = what.sentence.fr if language == "fr" else what.sentence.en
    say(f"[bold]{quote(what.rule)}[/bold] [dim]{quote(what.pack)}[/dim]")
    say(quote(sentence))
    say(f"Severity: {what.severity}; it {state}. Judges: {', '.join(what.judges)}.")
    say(f"Source: {quote(what.source)}")
    if what.parameters:
        rows = [[one.name, _shown(one.value), one.unit, one.meaning] for one in what.parameters]
        table("Limits", ["limit", "value", "in", "what it means"], rows)
    for example in what.stops:
        say(f"[bold]{example.verdict}[/bold] {quote(example.title)}")
        for said in example.said:
            say(f"  [dim]{quote(said)}[/dim]")


def _show_changes(changes: list[Change], title: str) -> None:
    limits = [one for one in changes if one.what not in ("sentence", "source")]
    words = sorted({one.rule for one in changes} - {one.rule for one in limits})
    if limits:
        rows = [[one.effect, f"{one.rule}: {one.what}", _told(one.old, one.new)] for one in limits]
        table(title, ["effect", "limit", "change"], rows)
    if words:
        say(f"Other words or sources only: {quote(', '.join(words))}.")
    if not changes:
        say("Both say the same.")


def _show_voided(voided: dict[str, list[str]], version: str) -> None:
    told = {
        "approved": "approved and not launched; it would be voided, and has to be approved again",
        "waiting": "waiting for people; it would have to be proposed again under the new pack",
        "campaigns": "running campaigns; their messages would wait until people approve them again",
    }
    if not any(voided.values()):
        say(f"Activating {quote(version)} would void no approval.")
    for kind, ids in voided.items():
        for one in ids:
            say(f"[yellow]void[/yellow] {quote(one)} [dim]{told[kind]}[/dim]")


def _told(old: object, new: object) -> str:
    """A change in brief: of a list, what comes and goes."""
    if not (isinstance(old, list) and isinstance(new, list)):
        return f"{_shown(old)} → {_shown(new)}"
    comes, goes = [one for one in new if one not in old], [one for one in old if one not in new]
    return "; ".join(f"{word} {_shown(part)}" for word, part in (("with", comes), ("without", goes)) if part)


def show_backtest(found: Backtest) -> None:
    for what, replay in (("messages", found.messages), ("proposals", found.proposals)):
        say(f"[bold]{number(replay.looked_at)} {what} under {quote(found.pack)}[/bold]")
        table("", ["what it was → would have been", what], list(replay.changes.items()), numbers=[1])
        if replay.rules:
            rows = [[one.rule, one.held, one.refused] for one in replay.rules]
            table("Stopped by", ["rule", "held", "refused"], rows, numbers=[1, 2])
        for rule in replay.rules:
            for one in rule.examples:
                say(f"  {quote(rule.rule)}: {quote(one.subject)}, {moment(one.at)}: {quote(one.said)}")
    rows = [[one.rule, one.of, one.why] for one in found.not_judged]
    table("Not judged anew; what they said then stands", ["rule", "of", "why"], rows)
    for one_assumption in found.assumptions:
        say(f"[dim]{quote(one_assumption)}[/dim]")


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items()) or "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
