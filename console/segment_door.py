"""The door for senders that speak the Segment protocol: what they track is an event, and names they give are known."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from console.body import read_body
from console.event_door import ShopEvent, explained, refuse
from console.group_commit import GroupCommit, Kept
from memory.clock import Clock
from memory.contacts import Known, know_as
from memory.errors import StoreError
from memory.store import Store
from tools.intake import Incoming
from tools.segment import call_id, event_of, is_identity

LONGEST: Final = 512_000
"""Bytes of one request; Segment's own limit is 500 KB for a batch."""
MOST: Final = 1_000
SOURCE: Final = "segment"


def segment_door(store: Store, clock: Clock, together: GroupCommit, key: SecretStr | None) -> Route:
    """`POST /v1/track`, `identify`, `alias`, `page`, `screen`, `batch` and `import`; without a key they stay shut."""

    async def take(request: Request) -> JSONResponse:
        method = request.path_params["method"]
        if key is None or method not in _METHODS:
            return refuse(404, "closed", "Nothing is taken here.", "Set NORIA_SEGMENT_KEY for `noria serve`.")
        if not _may(request.headers.get("authorization", ""), key.get_secret_value()):
            return refuse(401, "key", "The write key is missing or wrong.", "Send it as the user of Basic auth.")
        body = await read_body(request, LONGEST)
        if body is None:
            return refuse(413, "too_large", f"The body has more than {LONGEST} bytes.", "Send smaller batches.")
        try:
            calls = _calls(method, json.loads(body, parse_float=Decimal))
        except (ValueError, RecursionError):
            return refuse(400, "invalid_input", "It is no call of the Segment protocol.", "See docs/events.md.")
        try:
            answer = await _take(store, clock, together, calls)
        except StoreError:
            later = refuse(503, "store", "The calls could not be kept.", "Send them again in a minute.")
            later.headers["Retry-After"] = "60"
            return later
        wrong = bool(answer["refused"]) and method not in _BATCHES
        return JSONResponse({"success": not wrong, **answer}, status_code=400 if wrong else 200)

    return Route("/v1/{method}", take, methods=["POST"])


_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_BATCHES: Final = frozenset({"batch", "import"})
_METHODS: Final = _BATCHES | {"track", "identify", "alias", "page", "screen"}


def _may(header: str, key: str) -> bool:
    scheme, _, said = header.partition(" ")
    try:
        user = base64.b64decode(said, validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(user.encode(), key.encode())


def _calls(method: str, body: Any) -> list[dict[str, Any]]:
    if not isinstance(body, dict):
        raise ValueError("no object")  # noqa: TRY004 - as the other faults of a body
    if method not in _BATCHES:
        return [{**body, "type": method}]
    found = body.get("batch")
    if not isinstance(found, list) or len(found) > MOST or not all(isinstance(one, dict) for one in found):
        raise ValueError("no batch")
    shared = {name: body[name] for name in ("sentAt",) if name in body}
    return [{**shared, **one} for one in found]


async def _take(store: Store, clock: Clock, together: GroupCommit, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep what is sound; what is not is named by its place, never by its value. Names count from this request on."""
    now = clock.now()
    refused: list[dict[str, Any]] = []
    known: list[Known] = []
    events: list[Incoming] = []
    for place, call in enumerate(calls):
        try:
            if is_identity(call):
                known.append(_known(call))
            else:
                event = ShopEvent.model_validate(event_of(call, now)).incoming()
                events.append(replace(event, event_id=f"{SOURCE}:{call_id(call)}", source=SOURCE))
        except ValidationError as error:
            refused.append({"call": place, "why": explained(error)})
        except ValueError as error:
            refused.append({"call": place, "why": str(error)})
    if known:
        await run_in_threadpool(_know, store, known)
    kept = await together.receive(events) if events else Kept(0, 0)
    return {"accepted": kept.accepted + len(known), "duplicates": kept.duplicates, "refused": refused}


def _know(store: Store, known: list[Known]) -> None:
    with store.write() as connection:
        know_as(connection, known, SOURCE)


def _known(call: Mapping[str, Any]) -> Known:
    """The names that one call says are one person's, the surest first."""
    traits = call.get("traits")
    email = traits.get("email") if isinstance(traits, Mapping) else None
    said = (email, call.get("userId"), call.get("previousId"), call.get("anonymousId"))
    names = tuple(str(one).strip() for one in said if isinstance(one, str | int) and str(one).strip())
    if not all(_NAME.fullmatch(one) for one in names):
        raise ValueError("a name is longer than 200 characters, or holds what cannot be written down")
    if len(names) < 2:
        raise ValueError("it names nobody by two names of userId, anonymousId, previousId and traits.email")
    return Known(names)
