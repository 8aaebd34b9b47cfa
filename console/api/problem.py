"""Every error as problem details (RFC 9457): what happened, to what, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from console.difference import Difference
from memory.errors import ConflictError, InvalidInputError, NoriaError, NotAllowedError, NotFoundError, StoreError

MEDIA_TYPE: Final = "application/problem+json"
_STATUS: Final = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (NotAllowedError, 403),
    (InvalidInputError, 422),
    (StoreError, 503),
)
_CODES: Final = {401: "unauthorized", 403: "not_allowed", 404: "not_found", 405: "method", 503: "store"}
_RETRY_SECONDS: Final = 60


class Fault(BaseModel):
    """One part of a request that is wrong."""

    place: str
    """For example body.reason, or query.limit."""
    what: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(examples=["urn:noria:error:conflict"])
    """The code of the error as a URN; codes do not change between releases."""
    title: str
    status: int
    detail: str
    code: str
    where: str = ""
    remedy: str = ""
    """What to do next."""
    errors: list[Fault] = []
    """Where a request is not as the description asks: each part that is wrong, never its value."""
    version: int | None = None
    """Where a proposal changed meanwhile: its version now."""
    digest: str | None = None
    """Where a proposal changed meanwhile: its digest now."""
    differences: list[Difference] = []
    """Where a proposal changed meanwhile: what is not as it was in the version that was decided on."""


class ChangedError(ConflictError):
    """A proposal is no more what somebody decided on."""

    def __init__(self, proposal_id: str, version: int, digest: str, differences: Sequence[Difference]) -> None:
        super().__init__(
            f"It is now version {version} with another digest.",
            where=f"proposal {proposal_id}",
            remedy="Look at the differences, and decide on this version.",
        )
        self.now: Mapping[str, Any] = {"version": version, "digest": digest, "differences": list(differences)}


def problem(
    status: int, code: str, detail: str, *, where: str = "", remedy: str = "", headers: Any = None, **more: Any
) -> JSONResponse:
    """An answer that says what went wrong."""
    told = Problem(
        type=f"urn:noria:error:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        where=where,
        remedy=remedy,
        **more,
    )
    body = told.model_dump(mode="json", exclude_defaults=True)
    answer = JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(_RETRY_SECONDS)
    return answer


def explain_errors(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""

    @app.exception_handler(NoriaError)
    def told(_request: Request, error: NoriaError) -> JSONResponse:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        more = error.now if isinstance(error, ChangedError) else {}
        return problem(status, error.code, error.what, where=error.where, remedy=error.remedy, **more)

    @app.exception_handler(RequestValidationError)
    def unreadable(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Never the value: it could name a person.
        faults = [
            Fault(place=".".join(str(part) for part in one["loc"]), what=str(one["msg"]).removeprefix("Value error, "))
            for one in error.errors()
        ]
        return problem(422, "invalid_input", "The request is not as it is described.", errors=faults)

    @app.exception_handler(HTTPException)
    def missing(_request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "http")
        return problem(error.status_code, code, str(error.detail), headers=error.headers)

    @app.exception_handler(Exception)
    def broken(_request: Request, _error: Exception) -> JSONResponse:
        return problem(500, "noria", "Something broke that should not.", remedy="The log of `noria serve` says what.")
