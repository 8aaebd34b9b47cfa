"""HubSpot on this machine, as its documents say; `hubspot-api-client` is what checks that it is one."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from tests.tools.crm.server import KEY, Reply, Request, Server

_OBJECTS = re.compile(r"/crm/v3/objects/(\w+)(?:/(\d+|search|batch/upsert))?")
_CHANGED = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate"}
_KNOWN = ("email", "firstname", "lastname", "phone", "lifecyclestage", "hs_email_optout", "createdate")


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class HubSpotServer(Server):
    """Lists, searches with filters and sorts, the archive, properties, associations, batch upserts and tasks."""

    system = "hubspot"
    options: ClassVar[dict[str, Any]] = {"subscription_id": "77"}
    rights = (
        "crm.objects.contacts.read",
        "crm.objects.deals.read",
        "crm.objects.contacts.write",
        "communication_preferences.read_write",
    )
    custom: ClassVar[tuple[str, ...]] = ("loyalty_tier",)

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[int, dict[str, Any]]] = {"contacts": {}, "deals": {}, "tasks": {}, "notes": {}}
        self.contact_of: dict[int, list[int]] = {}
        self.subscriptions: list[dict[str, Any]] = []
        self.refused: dict[str, Any] | None = None
        """The answer, with status 207, to a batch of which it refuses a record."""
        self.token_faults: list[int] = []
        self.rotates, self.refresh_token = False, KEY
        """Whether it takes each refresh token only once."""

    def allows(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.token}"

    def right_for(self, request: Request) -> str:
        found = _OBJECTS.fullmatch(request.path)
        if found is not None:
            return f"crm.objects.{found[1]}.{'write' if found[2] == 'batch/upsert' else 'read'}"
        return self.rights[-1] if request.path.startswith("/communication-preferences/") else ""

    def renews(self, request: Request) -> Reply | None:
        if request.path != "/oauth/v1/token":
            return None
        if self.token_faults:
            return self.token_faults.pop(0), {}
        self.renewals += 1
        self.token = f"{KEY} {self.renewals}"
        if self.rotates:
            if dict(parse_qsl(request.body.decode()))["refresh_token"] != self.refresh_token:
                return 400, {"error": "invalid_grant"}
            self.refresh_token = f"{KEY} to be used once {self.renewals}"
        return 200, {"access_token": self.token, "refresh_token": self.refresh_token, "expires_in": 1800}

    def put(self, number: int, **values: str) -> None:
        named = {"first_name": "firstname", "last_name": "lastname"}
        said = {named.get(name, name): value for name, value in values.items()}
        self.keep("contacts", number, {"email": f"person{number}@shop.example.com", **said})

    def keep(self, thing: str, number: int, values: dict[str, Any]) -> None:
        at = stamp(self.tick())
        found = self.objects[thing].setdefault(number, {"id": str(number), "createdAt": at, "properties": {}})
        found.update(updatedAt=at, archived=False)
        found["properties"] |= {**values, "hs_object_id": str(number), _CHANGED.get(thing, "hs_lastmodifieddate"): at}
        found["properties"].setdefault("createdate", at)

    def remove(self, number: int) -> None:
        self.objects["contacts"][number] |= {"archived": True, "archivedAt": stamp(self.tick())}

    def answer(self, request: Request) -> Reply:
        if request.path == "/crm/v4/associations/deals/contacts/batch/read":
            return 200, {"status": "COMPLETE", "results": self._associations(request.document)}
        if request.path.startswith("/crm/v3/properties/"):
            return 200, {"results": self._properties()}
        if request.path.startswith("/communication-preferences/v3/"):
            if not request.document.get("emailAddress"):
                return 400, {"status": "error", "category": "VALIDATION_ERROR"}
            self.subscriptions.append({"action": request.path.rsplit("/", 1)[1], **request.document})
            return 200, {"status": "SUBSCRIBED"}
        found = _OBJECTS.fullmatch(request.path)
        if found is None:
            return 404, {"status": "error", "category": "OBJECT_NOT_FOUND"}
        thing, more = found.groups()
        if more == "search":
            return self._search(thing, request.document)
        if more == "batch/upsert":
            return self._upsert(thing, request.document)
        if request.method == "POST":
            number = max(self.objects[thing], default=0) + 1
            self.keep(thing, number, request.document["properties"])
            return 201, {**self.objects[thing][number], "associations": request.document.get("associations")}
        if more:
            one = self.objects[thing].get(int(more))
            return (200, one) if one else (404, {"status": "error", "category": "OBJECT_NOT_FOUND"})
        return self._list(thing, request)

    def _list(self, thing: str, request: Request) -> Reply:
        archived = request.query.get("archived", "").lower() == "true"
        limit, after = int(request.query.get("limit", 10)), int(request.query.get("after", 0))
        if not 0 < limit <= 100:
            return 400, {"status": "error", "category": "VALIDATION_ERROR"}
        there = [one for number, one in sorted(self.objects[thing].items()) if number > after]
        there = [one for one in there if one["archived"] is archived]
        page = [self._shown(one, request.query.get("properties", "").split(",")) for one in there[:limit]]
        said: dict[str, Any] = {"results": page}
        if len(there) > limit:
            said["paging"] = {"next": {"after": page[-1]["id"], "link": "?after=x"}}
        return 200, said

    def _search(self, thing: str, question: dict[str, Any]) -> Reply:
        if question["limit"] > 200:
            return 400, {"status": "error", "category": "VALIDATION_ERROR"}
        there = [one for one in self.objects[thing].values() if not one["archived"]]
        for one in question["filterGroups"][0]["filters"]:
            there = [each for each in there if _passes(each, one)]
        by = question["sorts"][0]
        there.sort(key=lambda one: _value(one, by["propertyName"]), reverse=by["direction"] == "DESCENDING")
        after = int(question.get("after", 0))
        page = [self._shown(one, question["properties"]) for one in there[after : after + question["limit"]]]
        said: dict[str, Any] = {"total": len(there), "results": page}
        if after + len(page) < len(there):
            said["paging"] = {"next": {"after": str(after + len(page))}}
        return 200, said

    def _shown(self, one: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
        names = {*wanted, "hs_object_id"} - {""}
        return {**one, "properties": {name: one["properties"].get(name) for name in sorted(names)}}

    def _associations(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        asked = [int(one["id"]) for one in question["inputs"]]
        return [
            {
                "from": {"id": str(one)},
                "to": [{"toObjectId": who, "associationTypes": []} for who in self.contact_of[one]],
            }
            for one in asked
            if one in self.contact_of
        ]

    def _upsert(self, thing: str, said: dict[str, Any]) -> Reply:
        done = []
        if self.refused is not None:
            return 207, {"status": "COMPLETE", "results": [], **self.refused}
        for one in said["inputs"]:
            if unknown := sorted(set(one["properties"]) - {*_KNOWN, *self.custom, "hs_lead_status"}):
                # HubSpot refuses the whole batch for a property that does not exist.
                return 400, {"status": "error", "category": "VALIDATION_ERROR", "message": f"{unknown} of {one['id']}"}
            known = [n for n, each in self.objects[thing].items() if each["properties"].get("email") == one["id"]]
            number = known[0] if known else max(self.objects[thing], default=0) + 1
            self.keep(thing, number, {"email": one["id"], **one["properties"]})
            done.append({**self.objects[thing][number], "new": not known})
        return 200, {"status": "COMPLETE", "results": done}

    def _properties(self) -> list[dict[str, Any]]:
        known = [{"name": name, "label": name.title(), "hubspotDefined": True, "hidden": False} for name in _KNOWN]
        return [*known, *({"name": name, "label": "Loyalty tier", "hidden": False} for name in self.custom)]


def _value(one: dict[str, Any], name: str) -> float:
    found = str(one["properties"].get(name) or 0)
    return float(found) if found.isdecimal() else datetime.fromisoformat(found).timestamp() * 1000


def _passes(one: dict[str, Any], said: dict[str, str]) -> bool:
    value, limit = _value(one, said["propertyName"]), float(said["value"])
    return value >= limit if said["operator"] == "GTE" else value > limit
