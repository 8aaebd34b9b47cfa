"""Letters that people submitted: the worker takes one in each round through the graph, as every proposal goes."""

from __future__ import annotations

from agents.graph import proposal_id_of
from agents.planning import why_withheld
from agents.resume import Threads
from agents.written import brief_of
from memory import letters, proposals
from memory.canonical import digest
from memory.clock import Clock
from memory.errors import NotFoundError
from memory.letters import StoredLetter
from tools.failure import failure_of


def propose_letter(threads: Threads, real_time: Clock) -> str:
    """Make a proposal of the letter that waits longest; returns its id, empty where none waits.

    One in a round: a model may take minutes over it, and what is due to be sent must not wait for several. A letter
    that the rules refuse, or over which the deliberation breaks off, goes back to its author with the reason.
    """
    desk = threads.desk
    with desk.store.write() as connection:
        stored = letters.claim(connection, real_time.now())
    if stored is None:
        return ""
    proposal_id, answer = None, ""
    thread_id = f"proposal-{digest([stored.letter_id, stored.submission])[:16]}"
    try:
        proposal_id, answer = _proposed(threads, stored, thread_id)
    except Exception as error:  # noqa: BLE001 - whatever breaks over one letter
        # The same letter must not come before people twice: a proposal that waits goes on from where it broke off.
        proposal_id = _waiting_proposal(threads, thread_id)
        if proposal_id is None:
            # Its author hands it in anew.
            threads.abandon(thread_id)
            failure = failure_of("letter", error)
            answer = f"{failure.what} {failure.remedy}".strip()
    with desk.store.write() as connection:
        letters.settle(connection, stored, proposal_id=proposal_id, answer=answer, at=desk.clock.now())
    return stored.letter_id


def _waiting_proposal(threads: Threads, thread_id: str) -> str | None:
    with threads.desk.store.read() as connection:
        try:
            return proposals.get(connection, proposal_id_of(thread_id)).proposal.proposal_id
        except NotFoundError:
            return None


def _proposed(threads: Threads, stored: StoredLetter, thread_id: str) -> tuple[str | None, str]:
    desk = threads.desk
    brief = brief_of(stored.letter, f"{stored.playbook}-{stored.submission}", stored.edited_by)
    with desk.store.write() as connection:
        proposals.write_brief(connection, brief, desk.clock.now())
    threads.start(thread_id, {"brief_id": brief.brief_id, "playbook": stored.playbook})
    held = why_withheld(desk, threads, thread_id, stored.playbook)
    return (proposal_id_of(thread_id), "") if held is None else (None, held.sentence.removeprefix("withheld: "))
