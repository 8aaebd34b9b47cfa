"""How approved steps are written back to Tryton: properties, leads and notes of parties.

A step names the field and its value. `lead` and `note` are no properties: a lead of the opportunities for sales to
follow up, and a note on the party. A contact is the party that has the address; parties are never made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

import httpx
from pydantic import SecretStr

from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Unknown
from tools.channels.exchange import Post
from tools.channels.reply import code_of, json_of
from tools.crm.tryton.connector import MODELS
from tools.crm.tryton.options import SYSTEM, TrytonOptions
from tools.crm.tryton.session import Session, address, asked
from tools.crm.write_back import WriteBack

LEAD, NOTE = "lead", "note"
_PARTY: Final = MODELS["contacts"]
_NOBODY: Final = "refused: Tryton has no party with this address"


class TrytonChannel(WriteBack):
    """Writes into Tryton."""

    def __init__(self, options: TrytonOptions, secrets: MutableMapping[str, SecretStr], *, url: str = "") -> None:
        self._url = address(options, url)
        self._session = Session(options, secrets, self._url)
        super().__init__(SYSTEM, self._session)
        self._context: Mapping[str, Any] = {}

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        name, value, party = message.fields["field"], message.fields["value"], int(self._ids[message.address])
        match name:
            case "lead":
                return self._asks(f"{MODELS['deals']}.create", [{"party": party, "description": value}])
            case "note":
                return self._asks("ir.note.create", [{"resource": f"{_PARTY},{party}", "message": value}])
        return self._asks(f"{_PARTY}.write", [party], {str(name): value})

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        (message,) = group
        key, said = message.message_key, json_of(response)
        if response.is_client_error:
            return [Failed(key, code_of(None, response))]
        if message.address not in self._ids:
            return [Failed(key, _NOBODY)]
        if message.fields["field"] not in {LEAD, NOTE}:
            return [Sent(key, provider_id=self._ids[message.address])]
        if not isinstance(said, list) or not said:
            return [Unknown(key, "Tryton does not say what became of it")]
        return [Sent(key, provider_id=str(said[0])[:100])]

    async def _post(self, client: httpx.AsyncClient, group: Sequence[Outgoing], until: float) -> httpx.Response:
        (message,) = group
        await self.let_in(until)
        if not self._context:
            # Its company and the like: what a lead is made with.
            response = await self.look_up(client, self._asks("res.user.get_preferences", True), group, until)
            if not isinstance(said := json_of(response), dict):
                return response
            self._context = said
        if message.address not in self._ids:
            response = await self.look_up(client, self._who_has(message.address), group, until)
            found = json_of(response) if response.is_success else None
            parties = [one["party"] for one in found or [] if one["value"].lower() == message.address.lower()]
            if not parties:
                return response
            self._ids[message.address] = str(min(parties))
        return await self.exchange(client, self.request(group), group, until)

    def close(self) -> None:
        super().close()
        self._session.close()

    def _who_has(self, mail: str) -> Post:
        # Letters of either case; what else a pattern finds is left out where the answer is read.
        domain = [["type", "=", "email"], ["value", "ilike", mail], ["party.active", "=", True]]
        order = [["id", "ASC"]]
        return self._asks("party.contact_mechanism.search_read", domain, 0, None, order, ["party", "value"])

    def _asks(self, method: str, *parameters: Any) -> Post:
        headers = {**self._pass.headers(), "Content-Type": "application/json"}
        content = json.dumps(asked(f"model.{method}", *parameters, dict(self._context))).encode()
        return Post(self._url, content, headers)


CHANNEL: Final = TrytonChannel
