"""Requests to AWS, signed: Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


def sign(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    key_id: str,
    secret: str,
    region: str,
    service: str,
    at: datetime,
) -> dict[str, str]:
    """The headers of a POST without a query, signature included."""
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(url)
    signed = {
        **{name.lower(): value.strip() for name, value in headers.items()},
        "host": parts.netloc,
        "x-amz-date": stamp,
    }
    names = ";".join(sorted(signed))
    lines = [f"{name}:{signed[name]}\n" for name in sorted(signed)]
    canonical = "\n".join(
        ["POST", quote(parts.path or "/"), "", "".join(lines), names, hashlib.sha256(body).hexdigest()]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for step in (stamp[:8], region, service, "aws4_request"):
        key = hmac.digest(key, step.encode(), hashlib.sha256)
    seal = hmac.digest(key, to_sign.encode(), hashlib.sha256).hex()
    proof = f"{_ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={seal}"
    return {**headers, "Host": parts.netloc, "X-Amz-Date": stamp, "Authorization": proof}
