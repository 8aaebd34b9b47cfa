"""The calendar: what would start, what is planned, and what runs, by day of the workspace's zone."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from console.agenda import agenda
from memory import letters, proposals
from memory.letters import Letter
from memory.schema import enrolments, messages
from tests.console.conftest import run_in
from tests.console.screens.conftest import Serve, text_of

ZONE = "Europe/Paris"


def test_what_waits_would_start_and_what_runs_is_counted_by_day(proposed: Path, serve: Serve) -> None:
    house = serve(proposed)
    opened = house.opened
    viewer, approver = house.person("viewer"), house.person("approver")
    with opened.store.read() as connection:
        found = proposals.list_proposals(connection)
    first = next(one.proposal for one in found if one.proposal.play.playbook == "win_back")
    starts_on = first.play.schedule.starts_at.astimezone(ZoneInfo(ZONE)).date()
    with opened.store.read() as connection:
        coming = agenda(connection, starts_on, ZONE)
    assert ("proposed", first.title, first.audience.treated) in [
        (one.what, one.name, one.count) for one in coming[starts_on]
    ]
    form = {"verdict": "approve", "version": "1", "digest": first.digest}
    approver.post(f"/console/proposals/{first.proposal_id}/decide", data=form)
    run_in(proposed)("work", "--once")
    with opened.store.write() as connection:
        at = opened.clock.now() + timedelta(days=2)
        letters.create(connection, "soon", Letter(name="Soon", starts_at=at), actor="console:ines", at=at)
    with opened.store.read() as connection:
        lines = [one for day in agenda(connection, starts_on - timedelta(days=2), ZONE).values() for one in day]
        planned = connection.execute(
            select(func.count())
            .select_from(messages.join(enrolments, enrolments.c.enrolment_id == messages.c.enrolment_id))
            .where(messages.c.state == "planned", enrolments.c.in_holdout.is_(False))
        ).scalar_one()
    assert planned > 0
    assert sum(one.count or 0 for one in lines if one.what == "messages") == planned
    assert {"start", "messages", "draft"} <= {one.what for one in lines}
    assert first.title not in [one.name for one in lines if one.what == "proposed"]
    page = text_of(viewer.get("/console/calendar").text)
    assert re.search(r"Win-back\S* .*messages email", page)
    assert "Soon letter, not submitted yet" in page
    assert "Calendrier" in viewer.get("/console/calendar?lang=fr").text
    assert "Nothing is planned" in viewer.get("/console/calendar?since=2031-01-01").text
    for odd in ("0001-01-01", "9999-12-31"):
        assert viewer.get(f"/console/calendar?since={odd}").status_code == 200
    assert viewer.get("/console/calendar?since=soon").status_code == 400
