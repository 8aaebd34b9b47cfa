"""What providers answer, read without trusting it: documents that may be none, and words that may name a person."""

from __future__ import annotations

import re
from typing import Any, Final

import httpx

_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def document_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty when it is none."""
    said = json_of(response)
    return said if isinstance(said, dict) else {}


def json_of(response: httpx.Response) -> Any:
    """The JSON value of an answer; None when it is none."""
    try:
        return response.json()
    except ValueError:
        return None


def code_of(word: object, response: httpx.Response) -> str:
    """Why a message was refused, in a word that the ledger may keep: a sentence could repeat the address."""
    found = str(word) if isinstance(word, str | int) else ""
    status = f"refused: {response.status_code}"
    return f"{status} {found}" if _CODE.fullmatch(found) else status
