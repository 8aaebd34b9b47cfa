"""Drift: what would be sent is no longer what was approved. It stops the campaign and says what changed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from memory import autonomy, campaigns, ledger, proposals
from memory.campaigns import Campaign, CampaignVersion
from memory.errors import NotFoundError
from memory.finding import Finding, Verdict
from memory.proposal import ProposalStatus
from policies.facts import ApprovalFacts

_SHOWN = 40
_IN_FORCE = frozenset({ProposalStatus.APPROVED, ProposalStatus.LAUNCHING, ProposalStatus.LAUNCHED})


def approval_facts(connection: Connection, campaign: Campaign, version: CampaignVersion) -> ApprovalFacts:
    """Where the approval of a campaign version stands, with the digest computed again from what is stored."""
    found = version.digest_found
    proposal_id = version.proposal_id or campaign.proposal_id
    stored = proposals.get(connection, proposal_id)
    # Approvals are looked up by what would be sent, so that changing play and digest together gains nothing.
    given = proposals.approvals_for(connection, proposal_id, found)
    return ApprovalFacts(
        digest_expected=version.digest,
        digest_found=found,
        approved=proposals.approval_is_complete(stored, given) if given else False,
        expires_at=version.approved_until,
        revoked=stored.status not in _IN_FORCE,
        policy_version=version.policy_version,
    )


def has_drifted(facts: ApprovalFacts) -> bool:
    """True when no approval covers exactly what would be sent."""
    return bool(facts.revoked) or not facts.approved or facts.digest_expected != facts.digest_found


def stop_drifted(connection: Connection, campaign: Campaign, version: CampaignVersion, at: datetime) -> Finding:
    """Pause the campaign, hold its messages, void the proposal; the finding says what changed."""
    proposal_id = version.proposal_id or campaign.proposal_id
    changed = changed_parts(_approved_play(connection, proposal_id, version), version.body)
    what = "; ".join(changed) if changed else "its approval was withdrawn or never complete"
    sentence = f"What would be sent is not what was approved: {what}."
    campaigns.swap_status(
        connection, campaign.campaign_id, ["live"], "paused", at=at, actor="guardian", reason=sentence
    )
    finding = Finding(
        rule="approval",
        verdict=Verdict.HOLD,
        fact=f"digest {version.digest_found[:12]}",
        limit=f"digest {version.digest[:12]}",
        sentence=sentence,
    )
    ledger.hold_campaign(connection, campaign.campaign_id, finding.model_dump(mode="json"), "approval")
    proposal = proposals.get(connection, proposal_id).proposal
    autonomy.breach(connection, proposal, f"Campaign {campaign.campaign_id} drifted.", at=at)
    for status in (ProposalStatus.LAUNCHED, ProposalStatus.LAUNCHING):
        proposals.swap_status(
            connection,
            proposal_id,
            status,
            ProposalStatus.VOIDED,
            at,
            actor="guardian",
            reason=sentence,
        )
    return finding


def changed_parts(approved: Any, found: Any, path: str = "") -> list[str]:
    """Where two JSON values differ, each place with both values, for example ``holdout_share: 0.1 is now 0``."""
    if isinstance(approved, dict) and isinstance(found, dict):
        return [
            part
            for name in sorted({*approved, *found}, key=str)
            for part in changed_parts(approved.get(name), found.get(name), f"{path}.{name}" if path else str(name))
        ]
    if isinstance(approved, list) and isinstance(found, list) and len(approved) == len(found):
        return [
            part
            for place, (one, other) in enumerate(zip(approved, found, strict=True), start=1)
            for part in changed_parts(one, other, f"{path}[{place}]")
        ]
    return [] if approved == found else [f"{path or 'it'}: {_short(approved)} is now {_short(found)}"]


def _approved_play(connection: Connection, proposal_id: str, version: CampaignVersion) -> dict[str, Any]:
    """The play as the approver saw it, from the version that is kept unchanged."""
    approvals = [one for one in proposals.decisions_on(connection, proposal_id) if one.verdict == "approve"]
    try:
        seen = proposals.get_version(connection, proposal_id, approvals[-1].version) if approvals else None
    except NotFoundError:
        seen = None
    return seen.play.model_dump(mode="json") if seen is not None else version.body


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
