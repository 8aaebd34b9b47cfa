"""Which property of a system means which field of ours, and who wins where both say something: data, in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from memory.errors import ConfigurationError
from memory.importing.mapping import ColumnMapping
from memory.importing.mapping import Mapping as ReadAs
from memory.importing.report import Kind
from memory.importing.rows import MODELS
from tools.crm.connector import System

FOLDER: Final = "connectors"
"""Where a workspace keeps its own mappings, one file for each system."""
ATTRIBUTE: Final = "attributes."
ID_FIELD: Final[Mapping[str, str]] = {
    "contacts": "contact",
    "deals": "deal_id",
    "orders": "order_id",
    "products": "product_id",
    "events": "event_id",
}
ID_COLUMN: Final = "id"
"""The column of the system's own id."""
Wins = Literal["theirs", "ours", "newest"]


class Rule(BaseModel):
    """Where one field comes from, and who wins where the record has another value."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    properties: tuple[str, ...] = Field(default=(), alias="from")
    """The first that is filled counts."""
    value: str = ""
    """What every record has, instead of a property."""
    wins: Wins = "theirs"
    """`theirs` overwrites, `ours` fills only what is empty, `newest` overwrites where theirs was changed later."""

    @field_validator("properties", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> Rule:
        if bool(self.properties) == bool(self.value):
            raise ValueError("give either from, a property or a list of them, or value")
        return self


Rules = dict[str, Rule]
"""By field of ours; `attributes.NAME` for an attribute of a contact."""


def read_mapping(system: System, packaged: str, workspace: Path) -> dict[str, Rules]:
    """The mapping that comes with a system, with the team's own lines over it. Raises ConfigurationError.

    A field set to nothing (`notes:`) is not read.
    """
    found = _checked(system, yaml.safe_load(packaged), f"mapping of {system.name}")
    own = workspace / FOLDER / f"{system.name}.yaml"
    if own.is_file():
        where = f"{FOLDER}/{own.name}"
        try:
            said = yaml.safe_load(own.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigurationError("It is not valid YAML.", where=where, remedy="Mend it.") from error
        for thing, rules in _checked(system, said, where, own=True).items():
            found[thing] = {**found.get(thing, {}), **rules}
        for thing, lines in said.items():
            for name in [name for name, line in (lines or {}).items() if line is None]:
                found[thing].pop(name, None)
    return found


def properties_in(rules: Rules) -> list[str]:
    """Every property that is read, each once."""
    return list(dict.fromkeys(name for rule in rules.values() for name in rule.properties))


def read_as(system: System, thing: str, rules: Rules) -> tuple[ReadAs, dict[str, str]]:
    """How the columns of a thing are read by an import, and which property stands in each column.

    Attributes share the column "attributes"; dates and amounts are written as programs write them.
    """
    kind = system.things[thing]
    columns: list[ColumnMapping] = []
    properties: dict[str, str] = {}
    own_id = ID_FIELD.get(kind)
    if own_id is not None and own_id not in rules and system.own_ids:
        columns.append(_column(ID_COLUMN, own_id, 0))
    for name, rule in rules.items():
        if name.startswith(ATTRIBUTE):
            continue
        for rank, source in enumerate(rule.properties):
            column = source if source not in properties and source != ID_COLUMN else f"{source} as {name}"
            properties[column] = source
            columns.append(_column(column, name, rank))
    if any(name.startswith(ATTRIBUTE) for name in rules):
        columns.append(_column("attributes", "attributes", 0))
    constants = {name: rule.value for name, rule in rules.items() if rule.value and not name.startswith(ATTRIBUTE)}
    return ReadAs(kind=kind, vendor=system.name, columns=tuple(columns), constants=constants), properties


def _column(column: str, name: str, rank: int) -> ColumnMapping:
    return ColumnMapping(column=column, field=name, rank=rank, day_first=False, decimal_mark=".")


def _checked(system: System, said: Any, where: str, *, own: bool = False) -> dict[str, Rules]:
    if not isinstance(said, dict):
        raise ConfigurationError("It holds no things with their fields.", where=where, remedy=f"See {system.page}.")
    found: dict[str, Rules] = {}
    for thing, lines in said.items():
        if thing not in system.things:
            raise ConfigurationError(
                f"{system.title} has no {thing}.", where=where, remedy=f"It has {', '.join(system.things)}."
            )
        found[thing] = {}
        for name, line in (lines or {}).items():
            if own and line is None:
                continue
            found[thing][name] = _rule(system.things[thing], name, line, f"{where}, {thing}.{name}")
    return found


def _rule(kind: Kind, name: str, line: Any, where: str) -> Rule:
    known = set(MODELS[kind].model_fields) - {"attributes"}
    is_attribute = kind == "contacts" and name.startswith(ATTRIBUTE) and len(name) > len(ATTRIBUTE)
    if name not in known and not is_attribute:
        more = f", and {ATTRIBUTE}NAME" if kind == "contacts" else ""
        raise ConfigurationError(
            f"{kind} have no field {name}.", where=where, remedy=f"They have {', '.join(sorted(known))}{more}."
        )
    try:
        rule = Rule.model_validate(line if isinstance(line, dict) else {"from": line})
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigurationError(
            f"It cannot be read: {problem}.", where=where, remedy="Write `field: property`, or {from: …, wins: …}."
        ) from error
    if rule.wins != "theirs" and kind != "contacts":
        raise ConfigurationError(
            f"Of {kind} their system is the only source, so there is no conflict to decide.",
            where=where,
            remedy="Take `wins` out; only fields of contacts have it.",
        )
    return rule
