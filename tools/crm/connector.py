"""What every connected system must do: give its records page by page, from where the last page ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

from pydantic import ConfigDict

from memory.errors import NoriaError
from memory.importing.mapping import Mapping as ReadAs
from memory.importing.report import Kind
from tools.options import VendorOptions


class ConnectorError(NoriaError):
    """A connected system does not answer as it must; what was read before is kept."""

    code: ClassVar[str] = "connector"


class RefusedError(ConnectorError):
    """A connected system does not let us in; to ask again at once would only make it worse."""


class WithheldError(ConnectorError):
    """A connected system answers, and does not give this: it is not there, or the key does not allow it."""


class MisunderstoodError(ConnectorError):
    """A connected system lets us ask, and does not understand what was asked."""


class SystemOptions(VendorOptions):
    """What a team sets for a system. What is said of an option here is what `noria connect` asks."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    @property
    def needs(self) -> Sequence[str]:
        """The names of the secrets that it takes as it is set."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system, and what can be had from it: read by code, by `noria connectors` and by the documents."""

    name: str
    """As settings and addresses write it; also the source of its ids."""
    title: str
    options: type[SystemOptions]
    things: Mapping[str, Kind]
    """What is read from it, and as which kind of import each is taken in."""
    own_ids: bool = True
    """Whether it gives each record an id of its own; a row of a file has none but what its columns say."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Things that stand on the pages of another, by that other: one reading brings both."""
    deletes: Sequence[str] = ()
    """Things of which it says what was deleted."""
    discovers: bool = False
    """Whether it lists its own properties, so that custom ones can be found and mapped."""
    writes: Sequence[str] = ()
    """What can be written back through the channel crm."""
    scope: str
    """The least that its key must be allowed."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Names of its secrets, and what each is."""
    limits: str = ""
    """By what it says how fast it may be asked."""

    @property
    def page(self) -> str:
        """Its page in the documentation."""
        return f"docs/connectors/{self.name}.md"


class Record(NamedTuple):
    """One record as the system has it."""

    id: str
    values: Mapping[str, Any]
    """By the system's own names, flat."""
    changed_at: datetime | None = None
    deleted_at: datetime | None = None
    """Set where the system says that it was deleted."""


class Page(NamedTuple):
    """Some records, and where to go on."""

    records: Sequence[Record]
    cursor: str
    """For the next page, or for the next pull where this was the last one."""
    more: bool
    total: int | None = None
    """How many there are in this pull, where the system says so."""
    beside: Mapping[str, Sequence[Record]] = MappingProxyType({})
    """Records of the things that stand on the pages of this one (``System.beside``)."""


class Property(NamedTuple):
    """Something that the system keeps of each record."""

    name: str
    label: str
    custom: bool
    """True for one that the team added."""


class Connector(Protocol):
    """One way into one system. A connector belongs to one thread."""

    @property
    def system(self) -> System: ...

    def read(self, thing: str, cursor: str, wanted: Sequence[str]) -> Page:
        """The next records, at least with the ``wanted`` properties; an empty cursor begins with all there is.

        What changes while it is being read comes again later rather than never. Raises ConnectorError.
        """
        ...

    def properties(self, thing: str) -> list[Property]:
        """What the system keeps of each; empty where it does not say. Raises ConnectorError."""
        ...

    def read_as(self, thing: str) -> ReadAs | None:
        """How its columns are read where the system has no mapping of its own; None for those that have one."""
        ...

    def check(self, *, writing: bool = False) -> str:
        """A sentence on what it lets us do, where steps write back that too; nothing is changed.

        Raises ConnectorError for what is missing.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def must_allow(system: System, tries: Mapping[str, Callable[[], object]]) -> None:
    """Try what is needed, by the scope that it takes. Raises WithheldError, which names all scopes that are missing.

    A request that says nothing shows a right to write: it is refused for what it lacks, or for what the key lacks.
    """
    missing = [scope for scope, ask in tries.items() if not _is_allowed(ask)]
    if missing:
        raise WithheldError(
            f"{system.title} does not let us do all that is needed: {', '.join(missing)} is missing.",
            where=system.name,
            remedy=f"Allow it. It needs {system.scope}. See {system.page}.",
        )


def _is_allowed(ask: Callable[[], object]) -> bool:
    with suppress(MisunderstoodError):
        try:
            ask()
        except WithheldError:
            return False
    return True


def place_in(cursor: str) -> dict[str, Any]:
    """What a cursor says; empty for the first page. Raises ConnectorError for one of another release."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConnectorError(
            "The place where the last pull ended cannot be read.",
            where="cursor",
            remedy="Read everything once more: `noria sync --again`.",
        )
    return found


def cursor_at(**place: Any) -> str:
    """A cursor that says where to go on."""
    return json.dumps({name: value for name, value in place.items() if value not in (None, "")})


def moment_of(value: object) -> datetime | None:
    """A moment as systems write it (ISO 8601, or milliseconds since 1970); None where there is none."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()):
        return datetime.fromtimestamp(float(value) / 1000, UTC)
    if isinstance(value, str) and value:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def written(moment: datetime) -> str:
    """A moment as systems read it: 2025-03-03T09:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
