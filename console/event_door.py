"""The door for a shop's own events: signed, limited, checked, and answered only when they are on record."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
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
from starlette.responses import JSONResponse

from console.body import read_body
from console.group_commit import GroupCommit
from memory.clock import Clock, SystemClock
from memory.errors import StoreError
from memory.events import ACCEPTED, BOUNCE, COMPLAINT, DEFERRED, DELIVERED, ORDER
from memory.steps import EventName
from tools.intake import Incoming

LONGEST: Final = 65_536
"""Bytes of one event."""
REPLAY_WINDOW: Final = timedelta(minutes=5)
"""So far may the moment of a signature be from the clock of this machine."""
HEADER: Final = "noria-signature"
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


def sign(key: str, body: bytes, at: datetime) -> str:
    """The value of the header `Noria-Signature` for a body that is sent at a moment."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_mark(key, seconds, body)}"


def event_door(together: GroupCommit, key: SecretStr | None, real_time: Clock | None = None) -> APIRouter:
    """`POST /v1/events`; without a key it stays shut. ``real_time`` judges the age of signatures."""
    router = APIRouter()
    now = real_time or SystemClock()

    @router.post("/v1/events")
    async def take(request: Request) -> JSONResponse:
        if key is None:
            return refuse(404, "closed", "No key for events is set.", "Set NORIA_EVENTS_KEY for `noria serve`.")
        body = await read_body(request, LONGEST)
        if body is None:
            return refuse(413, "too_large", f"The body has more than {LONGEST} bytes.", "Send one event at a time.")
        problem = _problem(key.get_secret_value(), request.headers.get(HEADER, ""), body, now.now())
        if problem:
            return refuse(401, "signature", problem, "Sign “TIMESTAMP.BODY” with the key, as the documentation shows.")
        try:
            event = ShopEvent.model_validate_json(body)
        except ValidationError as error:
            return refuse(422, "invalid_input", explained(error), "Correct the event and send it again.")
        try:
            receipt = await together.receive([event.incoming()])
        except StoreError:
            later = refuse(503, "store", "The event could not be kept.", "Send it again in a minute.")
            later.headers["Retry-After"] = "60"
            return later
        return JSONResponse({"status": "duplicate" if receipt.duplicates else "accepted"}, status_code=202)

    return router


def _problem(key: str, header: str, body: bytes, now: datetime) -> str:
    """What is wrong with a signature; empty when nothing is."""
    match = _SIGNATURE.fullmatch(header.strip())
    if match is None:
        return "There is no signature, or it is not written as “t=SECONDS,v1=HEX”."
    if not hmac.compare_digest(match["mark"], _mark(key, int(match["at"]), body)):
        return "The signature does not fit the body and the key."
    if abs(now.timestamp() - int(match["at"])) > REPLAY_WINDOW.total_seconds():
        return "The signature is too old, or the clocks differ."
    return ""


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
