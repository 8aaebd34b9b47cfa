"""How files are read: whenever one has changed, from first to last row; columns by their names, as imports do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from memory.importing.columns import settle
from memory.importing.export import Block, Export, open_export
from memory.importing.mapping import Mapping as ReadAs
from memory.importing.mapping import guess
from memory.importing.report import ImportSettings, no_progress
from tools.crm.connector import ConnectorError, Page, Property, Record, cursor_at, place_in
from tools.crm.csv.options import SYSTEM, CsvOptions

_PAGE_SIZE: Final = 5000


class CsvFolder:
    """Reads the files of one folder."""

    system = SYSTEM

    def __init__(self, options: CsvOptions, _secrets: Mapping[str, SecretStr], **_more: Any) -> None:
        self._folder = Path(options.folder)
        self._open: dict[str, Export] = {}
        self._reading: dict[str, tuple[int, Iterator[Block]]] = {}
        """Where in each file the last page ended, and what comes after it."""

    def read(self, thing: str, cursor: str, wanted: Sequence[str]) -> Page:
        export = self._export(thing)
        if export is None:
            return Page([], cursor, more=False)
        place = place_in(cursor)
        same = place.get("digest") == export.digest
        if same and place.get("done"):
            return Page([], cursor, more=False)
        begin = int(place.get("row", 0)) if same else 0
        at, blocks = self._reading.pop(thing, (-1, iter(())))
        if at != begin:
            at, blocks = 0, export.blocks(_PAGE_SIZE)
        for block in blocks:
            # Rows with too many cells are records as well, so that the import says what is wrong with them.
            found = [*zip(block.lines, block.rows, strict=True), *block.ragged]
            left, at = found[max(begin - at, 0) :], at + len(found)
            if left:
                records = [Record(str(line), export.as_raw(cells)) for line, cells in left]
                following = next(blocks, None)
                if following is None:
                    return Page(records, cursor_at(digest=export.digest, done=True), more=False)
                self._reading[thing] = (at, chain([following], blocks))
                return Page(records, cursor_at(digest=export.digest, row=at), more=True)
        return Page([], cursor_at(digest=export.digest, done=True), more=False)

    def properties(self, thing: str) -> list[Property]:
        export = self._export(thing)
        return [] if export is None else [Property(one, one, False) for one in export.header]

    def read_as(self, thing: str) -> ReadAs | None:
        export = self._export(thing)
        if export is None:
            return None
        named = guess(export.header, file_name=export.name, kind=SYSTEM.things[thing])
        settled, _ = settle(export, named, ImportSettings(), no_progress)
        return settled

    def check(self, *, writing: bool = False) -> str:
        self._look()
        found = [f"{thing}.csv" for thing in SYSTEM.things if self.read_as(thing) is not None]
        others = sorted({path.name for path in self._folder.glob("*.[cC][sS][vV]")} - set(found))
        if not found:
            holds = f"It holds {', '.join(others[:5])}." if others else "It holds no CSV file."
            raise ConnectorError(
                f"No file of the folder has a name that says what it holds. {holds}",
                where=str(self._folder),
                remedy=f"Name each file after what it holds: {', '.join(f'{one}.csv' for one in SYSTEM.things)}. "
                "Then connect it again.",
            )
        left = f" Not read, for its name says nothing: {', '.join(others[:5])}." if others else ""
        return f"The folder can be read; it holds {', '.join(found)}.{left}"

    def close(self) -> None:
        self._open.clear()
        self._reading.clear()

    def _look(self) -> None:
        """Raises ConnectorError for a folder that is not there: its files are not gone for that."""
        if not self._folder.is_dir():
            there = "is a file, not a folder" if self._folder.exists() else "is not there, or must not be looked into"
            raise ConnectorError(
                f"The folder {there}.",
                where=str(self._folder),
                remedy="Make the folder and let the user of Noria read it, or name another: --set folder=/srv/exports, "
                "and once it is connected, folder in [sync.csv] of noria.toml.",
            )

    def _export(self, thing: str) -> Export | None:
        self._look()
        path = self._folder / f"{thing}.csv"
        if thing not in self._open and path.is_file():
            self._open[thing] = open_export(path)
        return self._open.get(thing)


CONNECTOR: Final = CsvFolder
