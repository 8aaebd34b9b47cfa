"""What a run of the demo did, as one object, and whether the promises held in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from console.report.facts import pressure
from console.wiring import Workspace
from memory import ledger
from memory.schema import consent_current, enrolments, messages
from memory.schema import journal as journal_rows


class Promise(BaseModel):
    """Something that must always be true, and whether it was."""

    model_config = ConfigDict(frozen=True)

    sentence: str
    held: bool


class DemoResult(BaseModel):
    """Everything `noria demo --json` prints."""

    model_config = ConfigDict(frozen=True)

    workspace: str
    simulated: bool = True
    """True: every reaction to a message comes from the simulated market."""
    world: str
    proposals: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    ledger: dict[str, int]
    planned: int
    emails: str
    emails_count: int
    readouts: list[dict[str, Any]]
    lessons: list[dict[str, Any]]
    second_round: dict[str, Any]
    report: str
    promises: list[Promise]


def promises(workspace: Workspace, emails: Path, *, running: bool = False) -> list[Promise]:
    """Check on the record and on the received files what must always be true.

    While campaigns are ``running``, messages may wait for their moment.
    """
    with workspace.store.read() as connection:
        balance = ledger.reconcile(connection)
        sent = balance.states.get("sent", 0)
        most = max(pressure(connection), default=0)
        mailed = {
            row.contact_id
            for row in connection.execute(select(messages.c.contact_id).where(messages.c.state == "sent"))
        }
        held_out = {
            (row.campaign_id, row.contact_id)
            for row in connection.execute(
                select(enrolments.c.campaign_id, enrolments.c.contact_id).where(enrolments.c.in_holdout)
            )
        }
        got = {
            (row.campaign_id, row.contact_id)
            for row in connection.execute(
                select(messages.c.campaign_id, messages.c.contact_id).where(messages.c.state == "sent")
            )
        }
        unproven = _sent_without_consent(connection)
        lines = connection.execute(select(journal_rows.c.seq)).all()
    limit = workspace.pack.cap
    files = sum(1 for _ in emails.glob("*.eml"))
    ended = Promise(sentence="Every message reached a final state.", held=balance.open == 0)
    return [
        Promise(sentence=f"Each of the {sent} sent messages is one file at the receiving server.", held=files == sent),
        Promise(sentence=f"The final states add up to the {balance.planned} planned.", held=balance.balances),
        *(() if running else (ended,)),
        Promise(sentence=f"Nobody of {len(mailed)} was written to without proven consent.", held=not unproven),
        Promise(
            sentence=f"None of {len(held_out)} held-out contacts got the campaign's mail.", held=not held_out & got
        ),
        Promise(
            sentence=f"Nobody had more than {limit.messages} messages in any {limit.window_days} days.",
            held=most <= limit.messages,
        ),
        Promise(sentence=f"The journal's {len(lines)} lines form an unbroken chain.", held=_chain_holds(workspace)),
    ]


def _sent_without_consent(connection: Any) -> int:
    """Messages that left although consent was not in force, with proof, at that moment."""
    query = select(messages.c.contact_id, messages.c.sent_at, consent_current).join_from(
        messages,
        consent_current,
        (consent_current.c.contact_id == messages.c.contact_id)
        & (consent_current.c.channel == messages.c.channel)
        & (consent_current.c.purpose == messages.c.purpose),
        isouter=True,
    )
    wrong = 0
    for row in connection.execute(query.where(messages.c.state == "sent")):
        granted = row.state == "granted" and row.has_proof
        # Consent that was withdrawn after the message had left is no breach.
        withdrawn_later = row.state == "withdrawn" and row.at > row.sent_at - timedelta(microseconds=1)
        wrong += not (granted or withdrawn_later)
    return wrong


def _chain_holds(workspace: Workspace) -> bool:
    from memory import journal

    with workspace.store.read() as connection:
        return journal.verify(connection).intact
