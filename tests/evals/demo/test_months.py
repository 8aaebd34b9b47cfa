"""The months of the demo give every packaged playbook its moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.handover import fetch
from agents.planning import rank
from agents.ranking import Ranking
from evals.demo.loop import BRIEF
from evals.demo.months import LEADS, LETTERS, open_shop
from evals.demo.stage import shop_stage
from memory import proposals


@pytest.mark.slow(seconds=60)
def test_every_packaged_playbook_is_an_opportunity_when_the_months_begin(tmp_path: Path) -> None:
    with shop_stage(tmp_path / "demo", seed=1, leads=LEADS, letters=LETTERS) as stage:
        open_shop(stage, "normal", 1)
        desk = stage.workspace.desk
        with desk.store.write() as connection:
            proposals.write_brief(connection, BRIEF, desk.clock.now())
        found = rank({"thread_id": "months", "brief_id": BRIEF.brief_id}, desk)
        ranking = fetch(desk, "months", found["ranking_id"], Ranking)
    # What would change nothing has its moment, too: it is found, sized, and kept from people.
    sized = {one.playbook for one in ranking.withheld if "expected to change nothing" in one.sentence}
    missing = {one.playbook: one.sentence for one in ranking.withheld if one.playbook not in sized}
    assert not missing
    assert {one.playbook for one in ranking.opportunities} | sized == set(desk.playbooks)
    assert len(ranking.opportunities) > 2 * len(sized)
