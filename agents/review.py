"""The guardian's node: runs the policy pack on the whole draft, and sends it back at most twice."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from agents.desk import Desk
from agents.drafting import assemble, with_audience
from agents.handover import Draft, fetch, keep, newest
from agents.left_out import plays_left_out, sequences_left_out
from agents.measures import plain_plays
from agents.provider import Analysis, Opportunity, Scheduling, Task, Writing
from agents.state import ProposalState
from agents.tasks import playbook_of, task_of
from agents.written import desk_for
from memory import codes, other_campaigns, reputation
from memory.finding import Finding, Verdict, strongest
from memory.journal import append
from memory.letters import is_letter
from memory.offers import approved_facts, open_offers
from memory.proposal import ROUND, Approvals, Audience, Authorship, Proposal
from memory.quality import assess
from memory.schema import campaigns, lessons
from memory.standing import domain_of
from policies.approval import approvals_needed
from policies.facts import ProposalFacts
from policies.guardian import review_proposal
from tools.audience import preview
from tools.measures import features_of
from tools.render import largest_html_bytes
from tools.spam import spam_score

REVISIONS = 2
AUTHOR = "noria"
CRITIC = "critic"
"""Rule name of a model's objections."""
_ENDS = "It sends nothing; one person may end what runs."
_MENDED_BY = {"copy": "write", "offer": "write", "schedule": "schedule", "experiment": "schedule"}
_NO_CONSENT = "consent"


def review(state: ProposalState, desk: Desk) -> ProposalState:
    """Judge the draft; what an agent can mend goes back to it, the rest goes to people or ends here."""
    task = task_of(state, desk)
    given = _given_draft(state, desk)
    analysis = fetch(desk, state["thread_id"], state["analysis_id"], Analysis)
    if given is None:
        parts = (
            fetch(desk, state["thread_id"], state["writing_id"], Writing),
            fetch(desk, state["thread_id"], state["scheduling_id"], Scheduling),
        )
        proposal = assemble(task, state["proposal_id"], analysis, *parts).model_copy(
            update={
                "left_out": (
                    *sequences_left_out(task.playbook, parts[0], parts[1].shares, desk.settings.channels),
                    *plays_left_out(desk, state.get("plan_id", ""), task.playbook.id),
                )
            }
        )
    else:
        proposal = given.proposal
    proposal = judge(task, proposal, analysis.opportunity)
    written = task.brief.author if is_letter(task.playbook.id) else ""
    draft = Draft(proposal=proposal, author=given.author if given else written or AUTHOR)
    kept = keep(desk, state["thread_id"], "draft", draft)
    # What a person wrote is theirs to mend.
    revisions = REVISIONS if written else state.get("revisions", 0)
    route = _route(proposal, given.author if given else AUTHOR, revisions)
    moved: ProposalState = {"draft_id": kept, "route": route, "outcome": ""}
    if route in ("write", "schedule"):
        moved["revisions"] = state.get("revisions", 0) + 1
    if route == "end":
        moved["outcome"] = "withheld"
        _journal_withheld(desk, proposal)
    return moved


def judge(task: Task, proposal: Proposal, opportunity: Opportunity) -> Proposal:
    """The proposal with its audience counted now, its findings, and the approvals that it needs."""
    desk = task.desk
    if proposal.play.ends_campaign:
        # No rule has anything to say of what is not sent; a person does.
        return proposal.model_copy(update={"findings": (), "approvals": Approvals(people=1, reasons=(_ENDS,))})
    if proposal.play.replaces is None:
        proposal = with_audience(task, proposal, count_audience(desk, proposal), opportunity)
    judged = judge_by_rules(desk, proposal, opportunity.average_order_cents)
    objections = desk.provider.criticise(task, proposal) if desk.settings.critic else ()
    critic: tuple[Finding, ...] = tuple(
        finding.model_copy(update={"rule": CRITIC, "verdict": Verdict.HOLD}) for finding in objections
    )
    others = tuple(author for author in proposal.authors if author.agent != "guardian")
    return judged.model_copy(
        update={
            "findings": judged.findings + critic,
            "authors": (*others, Authorship(agent="guardian", provider="rules")),
        }
    )


def count_audience(desk: Desk, proposal: Proposal) -> Audience:
    """Whom a proposal would reach now."""
    return preview(
        desk.store,
        desk.lake,
        desk.pack,
        proposal.play,
        at=desk.clock.now(),
        proposal_id=proposal.proposal_id,
        features=desk.features.at(
            desk.lake, desk.clock.now(), features_of([*plain_plays(desk).values(), proposal.play])
        ),
        programme_share=desk.settings.programme_share,
        currency=desk.settings.currency,
    )


def foresee(desk: Desk, proposal: Proposal) -> tuple[Finding, ...]:
    """What the rules find in an edited proposal, on the audience as it was counted last; no model is asked."""
    analysis = newest(desk, proposal.thread_id, "analysis", Analysis)
    return judge_by_rules(desk, proposal, analysis.opportunity.average_order_cents if analysis else None).findings


def judge_by_rules(desk: Desk, proposal: Proposal, average_order_cents: int | None) -> Proposal:
    """The proposal with what the rules find in it as it was counted last, and the approvals that this needs."""
    facts = _facts(desk, proposal, average_order_cents)
    found = review_proposal(facts, desk.pack)
    return proposal.model_copy(
        update={"findings": found.findings, "approvals": approvals_needed(facts, desk.pack, found)}
    )


def _facts(desk: Desk, proposal: Proposal, average_order_cents: int | None) -> ProposalFacts:
    now = desk.clock.now()
    quality = assess(desk.store, desk.lake, now)
    score = spam_score(proposal.play, desk.settings.spam_command)
    with desk.store.read() as connection:
        return ProposalFacts(
            play=proposal.play,
            now=now,
            channels=desk.settings.channels,
            audience=proposal.audience,
            consent_coverage=consent_coverage(proposal.audience),
            quality={name: measure.value for name, measure in quality.measures.items()},
            cleaning={name: measure.remedy for name, measure in quality.measures.items()},
            requirements=playbook_of(proposal.play.playbook, desk_for(desk, proposal.play.playbook)).requires,
            offers=tuple(open_offers(connection, now)),
            codes_left={pool.offer_id: pool.left for pool in codes.pools(connection)},
            approved_facts=tuple(approved_facts(connection, now)),
            reference_price_cents=average_order_cents,
            html_bytes=largest_html_bytes(proposal.play),
            spam_score=score,
            senders=other_campaigns.senders(connection, proposal.play),
            words_last_sent=other_campaigns.words_last_sent(connection, proposal.play, now),
            cost_cents=proposal.cost_cents,
            standings=tuple(reputation.standings(connection, domain_of(proposal.play.brand.sender_address)).values()),
            times_run=times_run(connection, proposal.play.playbook),
            harmed_before=harmed_before(connection, proposal.play.playbook),
        )


def _route(proposal: Proposal, author: str, revisions: int) -> str:
    """A person's edit is never rewritten: it goes back to people with whatever was found. A round's is not either."""
    against = [finding for finding in proposal.findings if finding.verdict is not Verdict.ALLOW]
    if author not in (AUTHOR, ROUND) or not against:
        return "submit"
    mended = [_MENDED_BY[finding.part] for finding in against if finding.part in _MENDED_BY]
    if author == AUTHOR and mended and revisions < REVISIONS:
        return "write" if "write" in mended else "schedule"
    return "end" if strongest(against) is Verdict.REFUSE else "submit"


def _given_draft(state: ProposalState, desk: Desk) -> Draft | None:
    """The draft that a person's edit or a weekly round made, if that is what is to be judged."""
    draft_id = state.get("draft_id")
    if not draft_id or state.get("revisions"):
        return None
    draft = fetch(desk, state["thread_id"], draft_id, Draft)
    return draft if draft.author != AUTHOR else None


def consent_coverage(audience: Audience) -> float:
    """Share of the selected contacts with consent and proof of it."""
    without = sum(one.contacts for one in audience.subtractions if one.rule == _NO_CONSENT)
    return 1 - without / audience.selected if audience.selected else 0.0


def times_run(connection: Connection, playbook: str) -> int:
    """Campaigns of a playbook that ran before."""
    query = select(func.count()).select_from(campaigns).where(campaigns.c.playbook == playbook)
    return int(connection.execute(query).scalar_one())


def harmed_before(connection: Connection, playbook: str) -> bool:
    """Whether the newest lesson with a clear verdict said that it harms."""
    query = (
        select(lessons.c.verdict)
        .where(lessons.c.playbook == playbook, lessons.c.state == "active", lessons.c.verdict != "inconclusive")
        .order_by(lessons.c.observed_to.desc(), lessons.c.lesson_id)
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none() == "harms"


def _journal_withheld(desk: Desk, proposal: Proposal) -> None:
    refused = [finding.rule for finding in proposal.findings if finding.verdict is not Verdict.ALLOW]
    with desk.store.write() as connection:
        append(
            connection,
            at=desk.clock.now(),
            actor="guardian",
            action="proposal.withheld",
            subject=proposal.proposal_id,
            payload={
                "playbook": proposal.play.playbook,
                "rules": refused,
                "policy_version": proposal.play.policy_version,
            },
        )
