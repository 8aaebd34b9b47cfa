"""How Salesforce is read: by SOQL in order of ids, all there is, then what changed since the last pull began.

`queryAll` also gives what lies in the recycle bin. Pages are asked for by the last id and not by `nextRecordsUrl`,
which Salesforce forgets while nobody reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from pydantic import SecretStr

from memory.errors import ConfigurationError
from memory.importing.mapping import Mapping as ReadAs
from tools.crm.api import Api
from tools.crm.connector import (
    Page,
    Property,
    Record,
    WithheldError,
    cursor_at,
    moment_of,
    must_allow,
    place_in,
    written,
)
from tools.crm.oauth import Refreshed
from tools.crm.salesforce.options import SYSTEM, SalesforceOptions

VERSION: Final = "v61.0"
OBJECTS: Final = {"contacts": "Contact", "leads": "Lead", "deals": "Opportunity"}
_PAGE_SIZE: Final = 2000
_OVERLAP: Final = timedelta(minutes=5)
_FIELD: Final = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*")


class Salesforce:
    """Reads contacts, leads and opportunities."""

    system = SYSTEM

    def __init__(
        self, options: SalesforceOptions, secrets: MutableMapping[str, SecretStr], *, url: str = "", **more: Any
    ) -> None:
        host = url or host_of(options)
        self._api = Api(SYSTEM, host, entrance(options, secrets, host), **more)

    def read(self, thing: str, cursor: str, wanted: Sequence[str]) -> Page:
        place = place_in(cursor)
        since, last = place.get("since"), place.get("last")
        fields = list(dict.fromkeys(["Id", "SystemModstamp", "IsDeleted", *map(_checked, wanted)]))
        conditions = [*([f"SystemModstamp >= {since}"] if since else []), *([f"Id > '{last}'"] if last else [])]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        question = f"SELECT {', '.join(fields)} FROM {OBJECTS[thing]}{where} ORDER BY Id LIMIT {_PAGE_SIZE}"  # noqa: S608 - names are checked
        how = "queryAll" if since else "query"
        answer = self._api.get(f"/services/data/{VERSION}/{how}", q=question)
        following = place.get("next") or written(answer.at - _OVERLAP)
        records = [_record(one) for one in answer.said["records"]]
        if len(records) >= _PAGE_SIZE:
            return Page(records, cursor_at(since=since, last=records[-1].id, next=following), more=True)
        return Page(records, cursor_at(since=following), more=False)

    def properties(self, thing: str) -> list[Property]:
        said = self._api.get(f"/services/data/{VERSION}/sobjects/{OBJECTS[thing]}/describe").said
        return [Property(one["name"], one["label"], bool(one["custom"])) for one in said["fields"]]

    def read_as(self, thing: str) -> ReadAs | None:
        return None

    def check(self, *, writing: bool = False) -> str:
        rights = {f"to read {name}": (name, "queryable") for name in OBJECTS.values()}
        if writing:
            rights |= {"to edit Contact": ("Contact", "updateable"), "to make Task": ("Task", "createable")}
        must_allow(SYSTEM, {right: partial(self._allow, *asked) for right, asked in rights.items()})
        said = "Salesforce lets us in; contacts, leads and opportunities can be read"
        return f"{said}{', contacts and tasks written' if writing else ''}."

    def _allow(self, name: str, right: str) -> None:
        # An object that the user may not see at all is not found.
        if not self._api.get(f"/services/data/{VERSION}/sobjects/{name}/describe").said.get(right):
            raise WithheldError(right, where=SYSTEM.name)

    def close(self) -> None:
        self._api.close()


def host_of(options: SalesforceOptions) -> str:
    """The address of the organisation."""
    return f"https://{options.domain}.my.salesforce.com"


def entrance(options: SalesforceOptions, secrets: MutableMapping[str, SecretStr], host: str) -> Refreshed:
    """An access token of OAuth. Raises ConfigurationError for a missing secret."""
    return Refreshed(
        SYSTEM,
        f"{host}/services/oauth2/token",
        secrets,
        client_id=options.client_id,
        client_secret="NORIA_SALESFORCE_CLIENT_SECRET",  # noqa: S106 - its name
        refresh_token="NORIA_SALESFORCE_REFRESH_TOKEN",  # noqa: S106 - its name
    )


def _checked(name: str) -> str:
    if not _FIELD.fullmatch(name):
        raise ConfigurationError(
            f"{name} is no field of Salesforce.",
            where="connectors/salesforce.yaml",
            remedy="Write its API name, for example Loyalty__c or Account.Name.",
        )
    return name


def _record(one: Mapping[str, Any]) -> Record:
    values = dict(_flat(one))
    at = moment_of(values.get("SystemModstamp"))
    return Record(str(one["Id"]), values, at, at if one.get("IsDeleted") else None)


def _flat(one: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in one.items():
        if isinstance(value, dict) and name != "attributes":
            yield from _flat(value, f"{before}{name}.")
        elif name != "attributes":
            yield f"{before}{name}", value


CONNECTOR: Final = Salesforce
