"""Tryton on this machine: sessions, and searches as the connector makes them; the real one is in tryton_itself.py."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any, ClassVar

from tests.tools.crm.server import KEY, START, Reply, Request, Server

_FIELDS = {
    "party.party": ("name", "code", "email", "mobile", "phone", "active", "replaced_by", "lang", "addresses"),
    "sale.opportunity": ("party", "description", "state", "amount", "currency", "start_date", "end_date"),
    "party.contact_mechanism": ("party", "type", "value"),
}


class TrytonServer(Server):
    """Parties with one e-mail address each, which is a record of its own; what is written is kept as it came."""

    system = "tryton"
    options: ClassVar[dict[str, Any]] = {"url": "https://tryton.example.com", "database": "crm", "user": "noria"}
    rights = (
        "read party.party",
        "read sale.opportunity",
        "write party.party",
        "create sale.opportunity",
        "create ir.note",
    )
    asked_for_a_page = 2

    def __init__(self) -> None:
        super().__init__()
        self.parties: dict[int, dict[str, Any]] = {}
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.token = "0"

    def allows(self, request: Request) -> bool:
        said = base64.b64encode(f"noria:7:{self.token}".encode()).decode()
        return request.headers.get("authorization") == f"Session {said}"

    def renews(self, request: Request) -> Reply | None:
        """What is asked before the first page: a session, and which fields there are."""
        method, parameters = request.document["method"], request.document["params"]
        if request.path == "/crm/rpc/" and method == "common.db.login":
            if parameters != ["noria", {"password": KEY}]:
                return 401, {"message": "no"}
            self.renewals += 1
            self.token = str(self.renewals)
            return 200, [7, self.token, None]
        if method == "common.db.logout":
            self.token = "over"
            return 200, None
        if method.endswith(".fields_get"):
            names = ("create_date", "write_date", *_FIELDS[method.removeprefix("model.").removesuffix(".fields_get")])
            return 200, {name: {"type": "char", "string": name} for name in names}
        return None

    def put(self, number: int, **values: Any) -> None:
        at = self.tick()
        name = " ".join(filter(None, (values.pop("first_name", None), values.pop("last_name", None))))
        new = {"email": f"person{number}@shop.example.com", "active": True, "create_date": at, "replaced_by": None}
        said = {**values, **({"name": name} if name else {})}
        self.parties[number] = {**new, **self.parties.get(number, {}), **said, "write_date": at}

    def remove(self, number: int) -> None:
        self.parties[number] |= {"active": False, "write_date": self.tick()}

    def answer(self, request: Request) -> Reply:
        method, parameters = request.document["method"], request.document["params"]
        model, verb = method.removeprefix("model.").rsplit(".", 1)
        if model == "party.contact_mechanism":
            return 200, [
                {"id": number, "value": one["email"], "party": number}
                for number, one in sorted(self.parties.items())
                if one["active"] and one["email"]
            ]
        if verb == "search":
            return 200, self._search(model, *parameters)
        if verb == "read":
            names = [name for name in parameters[1] if "." not in name]
            return 200, [
                {"id": one, **{name: _said(self.parties[one].get(name)) for name in names}}
                for one in reversed(parameters[0])
            ]
        if verb == "get_access":
            verbs = ("read", "write", "create", "delete")
            return 200, {name: {one: f"{one} {name}" not in self.withheld for one in verbs} for name in parameters[0]}
        if verb == "get_preferences":
            return 200, {"company": 3, "language": "en"}
        if verb == "create":
            self.made.append((model, parameters[0][0]))
            return 200, [len(self.made)]
        if verb == "write":
            if "colour" in parameters[1]:
                return 400, "<p>There is no colour of person1@shop.example.com</p>"
            self.parties[parameters[0][0]].update(parameters[1])
            return 200, None
        return 403, "<p>Forbidden</p>"

    def _search(self, model: str, domain: list[Any], _offset: int, limit: int, _order: Any, how: Any) -> list[int]:
        assert how == {"active_test": False}
        since = next((_moment(one[1][2]) for one in domain if one[0] == "OR"), START)
        (last,) = [one[2] for one in domain if one[0] == "id"]
        there = self.parties if model == "party.party" else {}
        return [one for one in sorted(there) if one > last and there[one]["write_date"] >= since][:limit]


def _moment(said: dict[str, Any]) -> datetime:
    return datetime(**{name: value for name, value in said.items() if name != "__class__"}, tzinfo=UTC)


def _said(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(value, name) for name in names}}
