"""Changes of running campaigns that somebody asked for in the console: the worker proposes one in each round."""

from __future__ import annotations

from agents.change import draft_change, put_change
from agents.resume import Threads
from memory import change_requests, proposals
from memory.change_requests import ChangeRequest
from memory.clock import Clock
from memory.errors import ConflictError, NotAllowedError, NotFoundError
from tools.failure import failure_of


def propose_requested_change(threads: Threads, real_time: Clock) -> str:
    """Make a proposal of the change that waits longest; returns its campaign's id, empty where none waits.

    One in a round: a model may take minutes over it, and what is due to be sent must not wait for several. A change
    that cannot be proposed any more goes back to whoever asked for it, with the reason.
    """
    desk = threads.desk
    with desk.store.write() as connection:
        request = change_requests.claim(connection, real_time.now())
    if request is None:
        return ""
    proposal_id, answer = "", ""
    try:
        proposal_id = _proposed(threads, request)
    except Exception as error:  # noqa: BLE001 - whatever breaks over one change
        failure = failure_of("change", error)
        answer = f"{failure.what} {failure.remedy}".strip()
    with desk.store.write() as connection:
        change_requests.settle(connection, request, proposal_id=proposal_id, answer=answer, at=desk.clock.now())
    return request.campaign_id


def _proposed(threads: Threads, request: ChangeRequest) -> str:
    desk = threads.desk
    if not desk.hears(request.actor):
        raise NotAllowedError(f"{request.actor} may not decide here.")
    runs, draft = draft_change(
        desk, request.campaign_id, request.changes, in_flight=request.in_flight, occasion=request.request_id
    )
    if draft.play.digest != request.seen:
        raise ConflictError("What would happen is no longer what you saw.", remedy="Look again.")
    try:
        return put_change(threads, runs, draft, author=request.actor, overrules=bool(request.changes))
    except Exception:
        # The same change must not come before people twice: a proposal that waits goes on from where it broke off.
        if _stands(threads, draft.proposal_id):
            return draft.proposal_id
        threads.abandon(draft.thread_id)
        raise


def _stands(threads: Threads, proposal_id: str) -> bool:
    with threads.desk.store.read() as connection:
        try:
            proposals.get(connection, proposal_id)
        except NotFoundError:
            return False
    return True
