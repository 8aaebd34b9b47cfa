"""Policies in words: each rule with its limits and source, what the rules said lately, and the past under a pack."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from agents.autonomy import record_of
from console.backtest import backtest
from console.findings_history import findings_history
from console.screens.door import Operator, Viewer
from console.screens.frame import Frame
from memory.autonomy import KINDS
from memory.errors import NotFoundError
from policies.explanation import explain
from policies.rules import RULES

Days = Annotated[int, Field(ge=1, le=730)]


def routes(frame: Frame) -> APIRouter:
    """The pack in force, its history, and what another would have done."""
    router, opened = APIRouter(), frame.opened

    @router.get("/policies")
    def show(request: Request, _user: Viewer) -> Response:
        with frame.lock:
            opened.take_up_policy()
            pack = opened.pack
        with opened.store.read() as connection:
            ladder = [record_of(connection, pack, kind) for kind in KINDS]
        rules = [explain(pack, one, []) for one in RULES]
        return frame.page(request, "policies.html", pack=pack, rules=rules, ladder=ladder)

    @router.get("/policies/findings")
    def findings(request: Request, _user: Viewer) -> Response:
        with opened.store.read() as connection:
            found = findings_history(connection, opened.clock.now())
        return frame.page(request, "findings.html", found=found, rules=RULES)

    @router.get("/policies/backtest")
    def replay(request: Request, _user: Operator, pack: str = "", days: Days = 30) -> Response:
        """Replays the past under a pack; it writes nothing, and takes a while where much was sent."""
        with frame.lock:
            opened.take_up_policy()
            names = sorted(opened.packs.files)
            if pack and pack not in names:
                raise NotFoundError("There is no such pack.", remedy="Choose one of the list.")
            wanted = opened.read_pack(pack) if pack else None
        # Outside of the lock: nobody waits for it but who asked.
        found = backtest(opened, wanted, opened.clock.now() - timedelta(days=days)) if wanted else None
        asked = {"pack": pack or opened.settings.policy_pack, "days": days}
        return frame.page(request, "backtest.html", found=found, names=names, asked=asked)

    return router
