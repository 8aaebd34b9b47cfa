"""The body of a request, up to a size; nobody makes this process hold more."""

from __future__ import annotations

from starlette.requests import Request


async def read_body(request: Request, longest: int) -> bytes | None:
    """The body as it came; None when it is longer than ``longest`` bytes, of which no more is read."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > longest:
            return None
    return bytes(parts)
