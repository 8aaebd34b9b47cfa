"""Messages before they are sent, as an approver reads them: on the screen, as JSON, and as pages in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.cli.output import quote, say

if TYPE_CHECKING:
    from tools.previews import Preview

_UNKNOWN = " if name and last order were unknown"


def print_previews(previews: Sequence[Preview]) -> None:
    """Print subject, preheader and text of every message for each of its readers."""
    for one in previews:
        say(f"[bold]Message[/bold]      {quote(', '.join(one.steps))} [dim]in[/dim] {quote(one.language)} "
            f"[dim]as {quote(one.reader)} would get it{_UNKNOWN if one.bare else ''}[/dim]")  # fmt: skip
        if one.message is None:
            say(f"  [red]cannot be written[/red]: {quote(one.problem)}")
            continue
        if one.message.subject:
            say(f"  [dim]subject[/dim]    {quote(one.message.subject)}")
            say(f"  [dim]preheader[/dim]  {quote(one.message.preheader or '–')}")
        for line in one.message.text.splitlines():
            say(f"  [dim]│[/dim] {quote(line)}".rstrip())


def preview_as_json(one: Preview) -> dict[str, Any]:
    """A preview without its HTML."""
    return {
        "steps": list(one.steps),
        "language": one.language,
        "reader": one.reader,
        "bare": one.bare,
        "subject": one.message.subject if one.message else None,
        "preheader": one.message.preheader if one.message else None,
        "text": one.message.text if one.message else None,
        "problem": one.problem,
    }


def write_pages(folder: Path, previews: Sequence[Preview]) -> list[Path]:
    """Write the HTML of each message to a file named after its step, language and reader."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = []
    for one in previews:
        if one.message is not None and one.message.html:
            page = folder / f"{one.steps[0]}.{one.language}{'.less-known' if one.bare else ''}.html"
            page.write_text(one.message.html, encoding="utf-8")
            pages.append(page)
    return pages
