"""Names of tests without signs that a command line would read otherwise: mutation testing asks for them one by one."""

from __future__ import annotations

import re


def plain_id(text: str) -> str:
    """Words and figures only."""
    return re.sub(r"[^\w.,]+", " ", text, flags=re.ASCII).strip()


def pytest_make_parametrize_id(val: object) -> str | None:
    return plain_id(val) if isinstance(val, str) else None
