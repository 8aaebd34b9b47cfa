"""Parts of a round that break off: each is noted, and holds up no other part."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from memory.errors import NoriaError

Guard = Callable[[str], AbstractContextManager[None]]
"""What stands around each named part of a round and decides what its errors do."""

_ROOT = Path(__file__).parents[1]


class Failure(BaseModel):
    """Which part of a round broke off, and how."""

    model_config = ConfigDict(frozen=True)

    part: str
    error: str
    """The code of the error, or the class of one that is not Noria's: the text of such a one could name a person."""
    where: str
    what: str = ""
    remedy: str = ""


class Failures:
    """A guard that notes what fails and lets the round go on."""

    def __init__(self) -> None:
        self.found: list[Failure] = []

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - no part may end the worker, whatever breaks in it
            failure = failure_of(part, error)
            if failure not in self.found:
                self.found.append(failure)


def aloud(_part: str) -> AbstractContextManager[None]:
    """The guard that lets every error through: the round ends with the first."""
    return nullcontext()


def failure_of(part: str, error: Exception) -> Failure:
    """What may be told of an error."""
    if isinstance(error, NoriaError):
        return Failure(part=part, error=error.code, where=error.where, what=error.what, remedy=error.remedy)
    return Failure(part=part, error=type(error).__name__, where=_own_line(error))


def _own_line(error: Exception) -> str:
    """The innermost line of this program, not of a library, that the error came through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and "site-packages" not in path.relative_to(_ROOT).parts:
            return f"{path.relative_to(_ROOT)}:{frame.lineno}"
    return ""
