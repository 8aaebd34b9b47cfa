"""A workspace in one file, and back: the store first, so that what the lake has more is written there again."""

from __future__ import annotations

import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from memory.errors import BackupError

# Live databases are copied by SQLite itself; what it writes beside them is part of that copy.
_DATABASES = frozenset({".db", ".sqlite3"})
_BESIDES = ("-wal", "-shm", "-journal")
_LOG = "_delta_log"
_MARK = b"noria backup"
_UNFINISHED = ".part"
_T = TypeVar("_T")


def write_backup(folder: Path, file: Path, *, leave_out: frozenset[str]) -> int:
    """Write every file of a workspace into a new ZIP file; returns how many. Workers may go on meanwhile.

    ``leave_out`` names files that must not travel; backups that lie in the folder do not either. Raises BackupError; a
    backup that was begun is then taken away.
    """
    if file.exists():
        raise BackupError("There is a file of that name.", where=str(file), remedy="Choose another name.")
    unfinished = file.with_name(f"{file.name}{_UNFINISHED}")
    written = 0
    try:
        with tempfile.TemporaryDirectory() as copies, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.comment = _MARK
            for path in _in_order(folder, leave_out | {file.name, unfinished.name}):
                name = str(path.relative_to(folder))
                archive.write(_copied(path, Path(copies)) if path.suffix in _DATABASES else path, arcname=name)
                written += 1
        unfinished.rename(file)
    except (OSError, sqlite3.Error) as error:
        unfinished.unlink(missing_ok=True)
        raise BackupError(
            f"The backup cannot be written: {error}.", where=str(file), remedy="Make room, or choose another place."
        ) from error
    return written


def unpack_backup(file: Path, folder: Path, make_safe: Callable[[Path], _T]) -> _T:
    """Unpack a backup into a folder that is new or empty; returns what ``make_safe`` said.

    ``make_safe`` gets the unpacked folder before it takes its place, so that nobody can open it as it was. Raises
    BackupError and leaves nothing half-done.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(
            "The folder is not empty.", where=str(folder), remedy="Name a new folder; move it afterwards."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unfinished-restore-") as unfinished:
        target = Path(unfinished) / "workspace"
        try:
            with zipfile.ZipFile(file) as archive:
                archive.extractall(target)
        except (OSError, EOFError, zipfile.BadZipFile) as error:
            raise BackupError(
                f"It cannot be unpacked: {error}.", where=str(file), remedy="Use a file that `noria backup` wrote."
            ) from error
        done = make_safe(target)
        if folder.exists():
            folder.rmdir()
        target.rename(folder)
    return done


def _in_order(folder: Path, leave_out: frozenset[str]) -> Iterator[Path]:
    """Databases, then logs of the lake, then the rest: each names only what is copied after it."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in leave_out and not path.name.endswith(_BESIDES)
        if not is_backup(path)
    ]
    yield from sorted(files, key=lambda path: (path.suffix not in _DATABASES, _LOG not in path.parts))


def is_backup(path: Path) -> bool:
    """Whether a file is a backup, or one that was never finished."""
    if path.suffix == _UNFINISHED:
        with path.open("rb") as file:
            return file.read(4) == b"PK\3\4"
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return archive.comment == _MARK


def _copied(path: Path, copies: Path) -> Path:
    copy = copies / "copy.db"
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as live, closing(sqlite3.connect(copy)) as still:
        live.backup(still)
    return copy
