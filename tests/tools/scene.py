"""A small shop with contacts who consented, and the shortest way from a play to a running campaign."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from memory import consents, ledger, proposals
from memory.canonical import address_hash
from memory.clock import Clock
from memory.enrolments import Enrolment
from memory.lake import Lake
from memory.ledger import Reconciliation
from memory.play import Goal, Play, Schedule
from memory.proposal import ProposalStatus
from memory.schema import contacts, enrolments, messages
from memory.steps import Copy, ExitStep, SendStep, WaitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from memory.workspace import salt
from tests import examples
from tests.policies.worlds import LETTER, base_pack
from tools.channels.channel import Channel
from tools.channels.sandbox import SandboxChannel
from tools.launch import Launch, launch
from tools.workplace import Workplace

NOW = examples.NOW
DAY = timedelta(days=1)
PROOF = "sign-up form, 2024-01-02, text 3"
URL = "http://127.0.0.1:8321"


class Chosen:
    """Features that select exactly these contacts, whatever the segment says."""

    def __init__(self, ids: Collection[int]) -> None:
        self._ids = sorted(ids)

    def select(self, _expression: object) -> list[int]:
        return self._ids

    def rows(self, ids: Sequence[int], _names: Sequence[str]) -> dict[int, dict[str, Any]]:
        return {one: {} for one in ids}


def address(contact_id: int) -> str:
    return f"contact{contact_id}@shop.example.com"


def phone(contact_id: int) -> str:
    """As people write it: the record keeps what it was given."""
    return f"+33 (0)6 00.00-{contact_id:04}"


def add_contacts(
    store: Store,
    ids: Collection[int],
    *,
    consent: str = "granted",
    proof: str = PROOF,
    channel: str = "email",
    **columns: Any,
) -> None:
    """Contacts in Paris who read English, with consent to marketing by e-mail unless it says otherwise."""
    with store.write() as connection:
        secret = salt(connection)
        connection.execute(
            insert(contacts),
            [
                {
                    "contact_id": one,
                    "email": address(one),
                    "email_hash": address_hash(secret, address(one)),
                    "phone": phone(one),
                    "first_name": f"Name{one}",
                    "language": "en",
                    "time_zone": "Europe/Paris",
                    "created_at": NOW - 400 * DAY,
                    "updated_at": NOW - 400 * DAY,
                    **columns,
                }
                for one in sorted(ids)
            ],
        )
        if consent:
            consents.record(
                connection,
                [
                    consents.Consent(
                        contact_id=one,
                        channel=channel,
                        purpose="marketing",
                        state=consent,
                        at=NOW - 300 * DAY,
                        proof=proof,
                    )
                    for one in sorted(ids)
                ],
            )


def step(key: str) -> SendStep:
    """A send whose copy asks for nothing but the brand."""
    words = examples.copy("en")
    return SendStep(key=key, template="letter", copies={"en": Copy.model_validate(words.model_dump())})


def mailable(of: PlaySequence) -> PlaySequence:
    """The same sequence, each of its mails one that this shop can send."""
    steps = [step(one.key).model_copy(update={"next": one.next}) if one.kind == "send" else one for one in of.steps]
    return of.model_copy(update={"steps": tuple(steps)})


def play(*, sends: int = 1, wait_days: int = 3, **changes: Any) -> Play:
    """A play of some sends with waits between them, within the base pack."""
    steps: list[Any] = []
    for number in range(1, sends + 1):
        steps += [step(f"mail{number}"), WaitStep(key=f"wait{number}", days=wait_days)]
    steps[-1] = ExitStep(key="end")
    values = {
        "audience": {"type": "compare", "field": "recency_days", "operator": ">=", "value": 60},
        "templates": {"letter": LETTER},
        "sequences": (PlaySequence(key="one", title="One", steps=tuple(steps), share=1),),
        "schedule": Schedule(starts_at=NOW, send_from_hour=8, send_until_hour=20, fallback_zone="Europe/Paris"),
        "goal": Goal(window_days=14),
        "size_band": (0, 1_000_000),
        "holdout_share": 0.0,
        "policy_version": base_pack().version,
        **changes,
    }
    return examples.play(**values)


def workplace(store: Store, clock: Clock, tmp_path: Path, channel: Channel | None = None, **changes: Any) -> Workplace:
    """Everything acting needs, with the sandbox unless another channel is given."""
    found = Workplace(
        store=store,
        lake=Lake(tmp_path / "lake"),
        pack=base_pack(),
        clock=clock,
        channels={"email": channel or SandboxChannel(tmp_path / "outbox")},
        public_url=URL,
        currency="EUR",
    )
    return replace(found, **changes)


def approve(store: Store, wanted: Play, *, proposal_id: str = "p1", at: datetime = NOW, **changes: Any) -> str:
    """Submit a proposal for a play and approve it."""
    proposal = examples.proposal(proposal_id, play=wanted, created_at=at, expires_at=at + 3 * DAY, **changes)
    with store.write() as connection:
        proposals.submit(connection, proposal, author="agents", at=at, open_limit=99)
        proposals.decide(
            connection,
            proposal_id=proposal_id,
            version=1,
            digest=proposal.digest,
            verdict="approve",
            actor="cli:marie",
            at=at,
        )
        proposals.swap_status(connection, proposal_id, ProposalStatus.OPEN, ProposalStatus.APPROVED, at)
    return proposal_id


def start(place: Workplace, wanted: Play, ids: Collection[int], *, proposal_id: str = "p1") -> Launch:
    """Approve and launch a play for exactly these contacts."""
    approve(place.store, wanted, proposal_id=proposal_id, at=place.clock.now())
    chosen: Any = Chosen(ids)
    return launch(place, proposal_id, features=chosen)


def write_enrolments(connection: Connection, rows: Iterable[Enrolment]) -> None:
    """Put contacts into a campaign as they are, past every door."""
    values = [asdict(row) for row in rows]
    for row in values:
        del row["enrolment_id"]
    connection.execute(insert(enrolments), values)


def outbox(tmp_path: Path) -> dict[str, bytes]:
    """What left through the sandbox, by message key."""
    return {path.stem: path.read_bytes() for path in (tmp_path / "outbox").glob("*.eml")}


def counts(store: Store) -> Mapping[str, int]:
    """Messages by state; fails when they do not add up to what was planned."""
    with store.read() as connection:
        found: Reconciliation = ledger.reconcile(connection)
    assert found.balances, found
    return found.states


def reasons(store: Store) -> dict[str, dict[str, int]]:
    with store.read() as connection:
        return ledger.reasons(connection)


def keys(connection: Connection, contact_id: int) -> list[str]:
    query = select(messages.c.message_key).where(messages.c.contact_id == contact_id).order_by(messages.c.message_id)
    return list(connection.execute(query).scalars())
