"""The files in which a team says who it is and what it plays, written from the console: checked, then put in place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from agents.playbook import load_playbooks
from console.wiring import BRAND_FILE, Workspace
from memory.brand import Brand, load_brand
from memory.canonical import digest
from memory.errors import ConflictError, InvalidInputError
from memory.journal import append

HEAD: Final = "# Written by the console; you may edit it by hand as well.\n\n"


def read_brand_file(opened: Workspace) -> tuple[str, Brand]:
    """The brand file and what it says. Raises InvalidInputError, or ConfigurationError where there is none."""
    path = opened.folder / BRAND_FILE
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text, load_brand(text, str(path)) if text else opened.brand


def change_brand(opened: Workspace, settings: Mapping[str, Any], *, seen: str, actor: str) -> None:
    """Write the brand file anew with these settings over those that it has, and take it up.

    ``seen`` is the digest of the file that was looked at. Raises ConflictError if it is another by now, and
    InvalidInputError for what no brand file may say; the file then stays as it was.
    """
    text, _ = read_brand_file(opened)
    if digest(text) != seen:
        raise ConflictError(
            "The brand file was changed since you opened this page.",
            where=BRAND_FILE,
            remedy="Open the page again, and make your change there.",
        )
    body = {**yaml.safe_load(text), **settings}
    new = HEAD + yaml.safe_dump(
        {name: value for name, value in body.items() if value is not None}, sort_keys=False, allow_unicode=True
    )
    try:
        load_brand(new, BRAND_FILE)
    except InvalidInputError as error:
        raise InvalidInputError(error.what, remedy="Correct it; nothing was saved.") from error
    # While another file cannot be read, no change could be taken up.
    check_house(opened)
    put_in_place(opened.folder / BRAND_FILE, new)
    with opened.store.write() as connection:
        append(
            connection,
            at=opened.clock.now(),
            actor=actor,
            action="brand.changed",
            subject=BRAND_FILE,
            payload={"before": seen, "after": digest(new)},
        )
    opened.take_up_house()


def check_house(opened: Workspace) -> None:
    """Raise ConfigurationError or PlaybookError where a file of the team cannot be read."""
    read_brand_file(opened)
    own = opened.folder / "playbooks"
    if own.is_dir():
        load_playbooks(own)


def put_in_place(path: Path, text: str) -> None:
    """Write a file so that whoever reads it finds the old or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
