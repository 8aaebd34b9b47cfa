"""Writing down what somebody says of a proposal, for the command line and the console alike."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection

from console.wiring import Workspace
from memory import proposals
from memory.errors import ConflictError, InvalidInputError
from memory.finding import Verdict
from memory.proposal import Decision, DecisionVerdict, Proposal
from memory.proposals import StoredProposal


def note(
    opened: Workspace,
    proposal_id: str,
    verdict: DecisionVerdict,
    *,
    actor: str,
    seen: str,
    reason: str,
    changes: dict[str, Any] | None = None,
    then_approves: str = "",
) -> tuple[Decision, str]:
    """Write a decision down; returns it, and what an approval still lacks.

    ``seen`` is the beginning of the digest that was looked at; empty for whatever it is now. Raises ConflictError when
    it is another by now, InvalidInputError for an edit that cannot be made.
    """
    with opened.store.read() as connection:
        stored = proposals.get(connection, proposal_id)
    proposal = stored.proposal
    if seen and not proposal.digest.startswith(seen):
        raise ConflictError(
            f"It is now version {proposal.version} with digest {proposal.digest[:12]}; you looked at {seen[:12]}.",
            where=f"proposal {proposal.proposal_id}",
            remedy=f"Look again: noria proposals show {proposal.proposal_id}",
        )
    if verdict == "edit":
        from agents.edit import check_edit

        check_edit(proposal, changes or {}, opened.desk)
    with opened.store.write() as connection:
        decision = proposals.decide(
            connection,
            proposal_id=proposal.proposal_id,
            version=proposal.version,
            digest=proposal.digest,
            verdict=verdict,
            actor=actor,
            reason=reason,
            changes=changes,
            then_approves=then_approves,
            at=opened.clock.now(),
        )
    return decision, missing(opened, stored) if verdict == "approve" else ""


def note_part(
    opened: Workspace, proposal_id: str, parts: Sequence[str], *, actor: str, seen: str, reason: str
) -> Decision:
    """Say yes to some sequences or languages: the edit that leaves only these, and a yes to exactly what comes of it.

    The worker makes that version and notes the yes; what comes out otherwise, or with a finding against it that the
    version looked at did not have, needs a yes of its own. Raises as
    ``note`` does, and InvalidInputError where nothing, everything or what is not there is named.
    """
    from agents.edit import apply_changes

    with opened.store.read() as connection:
        before = proposals.get(connection, proposal_id).proposal
    changes = keeping(before, parts)
    if not changes:
        raise InvalidInputError("No part is named.", where="parts", remedy="Choose the parts that you say yes to.")
    expected = apply_changes(before, changes, opened.desk).digest
    decision, _ = note(
        opened, proposal_id, "edit", actor=actor, seen=seen, reason=reason, changes=changes, then_approves=expected
    )
    return decision


def say_promised(opened: Workspace) -> list[str]:
    """Note each yes that was given to a part, now that there is the version that holds only that; returns which.

    A yes covers what was seen: where more stands against the new version, whoever gave it decides on that version.
    """
    with opened.store.read() as connection:
        due = [one for one in proposals.promised(connection) if not _says_more(connection, one)]
    said = []
    for one in due:
        # What expired meanwhile, or is only suggested by now, is closed elsewhere.
        with suppress(ConflictError):
            note(opened, one.proposal_id, "approve", actor=one.actor, seen=one.then_approves, reason=one.reason)
            said.append(one.proposal_id)
    return said


def _says_more(connection: Connection, given: Decision) -> bool:
    """Whether something stands against the version as it is now that did not against the one decided on."""
    seen = proposals.get_version(connection, given.proposal_id, given.version).findings
    now = proposals.get(connection, given.proposal_id).proposal.findings
    return any(one.verdict is not Verdict.ALLOW and one not in seen for one in now)


def keeping(proposal: Proposal, parts: Sequence[str]) -> dict[str, Any]:
    """The edit that leaves only these sequences and languages. Raises InvalidInputError for a part that is neither."""
    from agents.edit import written_in

    keys, written = [one.key for one in proposal.play.sequences], sorted(written_in(proposal.play))
    if unknown := [one for one in parts if one not in keys and one not in written]:
        raise InvalidInputError(
            f"There is no sequence and no language {', '.join(unknown)}.",
            where=f"proposal {proposal.proposal_id}",
            remedy=f"Sequences: {', '.join(keys)}. Languages: {', '.join(written)}.",
        )
    kept = {
        "sequences": [one for one in parts if one in keys],
        "languages": [one for one in parts if one not in keys],
    }
    return {name: names for name, names in kept.items() if names}


def missing(opened: Workspace, stored: StoredProposal) -> str:
    """What stands between the approvals of a version and its launch; empty when nothing does."""
    from agents.approvals import approvals_that_count, still_missing

    desk = opened.desk
    with opened.store.read() as connection:
        return still_missing(stored, approvals_that_count(connection, stored, desk), desk)
