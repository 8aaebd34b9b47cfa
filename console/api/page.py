"""Lists by pages: so many at a time, after the last one that somebody has, in an order that does not change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, StringConstraints

MOST: Final = 200
Item = TypeVar("Item", bound=BaseModel)
Limit = Annotated[int, Query(ge=1, le=MOST, description="So many at most.")]
_ID: Final = r"^[A-Za-z0-9_-]{1,64}$"
Id = Annotated[str, Path(pattern=_ID)]
After = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,64}$", description="The id of the last one that you have.")]
# Neither a surrogate nor a zero byte can stand in the store.
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=500)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=5_000)]


class Page(BaseModel, Generic[Item]):
    """Some of a list."""

    items: list[Item]
    next: str | None = None
    """What to give as ``after`` for those that follow; null at the end."""


def page(found: Sequence[Item], limit: int, key: Callable[[Item], object]) -> Page[Item]:
    """A page of what was found with a limit of one more than asked for."""
    more = len(found) > limit
    return Page(items=list(found[:limit]), next=str(key(found[limit - 1])) if more else None)
