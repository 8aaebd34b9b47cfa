"""How approved steps are written back to HubSpot: properties, lifecycle stage, consent, tasks and notes of contacts.

A step names the field and its value. `task`, `note` and `consent` are no properties: a task for sales, a note on the
timeline, and what a contact withdrew. See crm-contacts-v3, crm-tasks-v3, crm-notes-v3 and communication-preferences-v3
at https://developers.hubspot.com/docs/api-reference.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

import httpx
from pydantic import SecretStr

from memory.crm_fields import CONSENT
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Unknown
from tools.channels.exchange import Post
from tools.channels.reply import code_of, document_of
from tools.crm.hubspot.connector import HOST, entrance
from tools.crm.hubspot.options import SYSTEM, HubSpotOptions
from tools.crm.write_back import TASK, WriteBack

NOTE: Final = "note"
# Of the association of a task, and of a note, to a contact.
_ASSOCIATIONS: Final[Mapping[str, int]] = {TASK: 204, NOTE: 202}


class HubSpotChannel(WriteBack):
    """Writes into HubSpot."""

    def __init__(self, options: HubSpotOptions, secrets: MutableMapping[str, SecretStr], *, url: str = "") -> None:
        super().__init__(SYSTEM, entrance(options, secrets, url))
        self._options, self._url = options, url or HOST

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        name, value = str(message.fields["field"]), message.fields["value"]
        if name in _ASSOCIATIONS:
            return self._document(f"/crm/v3/objects/{name}s", _activity(name, str(value), self._ids[message.address]))
        if name == CONSENT:
            said = {"emailAddress": message.address, "subscriptionId": self._options.subscription_id}
            return self._document("/communication-preferences/v3/unsubscribe", said)
        return self._upsert(message.address, {name: value})

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        (message,) = group
        key, name, said = message.message_key, message.fields["field"], document_of(response)
        if response.is_client_error:
            return [Failed(key, code_of(said.get("category"), response))]
        if said.get("errors") or said.get("numErrors"):
            # A batch is answered with 207 where a record of it was refused.
            first = next(iter(said.get("errors") or []), None)
            return [Failed(key, code_of(first.get("category") if isinstance(first, dict) else None, response))]
        if name in _ASSOCIATIONS and message.address not in self._ids:
            return [Failed(key, "refused: HubSpot gives no contact for this address")]
        number = _first_id(said)
        if number is None and name != CONSENT:
            return [Unknown(key, "HubSpot does not say what became of it")]
        return [Sent(key, provider_id=number)]

    async def _post(self, client: httpx.AsyncClient, group: Sequence[Outgoing], until: float) -> httpx.Response:
        (message,) = group
        await self.let_in(until)
        if message.fields["field"] in _ASSOCIATIONS and message.address not in self._ids:
            # An upsert of nothing tells the contact's id, and makes the contact where there was none.
            response = await self.look_up(client, self._upsert(message.address, {}), group, until)
            number = _first_id(document_of(response)) if response.is_success else None
            if number is None:
                return response
            self._ids[message.address] = number
        return await self.exchange(client, self.request(group), group, until)

    def _upsert(self, address: str, properties: Mapping[str, Any]) -> Post:
        one = {"id": address, "idProperty": "email", "properties": properties}
        return self._document("/crm/v3/objects/contacts/batch/upsert", {"inputs": [one]})

    def _document(self, path: str, said: Any) -> Post:
        headers = {**self._pass.headers(), "Content-Type": "application/json"}
        return Post(f"{self._url}{path}", json.dumps(said).encode(), headers)


def _activity(name: str, text: str, contact: str) -> dict[str, Any]:
    properties: dict[str, Any] = {"hs_timestamp": int(time.time() * 1000)}
    if name == TASK:
        properties |= {"hs_task_subject": text, "hs_task_status": "NOT_STARTED"}
    else:
        properties |= {"hs_note_body": text}
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _ASSOCIATIONS[name]}
    return {"properties": properties, "associations": [{"to": {"id": contact}, "types": [kind]}]}


def _first_id(said: Mapping[str, Any]) -> str | None:
    results = said.get("results", [said])
    first = results[0] if isinstance(results, list) and results else None
    number = first.get("id") if isinstance(first, dict) else None
    return str(number)[:100] if number else None


CHANNEL: Final = HubSpotChannel
