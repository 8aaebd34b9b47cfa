"""The Admin API of Shopify on this machine: what the connector asks, by the rules of its GraphQL."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from tests.tools.crm.server import Reply, Request, Server

SCOPES = ("read_products", "read_customers", "read_orders", "read_all_orders")


class ShopifyServer(Server):
    """Connections with cursors, filters on updated_at, costs, and refusals with status 200."""

    system = "shopify"
    options: ClassVar[dict[str, Any]] = {"shop": "maple"}
    rights = ("read_products", "read_customers", "read_orders")

    def __init__(self) -> None:
        super().__init__()
        self.nodes: dict[str, dict[int, dict[str, Any]]] = {
            name: {} for name in ("products", "customers", "orders", "abandonedCheckouts")
        }
        self.throttled = 0
        """So many of the next questions cost more than is left."""
        self.scopes: tuple[str, ...] = SCOPES

    def allows(self, request: Request) -> bool:
        return request.headers.get("x-shopify-access-token") == self.token

    def put(self, number: int, **values: str) -> None:
        names = {"first_name": "firstName", "last_name": "lastName"}
        mail = {
            "emailAddress": values.pop("email", f"person{number}@shop.example.com"),
            "marketingState": "NOT_SUBSCRIBED",
        }
        self.keep(
            "customers", number, {**{names[key]: one for key, one in values.items()}, "defaultEmailAddress": mail}
        )

    def keep(self, thing: str, number: int, values: dict[str, Any]) -> None:
        at = self.tick().isoformat().replace("+00:00", "Z")
        found = self.nodes[thing].setdefault(number, {"legacyResourceId": str(number), "createdAt": at})
        found.update({**values, "updatedAt": at})

    def remove(self, number: int) -> None:
        del self.nodes["customers"][number]

    def answer(self, request: Request) -> Reply:
        if not re.fullmatch(r"/admin/api/\d{4}-\d{2}/graphql\.json", request.path):
            return 404, {"errors": "Not Found"}
        question = request.document["query"]
        if "currentAppInstallation" in question:
            scopes = [{"handle": one} for one in self.scopes if one not in self.withheld]
            return 200, {"data": {"currentAppInstallation": {"accessScopes": scopes}}}
        if self.throttled:
            self.throttled -= 1
            status = {"maximumAvailable": 1000.0, "currentlyAvailable": 10, "restoreRate": 5000.0}
            cost = {"requestedQueryCost": 60, "throttleStatus": status}
            throttled = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return 200, {"errors": [throttled], "extensions": {"cost": cost}}
        return 200, {"data": self._connection(question, request.document["variables"])}

    def _connection(self, question: str, variables: dict[str, Any]) -> dict[str, Any]:
        asked = re.search(r"^  (\w+)\(first: \$first", question, re.MULTILINE)
        assert asked is not None
        thing = asked[1]
        after = int(variables.get("after") or 0)
        there = [(number, node) for number, node in sorted(self.nodes[thing].items()) if number > after]
        if variables.get("query"):
            since = re.fullmatch(r"updated_at:>='(.+)'", variables["query"])
            assert since is not None
            limit = datetime.fromisoformat(since[1])
            there = [one for one in there if datetime.fromisoformat(one[1]["updatedAt"]) >= limit]
        page = there[: variables["first"]]
        info = {"hasNextPage": len(there) > len(page), "endCursor": str(page[-1][0]) if page else None}
        return {thing: {"pageInfo": info, "nodes": [node for _, node in page]}}
