"""`noria init`: make a workspace."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, quote, say
from console.settings import SETTINGS_FILE
from console.wiring import EXAMPLE_BRAND, Workspace
from memory.errors import ConfigurationError

SETTINGS_TEXT = """\
# Settings of this workspace. Secrets never stand here: set NORIA_STORE_URL, NORIA_SMTP_PASSWORD,
# NORIA_MODEL_API_KEY and NORIA_EVENTS_KEY in the environment, or write them into secrets.toml (chmod 600).

name = "{name}"
currency = "{currency}"
fallback_zone = "{zone}"      # for contacts whose time zone is unknown
day_first = true              # how to read 03/04/2025 where a whole column leaves it open
sandbox = true                # set to false before real customers are written to
public_url = ""               # where contacts reach their pages, e.g. "https://news.example.com"
policy_pack = "base"          # or eu, france, us, bulk-sender, or the name of a file in packs/ without .yaml

[channel]
kind = "sandbox"              # writes each message as a file into outbox/; "smtp" sends
message_cost_micros = 0       # of one message, in millionths of the minor unit (1000000 = 1 cent)

# [channel.smtp]
# host = "smtp.example.com"
# port = 587
# security = "starttls"       # starttls, tls or none
# username = "noria"

# [model]                     # any OpenAI-compatible server; without it a deterministic writer works
# base_url = "http://127.0.0.1:8080/v1"
# name = "your-model"

[tracking]
clicks = true                 # lead links past public_url and count who follows them; opens are never tracked

[review]
open_proposals = 5            # nobody judges more than this many at once
programme_holdout_share = 0.02
"""


def add_commands(app: typer.Typer) -> None:
    app.command()(init)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it may exist, but not hold a workspace yet.")],
    name: Annotated[str, typer.Option(help="Name of the organisation.")] = "My organisation",
    currency: Annotated[str, typer.Option(help="Currency of all amounts, as three letters.")] = "EUR",
    zone: Annotated[str, typer.Option(help="Time zone for contacts whose own is unknown.")] = "Europe/Paris",
    as_json: AsJson = False,
) -> None:
    """Make a workspace: settings, a brand file to fill in, an empty record."""
    made = make_workspace(folder, name=name, currency=currency, zone=zone)

    def show() -> None:
        say(f"Workspace ready in [bold]{quote(made)}[/bold].")
        say("Next: fill in brand.yaml, then `noria import YOUR-EXPORTS`, then `noria plan`.")

    answer({"workspace": str(made), "files": sorted(p.name for p in made.iterdir())}, as_json=as_json, show=show)


def make_workspace(folder: Path, *, name: str, currency: str, zone: str) -> Path:
    """Write the files of a new workspace and create its store. Raises ConfigurationError."""
    target = folder.resolve()
    settings = target / SETTINGS_FILE
    if settings.exists():
        raise ConfigurationError(
            "There is a workspace already.", where=str(settings), remedy="Use it, or choose another folder."
        )
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    try:
        with _all_or_nothing(target):
            for part in (target, target / "packs", target / "playbooks"):
                part.mkdir(parents=True, exist_ok=True)
            filled = SETTINGS_TEXT.format(name=quoted, currency=currency.upper(), zone=zone)
            settings.write_text(filled, encoding="utf-8")
            brand = target / "brand.yaml"
            if not brand.exists():
                brand.write_text(EXAMPLE_BRAND.read_text(encoding="utf-8"), encoding="utf-8")
            workspace = Workspace(target, {})
            try:
                assert workspace.store.is_migrated
            finally:
                workspace.close()
    except OSError as error:
        raise ConfigurationError(
            f"The workspace cannot be written: {error.strerror}.", where=str(target), remedy="Choose another folder."
        ) from error
    return target


@contextmanager
def _all_or_nothing(target: Path) -> Iterator[None]:
    """If making a workspace fails, what came into being goes again, and what was there before stays."""
    absent = [path for path in (target, *target.parents) if not path.exists()]
    before = set() if absent else set(target.iterdir())
    try:
        yield
    except BaseException:
        for path in absent[-1:] or [path for path in target.iterdir() if path not in before]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.exists():
                path.unlink()
        raise
