"""What a team sets for Tryton, and what can be had from it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import ClassVar, Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from tools.crm.connector import System, SystemOptions


class TrytonOptions(SystemOptions):
    """Parties and opportunities of one database, read as a user of its own."""

    title: ClassVar[str] = "Tryton"

    url: str
    """Where the server is: https://tryton.example.com."""
    database: str = Field(pattern=r"^[\w-]+$")
    """The name of the database."""
    user: str = Field(min_length=1, pattern=r"^[^:]+$")
    """The login name of a user of Noria's own."""

    @field_validator("url")
    @classmethod
    def _hides_the_password(cls, value: str) -> str:
        parts = urlsplit(value)
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and _here(parts.hostname))):
            raise ValueError("give the https:// address of the server: a password goes there")
        return value.rstrip("/")

    @property
    def needs(self) -> Sequence[str]:
        return ("NORIA_TRYTON_PASSWORD",)


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


SYSTEM: Final = System(
    name="tryton",
    title="Tryton",
    options=TrytonOptions,
    things={"contacts": "contacts", "deals": "deals"},
    deletes=("contacts",),
    discovers=True,
    writes=("properties", "leads", "notes"),
    scope="read access to party.party and sale.opportunity; to write back also the right to change them",
    secrets={"NORIA_TRYTON_PASSWORD": "the password of the user"},
)
