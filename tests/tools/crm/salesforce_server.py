"""Salesforce on this machine: OAuth, SOQL as far as the connector writes it, describe; simple-salesforce checks it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from tests.tools.crm.server import KEY, Reply, Request, Server

_SOQL = re.compile(
    r"SELECT (?P<fields>.+) FROM (?P<thing>\w+)(?: WHERE (?P<where>.+?))?(?: ORDER BY Id)?(?: LIMIT (?P<limit>\d+))?"
)
_KNOWN = ("Id", "SystemModstamp", "IsDeleted", "CreatedDate", "Email", "FirstName", "LastName", "Name", "StageName")


class SalesforceServer(Server):
    """Refuses fields that do not exist, and gives what was deleted to queryAll alone."""

    system = "salesforce"
    options: ClassVar[dict[str, Any]] = {"domain": "maple", "client_id": "app"}
    rights = ("to read Contact", "to read Lead", "to read Opportunity", "to edit Contact", "to make Task")

    def __init__(self) -> None:
        super().__init__()
        self.token = f"{KEY} 0"
        self.objects: dict[str, dict[str, dict[str, Any]]] = {"Contact": {}, "Lead": {}, "Opportunity": {}}
        self.tasks: list[dict[str, Any]] = []
        self.fields = {
            "Contact": [*_KNOWN, "Loyalty__c"],
            "Lead": [*_KNOWN],
            "Task": [],
            "Opportunity": [*_KNOWN, "Amount", "IsWon", "IsClosed", "CloseDate", "ContactId", "AccountId"],
        }

    def allows(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.token}"

    def renews(self, request: Request) -> Reply | None:
        if request.path != "/services/oauth2/token":
            return None
        said = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if said != {"grant_type": "refresh_token", "client_id": "app", "client_secret": KEY, "refresh_token": KEY}:
            return 400, {"error": "invalid_grant", "error_description": f"expired {KEY}"}
        self.renewals += 1
        self.token = f"{KEY} {self.renewals}"
        return 200, {"access_token": self.token, "instance_url": self.url, "token_type": "Bearer"}

    def put(self, number: int, **values: str) -> None:
        names = {"first_name": "FirstName", "last_name": "LastName", "email": "Email"}
        said = {names.get(name, name): value for name, value in values.items()}
        self.keep("Contact", str(number), {"Email": f"person{number}@shop.example.com", **said})

    def keep(self, thing: str, key: str, values: dict[str, Any]) -> None:
        at = self.tick().strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        found = self.objects[thing].setdefault(key, {"Id": key, "CreatedDate": at})
        found.update({**values, "SystemModstamp": at, "IsDeleted": False})

    def remove(self, number: int) -> None:
        at = self.tick().strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        self.objects["Contact"][str(number)] |= {"IsDeleted": True, "SystemModstamp": at}

    def answer(self, request: Request) -> Reply:
        path = request.path.rstrip("/")
        described = re.fullmatch(r"/services/data/v[\d.]+/sobjects/(\w+)/describe", path)
        if described is not None:
            return self._described(described[1])
        if re.fullmatch(r"/services/data/v[\d.]+/composite", path):
            return 200, {"compositeResponse": self._composite(request.document["compositeRequest"])}
        asked = re.fullmatch(r"/services/data/v[\d.]+/(query|queryAll)", path)
        if asked is None:
            return 404, [{"errorCode": "NOT_FOUND", "message": "no such address"}]
        return self._query(request.query["q"], everything=asked[1] == "queryAll")

    def _described(self, name: str) -> Reply:
        if f"to read {name}" in self.withheld:
            return 404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
        fields = [{"name": one, "label": one, "custom": one.endswith("__c")} for one in self.fields[name]]
        rights = {"updateable": f"to edit {name}", "createable": f"to make {name}"}
        allowed = {flag: right not in self.withheld for flag, right in rights.items()}
        return 200, {"name": name, "fields": fields, "queryable": True, **allowed}

    def _composite(self, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A search for a contact, and what is written to whom it finds."""
        search, change = parts
        mail = re.fullmatch(r".* WHERE Email = '(.+)' ORDER BY CreatedDate, Id LIMIT 1", unquote(search["url"]))
        assert mail is not None
        there = [one for one in self.objects["Contact"].values() if one["Email"].lower() == mail[1].lower()]
        there = [one for one in there if not one["IsDeleted"]][:1]
        found = {"totalSize": len(there), "done": True, "records": [{"Id": one["Id"]} for one in there]}
        status, body = self._written(change, there[0]) if there else (400, [{"errorCode": "PROCESSING_HALTED"}])
        return [
            {"referenceId": search["referenceId"], "httpStatusCode": 200, "body": found},
            {"referenceId": change["referenceId"], "httpStatusCode": status, "body": body},
        ]

    def _written(self, change: dict[str, Any], contact: dict[str, Any]) -> Reply:
        assert "@{who.records[0].Id}" in change["url"] + str(change["body"])
        if change["method"] == "POST":
            self.tasks.append({**change["body"], "WhoId": contact["Id"]})
            return 201, {"id": f"T{len(self.tasks)}", "success": True, "errors": []}
        if not change["body"].keys() <= {*self.fields["Contact"], "HasOptedOutOfEmail"}:
            return 400, [{"errorCode": "INVALID_FIELD", "message": f"No such column for {contact['Email']}"}]
        contact.update(change["body"])
        return 204, None

    def _query(self, soql: str, *, everything: bool) -> Reply:
        found = _SOQL.fullmatch(soql)
        if found is None:
            return 400, [{"errorCode": "MALFORMED_QUERY", "message": soql}]
        thing, fields = found["thing"], found["fields"].split(", ")
        there = [one for _, one in sorted(self.objects[thing].items(), key=lambda one: one[0])]
        there = [one for one in there if everything or not one["IsDeleted"]]
        for condition in (found["where"] or "").split(" AND ") if found["where"] else []:
            name, operator, value = condition.split(" ", 2)
            there = [one for one in there if _holds(one[name], operator, value.strip("'"))]
        page = there[: int(found["limit"] or 2000)]
        records = [{"attributes": {"type": thing}, **{name: one.get(name) for name in fields}} for one in page]
        return 200, {"totalSize": len(records), "done": True, "records": records}


def _holds(has: str, operator: str, value: str) -> bool:
    if operator == ">=":
        return datetime.fromisoformat(has) >= datetime.fromisoformat(value)
    return has > value
