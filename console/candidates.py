"""Say no once: what the reason of a no or an edit would be as a limit of the policy, and what it would have stopped."""

from __future__ import annotations

from typing import Any, Final

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection

from console.activation import Activation, foresee, put_in_force
from console.wiring import Workspace
from memory import campaigns, proposals, readouts
from memory.errors import ConflictError, NotFoundError
from memory.journal import append, entries
from memory.offers import approved_facts
from memory.proposal import Proposal
from policies.guardian import stops
from policies.pack import Pack, parse_pack
from policies.reasons import Limit, limits_from

PACK: Final = "adopted"
CASES: Final = "cases"
"""Folder of a workspace's own cases of the evals."""
_ADOPTED: Final = "policy.adopted"
_CASE_HEAD: Final = "# Written by `noria policy adopt`: `noria eval` of this workspace asks it.\n"
_HEAD: Final = "# Written by `noria policy adopt`: limits that a no or an edit was made into.\n"


class Past(BaseModel):
    """What a limit would have stopped that the policy in force does not."""

    model_config = ConfigDict(frozen=True)

    proposals: tuple[str, ...]
    approved: int
    """Of them, those that people said yes to."""
    works: int
    """Of them, those whose campaign was measured to work."""

    @property
    def sentence(self) -> str:
        count = len(self.proposals)
        return f"It would have stopped {count} past proposals; people said yes to {self.approved}, {self.works} worked."


class Candidate(BaseModel):
    """A limit that somebody's no or edit suggests; adopted by a person, or not at all."""

    model_config = ConfigDict(frozen=True)

    candidate_id: str
    proposal_id: str
    actor: str
    decided_at: AwareDatetime
    reason: str
    limit: Limit
    past: Past


def candidates(opened: Workspace, of: str = "") -> list[Candidate]:
    """Every limit that decisions suggest and the policy in force does not hold yet, newest decision first.

    ``of`` is the id of one decision, or the beginning of it.
    """
    pack, found = opened.pack, []
    with opened.store.read() as connection:
        adopted = {one.subject for one in entries(connection, action=_ADOPTED)}
        stored = proposals.list_proposals(connection)
        said = [one for each in stored for one in proposals.decisions_on(connection, each.proposal.proposal_id)]
        told = [
            one for one in said if one.verdict in {"reject", "edit"} and one.reason and one.decision_id.startswith(of)
        ]
        for decision in sorted(told, key=lambda one: (one.decided_at, one.decision_id), reverse=True):
            seen = proposals.get_version(connection, decision.proposal_id, decision.version)
            for limit in limits_from(decision.reason, seen, pack):
                candidate_id = f"{decision.decision_id[:8]}-{limit.rule}"
                if candidate_id in adopted:
                    continue
                past = _past(connection, [one.proposal for one in stored], pack, with_limit(opened, limit), limit.rule)
                found.append(
                    Candidate(
                        candidate_id=candidate_id,
                        proposal_id=decision.proposal_id,
                        actor=decision.actor,
                        decided_at=decision.decided_at,
                        reason=decision.reason,
                        limit=limit,
                        past=past,
                    )
                )
    return found


def find_candidate(opened: Workspace, candidate_id: str) -> Candidate:
    """Raises NotFoundError for one that nobody suggests, or that is adopted already."""
    found = [one for one in candidates(opened, candidate_id.partition("-")[0]) if one.candidate_id == candidate_id]
    if not found:
        raise NotFoundError(
            f"There is no candidate {candidate_id}.", remedy="`noria policy candidates` lists those that there are."
        )
    return found[0]


def with_limit(opened: Workspace, limit: Limit) -> Pack:
    """The policy in force with one more limit, as it would be adopted."""
    text = _pack_text(opened, limit)
    return parse_pack(text, where=f"packs/{PACK}.yaml", parents=opened.packs.texts)


def foresee_adoption(opened: Workspace, candidate: Candidate) -> Activation:
    """What adopting a candidate would change and void; nothing is changed."""
    return foresee(opened, with_limit(opened, candidate.limit))


def adopt(opened: Workspace, candidate: Candidate, actor: str) -> Activation:
    """Write the limit into the team's pack of adopted limits, with a test and a case of the evals for what it is about,
    and put it in force.

    Raises ConflictError where that pack was written and is not in force.
    """
    text, tests, case = (
        _pack_text(opened, candidate.limit),
        _tests_text(opened, candidate),
        _case_text(opened, candidate),
    )
    found = foresee_adoption(opened, candidate)
    folder = opened.folder / "packs"
    folder.mkdir(exist_ok=True)
    (folder / f"{PACK}.tests.yaml").write_text(tests, encoding="utf-8")
    (folder / f"{PACK}.yaml").write_text(text, encoding="utf-8")
    put_in_force(opened, PACK, found, actor)
    (opened.folder / CASES).mkdir(exist_ok=True)
    (opened.folder / CASES / f"{candidate.candidate_id}.yaml").write_text(case, encoding="utf-8")
    with opened.store.write() as connection:
        append(
            connection,
            at=opened.clock.now(),
            actor=actor,
            action=_ADOPTED,
            subject=candidate.candidate_id,
            payload={
                "proposal": candidate.proposal_id,
                "limit": [candidate.limit.rule, candidate.limit.parameter, candidate.limit.value],
                "policy": found.new,
            },
        )
    return found


def _past(connection: Connection, made: list[Proposal], now: Pack, then: Pack, rule: str) -> Past:
    taken = readouts.verdicts(connection)
    stopped, approved, works = [], 0, 0
    for one in made:
        if _stops(connection, one, now, rule) or not _stops(connection, one, then, rule):
            continue
        stopped.append(one.proposal_id)
        approved += bool(proposals.approvals_for(connection, one.proposal_id, one.digest))
        looks = taken.get(campaigns.campaign_id_of(one.proposal_id), {})
        works += bool(looks) and looks[max(looks)] == "works"
    return Past(proposals=tuple(stopped), approved=approved, works=works)


def _stops(connection: Connection, one: Proposal, pack: Pack, rule: str) -> bool:
    facts = tuple(approved_facts(connection, one.created_at))
    return stops(one.play, one.audience, one.created_at, pack, rule, facts)


def _pack_text(opened: Workspace, limit: Limit) -> str:
    in_force, there = opened.settings.policy_pack, opened.packs.texts.get(PACK)
    if there is not None and in_force != PACK:
        raise ConflictError(
            "Limits were adopted that are not in force.",
            where=f"packs/{PACK}.yaml",
            remedy=f"Put them in force (noria policy activate {PACK}), or take the file away.",
        )
    extended: dict[str, Any] = {"schema_version": 1, "name": PACK, "extends": in_force, "rules": {}}
    body = yaml.safe_load(there) if there is not None else extended
    rule = body["rules"].setdefault(limit.rule, {})
    rule.setdefault("parameters", {})[limit.parameter] = limit.value
    if not opened.pack.setting(limit.rule).enabled:
        rule["enabled"] = True
    return _HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def _tests_text(opened: Workspace, candidate: Candidate) -> str:
    path = opened.folder / "packs" / f"{PACK}.tests.yaml"
    body: dict[str, Any] = {"schema_version": 1, "tests": []}
    if path.exists():
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    limit = candidate.limit
    # A stricter limit of the same rule takes the place of what was tested of it before; a list only grows.
    grows = isinstance(limit.value, list)
    kept = [one for one in body["tests"] if one["rule"] != limit.rule or (grows and one["verdict"] != "allow")]
    why = f"{candidate.actor} on {candidate.decided_at:%Y-%m-%d}, {candidate.reason}"
    held = "hold" if "message" in limit.stops else "refuse"
    body["tests"] = [
        *kept,
        {"rule": limit.rule, "title": f"within: {limit.sentence}", **limit.allows, "verdict": "allow"},
        {"rule": limit.rule, "title": f"a no of {why}", **limit.stops, "verdict": held},
    ]
    return _HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def _case_text(opened: Workspace, candidate: Candidate) -> str:
    """A case of the evals: what somebody said no to is not put before people again."""
    limit = candidate.limit
    with opened.store.read() as connection:
        decision = next(
            one
            for one in proposals.decisions_on(connection, candidate.proposal_id)
            if one.decision_id.startswith(candidate.candidate_id.partition("-")[0])
        )
        seen = proposals.get_version(connection, decision.proposal_id, decision.version)
    judged: dict[str, Any] = {"request": limit.stops}
    if stops(seen.play, seen.audience, seen.created_at, with_limit(opened, limit), limit.rule):
        judged = seen.model_dump(
            mode="json", include={"play": True, "audience": {"selected", "reachable", "holdout", "treated"}}
        )
        judged["at"] = seen.created_at.isoformat()
    body = {
        "title": f"{candidate.actor} said no on {candidate.decided_at:%Y-%m-%d}: {candidate.reason}",
        "steps": [],
        "judged": {candidate.proposal_id: {**judged, "violates": [limit.rule]}},
    }
    return _CASE_HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
