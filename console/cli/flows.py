"""`noria campaigns flow` and `noria playbook flow`: the way through each sequence, in words or as a picture."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, number, quote, say
from console.cli.place import InWorkspace
from console.flow.picture import draw
from console.flow.progress import Progress, notes_of, progress
from console.flow.steps import nodes_of
from console.flow.tree import tree
from console.wiring import open_workspace
from memory import allocations, campaigns, enrolments
from memory.errors import InvalidInputError, NotFoundError
from memory.schema import enrolments as rows
from memory.step_text import tell_reentry, tell_sequence
from memory.steps import Sequence
from memory.trigger import Reentry, Trigger

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="SVG file to write; one for each sequence if there are several.", dir_okay=False),
]  # fmt: skip


def campaign_flow(
    campaign_id: Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")],
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="An earlier version, in which contacts may still be.")
    ] = None,
    out: Out = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print the way through each sequence of a campaign, with how many contacts stand at each step and passed it."""
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = campaigns.get(connection, campaign_id)
        found = replace(found, version=version or found.version)
        play = campaigns.get_version(connection, found.campaign_id, found.version).play
        by_band = campaigns.shares(connection, found.campaign_id, found.version)
        today = allocations.over_all(connection, found.campaign_id, by_band)
        sequences = [one.model_copy(update={"share": today[one.key]}) for one in play.sequences]
        counted = [progress(connection, found, one) for one in play.sequences]
        others = enrolments.count(connection, found.campaign_id, rows.c.version != found.version)
    _show(found.name, sequences, play.trigger, play.reentry, "en", counted, out, as_json=as_json)
    if others and not as_json:
        say(f"[dim]{number(others)} contacts are in another version of it (`--version`) and not counted here.[/dim]")


def playbook_flow(
    playbook_id: Annotated[str, typer.Argument(help="Id of the playbook.")],
    out: Out = None,
    language: Annotated[str, typer.Option("--language", "-l", help="Language of the words: en or fr.")] = "en",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print the way through each sequence of a playbook."""
    with open_workspace(workspace) as opened:
        found = opened.playbooks.get(playbook_id)
    if found is None:
        raise NotFoundError(f"Playbook {playbook_id} is not known.", remedy="`noria playbook list` shows them all.")
    if language not in found.name:
        known = ", ".join(sorted(found.name))
        raise InvalidInputError(
            f"This playbook is not written in “{language}”.", where="--language", remedy=f"Choose one of: {known}."
        )
    name = found.name[language]
    _show(name, found.sequences, found.trigger, found.reentry, language, None, out, as_json=as_json)


def _show(
    name: str,
    sequences: Many[Sequence],
    trigger: Trigger,
    reentry: Reentry,
    language: str,
    counted: Many[Progress] | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    told = []
    for place, sequence in enumerate(sequences):
        count = counted[place] if counted else None
        nodes = nodes_of(sequence, trigger, language, notes_of(count, sequence, number) if count else None)
        sentence = tell_sequence(sequence, language, trigger)
        file = None
        if out is not None:
            file = out if len(sequences) == 1 else out.with_name(f"{out.stem}.{sequence.key}{out.suffix or '.svg'}")
            _write(file, draw(nodes, title=f"{name}: {sequence.title}", words=sentence, name=f"flow-{sequence.key}"))
        told.append((sequence, sentence, tree(nodes), count, file))

    def show() -> None:
        say(f"[bold]{quote(name)}[/bold], {quote(tell_reentry(reentry, language))}")
        for sequence, _, lines, _, file in told:
            say()
            say(f"[bold]{quote(sequence.title)}[/bold] ({quote(sequence.key)}, {sequence.share:.0%})")
            for line in lines if file is None else [f"Written to {file}"]:
                say(quote(line))

    answer(
        [
            {
                "sequence": sequence.key,
                "title": sequence.title,
                "share": sequence.share,
                "sentence": sentence,
                "tree": lines,
                "progress": None if count is None else asdict(count),
                "file": None if file is None else str(file),
            }
            for sequence, sentence, lines, count, file in told
        ],
        as_json=as_json,
        show=show,
    )


def _write(file: Path, svg: str) -> None:
    try:
        file.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(
            f"The picture cannot be written: {error.strerror}.",
            where=str(file),
            remedy="Name a file in a folder of yours.",
        ) from error
