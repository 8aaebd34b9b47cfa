"""Import a folder of exports in the order in which they need each other."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from memory.clock import Clock
from memory.errors import InvalidInputError
from memory.importing.load import import_file, kind_of, mailable
from memory.importing.report import KINDS, ImportReport, ImportSettings, Mailable, Progress
from memory.lake import Lake
from memory.store import Store

_ENDINGS = frozenset({".csv", ".tsv", ".txt"})


class LeftOut(BaseModel):
    """A file that could not be imported, and what to do about it."""

    model_config = ConfigDict(frozen=True)

    file_name: str
    what: str
    remedy: str = ""


class FolderReport(BaseModel):
    """What each file of a folder brought, and which files could not be used."""

    model_config = ConfigDict(frozen=True)

    reports: tuple[ImportReport, ...]
    left_out: tuple[LeftOut, ...] = ()
    mailable: Mailable


def exports_in(folder: Path) -> list[Path]:
    """The files of a folder that may be exports."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())


def import_folder(
    store: Store,
    lake: Lake,
    folder: Path,
    *,
    settings: ImportSettings,
    clock: Clock,
    progress: Progress | None = None,
    actor: str = "import",
) -> FolderReport:
    """Import every CSV of a folder: products and contacts first, then consents, suppressions, orders and what follows.

    A file that cannot be used is named in the report and does not stop the others. Raises InvalidInputError where there
    is no CSV, or none can be used; then nothing was written.
    """
    if not folder.is_dir():
        raise InvalidInputError("There is no such folder.", where=str(folder), remedy="Check its name.")
    paths = exports_in(folder)
    if not paths:
        raise InvalidInputError(
            "There is no CSV file in it.",
            where=str(folder),
            remedy="Put the exports there as .csv, .tsv or .txt files.",
        )
    left_out: list[LeftOut] = []
    ordered: list[tuple[int, Path]] = []
    for path in paths:
        try:
            ordered.append((KINDS.index(kind_of(store, path)), path))
        except InvalidInputError as error:
            left_out.append(LeftOut(file_name=path.name, what=error.what, remedy=error.remedy))
    if not ordered:
        first = left_out[0]
        raise InvalidInputError(
            f"None of its files can be imported. {first.file_name}: {first.what}",
            where=str(folder),
            remedy=first.remedy,
        )
    reports: list[ImportReport] = []
    for _, path in sorted(ordered):
        try:
            reports.append(
                import_file(store, lake, path, settings=settings, clock=clock, progress=progress, actor=actor)
            )
        except InvalidInputError as error:
            left_out.append(LeftOut(file_name=path.name, what=error.what, remedy=error.remedy))
    with store.read() as connection:
        may = mailable(connection)
    return FolderReport(reports=tuple(reports), left_out=tuple(left_out), mailable=may)
