"""The door for a shop's own events: signed, limited, checked, and answered only when they are on record."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from console.body import read_body
from console.group_commit import GroupCommit
from memory.clock import Clock, SystemClock
from memory.errors import StoreError
from memory.events import ACCEPTED, BOUNCE, COMPLAINT, DEFERRED, DELIVERED, ORDER
from memory.steps import EventName
from tools.intake import Incoming

LONGEST: Final = 2_000_000
"""Bytes of one request."""
MOST: Final = 500
"""Events of one request."""
REPLAY_WINDOW: Final = timedelta(minutes=5)
"""So far may the moment of a signature be from the clock of this machine."""
HEADER: Final = "noria-signature"
_STANDARD: Final = "webhook"
_WRITTEN_KEY: Final = "whsec_"
_SIGNATURE: Final = re.compile(r"t=(?P<at>\d{1,12}),v1=(?P<mark>[0-9a-f]{64})")
# What only a mail provider or Noria itself can know.
_NOT_FOR_SHOPS: Final = frozenset({ACCEPTED, BOUNCE, COMPLAINT, DEFERRED, DELIVERED, "open"})
_MOST_PROPERTIES: Final = 50
_FAR: Final = 2**53

_Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=2000)]
_Count = Annotated[int, Field(ge=-_FAR, le=_FAR, strict=True)]
_Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
_Value = Annotated[bool, Field(strict=True)] | _Count | _Number | _Text | None


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OrderLine(_Strict):
    """One line of an order; money in minor units."""

    product_id: _Text = ""
    category: _Text = ""
    quantity: int = Field(default=1, ge=-1_000_000, le=1_000_000, strict=True)
    amount_cents: _Count = 0
    discount_cents: _Count = 0


class ShopOrder(_Strict):
    """What an order must say."""

    order_id: _Name
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    total_cents: _Count | None = None
    discount_cents: _Count = 0
    lines: tuple[OrderLine, ...] = Field(default=(), max_length=500)


class ShopEvent(_Strict):
    """One event as a shop reports it."""

    event_id: _Name
    """The shop's own id: the same event twice counts once."""
    kind: EventName
    at: AwareDatetime
    contact: _Name | None = None
    """An address, or an id under which the contact was imported."""
    anonymous_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$")] | None = None
    """Of a visitor whom the shop does not know."""
    properties: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Any] = Field(
        default_factory=dict, max_length=_MOST_PROPERTIES
    )

    @model_validator(mode="after")
    def _fits(self) -> ShopEvent:
        if (self.contact is None) == (self.anonymous_id is None):
            raise ValueError("give either contact or anonymous_id")
        if self.kind in _NOT_FOR_SHOPS:
            raise ValueError(f"{self.kind} is said by mail providers, not by shops")
        try:
            if self.kind == ORDER:
                ShopOrder.model_validate(self.properties)
            else:
                _Properties(values=self.properties)
        except ValidationError as error:
            raise ValueError(f"properties: {explained(error)}") from error
        return self

    def incoming(self) -> Incoming:
        """The event as intake takes it."""
        return Incoming(
            event_id=f"shop:{self.event_id}",
            kind=self.kind,
            at=self.at,
            contact=self.contact or str(self.anonymous_id),
            properties=self.properties,
            source="shop",
        )


class _Properties(_Strict):
    values: dict[str, _Value]

    @model_validator(mode="after")
    def _amounts_are_whole(self) -> _Properties:
        for name, value in self.values.items():
            if name.endswith("_cents") and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"{name} must be a whole number of minor units")
        return self


class Batch(_Strict):
    """Events as a shop reports them, several at once."""

    events: tuple[ShopEvent, ...] = Field(min_length=1, max_length=MOST)


def sign(key: str, body: bytes, at: datetime) -> str:
    """The value of the header `Noria-Signature` for a body that is sent at a moment."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_mark(key, seconds, body)}"


def event_door(together: GroupCommit, key: SecretStr | None, real_time: Clock | None = None) -> Route:
    """`POST /v1/events`; without a key it stays shut. ``real_time`` judges the age of signatures."""
    now = real_time or SystemClock()

    async def take(request: Request) -> JSONResponse:
        """One event, or several as {"events": […]}; signed in our own way, or as Standard Webhooks says."""
        if key is None:
            return refuse(404, "closed", "No key for events is set.", "Set NORIA_EVENTS_KEY for `noria serve`.")
        body = await read_body(request, LONGEST)
        if body is None:
            return refuse(413, "too_large", f"The body has more than {LONGEST} bytes.", "Send fewer events at a time.")
        problem = _problem(key.get_secret_value(), request.headers, body, now.now())
        if problem:
            return refuse(401, "signature", problem, "Sign “TIMESTAMP.BODY” with the key, as the documentation shows.")
        try:
            events, several = _read(body)
        except ValidationError as error:
            return refuse(422, "invalid_input", explained(error), "Correct the event and send it again.")
        except ValueError:
            return refuse(422, "invalid_input", "The body is no JSON object.", "Send one event, or {“events”: […]}.")
        try:
            receipt = await together.receive([one.incoming() for one in events])
        except StoreError:
            later = refuse(503, "store", "The event could not be kept.", "Send it again in a minute.")
            later.headers["Retry-After"] = "60"
            return later
        if several:
            return JSONResponse({"accepted": receipt.accepted, "duplicates": receipt.duplicates}, status_code=202)
        return JSONResponse({"status": "duplicate" if receipt.duplicates else "accepted"}, status_code=202)

    return Route("/v1/events", take, methods=["POST"])


def _read(body: bytes) -> tuple[tuple[ShopEvent, ...], bool]:
    """The events of a body, and whether they came as several. Raises ValueError for what is none."""
    said = from_json(body)
    if not isinstance(said, dict):
        raise ValueError("no object")  # noqa: TRY004 - as the other faults of a body
    if "events" in said:
        return Batch.model_validate(said).events, True
    return (ShopEvent.model_validate(said),), False


def _problem(key: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """What is wrong with a signature; empty when nothing is."""
    if headers.get(HEADER) is None and headers.get(f"{_STANDARD}-signature") is not None:
        seconds, good = headers.get(f"{_STANDARD}-timestamp", ""), False
        if re.fullmatch(r"\d{1,12}", seconds, re.ASCII):
            signed = f"{headers.get(f'{_STANDARD}-id', '')}.{seconds}.".encode() + body
            seal = base64.b64encode(hmac.digest(standard_key(key), signed, hashlib.sha256))
            marks = headers[f"{_STANDARD}-signature"].encode().split()
            good = any(hmac.compare_digest(mark, b"v1," + seal) for mark in marks)
    else:
        match = _SIGNATURE.fullmatch(headers.get(HEADER, "").strip())
        if match is None:
            return "There is no signature, or it is not written as “t=SECONDS,v1=HEX”."
        seconds = match["at"]
        good = hmac.compare_digest(match["mark"], _mark(key, int(seconds), body))
    if not good:
        return "The signature does not fit the body and the key."
    if abs(now.timestamp() - int(seconds)) > REPLAY_WINDOW.total_seconds():
        return "The signature is too old, or the clocks differ."
    return ""


def standard_key(key: str) -> bytes:
    """The bytes by which Standard Webhooks signs (https://www.standardwebhooks.com): of whsec_BASE64, or the key's."""
    if not key.startswith(_WRITTEN_KEY):
        return key.encode()
    try:
        return base64.b64decode(key.removeprefix(_WRITTEN_KEY), validate=True)
    except binascii.Error:
        return key.encode()


def _mark(key: str, seconds: int, body: bytes) -> str:
    return hmac.new(key.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def explained(error: ValidationError) -> str:
    """Every problem by its place; never the value, which could name a person."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc']) or 'event'}: {one['msg'].removeprefix('Value error, ')}"
        for one in found
    )


def refuse(status: int, code: str, what: str, remedy: str) -> JSONResponse:
    """An answer that says what is wrong, and what to do next."""
    return JSONResponse({"error": {"code": code, "what": what, "remedy": remedy}}, status_code=status)
