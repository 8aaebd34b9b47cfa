"""How Tryton is read: by JSON-RPC in order of ids, all there is, then what changed since the last pull began.

Parties are not deleted but deactivated, so those that are not active any more count as deleted; one that was merged
into another does not. An address or e-mail that changed makes its party a changed one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import SecretStr

from memory.errors import ConfigurationError
from memory.importing.mapping import Mapping as ReadAs
from tools.crm.api import Answer, Api
from tools.crm.connector import Page, Property, Record, WithheldError, cursor_at, moment_of, place_in, written
from tools.crm.tryton.options import SYSTEM, TrytonOptions
from tools.crm.tryton.session import Session, address, asked

MODELS: Final = {"contacts": "party.party", "deals": "sale.opportunity"}
_PAGE_SIZE: Final = 500
_OVERLAP: Final = timedelta(minutes=5)
_FIELD: Final = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*")
_ALWAYS: Final = {"contacts": ("active", "replaced_by"), "deals": ("state",)}
_OUR_OWN: Final = {"won", "closed"}
"""What this connector adds to what Tryton keeps."""
_MANY: Final = {"one2many", "many2many", "binary"}


class Tryton:
    """Reads parties and opportunities."""

    system = SYSTEM

    def __init__(
        self, options: TrytonOptions, secrets: MutableMapping[str, SecretStr], *, url: str = "", **more: Any
    ) -> None:
        where = address(options, url)
        self._session = Session(options, secrets, where)
        self._api = Api(SYSTEM, where, self._session, **more)
        self._fields: dict[str, Mapping[str, Any]] = {}

    def read(self, thing: str, cursor: str, wanted: Sequence[str]) -> Page:
        place = place_in(cursor)
        since, last = place.get("since"), int(place.get("last", 0))
        fields = [self._checked(thing, name) for name in wanted if name not in _OUR_OWN]
        fields = list(dict.fromkeys(["create_date", "write_date", *_ALWAYS[thing], *fields]))
        domain = [["id", ">", last], *([_changed(thing, since)] if since else [])]
        # Found whether active or not, then read with what is active alone: a party keeps its former addresses.
        everybody = {"active_test": False}
        answer = self._ask(f"{MODELS[thing]}.search", domain, 0, _PAGE_SIZE, [["id", "ASC"]], everybody)
        following = place.get("next") or written(answer.at - _OVERLAP)
        found = self._ask(f"{MODELS[thing]}.read", answer.said, fields, {}).said if answer.said else []
        found.sort(key=lambda one: int(one["id"]))
        records = [_record(one) for one in found if not one.get("replaced_by")]
        if len(answer.said) >= _PAGE_SIZE:
            return Page(records, cursor_at(since=since, last=answer.said[-1], next=following), more=True)
        return Page(records, cursor_at(since=following), more=False)

    def properties(self, thing: str) -> list[Property]:
        found = self._known(thing).items()
        return [Property(name, str(one.get("string", "")), False) for name, one in found if one["type"] not in _MANY]

    def read_as(self, thing: str) -> ReadAs | None:
        return None

    def check(self, *, writing: bool = False) -> str:
        rights = [(name, "read") for name in MODELS.values()]
        if writing:
            rights += [(MODELS["contacts"], "write"), (MODELS["deals"], "create"), ("ir.note", "create")]
        said = self._ask("ir.model.access.get_access", list({name: None for name, _ in rights}), {}).said
        closed = [f"{verb} {name}" for name, verb in rights if not said[name][verb]]
        if closed:
            raise WithheldError(
                f"Tryton does not let this user {' and '.join(closed)}.",
                where=SYSTEM.name,
                remedy=f"It needs {SYSTEM.scope}. See {SYSTEM.page}.",
            )
        return f"Tryton lets us in; parties and opportunities can be read{' and written' if writing else ''}."

    def close(self) -> None:
        self._session.close()
        self._api.close()

    def _ask(self, method: str, *parameters: Any) -> Answer:
        return self._api.post("", asked(f"model.{method}", *parameters))

    def _known(self, thing: str) -> Mapping[str, Any]:
        if thing not in self._fields:
            self._fields[thing] = self._ask(f"{MODELS[thing]}.fields_get", [], {}).said
        return self._fields[thing]

    def _checked(self, thing: str, name: str) -> str:
        if not _FIELD.fullmatch(name) or name.partition(".")[0] not in self._known(thing):
            raise ConfigurationError(
                f"{name} is no field of {MODELS[thing]} in Tryton.",
                where="connectors/tryton.yaml",
                remedy="Write its name as Tryton has it, for example code or lang.code.",
            )
        return name


def _changed(thing: str, since: str) -> list[Any]:
    at = moment_of(since)
    assert at is not None
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    moment = {"__class__": "datetime", **{name: getattr(at.astimezone(UTC), name) for name in names}}
    changed: list[Any] = ["OR", *([name, ">=", moment] for name in ("create_date", "write_date"))]
    if thing != "contacts":
        return changed
    return [*changed, *([part, "where", changed] for part in ("contact_mechanisms", "addresses"))]


def _record(one: Mapping[str, Any]) -> Record:
    values = dict(_flat(one))
    at = moment_of(values.get("write_date") or values.get("create_date"))
    if "state" in values:
        state = values["state"]
        values |= {"won": state == "won", "closed": state in {"won", "lost", "cancelled"}}
    gone = "active" in values and not values["active"]
    return Record(str(one["id"]), values, at, at if gone else None)


def _flat(one: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """By full name. What stands behind a relation comes under its name and a dot; of many, the first counts."""
    for name, value in one.items():
        found = (value[0] if value else None) if isinstance(value, list) else value
        if name.endswith("."):
            yield from _flat(found or {}, f"{before}{name}")
        else:
            yield f"{before}{name}", _plain(found)


def _plain(value: Any) -> Any:
    kind = value.get("__class__") if isinstance(value, dict) else None
    if kind == "Decimal":
        return value["decimal"]
    if kind in {"date", "datetime"}:
        moment = datetime(**{name: part for name, part in value.items() if name != "__class__"}, tzinfo=UTC)
        return written(moment) if kind == "datetime" else moment.date().isoformat()
    return value


CONNECTOR: Final = Tryton
