"""How long another system asks to be left alone."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

_LATEST: Final = ("Retry-After", "RateLimit-Reset", "X-RateLimit-Reset", "x-sib-ratelimit-reset")
"""Headers that say how long to stay away: seconds, a moment in seconds since 1970, or a date."""
_MOMENT: Final = 1_000_000_000


def asked_for(response: httpx.Response) -> float:
    """Seconds that the other side asks to be left alone (RFC 9110, 10.2.3, and the headers of rate limits)."""
    said = next((response.headers[name] for name in _LATEST if name in response.headers), "")
    try:
        number = float(said)
    except ValueError:
        pass
    else:
        return max(number - time.time() if number > _MOMENT else number, 0.0)
    try:
        return max((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return 0.0
