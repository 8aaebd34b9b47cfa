"""Open a CSV export whatever spreadsheet wrote it: its encoding, separator, header and rows with their line numbers."""

from __future__ import annotations

import codecs
import csv
import gc
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain
from pathlib import Path

from memory.errors import InvalidInputError

BLOCK_ROWS = 50_000
_CHUNK_BYTES = 1 << 20
_END = "\x00the end\x00"
_AS_CSV = "Open it in the tool it came from and export it as CSV."
_CONTAINERS = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a compressed file",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a file: the line on which each begins and its cells, all of the header's width."""

    lines: list[int]
    rows: list[list[str]]
    ragged: list[tuple[int, list[str]]]
    """Rows with too many or too few cells."""
    done_bytes: int


@dataclass(frozen=True, slots=True)
class Export:
    """A CSV file that was looked at once: it can be read, as often as needed."""

    path: Path
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    header_line: int
    digest: str
    size_bytes: int

    @property
    def name(self) -> str:
        return self.path.name

    def blocks(self, block_rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """Read the rows after the header, a block at a time. Raises InvalidInputError for an endless quote."""
        width = len(self.header)
        with self.path.open("rb") as binary:
            text = TextIOWrapper(binary, encoding=self.encoding, newline="")
            reader = csv.reader(chain(text, [_END]), delimiter=self.delimiter)
            lines: list[int] = []
            rows: list[list[str]] = []
            ragged: list[tuple[int, list[str]]] = []
            begins, ended = 1, False
            try:
                for row in reader:
                    line, begins = begins, reader.line_num + 1
                    if line <= self.header_line:
                        continue
                    if len(row) == width > 1 and (row[0] or any(row)):
                        lines.append(line)
                        rows.append(row)
                    elif row == [_END]:
                        ended = True
                    elif not any(row):
                        continue
                    elif (fitted := _fit(row, width)) is not None:
                        lines.append(line)
                        rows.append(fitted)
                    else:
                        ragged.append((line, row))
                    if len(rows) + len(ragged) >= block_rows:
                        yield Block(lines, rows, ragged, binary.tell())
                        lines, rows, ragged = [], [], []
            except csv.Error as error:
                raise self._endless_quote(begins) from error
            if not ended:
                raise self._endless_quote(line)
            yield Block(lines, rows, ragged, self.size_bytes)

    def sample(self, rows: int = 200) -> list[list[str]]:
        """The first rows, for guessing."""
        return next(iter(self.blocks(rows))).rows[:rows]

    def rows_at(self, wanted: set[int]) -> dict[int, dict[str, str]]:
        """The rows that begin on these lines, as they came."""
        found: dict[int, dict[str, str]] = {}
        if wanted:
            for block in self.blocks():
                for line, row in zip(block.lines, block.rows, strict=True):
                    if line in wanted:
                        found[line] = self.as_raw(row)
        return found

    def as_raw(self, row: Sequence[str]) -> dict[str, str]:
        """A row by column name; cells beyond the header are kept together."""
        raw = dict(zip(self.header, row, strict=False))
        if len(row) > len(self.header):
            raw["(more cells)"] = self.delimiter.join(row[len(self.header) :])
        return raw

    def _endless_quote(self, line: int) -> InvalidInputError:
        return InvalidInputError(
            "A quotation mark is opened and never closed, so the rest of the file cannot be read.",
            where=f"{self.name}, line {line}",
            remedy='Close it, or write "" for a quotation mark inside a cell, and import again. Nothing was imported.',
        )


@contextmanager
def many_rows() -> Iterator[None]:
    """Read many rows without Python's search for reference cycles, of which text has none: half the time."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def open_export(path: Path) -> Export:
    """Look at a file: what it is encoded in, how its cells are separated, and its header.

    Raises InvalidInputError where it is no CSV, is empty or has no header.
    """
    try:
        digest, size, encoding = _survey(path)
        with path.open("rb") as binary:
            text = TextIOWrapper(binary, encoding=encoding, newline="")
            return _open(path, text, digest=digest, size=size, encoding=encoding)
    except OSError as error:
        raise InvalidInputError(
            f"The file cannot be read: {error.strerror or 'it is not there'}.",
            where=path.name,
            remedy="Check its name and its permissions.",
        ) from error
    except csv.Error as error:
        raise _unusable(path, "Its first line cannot be read as cells.", _AS_CSV) from error


def _open(path: Path, text: TextIOWrapper, *, digest: str, size: int, encoding: str) -> Export:
    before, first = 0, ""
    said = ""
    for line in text:
        bare = line.strip("\r\n")
        if bare.lower().startswith("sep=") and len(bare) == 5:
            said = bare[-1]
        elif bare.strip(" ,;\t|"):
            first = line
            break
        before += 1
    if not first:
        raise _unusable(path, "The file is empty.", "Export it again.")
    delimiter = said or _delimiter(first)
    reader = csv.reader(chain([first], text), delimiter=delimiter)
    header = next(reader)
    while header and not header[-1].strip():
        header.pop()
    names = _unique([cell.strip().lstrip("\ufeff") for cell in header])
    if any(_is_address(name) for name in names) or all(_is_number(name) for name in names):
        raise _unusable(
            path,
            "The first line holds data instead of the names of the columns.",
            "Add a first line that names the columns, for example email;first_name.",
        )
    return Export(
        path=path,
        encoding=encoding,
        delimiter=delimiter,
        header=tuple(names),
        header_line=before + reader.line_num,
        digest=digest,
        size_bytes=size,
    )


def _survey(path: Path) -> tuple[str, int, str]:
    """One pass over the bytes: SHA-256, size and encoding."""
    sha, size = hashlib.sha256(), 0
    encoding, decoder = "", None
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if size == 0:
                encoding = _marked(path, chunk)
                decoder = None if encoding else codecs.getincrementaldecoder("utf-8")()
            sha.update(chunk)
            size += len(chunk)
            if decoder is not None:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    decoder, encoding = None, "cp1252"
    if decoder is not None:
        try:
            decoder.decode(b"", final=True)
            encoding = "utf-8"
        except UnicodeDecodeError:
            encoding = "cp1252"
    _check_decodes(path, encoding)
    return sha.hexdigest(), size, encoding or "utf-8"


def _marked(path: Path, start: bytes) -> str:
    for magic, what in _CONTAINERS.items():
        if start.startswith(magic):
            raise _unusable(path, f"This is {what}, not a CSV file.", _AS_CSV)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    head = start[:4000]
    if head.count(0):
        # Text in UTF-16 without its mark has every second byte empty.
        if head[1::2].count(0) > 0.8 * (len(head) // 2):
            return "utf-16-le"
        if head[0::2].count(0) > 0.8 * (len(head) // 2):
            return "utf-16-be"
        raise _unusable(path, "This is not a text file.", _AS_CSV)
    return ""


def _check_decodes(path: Path, encoding: str) -> None:
    if encoding in {"", "utf-8"}:
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _unusable(
                path,
                "Its letters are encoded in a way that cannot be recognised.",
                "Save it as CSV with the encoding UTF-8.",
            ) from error


def _delimiter(line: str) -> str:
    """The candidate that occurs most outside quotation marks."""
    bare = "".join(line.split('"')[::2])
    return max((",", ";", "\t", "|"), key=bare.count)


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for number, name in enumerate(names, start=1):
        name = name or f"column {number}"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def _is_address(name: str) -> bool:
    at = name.find("@")
    return at > 0 and "." in name[at:]


def _is_number(name: str) -> bool:
    return name.replace(".", "").replace(",", "").isdecimal()


def _fit(row: list[str], width: int) -> list[str] | None:
    """The row cut to the header's width if only empty cells hang over."""
    if len(row) == width:
        return row
    return row[:width] if len(row) > width and not any(row[width:]) else None


def _unusable(path: Path, what: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(what, where=path.name, remedy=f"{remedy} Nothing was imported.")
