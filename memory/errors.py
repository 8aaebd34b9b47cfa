"""Errors that say what happened, to what, and what to do next."""

from __future__ import annotations

from typing import ClassVar


class NoriaError(Exception):
    """What went wrong, where, and the remedy, in words for the person who has to act.

    ``code`` is stable across releases, so scripts may rely on it.
    """

    code: ClassVar[str] = "noria"

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{place}{self.what}{remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.remedy))


def _rebuild(kind: type[NoriaError], what: str, where: str, remedy: str) -> NoriaError:
    return kind(what, where=where, remedy=remedy)


class ConfigurationError(NoriaError):
    """A setting is missing, contradictory or unusable."""

    code = "configuration"


class StoreError(NoriaError):
    """The store cannot be opened, read or written."""

    code = "store"


class NewerStoreError(StoreError):
    """The store was written by a newer release of Noria."""

    code = "store.newer"


class BackupError(NoriaError):
    """A backup cannot be written, or brought back."""

    code = "backup"


class NotFoundError(NoriaError):
    """Nothing is recorded under that name or id."""

    code = "not_found"


class ConflictError(NoriaError):
    """Somebody or something changed it first."""

    code = "conflict"


class NotAllowedError(NoriaError):
    """Somebody's role does not let them do it."""

    code = "not_allowed"


class InvalidInputError(NoriaError):
    """A file or value that Noria was given does not say what it must."""

    code = "invalid_input"


class LakeError(NoriaError):
    """The lake cannot be read or written."""

    code = "lake"
