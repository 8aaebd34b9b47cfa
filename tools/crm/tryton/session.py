"""A session of a user of Tryton: opened by name and password, opened again when it is over."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import httpx
from pydantic import SecretStr

from tools.crm.connector import ConnectorError, RefusedError
from tools.crm.secrets import needed
from tools.crm.tryton.options import SYSTEM, TrytonOptions

_TIMEOUT_SECONDS: Final = 30.0


class Session:
    """What proves that we may ask; the password is sent once for each session, not with each question."""

    def __init__(self, options: TrytonOptions, secrets: Mapping[str, SecretStr], url: str) -> None:
        """``url`` is where questions go. Raises ConfigurationError where there is no password."""
        self._password = needed(SYSTEM, secrets, "NORIA_TRYTON_PASSWORD")
        self._user, self._url = options.user, url
        self._token: SecretStr | None = None

    def headers(self) -> Mapping[str, str]:
        if self._token is None:
            self.renew()
        assert self._token is not None
        return {"Authorization": f"Session {self._token.get_secret_value()}"}

    def renew(self) -> bool:
        question = asked("common.db.login", self._user, {"password": self._password.get_secret_value()})
        try:
            response = httpx.post(self._url, json=question, timeout=_TIMEOUT_SECONDS, trust_env=False)
            said = response.json() if response.is_success else None
        except (httpx.HTTPError, ValueError) as error:
            raise _failed(f"opened no session ({type(error).__name__})", "The next pull tries again.") from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise _refused(
                "opens no session now: status 429", "Too many wrong passwords; it takes the right one later."
            )
        if response.status_code == httpx.codes.NOT_FOUND:
            raise _refused("has no such database: status 404", "Check url and database in [sync.tryton].")
        if not isinstance(said, list) or len(said) < 2:
            what = f"does not let {self._user} in: status {response.status_code}"
            make = _failed if response.is_server_error else _refused
            raise make(what, "Check user in [sync.tryton], and NORIA_TRYTON_PASSWORD.")
        self._token = SecretStr(b64encode(f"{self._user}:{said[0]}:{said[1]}".encode()).decode())
        return True

    def close(self) -> None:
        """End the session: with each question Tryton looks through all that a user has open."""
        if self._token is None:
            return
        with suppress(httpx.HTTPError):
            question, headers = asked("common.db.logout"), self.headers()
            httpx.post(self._url, json=question, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._token = None


def address(options: TrytonOptions, url: str = "") -> str:
    """Where questions to a database go."""
    return f"{url or options.url}/{options.database}/rpc/"


def asked(method: str, *parameters: Any) -> dict[str, Any]:
    """A question. Without an id it is answered by the bare result, or by a status that says what went wrong."""
    return {"method": method, "params": list(parameters)}


def _failed(what: str, remedy: str) -> ConnectorError:
    return ConnectorError(f"{SYSTEM.title} {what}.", where=SYSTEM.name, remedy=remedy)


def _refused(what: str, remedy: str) -> RefusedError:
    return RefusedError(f"{SYSTEM.title} {what}.", where=SYSTEM.name, remedy=remedy)
