"""OAuth 2 with a refresh token (RFC 6749, 6): a fresh access token whenever the old one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx
from pydantic import SecretStr

from tools.crm.connector import ConnectorError, System

_TIMEOUT_SECONDS: Final = 30.0


class Refreshed:
    """An access token that is fetched when it is first needed, and again whenever it has run out."""

    def __init__(
        self, system: System, url: str, *, client_id: str, client_secret: SecretStr, refresh_token: SecretStr
    ) -> None:
        self._system, self._url, self._client_id = system, url, client_id
        self._client_secret, self._refresh_token = client_secret, refresh_token
        self._token: SecretStr | None = None
        self.said: Mapping[str, Any] = {}
        """What came with the token, for example the address of the instance; without the token itself."""

    def headers(self) -> Mapping[str, str]:
        if self._token is None:
            self.renew()
        assert self._token is not None
        return {"Authorization": f"Bearer {self._token.get_secret_value()}"}

    def renew(self) -> bool:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "client_secret": self._client_secret.get_secret_value(),
            "refresh_token": self._refresh_token.get_secret_value(),
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
        self._token = SecretStr(str(said.pop("access_token")))
        # Some systems change the refresh token at each use; it holds for as long as this process runs.
        if rotated := said.pop("refresh_token", ""):
            self._refresh_token = SecretStr(str(rotated))
        self.said = said
        return True

    def _failed(self, what: str, remedy: str) -> ConnectorError:
        return ConnectorError(f"{self._system.title} {what}.", where=self._system.name, remedy=remedy)
