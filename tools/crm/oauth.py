"""OAuth 2 with a refresh token (RFC 6749, 6): a fresh access token whenever the old one is refused."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Final

import httpx
from pydantic import SecretStr

from tools.crm.connector import ConnectorError, System
from tools.crm.secrets import needed

_TIMEOUT_SECONDS: Final = 30.0


class Refreshed:
    """An access token that is fetched when it is first needed, and again whenever it has run out."""

    def __init__(
        self,
        system: System,
        url: str,
        secrets: MutableMapping[str, SecretStr],
        *,
        client_id: str,
        client_secret: str,
        refresh_token: str,
    ) -> None:
        """``client_secret`` and ``refresh_token`` are names among the ``secrets``, where a changed token is put.

        Raises ConfigurationError where one is not set.
        """
        for name in (client_secret, refresh_token):
            needed(system, secrets, name)
        self._system, self._url, self._client_id = system, url, client_id
        self._secrets, self._client_secret, self._refresh_token = secrets, client_secret, refresh_token
        self._token: SecretStr | None = None

    def headers(self) -> Mapping[str, str]:
        if self._token is None:
            self.renew()
        assert self._token is not None
        return {"Authorization": f"Bearer {self._token.get_secret_value()}"}

    def renew(self) -> bool:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "client_secret": self._secrets[self._client_secret].get_secret_value(),
            "refresh_token": self._secrets[self._refresh_token].get_secret_value(),
        }
        try:
            response = httpx.post(self._url, data=form, timeout=_TIMEOUT_SECONDS, trust_env=False)
            said = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._failed(f"gave no access token ({type(error).__name__})", "The next pull tries again.") from None
        if not response.is_success or not isinstance(said, dict) or not said.get("access_token"):
            secrets = " and ".join(self._system.secrets)
            raise self._failed(
                f"does not renew the access token: status {response.status_code}",
                f"Connect it again: `noria connect {self._system.name}`, or check {secrets}.",
            )
        self._token = SecretStr(str(said["access_token"]))
        # Some systems change the refresh token at each use, and take the old one no more.
        rotated = SecretStr(str(said.get("refresh_token") or ""))
        if rotated and rotated != self._secrets[self._refresh_token]:
            self._secrets[self._refresh_token] = rotated
        return True

    def _failed(self, what: str, remedy: str) -> ConnectorError:
        return ConnectorError(f"{self._system.title} {what}.", where=self._system.name, remedy=remedy)
