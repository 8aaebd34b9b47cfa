"""Somebody's own exports, from CSV files to a first proposal, without sending anything."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from agents.planning import PlanResult, plan
from console.cli.importing import run_import, show_import
from console.cli.output import moment, number, plain, quote, say
from console.cli.proposals import print_proposal
from console.wiring import Workspace
from evals.demo.result import Promise
from evals.demo.small_shop import brief
from evals.demo.stage import fresh_workspace
from evals.demo.story import ActResult, Watch, conclude, deliberation
from memory import ledger, proposals
from memory.clock import SystemClock
from memory.errors import InvalidInputError
from memory.importing.amounts import UnreadableError
from memory.importing.export import Export, open_export
from memory.importing.folder import FolderReport
from memory.importing.load import look
from memory.importing.mapping import Mapping
from memory.importing.moments import read_micros
from memory.importing.report import ImportSettings, Progress, no_progress
from memory.proposals import StoredProposal
from memory.quality import assess
from memory.schema import from_micros
from memory.workspace import StoreClock

ZONE = "Europe/Paris"
OLD_DAYS = 60
"""Data whose newest order is older than this are looked at as of the day after that order."""
_FALLBACK_CURRENCY = "EUR"
_SIGNS = {"€": "EUR", "£": "GBP", "$": "USD", "CHF": "CHF"}
_MONEY = ("total", "amount", "unit_price", "price")
_ENDINGS = frozenset({".csv", ".tsv", ".txt"})


class SeenFile(BaseModel):
    """One export: what it was taken for, and what each column was taken to mean."""

    model_config = ConfigDict(frozen=True)

    file_name: str
    kind: str = ""
    vendor: str = ""
    columns: dict[str, str] = {}
    """Column → field; empty where the column is not read."""
    problem: str = ""
    """Why it cannot be used."""


class OwnDataResult(ActResult):
    """What somebody's exports are good for."""

    files: list[SeenFile]
    currency: str
    currency_from: str
    clock_at: datetime
    clock_moved: bool
    newest_order_at: datetime | None
    imported: dict[str, Any]
    quality: dict[str, Any]
    proposals: list[dict[str, Any]]
    withheld: list[dict[str, Any]]
    why_none: str


class _Look(NamedTuple):
    """A file that can be used."""

    export: Export
    mapping: Mapping


def play_own_data(
    folder: Path, data: Path, *, currency: str | None = None, progress: Progress = no_progress
) -> OwnDataResult:
    """Import a folder of CSV exports into a fresh workspace and plan once. Raises InvalidInputError without exports."""
    watch = Watch()
    paths = _exports(data)
    if data.resolve().is_relative_to(folder.resolve()):
        raise InvalidInputError(
            "Your exports lie inside the folder that the demo would replace.",
            where=str(data),
            remedy="Move them elsewhere, or name another folder with --folder.",
        )
    before = _fingerprint(paths)
    say(f"[bold]Noria, on your own data[/bold]: {len(paths)} files in {quote(data)}")
    # Looked at first, because the currency and the clock have to stand before a row is read.
    fresh_workspace(folder, name="Your data", currency=currency or _FALLBACK_CURRENCY, zone=ZONE)
    workspace = Workspace(folder.resolve(), {})
    try:
        watch.step("What your files are")
        files, usable = _look(workspace, paths)
        chosen, chosen_from = (currency.upper(), "you said so") if currency else _currency(usable)
        newest = _newest_order(usable)
    finally:
        workspace.close()
    fresh_workspace(folder, name="Your data", currency=chosen, zone=ZONE)
    workspace = Workspace(folder.resolve(), {})
    try:
        say(f"  Amounts are in {chosen}: {quote(chosen_from)}. [dim]Another one: --currency[/dim]")
        moved = _set_clock(workspace, newest)
        watch.step("The import")
        settings = ImportSettings(currency=chosen, time_zone=ZONE)
        imported = run_import(workspace, data, settings, progress=progress)
        quality = assess(workspace.store, workspace.lake, workspace.clock.now())
        show_import(imported, quality)
        watch.step("The first planning round")
        found, made = _plan(workspace)
        why_none = _why_none(imported) if not made else ""
        _tell_plan(workspace, found, made, why_none)
        promises = [
            *_nothing_left(workspace),
            *_rows_add_up(usable, imported),
            Promise(sentence="Your files are as they were.", held=_fingerprint(paths) == before),
            Promise(
                sentence="Whatever is proposed reaches only contacts with consent that can be proved.",
                held=all(one.proposal.audience.reachable <= imported.mailable.with_proof for one in made),
            ),
            Promise(
                sentence="Every play is either proposed or left aside with its reason.",
                held=len(made) + len(found.withheld) == len(workspace.playbooks)
                and all(one.sentence for one in found.withheld),
            ),
        ]
        result = OwnDataResult(
            act="own-data",
            workspace=str(workspace.folder),
            seconds=watch.seconds,
            promises=promises,
            files=files,
            currency=chosen,
            currency_from=chosen_from,
            clock_at=workspace.clock.now(),
            clock_moved=moved,
            newest_order_at=newest,
            imported=plain(imported),
            quality=plain(quality),
            proposals=[_summary(one) for one in made],
            withheld=[plain(one) for one in found.withheld],
            why_none=why_none,
        )
    finally:
        workspace.close()
    conclude(watch, promises, workspace.folder)
    say("[dim]The sender is an example: fill in brand.yaml there. Decide with `noria proposals`.[/dim]")
    return result


def _exports(data: Path) -> list[Path]:
    if not data.is_dir():
        raise InvalidInputError(
            "There is no such folder.",
            where=str(data),
            remedy="Name the folder that holds your CSV exports: noria demo --act own-data FOLDER.",
        )
    found = sorted(path for path in data.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())
    if not found:
        raise InvalidInputError(
            "There is no CSV file in it.",
            where=str(data),
            remedy="Put the exports of your shop or CRM there as .csv files: contacts, consents, orders, products.",
        )
    return found


def _fingerprint(paths: Iterable[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def _look(workspace: Workspace, paths: Iterable[Path]) -> tuple[list[SeenFile], list[_Look]]:
    files: list[SeenFile] = []
    usable: list[_Look] = []
    for path in paths:
        try:
            mapping = look(workspace.store, path, settings=ImportSettings(time_zone=ZONE))
        except InvalidInputError as error:
            files.append(SeenFile(file_name=path.name, problem=error.what))
            say(f"  [yellow]{quote(path.name)}[/yellow]: {quote(error.what)} [dim]{quote(error.remedy)}[/dim]")
            continue
        usable.append(_Look(open_export(path), mapping))
        seen = SeenFile(
            file_name=path.name,
            kind=mapping.kind,
            vendor=mapping.vendor,
            columns={one.column: one.field for one in mapping.columns},
        )
        files.append(seen)
        vendor = f" (export of {mapping.vendor})" if mapping.vendor else ""
        say(f"  [bold]{quote(path.name)}[/bold]: {mapping.kind}{quote(vendor)}")
        say("    " + quote(", ".join(f"{column} → {field}" for column, field in seen.columns.items() if field)))
        if ignored := [column for column, field in seen.columns.items() if not field]:
            say(f"    [dim]not read: {quote(', '.join(ignored))}[/dim]")
    return files, usable


def _currency(usable: Iterable[_Look]) -> tuple[str, str]:
    """The currency that the files name most, and where it was found."""
    named: Counter[tuple[str, str]] = Counter()
    signs: Counter[tuple[str, str]] = Counter()
    for export, mapping in usable:
        rows = export.sample(2_000)
        for one in mapping.of("currency"):
            place = export.header.index(one.column)
            named.update((row[place].strip().upper(), f"{export.name}, {one.column}") for row in rows if row[place])
        for one in (one for name in _MONEY for one in mapping.of(name)):
            place = export.header.index(one.column)
            signs.update(
                (code, f"{export.name}, {one.column}")
                for row in rows
                for sign, code in _SIGNS.items()
                if sign in row[place]
            )
    for counted in (named, signs):
        if counted:
            (code, where), _ = counted.most_common(1)[0]
            if len(code) == 3 and code.isalpha() and code.isascii():
                return code, f"so says {where}"
    return _FALLBACK_CURRENCY, "no file names a currency, so this is assumed"


def _newest_order(usable: Iterable[_Look]) -> datetime | None:
    """The moment of the newest order that is not in the future."""
    limit, newest = SystemClock().now(), None
    for export, mapping in usable:
        dates = mapping.of("at") if mapping.kind in {"orders", "lines"} else []
        for one in dates:
            place = export.header.index(one.column)
            texts = {row[place] for block in export.blocks() for row in block.rows}
            for text in texts:
                try:
                    at = from_micros(read_micros(text, day_first=bool(one.day_first), zone=ZoneInfo(ZONE)))
                except UnreadableError:
                    continue
                newest = at if at <= limit and (newest is None or at > newest) else newest
    return newest


def _set_clock(workspace: Workspace, newest: datetime | None) -> bool:
    """Set the clock back for old data, and say so."""
    now = SystemClock().now()
    if newest is None:
        say("  No file has a dated order; today is today.")
        return False
    if now - newest <= timedelta(days=OLD_DAYS):
        say(f"  The newest order is of {moment(newest)}; today is today.")
        return False
    at = (newest.astimezone(UTC) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    StoreClock(workspace.store).advance_to(at)
    say(f"  [yellow]The newest order is of {moment(newest)}, {number((now - newest).days)} days ago. The clock "
        f"of this workspace is set to {moment(at)}[/yellow], as if you had come the day after it.")  # fmt: skip
    return True


def _plan(workspace: Workspace) -> tuple[PlanResult, list[StoredProposal]]:
    with deliberation(workspace) as threads:
        found = plan(threads, brief("own-data"))
    with workspace.store.read() as connection:
        return found, [proposals.get(connection, one) for one in found.proposal_ids]


def _why_none(imported: FolderReport) -> str:
    if not imported.mailable.with_proof:
        return f"Nothing is proposed. {imported.mailable.sentence}"
    return "Nothing is proposed: no play that comes with Noria has its signal in these data now. Each says why."


def _tell_plan(workspace: Workspace, found: PlanResult, made: list[StoredProposal], why_none: str) -> None:
    for one in made:
        print_proposal(one, [])
    if why_none:
        say(f"  [bold yellow]{quote(why_none)}[/bold yellow]")
    for held in found.withheld:
        say(
            f"  [dim]Not proposed:[/dim] {quote(workspace.playbooks[held.playbook].name['en'])}. {quote(held.sentence)}"
        )


def _nothing_left(workspace: Workspace) -> list[Promise]:
    with workspace.store.read() as connection:
        planned = sum(ledger.reconcile(connection).states.values())
    files = list((workspace.folder / "outbox").glob("*")) if (workspace.folder / "outbox").exists() else []
    return [
        Promise(
            sentence=f"Nothing was sent: {planned} messages planned, {len(files)} written.", held=not (planned or files)
        )
    ]


def _rows_add_up(usable: Iterable[_Look], imported: FolderReport) -> list[Promise]:
    """Every row of every file that was imported is written, unchanged, skipped or set aside."""
    in_file = {
        export.name: sum(len(block.rows) + len(block.ragged) for block in export.blocks()) for export, _ in usable
    }
    told = {
        one.file_name: one.rows_written + one.rows_unchanged + one.rows_quarantined + one.rows_skipped
        for one in imported.reports
    }
    rows = sum(in_file[name] for name in told)
    return [
        Promise(
            sentence=f"Each of the {number(rows)} rows was taken in, left out as said, or set aside with its reason.",
            held=all(in_file[name] == count for name, count in told.items())
            and all(sum(why.rows for why in one.reasons) == one.rows_quarantined for one in imported.reports),
        )
    ]


def _summary(stored: StoredProposal) -> dict[str, Any]:
    proposal = stored.proposal
    return {
        "proposal_id": proposal.proposal_id,
        "playbook": proposal.play.playbook,
        "title": proposal.title,
        "summary": proposal.summary,
        "audience": plain(proposal.audience),
        "forecast": plain(proposal.forecast),
        "detection": plain(proposal.detection),
        "findings": plain(proposal.findings),
    }
