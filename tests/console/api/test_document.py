"""The API keeps to its own description, whatever it is asked: schemathesis asks a real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.console.api.conftest import program_of
from tests.console.screens.browser import listening
from tests.console.screens.conftest import House

EVENTS = "/events"
KEY = "Idempotency-Key"


@pytest.fixture
def described(stocked: House) -> Iterator[tuple[Any, dict[str, str]]]:
    """The description as a program gets it, of a server that it may ask everything."""
    token = {"Authorization": program_of(stocked, "admin").headers["Authorization"]}
    with listening(stocked) as url:
        found = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=token)
        found.config.update(base_url=f"{url}/api/v1")
        yield found, token


@pytest.mark.slow(seconds=40)
def test_every_answer_is_one_that_the_description_names(described: tuple[Any, dict[str, str]]) -> None:
    schema, token = described
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode, examples in ((GenerationMode.POSITIVE, 6), (GenerationMode.NEGATIVE, 3)):
            ask(operation, mode, examples, token)
        asked.add(operation.label)
    assert len(asked) > 15


def ask(operation: Any, mode: GenerationMode, examples: int, token: dict[str, str]) -> None:
    """Ask an operation for what it describes, or for what it should refuse."""

    @settings(max_examples=examples, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        if case.headers and case.headers.get(KEY):
            # Each request has its own, as programs do: what a key was used for before is another test's matter.
            case.headers[KEY] = str(uuid.uuid4())
        # What an event must say besides hangs on its kind, which the description tells in words.
        excluded = [positive_data_acceptance] if operation.path == EVENTS else []
        case.call_and_validate(headers=token, excluded_checks=excluded)

    one()
