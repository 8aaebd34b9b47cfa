"""`noria import`: take in exports of a shop or CRM."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from console.cli.output import AsJson, answer, errors, number, plain, quote, say, table
from console.cli.place import InWorkspace, operator
from console.wiring import Workspace, open_workspace
from memory.errors import InvalidInputError
from memory.importing.report import ImportSettings, Kind, Progress, no_progress

if TYPE_CHECKING:
    from memory.importing.folder import FolderReport
    from memory.importing.mapping import Mapping
    from memory.quality import Quality


def add_commands(app: typer.Typer) -> None:
    app.command("import")(import_command)


def import_command(
    path: Annotated[Path, typer.Argument(help="A CSV file, or a folder of them.", exists=True)],
    kind: Annotated[Kind | None, typer.Option(help="What the file holds, where its header does not say.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", help="COLUMN=field to correct the mapping, COLUMN= to leave a column out; remembered."),
    ] = None,
    source: Annotated[str, typer.Option(help="Name of the system the ids belong to.")] = "",
    day_first: Annotated[
        bool | None, typer.Option("--day-first/--month-first", help="How to read 03/04/2025; else as in noria.toml.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the mapping and write nothing.")] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Import CSV exports; good rows are loaded, bad ones are set aside with their reason, twice changes nothing."""
    from memory.quality import assess

    corrections = dict(_assignment(text) for text in column or [])
    with open_workspace(workspace) as opened:
        settings = ImportSettings(
            currency=opened.settings.currency,
            day_first=opened.settings.day_first if day_first is None else day_first,
            time_zone=opened.settings.fallback_zone,
            source=source,
        )
        if dry_run:
            mappings = _mappings(opened, path, kind, corrections, settings)
            answer(plain(mappings), as_json=as_json, show=lambda: _show_mappings(mappings))
            return
        with progress_bar(as_json) as progress:
            found = run_import(opened, path, settings, kind=kind, corrections=corrections or None, progress=progress)
        quality = assess(opened.store, opened.lake, opened.clock.now())
    value = {**plain(found), "quality": plain(quality)}
    answer(value, as_json=as_json, show=lambda: show_import(found, quality))


def run_import(
    opened: Workspace,
    path: Path,
    settings: ImportSettings,
    *,
    kind: Kind | None = None,
    corrections: dict[str, str] | None = None,
    progress: Progress = no_progress,
) -> FolderReport:
    """Import a file or a folder, then bring the snapshot of contacts up to date."""
    from memory.importing.folder import FolderReport, import_folder
    from memory.importing.load import import_file, look, mailable
    from memory.snapshot import refresh

    store, lake, clock, actor = opened.store, opened.lake, opened.clock, operator()
    if path.is_dir():
        if kind is not None or corrections:
            raise InvalidInputError(
                "A kind or a mapping fits one file, not a folder.", where=str(path), remedy="Import that file alone."
            )
        found = import_folder(store, lake, path, settings=settings, clock=clock, progress=progress, actor=actor)
    else:
        mapping = look(store, path, kind=kind, settings=settings).corrected(corrections) if corrections else None
        report = import_file(
            store,
            lake,
            path,
            kind=kind,
            mapping=mapping,
            settings=settings,
            clock=clock,
            progress=progress,
            actor=actor,
        )
        with store.read() as connection:
            found = FolderReport(reports=(report,), mailable=mailable(connection))
    refresh(store, lake)
    return found


def show_import(found: FolderReport, quality: Quality) -> None:
    """Print what came in, what was set aside, and what the data are good enough for."""
    rows = [
        [one.file_name, one.kind, one.vendor or "–", number(one.rows_read), number(one.rows_written),
         number(one.rows_unchanged), number(one.rows_quarantined)]
        for one in found.reports
    ]  # fmt: skip
    headings = ["file", "kind", "export of", "rows", "written", "unchanged", "set aside"]
    table("Imported", headings, rows, numbers=[3, 4, 5, 6])
    for left in found.left_out:
        say(f"[yellow]left out[/yellow] {quote(left.file_name)}: {quote(left.what)} [dim]{quote(left.remedy)}[/dim]")
    for report in found.reports:
        for reason in report.reasons:
            where = f" in column {reason.column}" if reason.column else ""
            say(f"  {quote(report.file_name)}: {number(reason.rows)} set aside{quote(where)}, first in line "
                f"{reason.first_line}: {quote(reason.reason)}")  # fmt: skip
        for note in report.notes:
            say(f"  [dim]{quote(report.file_name)}: {quote(note)}[/dim]")
    say(f"[bold]{quote(found.mailable.sentence)}[/bold]")
    for measure in quality.measures.values():
        say(f"  {quote(measure.sentence)}" + (f" [dim]{quote(measure.remedy)}[/dim]" if measure.remedy else ""))


def _mappings(
    opened: Workspace, path: Path, kind: Kind | None, corrections: dict[str, str], settings: ImportSettings
) -> list[tuple[str, Mapping]]:
    from memory.importing.folder import exports_in
    from memory.importing.load import look

    files = exports_in(path) if path.is_dir() else [path]
    found = [(file.name, look(opened.store, file, kind=kind, settings=settings)) for file in files]
    return [(name, mapping.corrected(corrections) if corrections else mapping) for name, mapping in found]


def _show_mappings(mappings: list[tuple[str, Mapping]]) -> None:
    for name, mapping in mappings:
        rows = [[one.column, one.field or "left out", one.reason] for one in mapping.columns]
        table(f"{name}: {mapping.kind}", ["column", "is read as", "because"], rows)
    say("Nothing was written. Correct one file at a time: `noria import FILE --map 'COLUMN=field'`.")


def _assignment(text: str) -> tuple[str, str]:
    name, equals, field = text.rpartition("=")
    if not equals or not name:
        raise InvalidInputError(f"{text!r} is not COLUMN=field.", where="--map", remedy="For example --map Mail=email.")
    return name, field


@contextmanager
def progress_bar(as_json: bool) -> Iterator[Progress]:
    """Shows how far a long work has come, where somebody is looking."""
    if as_json or not sys.stderr.isatty():
        yield no_progress
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn())
    with ProgressBar(*columns, console=errors, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total or None)
            bar.update(tasks[stage], completed=done, total=total or None)

        yield update
