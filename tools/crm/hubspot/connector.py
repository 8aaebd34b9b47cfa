"""How HubSpot is read: a list for all there is, then a search for what changed, then the archive for what was deleted.

https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide and …/crm-search-v3. A search gives no more than
10,000 results and is behind by some seconds, so it is walked by id, which no change can move, and each begins a little
before the last one began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from pydantic import SecretStr

from memory.importing.mapping import Mapping as ReadAs
from tools.crm.api import Api, Key, Pass
from tools.crm.connector import (
    ConnectorError,
    Page,
    Property,
    Record,
    cursor_at,
    moment_of,
    must_allow,
    place_in,
    written,
)
from tools.crm.hubspot.options import SYSTEM, HubSpotOptions
from tools.crm.oauth import Refreshed
from tools.crm.secrets import needed_key

HOST: Final = "https://api.hubapi.com"
_LISTED, _FOUND = 100, 200
_OVERLAP: Final = timedelta(minutes=5)
_CHANGED: Final = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate"}
_NOT_PROPERTIES: Final = {"contact"}
"""What this connector adds to what HubSpot keeps."""


class HubSpot:
    """Reads contacts and deals."""

    system = SYSTEM

    def __init__(
        self, options: HubSpotOptions, secrets: MutableMapping[str, SecretStr], *, url: str = "", **more: Any
    ) -> None:
        self._api = Api(SYSTEM, url or HOST, entrance(options, secrets, url), **more)
        self._subscription_id = options.subscription_id

    def read(self, thing: str, cursor: str, wanted: Sequence[str]) -> Page:
        place = place_in(cursor)
        names = [name for name in wanted if name not in _NOT_PROPERTIES]
        match place.get("phase", "all"):
            case "all":
                page = self._all(thing, place, names)
            case "changed":
                page = self._changed(thing, place, names)
            case _:
                page = self._archived(thing, place)
        if thing == "deals" and "contact" in wanted:
            return page._replace(records=self._with_contacts(page.records))
        return page

    def properties(self, thing: str) -> list[Property]:
        said = self._api.get(f"/crm/v3/properties/{thing}").said
        return [
            Property(str(one["name"]), str(one.get("label", "")), not one.get("hubspotDefined", False))
            for one in _results(said)
            if one.get("name") and not one.get("hidden")
        ]

    def read_as(self, thing: str) -> ReadAs | None:
        return None

    def check(self, *, writing: bool = False) -> str:
        tries: dict[str, Callable[[], object]] = {
            f"crm.objects.{thing}.read": partial(self._api.get, f"/crm/v3/objects/{thing}", limit=1)
            for thing in SYSTEM.things
        }
        if writing:
            nobody: dict[str, list[object]] = {"inputs": []}
            upsert = partial(self._api.post, "/crm/v3/objects/contacts/batch/upsert", nobody)
            tries["crm.objects.contacts.write"] = upsert
        if writing and self._subscription_id:
            leave = partial(self._api.post, "/communication-preferences/v3/unsubscribe", {})
            tries["communication_preferences.read_write"] = leave
        must_allow(SYSTEM, tries)
        return f"HubSpot takes the key; contacts and deals can be read{', contacts written' if writing else ''}."

    def close(self) -> None:
        self._api.close()

    def _all(self, thing: str, place: Mapping[str, Any], names: Sequence[str]) -> Page:
        answer = self._api.get(
            f"/crm/v3/objects/{thing}", limit=_LISTED, after=place.get("after"), properties=",".join(names)
        )
        following = place.get("next") or written(answer.at - _OVERLAP)
        after = _after(answer.said)
        records = [_record(one) for one in _results(answer.said)]
        if after:
            return Page(records, cursor_at(phase="all", after=after, next=following), more=True)
        return Page(records, cursor_at(phase="changed", since=following), more=False)

    def _changed(self, thing: str, place: Mapping[str, Any], names: Sequence[str]) -> Page:
        since, last = moment_of(place.get("since")), str(place.get("last", "0"))
        assert since is not None
        filters = [
            {"propertyName": _CHANGED[thing], "operator": "GTE", "value": str(int(since.timestamp() * 1000))},
            {"propertyName": "hs_object_id", "operator": "GT", "value": last},
        ]
        question = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": [*names, _CHANGED[thing]],
            "limit": _FOUND,
        }
        answer = self._api.post(f"/crm/v3/objects/{thing}/search", question)
        following = place.get("next") or written(answer.at - _OVERLAP)
        records = [_record(one) for one in _results(answer.said)]
        total = answer.said.get("total") if not place.get("last") else None
        if len(records) >= _FOUND:
            last = str(max(int(one.id) for one in records))
            cursor = cursor_at(phase="changed", since=place["since"], last=last, next=following)
        else:
            cursor = cursor_at(phase="archived", since=place["since"], next=following)
        return Page(records, cursor, more=True, total=total)

    def _archived(self, thing: str, place: Mapping[str, Any]) -> Page:
        said = self._api.get(f"/crm/v3/objects/{thing}", limit=_LISTED, after=place.get("after"), archived="true").said
        since = moment_of(place.get("since"))
        records = [
            Record(str(one["id"]), {}, deleted_at=at)
            for one in _results(said)
            if (at := moment_of(one.get("archivedAt"))) is not None and since is not None and at >= since
        ]
        after = _after(said)
        if after:
            cursor = cursor_at(phase="archived", after=after, since=place["since"], next=place["next"])
            return Page(records, cursor, more=True)
        return Page(records, cursor_at(phase="changed", since=place["next"]), more=False)

    def _with_contacts(self, deals: Sequence[Record]) -> list[Record]:
        """The first contact of each deal, which HubSpot tells apart from the deal."""
        asked = [one.id for one in deals if one.deleted_at is None]
        found: dict[str, str] = {}
        if asked:
            question = {"inputs": [{"id": one} for one in asked]}
            said = self._api.post("/crm/v4/associations/deals/contacts/batch/read", question).said
            for one in _results(said):
                to = [str(other.get("toObjectId", "")) for other in one.get("to", [])]
                found[str(one.get("from", {}).get("id"))] = min(to, key=int, default="")
        return [
            one._replace(values={**one.values, "contact": found.get(one.id, "")}) if one.deleted_at is None else one
            for one in deals
        ]


def entrance(options: HubSpotOptions, secrets: MutableMapping[str, SecretStr], url: str = "") -> Pass:
    """The key of a private app, or an access token of OAuth. Raises ConfigurationError for a missing secret."""
    if not options.client_id:
        return Key("Authorization", needed_key(SYSTEM, secrets, "NORIA_HUBSPOT_KEY"), prefix="Bearer ")
    return Refreshed(
        SYSTEM,
        f"{url or HOST}/oauth/v1/token",
        secrets,
        client_id=options.client_id,
        client_secret="NORIA_HUBSPOT_CLIENT_SECRET",  # noqa: S106 - its name
        refresh_token="NORIA_HUBSPOT_REFRESH_TOKEN",  # noqa: S106 - its name
    )


def _results(said: Any) -> list[dict[str, Any]]:
    found = said.get("results") if isinstance(said, dict) else None
    if not isinstance(found, list):
        raise ConnectorError(
            "HubSpot answered with something that holds no results.",
            where="hubspot",
            remedy="The next pull asks again.",
        )
    return [one for one in found if isinstance(one, dict)]


def _after(said: Any) -> str:
    return str(said.get("paging", {}).get("next", {}).get("after", "") or "")


def _record(one: Mapping[str, Any]) -> Record:
    values = one.get("properties") or {}
    changed: datetime | None = moment_of(one.get("updatedAt"))
    return Record(str(one["id"]), values, changed)


CONNECTOR: Final = HubSpot
