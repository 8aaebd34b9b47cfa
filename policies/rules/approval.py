"""Nothing leaves but exactly what people approved, while their approval stands."""

from __future__ import annotations

from pydantic import Field

from policies.facts import MessageFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, refuse


class ApprovalLimits(Parameters):
    """From where on somebody must say yes, and a second person too. Money in minor units of the workspace."""

    one_person_from_contacts: int = Field(default=1_000, ge=1)
    """Of those who may enter. Below all limits of one person a kind of action at "auto" asks nobody."""
    one_person_from_spend_cents: int = Field(default=10_000, ge=1)
    one_person_from_discount_basis_points: int = Field(default=1_000, ge=1, le=10_000)
    one_person_when_new: bool = True
    """For a playbook that never ran before."""
    raise_after_decisions: int = Field(default=10, ge=1)
    """So many yeses in a row to what could have gone alone, and forecasts that held, until "auto" is proposed."""

    remind_before_hours: int = Field(default=24, ge=0, le=1_440)
    """So long before a proposal expires somebody is reminded of it, once; 0 for never."""
    two_people_from_contacts: int = Field(default=10_000, ge=1)
    two_people_from_spend_cents: int = Field(default=100_000, ge=1)
    two_people_from_discount_basis_points: int = Field(default=2_000, ge=1, le=10_000)
    two_people_when_new_from_contacts: int = Field(default=2_500, ge=1)
    """For a playbook that never ran before."""
    admin_among_two: bool = False
    """Where two are asked, one of them has to have the role "admin"."""
    two_people_when_held: bool = True
    """When a rule holds the proposal, or asks for a look."""
    two_people_when_harmed: bool = True
    """When the playbook's last read-out said "harms"."""


def gate(facts: MessageFacts, limits: ApprovalLimits, context: Context) -> Ruling | None:
    if facts.needs_no_leave and not is_marketing(facts):
        # Taken off an audience because they left: what was approved put them there.
        return None
    found = facts.approval
    if found is None or found.approved is None or not found.approved:
        return refuse("Nobody approved this message's campaign.", fact="no approval", limit="an approval in force")
    if need(found.revoked, "approval.revoked"):
        return refuse("The approval was revoked.", fact="revoked", limit="an approval in force")
    expected = need(found.digest_expected, "approval.digest_expected")
    digest = need(found.digest_found, "approval.digest_found")
    if not expected or digest != expected:
        return refuse(
            "What would be sent is not what was approved.",
            fact=f"digest {digest[:12]}",
            limit=f"digest {expected[:12]}",
        )
    expires_at = need(found.expires_at, "approval.expires_at")
    if facts.now >= expires_at:
        return refuse("The approval has expired.", fact=f"expired {expires_at:%Y-%m-%d %H:%M} UTC", limit="in date")
    version = need(found.policy_version, "approval.policy_version")
    if version != context.pack_version:
        return hold(
            "The policy has changed since the approval; people must approve again.",
            fact=f"approved under {version}",
            limit=f"policy {context.pack_version}",
        )
    return None


RULE = Rule(id="approval", parameters=ApprovalLimits, gate=gate, locked=True)
