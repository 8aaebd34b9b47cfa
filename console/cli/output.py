"""How every command answers: a table or sentences for people, one JSON object with --json, one clear error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Annotated, Any, Final, NoReturn

import typer
from babel.dates import format_datetime
from babel.numbers import format_currency, format_decimal
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from memory.errors import InvalidInputError, NoriaError
from memory.importing.amounts import minor_digits

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

_INTERRUPTED: Final = 130
"""Status of what was stopped by Ctrl-C, as shells have it."""

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def run(app: typer.Typer) -> NoReturn:
    """Run the command line; an error becomes one message and a non-zero exit."""
    try:
        status = app(standalone_mode=False)
    except NoriaError as error:
        fail(error)
    except typer.TyperException as error:
        _misunderstood(error)
    except OSError as error:
        # One without a file is no fault of whoever typed the command.
        if error.filename is None:
            raise
        what, where = f"This cannot be read or written: {error.strerror}.", str(error.filename)
        fail(InvalidInputError(what, where=where, remedy="Name a file in a folder of yours."))
    except (KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    if status == _INTERRUPTED:
        errors.print("Stopped.")
    sys.exit(status if isinstance(status, int) else 0)


def fail(error: NoriaError, status: int = 1) -> NoReturn:
    """Print what happened, to what, and what to do next; then leave with a status."""
    if "--json" in sys.argv:
        said = {"code": error.code, "what": error.what, "where": error.where, "remedy": error.remedy}
        print(json.dumps({"error": said}, ensure_ascii=False))
    else:
        errors.print(f"[red]Error:[/red] {escape(error.what)}")
        if error.where:
            errors.print(f"[dim]Where:[/dim] {escape(error.where)}")
        if error.remedy:
            errors.print(f"[dim]What to do:[/dim] {escape(error.remedy)}")
    sys.exit(status)


def _misunderstood(error: typer.TyperException) -> NoReturn:
    """Say what is wrong with words that make no command; a group that was named alone has shown its help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.exit(error.exit_code)
    command = context.command_path if context is not None else "noria"
    what = error.format_message().rstrip(".") + "."
    fail(InvalidInputError(what, where=command, remedy=f"`{command} --help` says what it takes."), error.exit_code)


def answer(value: Any, *, as_json: bool, show: Callable[[], None]) -> None:
    """Print the value as JSON, or let ``show`` print it for people."""
    if as_json:
        print(json.dumps(plain(value), ensure_ascii=False, indent=2))
    else:
        show()


def plain(value: Any) -> Any:
    """A value as JSON types; moments as ISO-8601."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def say(text: str = "") -> None:
    """Print text that may carry Rich markup; escape what comes from records with ``quote``."""
    console.print(text)


def quote(text: object) -> str:
    """Text from a record, shown as it is and never as markup."""
    return escape("".join(one if one.isprintable() or one in "\u00a0\u202f" else "·" for one in str(text)))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[int] = ()) -> None:
    """Print rows under headings; columns named in ``numbers`` are aligned to the right, ids can always be copied."""
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="bold", expand=False)
    for position, column in enumerate(columns):
        shown.add_column(
            column, justify="right" if position in numbers else "left", overflow="fold", no_wrap=column == "id"
        )
    for row in rows:
        shown.add_row(*(quote(cell) for cell in row))
    console.print(shown)


def money(cents: float, currency: str) -> str:
    """An amount of minor units as people write it."""
    known = currency or "EUR"
    return format_currency(cents / 10 ** minor_digits(known), known, locale="en_US")


def number(value: float) -> str:
    """A count with thousands separators."""
    return format_decimal(round(value), locale="en_US")


def counted(value: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 message", "2 messages"."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def moment(at: datetime | None) -> str:
    """A moment in UTC, to the minute."""
    return "–" if at is None else format_datetime(at, "d MMM y HH:mm", locale="en_US") + " UTC"
