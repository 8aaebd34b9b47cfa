"""What a team sets for a database, and what can be had from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tools.crm.connector import System, SystemOptions

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)?")


class SqlTable(BaseModel):
    """One table or view, and the columns by which it is walked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    """Its name, with its schema where it has one."""
    id: str = "id"
    """The column that names a row; for orders with a row for each line, the order's."""
    changed: str = ""
    """The column that says when a row last changed; without it every row is read each time."""
    deleted: str = ""
    """The column that says when a row was deleted, where rows are kept."""

    @field_validator("table", "id", "changed", "deleted")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if value and not _NAME.fullmatch(value):
            raise ValueError("name a table as name or schema.name, and a column by its name")
        return value


class SqlOptions(SystemOptions):
    """Tables of one database; its address is NORIA_SQL_URL."""

    title: ClassVar[str] = "SQL"

    products: SqlTable | None = None
    contacts: SqlTable | None = None
    orders: SqlTable | None = None
    deals: SqlTable | None = None
    events: SqlTable | None = None
    page_size: int = Field(default=5000, ge=1, le=50_000)
    """Rows in one question."""

    @property
    def needs(self) -> Sequence[str]:
        return ("NORIA_SQL_URL",)


SYSTEM: Final = System(
    name="sql",
    title="SQL",
    options=SqlOptions,
    things={name: name for name in ("products", "contacts", "orders", "deals", "events")},
    deletes=("contacts", "deals"),
    discovers=True,
    scope="SELECT on the tables that are named",
    secrets={"NORIA_SQL_URL": "the address of the database with user and password: postgresql+psycopg://…"},
)
