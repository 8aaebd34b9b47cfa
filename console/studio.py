"""The graph for `langgraph dev`: named in langgraph.json, opened on the workspace that a run's configuration names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from agents.served import serve_graph
from console.wiring import Workspace

if TYPE_CHECKING:
    from agents.desk import Desk


def _open_desk(folder: Path) -> Desk:
    opened = Workspace(folder, os.environ)
    opened.keep_brand_facts()
    return opened.desk


operator = serve_graph(_open_desk)
