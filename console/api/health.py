"""Health and metrics: what waits, what fails, whether a worker works; as JSON, and as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from console.api.door import needs
from console.tokens import Caller
from console.vitals import Vitals, read_vitals
from console.wiring import Workspace

Watcher = Annotated[Caller, needs("metrics")]
FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""
_GAUGES: Final = {
    "decisions_waiting": "Decisions that no worker acted on yet.",
    "briefs_waiting": "Briefs that no worker has planned for yet.",
    "events_waiting": "Live events that the lake does not have yet.",
    "messages_planned": "Messages that are planned and have not left.",
    "rows_quarantined": "Rows of imports that were set aside.",
    "alerts_open": "Alerts that wait for somebody.",
}


class _Text(PlainTextResponse):
    media_type = FORMAT


def routes(opened: Workspace) -> APIRouter:
    """The two pages."""
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="How it fares")
    def health(_caller: Watcher) -> Vitals:
        with opened.store.read() as connection:
            return read_vitals(connection)

    @router.get("/metrics", response_class=_Text, summary="The same for Prometheus")
    def metrics(_caller: Watcher) -> str:
        with opened.store.read() as connection:
            found = read_vitals(connection)
        return "\n".join([*_lines(found), ""])

    return router


def _lines(found: Vitals) -> Iterator[str]:
    yield from _gauge("sending_stopped", "1 while all sending is stopped.", {"": int(found.sending_stopped)})
    if found.worker_round_at is not None:
        yield from _gauge(
            "worker_round_timestamp_seconds",
            "When a worker last finished a round, in seconds since 1970.",
            {"": found.worker_round_at.timestamp()},
        )
    yield from _gauge("troubles", "Parts of the worker's last round that failed.", {"": len(found.troubles)})
    for name, about in _GAUGES.items():
        yield from _gauge(name, about, {"": getattr(found, name)})
    yield from _gauge("proposals", "Proposals by status.", found.proposals)
    yield from _gauge("campaigns", "Campaigns by status.", found.campaigns)


def _gauge(name: str, about: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP noria_{name} {about}"
    yield f"# TYPE noria_{name} gauge"
    for status, value in values.items():
        label = f'{{status="{status}"}}' if status else ""
        yield f"noria_{name}{label} {value:.15g}"
