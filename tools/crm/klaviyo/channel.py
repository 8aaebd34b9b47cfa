"""How approved steps are written back to Klaviyo: custom properties of profiles, and what a contact withdrew.

https://developers.klaviyo.com/en/reference/create_or_update_profile and …/bulk_unsubscribe_profiles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
from pydantic import SecretStr

from memory.crm_fields import CONSENT
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Unknown
from tools.channels.exchange import Post
from tools.channels.reply import code_of, document_of
from tools.crm.klaviyo.connector import HEADERS, HOST, entrance
from tools.crm.klaviyo.options import SYSTEM, KlaviyoOptions
from tools.crm.write_back import WriteBack

_UNSUBSCRIPTION: Final = "profile-subscription-bulk-delete-job"


class KlaviyoChannel(WriteBack):
    """Writes into Klaviyo."""

    def __init__(self, options: KlaviyoOptions, secrets: Mapping[str, SecretStr], *, url: str = "") -> None:
        super().__init__(SYSTEM, entrance(secrets))
        self._url = url or HOST

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        name, value = str(message.fields["field"]), message.fields["value"]
        if name == CONSENT:
            consent = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
            profile = {"type": "profile", "attributes": {"email": message.address, "subscriptions": consent}}
            return self._document(f"{_UNSUBSCRIPTION}s", _UNSUBSCRIPTION, {"profiles": {"data": [profile]}})
        written = {"email": message.address, "properties": {name: value}}
        return self._document("profile-import", "profile", written)

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        (message,) = group
        key, said = message.message_key, document_of(response)
        if response.is_client_error:
            errors = said.get("errors")
            first = errors[0] if isinstance(errors, list) and errors else None
            return [Failed(key, code_of(first.get("code") if isinstance(first, dict) else None, response))]
        if message.fields["field"] == CONSENT:
            return [Sent(key)]
        profile = said.get("data")
        if not isinstance(profile, dict) or not profile.get("id"):
            return [Unknown(key, "Klaviyo does not say what became of it")]
        return [Sent(key, provider_id=str(profile["id"])[:100])]

    def _document(self, path: str, kind: str, attributes: Mapping[str, Any]) -> Post:
        said = {"data": {"type": kind, "attributes": attributes}}
        headers = {**HEADERS, **self._pass.headers(), "Content-Type": "application/vnd.api+json"}
        return Post(f"{self._url}/api/{path}", json.dumps(said).encode(), headers)


CHANNEL: Final = KlaviyoChannel
