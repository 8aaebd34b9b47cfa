"""Nothing leaves past the guardian: whatever breaks or is missing holds, in the transaction that claims the send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from memory import journal
from memory.clock import ManualClock
from memory.schema import cap_slots, messages
from memory.store import Store
from memory.workspace import turn_switch
from policies.facts import MessageFacts
from policies.pack import Pack
from policies.rule import Context, Parameters, Ruling
from tests.policies.worlds import base_pack
from tests.tools.scene import add_contacts, counts, outbox, play, start, workplace
from tools import gate
from tools.channels.channel import Outcome, Outgoing
from tools.channels.sandbox import SandboxChannel
from tools.deliver import deliver
from tools.gather import Case, gather
from tools.workplace import Workplace


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    found = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, [1, 2, 3])
    start(found, play(), [1, 2, 3])
    return found


def held(place: Workplace) -> list[tuple[str, str, str]]:
    """State of each message, with the rule against it and its fact."""
    query = select(messages.c.state, messages.c.findings).order_by(messages.c.message_id)
    with place.store.read() as connection:
        rows = connection.execute(query).all()
    against = [(row.state, [one for one in row.findings if one["verdict"] != "allow"]) for row in rows]
    return [(state, one["rule"], one["fact"]) for state, [one] in against]


def broken(pack: Pack, rule_id: str) -> Pack:
    """The same pack with one rule that breaks down."""

    def gate_of(_facts: MessageFacts, _limits: Parameters, _context: Context) -> Ruling | None:
        raise ZeroDivisionError

    found = pack.model_copy()
    gates = tuple((gate_of if setting.id == rule_id else one, *rest, setting) for one, *rest, setting in pack.gates)
    found.__dict__["gates"] = gates
    return found


@pytest.mark.parametrize("rule_id", sorted(setting.id for _, _, setting in base_pack().gates))
def test_a_rule_that_breaks_down_holds_every_claim(place: Workplace, tmp_path: Path, rule_id: str) -> None:
    deliver(replace(place, pack=broken(place.pack, rule_id)))
    assert held(place) == [("planned", rule_id, "ZeroDivisionError")] * 3
    assert outbox(tmp_path) == {}


@pytest.mark.parametrize("name", ["consent_state", "suppressed_reason", "contact_erased", "local_now"])
def test_a_missing_fact_holds_the_claim(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def lacking(*given: Any, **named: Any) -> list[Case]:
        return [replace(one, facts=replace(one.facts, **missing)) for one in gather(*given, **named)]

    missing: dict[str, Any] = {name: None}
    monkeypatch.setattr(gate, "gather", lacking)
    deliver(place)
    assert {state for state, _, _ in held(place)} == {"planned"}
    assert {fact for _, _, fact in held(place)} == {f"{name} unknown"}
    assert outbox(tmp_path) == {}


def test_verdict_place_and_claim_are_written_together_or_not_at_all(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_given: Any, **_named: Any) -> str:
        raise OSError("the power fails")

    # The journal is written last.
    monkeypatch.setattr(gate, "append", dies)
    with pytest.raises(OSError, match="power"):
        deliver(place)
    with place.store.read() as connection:
        rows = connection.execute(select(messages.c.state, messages.c.judged, messages.c.claim_token)).all()
        taken = connection.execute(select(cap_slots).where(cap_slots.c.message_key.is_not(None))).all()
    assert {tuple(row) for row in rows} == {("planned", "", None)}
    assert taken == []
    assert outbox(tmp_path) == {}
    monkeypatch.undo()
    deliver(place)
    assert counts(place.store) == {"sent": 3}


class StoppedAfterTheFirst(SandboxChannel):
    """Somebody turns the switch while its first batch of one is on its way."""

    def __init__(self, folder: Path, store: Store, clock: ManualClock) -> None:
        super().__init__(folder)
        self.capabilities = replace(self.capabilities, batch_size=1)
        self._store, self._clock = store, clock

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        with self._store.write() as connection:
            turn_switch(connection, stopped=True, actor="cli:marie", reason="a typo", at=self._clock.now())
        return super().send_many(batch, seconds=seconds)


def test_the_switch_is_read_at_each_claim_of_a_pass(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    channel = StoppedAfterTheFirst(tmp_path / "outbox", place.store, clock)
    done = deliver(replace(place, channels={"email": channel}))
    assert done.stopped
    assert counts(place.store) == {"sent": 1, "planned": 2}
    assert len(outbox(tmp_path)) == 1
    with place.store.read() as connection:
        assert journal.verify(connection).intact
