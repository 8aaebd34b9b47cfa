"""What a team sets for a folder of CSV files, and what can be had from it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from pydantic import field_validator

from memory.importing.report import KINDS
from tools.crm.connector import System, SystemOptions


class CsvOptions(SystemOptions):
    """A folder in which another program leaves its exports, one file for each thing."""

    title: ClassVar[str] = "CSV folder"

    folder: str
    """Where the exports lie, a whole path like /srv/exports; files are named after what they hold: contacts.csv."""

    @field_validator("folder")
    @classmethod
    def _is_whole(cls, value: str) -> str:
        if not Path(value).is_absolute():
            raise ValueError(f"write the whole path of the folder, for example {Path(value).expanduser().absolute()}")
        return value


SYSTEM: Final = System(
    name="csv",
    title="CSV folder",
    options=CsvOptions,
    things={kind: kind for kind in KINDS},
    own_ids=False,
    discovers=True,
    scope="to read the folder and its files",
)
