"""Klaviyo on this machine: JSON:API with cursors, filters and sorts, as its own document describes them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tests.tools.crm.server import Reply, Request, Server


class KlaviyoServer(Server):
    """Profiles, events with their metrics, lists with their members, and messages of flows."""

    system = "klaviyo"
    rights = (
        "profiles:read",
        "lists:read",
        "events:read",
        "metrics:read",
        "flows:read",
        "profiles:write",
        "lists:write and subscriptions:write",
    )

    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[int, dict[str, Any]] = {}
        self.events: dict[int, dict[str, Any]] = {}
        self.metrics: dict[str, str] = {}
        self.lists: dict[str, tuple[str, list[int]]] = {}
        self.unsubscribed: list[str] = []
        self.flow_messages: dict[str, bool] = {}
        """Whether each is transactional."""

    def allows(self, request: Request) -> bool:
        revision = re.fullmatch(r"\d{4}-\d{2}-\d{2}", request.headers.get("revision", ""))
        return request.headers.get("authorization") == f"Klaviyo-API-Key {self.token}" and revision is not None

    def right_for(self, request: Request) -> str:
        kind = request.path.split("/")[2]
        if request.method == "POST":
            return self.rights[-1] if kind.startswith("profile-subscription") else "profiles:write"
        return f"{'flows' if kind.startswith('flow') else kind}:read"

    def put(self, number: int, **values: Any) -> None:
        at = self.tick().isoformat()
        found = self.profiles.setdefault(number, {"email": f"person{number}@shop.example.com", "created": at})
        found.update({**values, "updated": at})

    def remove(self, number: int) -> None:
        del self.profiles[number]

    def happen(self, number: int, profile: int, metric: str, **properties: Any) -> None:
        at = self.tick().isoformat()
        self.metrics.setdefault(metric, f"M{len(self.metrics)}")
        self.events[number] = {"datetime": at, "profile": profile, "metric": metric, "event_properties": properties}

    def answer(self, request: Request) -> Reply:
        if request.method == "POST":
            if "data" not in request.document:
                return 400, {"errors": [{"code": "invalid"}]}
            return self._written(request.path, request.document["data"])
        members = re.fullmatch(r"/api/lists/(\w+)/profiles", request.path)
        if request.path == "/api/profiles":
            return 200, self._page(request, [self._shown(one) for one in sorted(self.profiles)], "updated")
        if members is not None:
            name = members[1]
            if name not in self.lists:
                return 404, {"errors": [{"code": "not_found"}]}
            return 200, self._page(request, [self._shown(one) for one in sorted(self.lists[name][1])], "updated")
        if request.path == "/api/lists":
            found = [{"type": "list", "id": key, "attributes": {"name": one[0]}} for key, one in self.lists.items()]
            return 200, self._page(request, found, "name", most=10)
        if request.path == "/api/metrics":
            return 200, {"data": [], "links": {"next": None}}
        if request.path.startswith("/api/flow"):
            return self._flows(request.path)
        if request.path == "/api/events":
            said = self._page(request, [self._event(one) for one in sorted(self.events)], "datetime", most=200)
            metrics = [
                {"type": "metric", "id": one, "attributes": {"name": name}} for name, one in self.metrics.items()
            ]
            return 200, {**said, "included": [*metrics, *(self._shown(one) for one in sorted(self.profiles))]}
        return 404, {"errors": [{"code": "not_found"}]}

    def _flows(self, path: str) -> Reply:
        if path == "/api/flows":
            return 200, {"data": [], "links": {"next": None, "self": path}}
        name = path.removeprefix("/api/flow-messages/")
        if name not in self.flow_messages:
            return 404, {"errors": [{"code": "not_found"}]}
        definition = {"transactional": self.flow_messages[name]}
        return 200, {"data": {"type": "flow-message", "id": name, "attributes": {"definition": definition}}}

    def _written(self, path: str, said: dict[str, Any]) -> Reply:
        attributes = said["attributes"]
        if path == "/api/profile-subscription-bulk-delete-jobs":
            self.unsubscribed += [one["attributes"]["email"] for one in attributes["profiles"]["data"]]
            return 202, {}
        if path != "/api/profile-import":
            return 404, {"errors": [{"code": "not_found"}]}
        if "@" not in attributes["email"]:
            return 400, {"errors": [{"code": "invalid", "detail": f"{attributes['email']} is no address"}]}
        number = next((key for key, one in self.profiles.items() if one["email"] == attributes["email"]), 0)
        if not number:
            number = max(self.profiles, default=0) + 1
            self.put(number, email=attributes["email"])
        self.profiles[number].setdefault("properties", {}).update(attributes["properties"])
        return 200, {"data": {"type": "profile", "id": str(number)}}

    def _page(self, request: Request, there: list[dict[str, Any]], by: str, most: int = 100) -> dict[str, Any]:
        size, after = int(request.query.get("page[size]", 20)), int(request.query.get("page[cursor]", 0))
        size = min(size, most)
        asked = re.fullmatch(rf"greater-(than|or-equal)\({by},(.+)\)", request.query.get("filter", ""))
        if asked:
            limit, equal = datetime.fromisoformat(asked[2]), asked[1] == "or-equal"
            there = [
                one
                for one in there
                if (at := datetime.fromisoformat(one["attributes"][by])) > limit or (equal and at == limit)
            ]
        if request.query.get("sort") == by:
            there.sort(key=lambda one: str(one["attributes"][by]))
        following = None
        if after + size < len(there):
            following = f"{self.url}{request.path}?{urlencode({'page[cursor]': str(after + size)})}"
        return {"data": there[after : after + size], "links": {"next": following, "self": request.path}}

    def _shown(self, number: int) -> dict[str, Any]:
        return {"type": "profile", "id": str(number), "attributes": self.profiles[number]}

    def _event(self, number: int) -> dict[str, Any]:
        one = self.events[number]
        related = {
            "profile": {"data": {"type": "profile", "id": str(one["profile"])}},
            "metric": {"data": {"type": "metric", "id": self.metrics[one["metric"]]}},
        }
        attributes = {name: one[name] for name in ("datetime", "event_properties")}
        return {"type": "event", "id": str(number), "attributes": attributes, "relationships": related}
