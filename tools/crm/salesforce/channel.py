"""How approved steps are written back to Salesforce: fields and consent of contacts, and tasks for sales.

One composite request looks for the contact and writes, so that nothing happens in between:
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm. Of several
contacts with the address the oldest is written to; contacts are never made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from memory.crm_fields import CONSENT
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Unknown
from tools.channels.exchange import NoAnswerError, Post
from tools.channels.reply import code_of, document_of, json_of
from tools.crm.salesforce.connector import VERSION, entrance, host_of
from tools.crm.salesforce.options import SYSTEM, SalesforceOptions
from tools.crm.write_back import TASK, WriteBack

_API: Final = f"/services/data/{VERSION}"
_OPTED_OUT: Final = "HasOptedOutOfEmail"
_PASSING: Final = {"REQUEST_LIMIT_EXCEEDED", "UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT"}
"""What Salesforce says of a part that it did not carry out and will later: the whole is asked again."""
_FOUND: Final = "@{who.records[0].Id}"
_HALTED: Final = "PROCESSING_HALTED"
"""How Salesforce says that there is no such contact for the second part to be about."""


class SalesforceChannel(WriteBack):
    """Writes into Salesforce."""

    def __init__(self, options: SalesforceOptions, secrets: MutableMapping[str, SecretStr], *, url: str = "") -> None:
        self._url = url or host_of(options)
        super().__init__(SYSTEM, entrance(options, secrets, self._url))

    def refuses(self, message: Outgoing) -> str:
        if why := super().refuses(message):
            return why
        unclear = "@{" in str(message.fields["value"])
        return "a text cannot hold @{, by which Salesforce refers to other answers" if unclear else ""

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        name, value = str(message.fields["field"]), message.fields["value"]
        parts = [_part("who", "GET", f"{_API}/query?q={quote(_question(message.address))}")]
        if name == TASK:
            task = {"WhoId": _FOUND, "Subject": str(value), "Status": "Not Started"}
            parts.append(_part("done", "POST", f"{_API}/sobjects/Task", task))
        else:
            field = {_OPTED_OUT: True} if name == CONSENT else {name: value}
            parts.append(_part("done", "PATCH", f"{_API}/sobjects/Contact/{_FOUND}", field))
        headers = {**self._pass.headers(), "Content-Type": "application/json"}
        said = {"allOrNone": False, "compositeRequest": parts}
        return Post(f"{self._url}{_API}/composite", json.dumps(said).encode(), headers)

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        (message,) = group
        key = message.message_key
        if response.is_client_error:
            return [Failed(key, code_of(_code(json_of(response)), response))]
        said = document_of(response).get("compositeResponse")
        parts = {one.get("referenceId"): one for one in said if isinstance(one, dict)} if isinstance(said, list) else {}
        who, done = parts.get("who", {}), parts.get("done", {})
        status, body = done.get("httpStatusCode"), done.get("body")
        if {_code(who.get("body")), _code(body)} & _PASSING or _failed(who):
            raise NoAnswerError("Salesforce asks for patience", left=False)
        if not isinstance(status, int) or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return [Unknown(key, "Salesforce does not say what became of it")]
        if status >= httpx.codes.BAD_REQUEST:
            code = _code(body)
            if code == _HALTED and who.get("httpStatusCode") == httpx.codes.OK:
                return [Failed(key, "refused: Salesforce has no contact with this address")]
            return [Failed(key, code_of(code, httpx.Response(status)))]
        found = body.get("id") if isinstance(body, dict) else _contact_of(who)
        return [Sent(key, provider_id=str(found)[:100] if found else None)]

    async def _post(self, client: httpx.AsyncClient, group: Sequence[Outgoing], until: float) -> httpx.Response:
        await self.let_in(until)
        return await self.exchange(client, self.request(group), group, until)


def _question(mail: str) -> str:
    said = mail.replace("\\", "\\\\").replace("'", "\\'")
    return f"SELECT Id FROM Contact WHERE Email = '{said}' ORDER BY CreatedDate, Id LIMIT 1"  # noqa: S608 - it is escaped


def _part(name: str, method: str, url: str, body: Any = None) -> dict[str, Any]:
    return {"referenceId": name, "method": method, "url": url, **({"body": body} if body is not None else {})}


def _failed(part: Mapping[str, Any]) -> bool:
    """Whether Salesforce itself failed at a part."""
    return int(part.get("httpStatusCode") or 0) >= httpx.codes.INTERNAL_SERVER_ERROR


def _contact_of(who: Any) -> str:
    records = (who.get("body") or {}).get("records") or [{}]
    return str(records[0].get("Id", ""))


def _code(said: Any) -> Any:
    first = said[0] if isinstance(said, list) and said else said
    return first.get("errorCode") if isinstance(first, dict) else None


CHANNEL: Final = SalesforceChannel
