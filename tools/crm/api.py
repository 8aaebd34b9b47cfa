"""Questions to an API: authorised, within its limits, asked again where nobody answered, one clear error at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple, Protocol

import httpx
from pydantic import SecretStr
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from tools.crm.connector import ConnectorError, MisunderstoodError, System, WithheldError
from tools.patience import asked_for

_ATTEMPTS: Final = 8
_PAUSE: Final = wait_exponential(multiplier=0.2, max=20) + wait_random(0, 0.2)
_PATIENCE_SECONDS: Final = 120.0
_TIMEOUT_SECONDS: Final = 30.0
_LEFT: Final = ("RateLimit-Remaining", "X-HubSpot-RateLimit-Remaining")

_SPENT: Final = "REQUEST_LIMIT_EXCEEDED"
"""How Salesforce calls a budget that is used up."""


class Pass(Protocol):
    """What proves that we may ask."""

    def headers(self) -> Mapping[str, str]:
        """What goes along with each request. Raises ConnectorError."""
        ...

    def renew(self) -> bool:
        """Get a fresh one where that is possible. Raises ConnectorError."""
        ...


class Key:
    """A key that holds until somebody takes it back."""

    def __init__(self, header: str, key: SecretStr, *, prefix: str = "") -> None:
        self._header, self._key, self._prefix = header, key, prefix

    def headers(self) -> Mapping[str, str]:
        return {self._header: f"{self._prefix}{self._key.get_secret_value()}"}

    def renew(self) -> bool:
        return False


class Answer(NamedTuple):
    """What the system said."""

    said: Any
    at: datetime
    """By its own clock, where it tells; by ours otherwise."""


class _NoAnswerError(Exception):
    """It did not answer, or asked for patience."""

    def __init__(self, reason: str, pause_seconds: float = 0.0) -> None:
        self.reason, self.pause_seconds = reason, pause_seconds
        super().__init__(reason)


class Api:
    """One API of one system."""

    def __init__(
        self,
        system: System,
        url: str,
        entrance: Pass,
        *,
        headers: Mapping[str, str] | None = None,
        busy: Callable[[Any], float | None] = lambda _said: None,
        patience_seconds: float = _PATIENCE_SECONDS,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        """``busy`` reads from a well-formed answer how many seconds it asks to be left alone; None for an answer."""
        self._system, self._pass, self._busy = system, entrance, busy
        self._patience_seconds = patience_seconds
        self._resting_until = 0.0
        # The environment names no proxy here: what leaves, and through whom, is in the settings alone.
        self._client = httpx.Client(
            base_url=url, headers=dict(headers or {}), timeout=timeout_seconds, trust_env=False, follow_redirects=False
        )

    def get(self, path: str, **parameters: Any) -> Answer:
        """Ask for something. Raises ConnectorError."""
        kept = {name: value for name, value in parameters.items() if value not in (None, "")}
        return self.ask("GET", path, params=kept)

    def post(self, path: str, document: Any) -> Answer:
        """Ask by a document; for questions only, since it may be asked twice. Raises ConnectorError."""
        return self.ask("POST", path, json=document)

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        """Ask until there is an answer or patience is over. Raises ConnectorError."""
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(_NoAnswerError),
                stop=stop_after_attempt(_ATTEMPTS) | stop_before_delay(self._patience_seconds),
                wait=_pause,
                reraise=True,
            ):
                with attempt:
                    return self._once(method, path, more)
        except _NoAnswerError as error:
            raise ConnectorError(
                f"{self._system.title} {error.reason}.",
                where=f"{self._system.name} {_bare(path)}",
                remedy="What was read is kept; the next pull goes on from there."
                + (f" It asks for {error.pause_seconds:.0f} seconds of rest." if error.pause_seconds else ""),
            ) from error
        raise AssertionError("tenacity returns or raises")

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _once(self, method: str, path: str, more: dict[str, Any]) -> Answer:
        rest = self._resting_until - time.monotonic()
        if rest > 0:
            time.sleep(min(rest, self._patience_seconds))
        response = self._send(method, path, more)
        if response.status_code == httpx.codes.UNAUTHORIZED and self._pass.renew():
            response = self._send(method, path, more)
        code = response.status_code
        if code == httpx.codes.TOO_MANY_REQUESTS:
            raise _NoAnswerError("has no room for more requests now: status 429", asked_for(response))
        if code == httpx.codes.FORBIDDEN and _SPENT in response.text:
            raise _NoAnswerError("has no room for more requests today: status 403", asked_for(response))
        if response.is_server_error or code in {408, 425}:
            raise _NoAnswerError(f"failed: status {code}", asked_for(response))
        if not response.is_success:
            raise self._refusal(response, path)
        try:
            said = response.json()
        except ValueError as error:
            raise _NoAnswerError("answered with something that is not JSON") from error
        seconds = self._busy(said)
        if seconds is not None:
            raise _NoAnswerError("has no room for more requests now", seconds)
        if any(response.headers.get(name) == "0" for name in _LEFT):
            self._resting_until = time.monotonic() + (_interval(response) or asked_for(response))
        return Answer(said, _moment(response))

    def _send(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        try:
            return self._client.request(method, path, headers=dict(self._pass.headers()), **more)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _NoAnswerError(f"could not be reached, or hung up ({type(error).__name__})") from error

    def _refusal(self, response: httpx.Response, path: str) -> ConnectorError:
        code, where = response.status_code, f"{self._system.name} {_bare(path)}"
        if code == httpx.codes.UNAUTHORIZED:
            what = f"{self._system.title} refuses the key: status 401."
            return ConnectorError(what, where=where, remedy=f"Check {_listed(self._system)} ({self._system.page}).")
        if code == httpx.codes.FORBIDDEN:
            scopes = _scopes_in(response)
            needs = f"It asks for: {', '.join(scopes)}." if scopes else f"It needs {self._system.scope}."
            what = f"{self._system.title} does not allow it: status 403."
            return WithheldError(what, where=where, remedy=f"{needs} See {self._system.page}.")
        if code == httpx.codes.NOT_FOUND:
            what = f"{self._system.title} knows no such address: status 404."
            return WithheldError(what, where=where, remedy=f"Check the settings of [sync.{self._system.name}].")
        what = f"{self._system.title} does not understand the request: status {code}."
        return MisunderstoodError(
            what, where=where, remedy=f"Check the mapping; `noria sync {self._system.name} --dry-run` shows it."
        )


def _listed(system: System) -> str:
    return " and ".join(system.secrets) or f"[sync.{system.name}]"


def _bare(path: str) -> str:
    """A path without what was asked for: that could name a person."""
    return httpx.URL(path).path


def _scopes_in(response: httpx.Response) -> list[str]:
    """The scopes that a refusal names; only words that look like one, since the rest could repeat a key."""
    try:
        said = response.json()
    except ValueError:
        return []
    found: list[str] = []
    for one in said.get("errors", []) if isinstance(said, dict) else []:
        context = one.get("context", {}) if isinstance(one, dict) else {}
        named = context.get("requiredGranularScopes", []) if isinstance(context, dict) else []
        found += [word for word in named if isinstance(word, str) and word.replace(".", "").replace("-", "").isalpha()]
    return found


def _interval(response: httpx.Response) -> float:
    said = response.headers.get("X-HubSpot-RateLimit-Interval-Milliseconds", "")
    return int(said) / 1000 if said.isdecimal() else 0.0


def _moment(response: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return datetime.now(UTC)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause_seconds if isinstance(error, _NoAnswerError) else 0.0
    return max(asked, _PAUSE(state))
