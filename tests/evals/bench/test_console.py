"""The bench of the console: every page that it asks for is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.wiring import Workspace
from evals.bench.console import measure, pages, prepare


@pytest.mark.slow(seconds=30)
def test_every_page_is_answered_over_a_made_up_record(tmp_path: Path) -> None:
    campaign_id = prepare(tmp_path / "bench", contacts=400, proposals_number=200, events=False)
    opened = Workspace(tmp_path / "bench", {})
    found = measure(opened, pages(campaign_id, 400, 200), 1)
    opened.close()
    assert len(found) > 20
    assert min(one.kilobytes for one in found) > 0.1
