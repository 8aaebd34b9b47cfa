"""Proposals by pages, the newest first: so many at a time, after the last one that somebody has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from memory.errors import NotFoundError
from memory.proposal import Proposal, ProposalStatus
from memory.proposals import StoredProposal, stored_of
from memory.schema import proposals


def newest(
    connection: Connection, statuses: Collection[ProposalStatus] = (), *, after: str = "", limit: int
) -> list[StoredProposal]:
    """Some proposals, the newest first, after one of them if it is named. Raises NotFoundError for an unknown name."""
    return [stored_of(row) for row in _newest(connection, select(proposals), statuses, after, limit)]


class Read:
    """Proposals that were read before, so that a page that is asked for again and again reads only new versions."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._kept: dict[tuple[str, int], Proposal] = {}

    def standing(
        self, connection: Connection, statuses: Collection[ProposalStatus], *, limit: int
    ) -> list[StoredProposal]:
        """Proposals that stand so, the most valuable first. What a version says never changes."""
        rows = connection.execute(
            select(*(column for column in proposals.c if column is not proposals.c.body))
            .where(proposals.c.status.in_(list(statuses)))
            .order_by(proposals.c.rank_score.desc(), proposals.c.proposal_id)
            .limit(limit)
        ).all()
        kept = self._kept if len(self._kept) <= self._most else {}
        new = [row.proposal_id for row in rows if (row.proposal_id, row.version) not in kept]
        bodies = select(proposals.c.proposal_id, proposals.c.version, proposals.c.body)
        found = connection.execute(bodies.where(proposals.c.proposal_id.in_(new))) if new else ()
        # Another dictionary each time: several may read at once.
        kept = kept | {(row.proposal_id, row.version): Proposal.model_validate(row.body) for row in found}
        self._kept = kept
        return [
            StoredProposal(
                proposal=kept[row.proposal_id, row.version],
                status=ProposalStatus(row.status),
                last_editor=row.last_editor,
                interrupt_id=row.interrupt_id,
                updated_at=row.updated_at,
            )
            for row in rows
            if (row.proposal_id, row.version) in kept
        ]


def newest_lines(
    connection: Connection, statuses: Collection[ProposalStatus] = (), *, after: str = "", limit: int
) -> Sequence[Row[Any]]:
    """What a list shows of the same; their bodies stay unread."""
    named = ("proposal_id", "version", "digest", "status", "kind", "playbook", "owner")
    query = select(
        *(proposals.c[name] for name in (*named, "created_at", "updated_at", "expires_at")),
        *(proposals.c.body[name].as_string().label(name) for name in ("title", "summary")),
    )
    return _newest(connection, query, statuses, after, limit)


def _newest(
    connection: Connection, query: Select[Any], statuses: Collection[ProposalStatus], after: str, limit: int
) -> Sequence[Row[Any]]:
    created_at, proposal_id = proposals.c.created_at, proposals.c.proposal_id
    if statuses:
        query = query.where(proposals.c.status.in_(list(statuses)))
    if after:
        at = connection.execute(select(created_at).where(proposal_id == after)).scalar_one_or_none()
        if at is None:
            raise NotFoundError(f"Proposal {after} is not known.", where="after", remedy="Begin at the first page.")
        query = query.where((created_at < at) | (created_at == at) & (proposal_id > after))
    return connection.execute(query.order_by(created_at.desc(), proposal_id).limit(limit)).all()
