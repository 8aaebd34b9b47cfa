"""Answers that no rule understood: read one by one by a model, counted, and left to a person where it cannot tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from agents.desk import Desk
from agents.provider import Provider
from agents.read_replies import read_replies
from agents.rules import RulesProvider
from evals.model_server import ModelServer, returns
from memory import replies
from memory.clock import ManualClock
from memory.replies import Reading, Reply
from memory.store import Store
from tests.agents.test_model_provider import provider_at
from tests.agents.trial import desk_of
from tests.tools.scene import NOW
from tools.lookups import MODEL_CALL, read_thread


def desk_with(provider: Provider, store: Store, folder: Path, clock: ManualClock) -> Desk:
    """Two answers wait, and one that rules understood."""

    def said(name: str, words: str, reading: Reading = "unread", read_by: str = "") -> Reply:
        return Reply(
            event_id=name, contact_id=1, at=NOW, channel="email", words=words, reading=reading, read_by=read_by
        )

    with store.write() as connection:
        rows = [said("a", "Le jardin est beau"), said("b", "Ma bourse est vide"), said("c", "Stop", "opt_out", "rules")]
        replies.keep(connection, rows)
    return replace(desk_of(store, folder, clock), provider=provider)


def test_each_is_read_alone_and_only_once(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    said = [returns({"wants": "unclear", "objection": ""}), returns({"wants": "objection", "objection": "price"})]
    with ModelServer(said) as server:
        desk = desk_with(provider_at(server), store, tmp_path, clock)
        assert (read_replies(desk), read_replies(desk)) == (2, 0)
        first, second = (json.dumps(one) for one in server.requests)
    assert ("jardin" in first, "bourse" in first, "bourse" in second, "jardin" in second) == (True, False, True, False)
    with store.read() as connection:
        found = {one.event_id: one for one in replies.list_replies(connection)}
        calls = read_thread(connection, "replies", MODEL_CALL)
    assert (found["a"].reading, found["a"].needs_person, found["a"].read_by) == ("human_needed", True, "model")
    assert (found["b"].reading, found["b"].objection) == ("objection", "price")
    assert found["c"].read_by == "rules"
    assert len(calls) == 2


def test_rules_leave_them_as_they_are(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    assert read_replies(desk_with(RulesProvider(), store, tmp_path, clock)) == 0
