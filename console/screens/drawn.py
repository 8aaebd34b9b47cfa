"""Pictures of numbers: each under an address of its own, drawn when a browser asks for it, and kept for the next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from starlette.responses import Response

from console.report.charts import Chart
from memory.errors import NotFoundError

_KEPT = 64
_Key = tuple[str, str, tuple[tuple[str, ...], ...]]


class Drawings:
    """The last pictures that were drawn: what says the same is drawn once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, str] = OrderedDict()

    def answer(self, charts: Mapping[str, Chart], name: str) -> Response:
        """One of several charts as a picture. Raises NotFoundError."""
        if name not in charts:
            raise NotFoundError("There is no such picture.")
        chart = charts[name]
        key = (chart.title, chart.alternative, chart.rows)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = chart.svg
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return Response(self._kept[key], media_type="image/svg+xml")
