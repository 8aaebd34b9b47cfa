"""What the API says of itself (OpenAPI): every answer that an operation may give, problems included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from console.api.door import KEY, KEY_PATTERN
from console.api.problem import MEDIA_TYPE, Problem

ABOUT: Final = (
    "What people do in the console, for programs that act in somebody's name. A program writes down briefs and "
    "decisions; the worker acts on them. Times are RFC 3339 in UTC, money is whole minor units."
)
TAGS: Final = [
    {"name": "briefs", "description": "What somebody wants; a worker plans for it."},
    {"name": "proposals", "description": "What would happen, and your yes or no to exactly that."},
    {"name": "campaigns", "description": "What runs."},
    {"name": "read-outs", "description": "What it was measured to add."},
    {"name": "contacts", "description": "People, and what they agreed to."},
    {"name": "events", "description": "What people did, as your systems report it."},
    {"name": "health", "description": "What waits and what fails."},
]
_PROBLEMS: Final = {
    401: "There is no token, or it is good no more",
    403: "The token or the role of its owner does not allow it",
    404: "Nothing of that id",
    409: "Somebody or something changed it first, or it is settled",
    411: "The request does not say how long it is",
    413: "The request is too long",
    422: "The request is not as described here, or its key was used for another",
    500: "Something broke",
    503: "The store cannot be used now",
}
_ALWAYS: Final = (401, 403, 411, 413, 422, 500, 503)
_KEY_HEADER: Final = {
    "name": KEY,
    "in": "header",
    "required": False,
    "description": "Drawn by you for each request: repeated within a day, it is carried out once and answered alike.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
}


def describe(app: FastAPI) -> None:
    """Let an application describe itself so, at /openapi.json."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI documents


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        servers=app.servers,
    )
    schemas = found["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, method, operation in _operations(found):
        posts = method == "post"
        if posts:
            operation.setdefault("parameters", []).append(_KEY_HEADER)
        named = [404] if "{" in path or "after" in {one["name"] for one in operation.get("parameters", ())} else []
        for status in (*_ALWAYS, *named, *([409] if posts else [])):
            operation["responses"][str(status)] = {
                "description": _PROBLEMS[status],
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
        if not posts:
            operation["responses"]["304"] = {"description": "It is as the mark in If-None-Match says"}
    return found


def _operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation
