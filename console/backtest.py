"""The past under another policy: which of a workspace's messages and proposals a pack would have let pass."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, select

from agents.review import consent_coverage, harmed_before, times_run
from console.wiring import Workspace
from memory import campaigns, proposals
from memory.assignment import in_programme_holdout
from memory.finding import Finding, Verdict, strongest
from memory.offers import approved_facts
from memory.other_campaigns import words_last_sent
from memory.play import Play
from memory.proposals import StoredProposal
from memory.quality import Quality, assess
from memory.schema import enrolments, messages
from memory.steps import REACHING
from memory.workspace import salt
from policies.approval import approvals_needed
from policies.facts import NOT_MEASURED, MessageFacts, ProposalFacts
from policies.guardian import Review, gate_message, review_proposal
from policies.pack import Pack
from tools.bindings import Product, speaks
from tools.past import Past
from tools.records import LakeRecords
from tools.render import largest_html_bytes
from tools.similar import about

REPLAYED: Final = (
    "suppression",
    "consent",
    "data_age",
    "hibernation",
    "recent_purchase",
    "frequency",
    "send_window",
    "holdout",
    "language",
)
"""Rules on messages whose facts can be told of any past moment; what the others said then is taken over."""
NOT_KEPT_OF_MESSAGES: Final = {
    "switch": "when all sending was stopped stands in the journal, not on the messages",
    "approval": "an approval is given under one pack: under another every message would wait for a new one",
    "deadline": "the moment of the last attempt is not kept",
    "preferences": "of each contact only the newest choice is kept",
    "pressure": "when messages of other campaigns were due is not kept",
    "reputation": "how a sender stood with a domain is kept only as it is now",
    "offer": "offers are kept only as they are now",
    "not_for": "in which segments a contact was is not told of a past moment",
    "stock": "how many of a product there were is not kept",
    "bindings": "the records of that moment are not kept",
    "identity": "whether it left in the name of the example is not kept; packs set nothing else of it",
}
NOT_KEPT_OF_PROPOSALS: Final = {
    "reputation": "how a sender stood with a domain is kept only as it is now",
    "offer": "offers, and how many codes they had left, are kept only as they are now",
    "one_sender": "which campaigns ran that day is not kept",
    "spam_score": "scores are not kept",
}
_EXAMPLES: Final = 3


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Example(_Frozen):
    """One message or proposal, and what the pack would have said."""

    subject: str
    """contact 12 in campaign c1, step mail-1; or the id of a proposal."""
    at: AwareDatetime
    was: str
    would_be: str
    said: str


class ByRule(_Frozen):
    """What one rule would have stopped."""

    rule: str
    held: int = 0
    refused: int = 0
    examples: tuple[Example, ...] = ()


class Replay(_Frozen):
    """Messages or proposals replayed."""

    looked_at: int = 0
    changes: dict[str, int] = {}
    """How many were one thing and would have been another, for example {"sent → held": 12}; the same is counted too."""
    rules: tuple[ByRule, ...] = ()


class NotJudged(_Frozen):
    """A rule that is not judged anew, and why: what it said then stands."""

    rule: str
    of: Literal["messages", "proposals"]
    why: str


class Backtest(_Frozen):
    """What a pack would have made of a workspace's past."""

    pack: str
    since: AwareDatetime
    messages: Replay
    proposals: Replay
    not_judged: tuple[NotJudged, ...]
    assumptions: tuple[str, ...]


ASSUMPTIONS: Final = (
    f"Judged again on the facts of that moment: {', '.join(REPLAYED)}. What the other rules said then is taken over.",
    "A message that would have been held counts as held: whether it could have left later is not followed.",
    "Messages that would not have left take no place under the cap.",
    "Measures of the data, approved facts, channels, and the language of each contact are those of today.",
)


class _Tally:
    """Counts what changes, and keeps a few examples of each rule."""

    def __init__(self) -> None:
        self.looked_at = 0
        self._changes: Counter[str] = Counter()
        self._stopped: dict[str, Counter[Verdict]] = defaultdict(Counter)
        self._examples: dict[str, list[Example]] = defaultdict(list)

    def add(self, subject: str, at: datetime, was: str, would_be: str, findings: Iterable[Finding]) -> None:
        self.looked_at += 1
        self._changes[was if was == would_be else f"{was} → {would_be}"] += 1
        for finding in findings:
            if finding.verdict is Verdict.ALLOW:
                continue
            self._stopped[finding.rule][finding.verdict] += 1
            kept = self._examples[finding.rule]
            if len(kept) < _EXAMPLES:
                fact = f" ({finding.fact})" if finding.fact else ""
                said = f"{finding.sentence}{fact}"
                kept.append(Example(subject=subject, at=at, was=was, would_be=would_be, said=said))

    def result(self) -> Replay:
        rules = [
            ByRule(
                rule=rule,
                held=counts[Verdict.HOLD],
                refused=counts[Verdict.REFUSE],
                examples=tuple(self._examples[rule]),
            )
            for rule, counts in self._stopped.items()
        ]
        return Replay(
            looked_at=self.looked_at,
            changes=dict(self._changes.most_common()),
            rules=tuple(sorted(rules, key=lambda one: (-one.held - one.refused, one.rule))),
        )


def backtest(opened: Workspace, pack: Pack, since: datetime) -> Backtest:
    """Replay every message planned and every proposal made since a moment under a pack; nothing is written or sent."""
    quality = assess(opened.store, opened.lake, opened.clock.now())
    past = Past(opened.store, opened.lake, fallback_zone=opened.settings.fallback_zone)
    with opened.store.read() as connection:
        share = opened.settings.review.programme_holdout_share
        sent = _replay_messages(connection, past, pack, since, share, LakeRecords(opened.lake).products())
        proposed = _replay_proposals(connection, opened, pack, since, quality)
    return Backtest(
        pack=pack.version,
        since=since,
        messages=sent,
        proposals=proposed,
        not_judged=(
            *(NotJudged(rule=rule, of="messages", why=why) for rule, why in NOT_KEPT_OF_MESSAGES.items()),
            *(NotJudged(rule=rule, of="proposals", why=why) for rule, why in NOT_KEPT_OF_PROPOSALS.items()),
        ),
        assumptions=ASSUMPTIONS,
    )


def _replay_messages(
    connection: Connection,
    past: Past,
    pack: Pack,
    since: datetime,
    programme_share: float,
    products: Mapping[str, Product],
) -> Replay:
    key = salt(connection)
    plays: dict[tuple[str, int], Play] = {}
    left: dict[int, list[datetime]] = defaultdict(list)
    exempt: dict[int, list[datetime]] = defaultdict(list)
    tally = _Tally()
    query = (
        select(messages, enrolments.c.in_holdout, enrolments.c.bindings)
        .join(enrolments, enrolments.c.enrolment_id == messages.c.enrolment_id)
        .where(messages.c.state != "planned")
    )
    rows = sorted(connection.execute(query).mappings(), key=lambda row: (_tried_at(row), row["message_id"]))
    for row in rows:
        at, contact_id = _tried_at(row), row["contact_id"]
        version = (row["campaign_id"], row["version"])
        if version not in plays:
            plays[version] = campaigns.get_version(connection, *version).play
        play = plays[version]
        if at < since:
            # What left before has its places under the cap.
            if _left(row):
                left[contact_id].append(at)
                exempt[contact_id] += [at] if play.limits.hibernation_exempt else []
            continue
        recorded = [one for one in map(Finding.model_validate, row["findings"]) if one.verdict is not Verdict.ALLOW]
        subject = f"contact {contact_id} in campaign {row['campaign_id']}, step {row['step_key']}"
        if row["state"] == "suppressed" and not recorded:
            # Its contact had left the campaign: no policy would have sent it.
            tally.add(subject, at, "suppressed", "suppressed", ())
            continue
        facts = past.facts(
            contact_id,
            at,
            channel=row["channel"],
            purpose=row["purpose"],
            category=play.goal.category,
            about=about(play, row["bindings"], products),
            also_sent=left[contact_id],
            window_days=pack.cap.window_days,
        )
        facts = _with_play(facts, play, row, past.language(contact_id), exempt[contact_id])
        outside = in_programme_holdout(key, contact_id, programme_share, at)
        review = gate_message(replace(facts, in_programme_holdout=outside), pack)
        said = [one for one in review.findings if one.rule in REPLAYED]
        said += [one for one in recorded if one.rule not in REPLAYED and not _left(row)]
        verdict = strongest(said)
        if verdict is Verdict.ALLOW and row["purpose"] == "marketing" and row["channel"] in REACHING:
            left[contact_id].append(at)
            exempt[contact_id] += [at] if play.limits.hibernation_exempt else []
        tally.add(subject, at, _was(row), _told(verdict, row), said)
    return tally.result()


def _with_play(facts: MessageFacts, play: Play, row: Any, language: str, exempt: Iterable[datetime]) -> MessageFacts:
    schedule, step = play.schedule, play.send(row["sequence_key"], row["step_key"])
    signal_at = facts.last_human_signal_at
    return replace(
        facts,
        reaches_contact=row["channel"] in REACHING,
        needs_no_leave=step is not None and step.needs_no_leave,
        playbook=play.playbook,
        language_matches=step is None or speaks(language, step, play),
        exempt_sent_in_lapse=sum(1 for at in exempt if signal_at is None or at > signal_at),
        recent_purchase_days=play.limits.recent_purchase_days,
        hibernation_exempt=play.limits.hibernation_exempt,
        send_from_hour=schedule.send_from_hour,
        send_until_hour=schedule.send_until_hour,
        weekdays=schedule.weekdays,
        in_holdout=row["in_holdout"],
    )


def _tried_at(row: Any) -> datetime:
    found: datetime = row["sent_at"] or row["claimed_at"] or row["due_at"]
    return found


def _left(row: Any) -> bool:
    return row["state"] in ("sent", "unknown", "claimed")


def _was(row: Any) -> str:
    return "sent" if _left(row) else str(row["state"])


def _told(verdict: Verdict, row: Any) -> str:
    """The end that a message would have come to; a failure at the provider is no matter of a policy."""
    if verdict is Verdict.ALLOW:
        return "failed" if row["state"] == "failed" else "sent"
    if verdict is Verdict.HOLD:
        return "held"
    return "withheld" if row["state"] == "withheld" else "suppressed"


def _replay_proposals(
    connection: Connection, opened: Workspace, pack: Pack, since: datetime, quality: Quality
) -> Replay:
    tally = _Tally()
    average = _average_order(opened)
    launched = {one.proposal_id for one in campaigns.list_campaigns(connection)}
    for stored in proposals.list_proposals(connection):
        proposal = stored.proposal
        if proposal.created_at < since:
            continue
        facts = _proposal_facts(connection, opened, stored, quality, average)
        if proposal.proposal_id in launched:
            # Its own campaign came after it.
            facts = replace(facts, times_run=times_run(connection, proposal.play.playbook) - 1)
        review = _with_what_was_said(review_proposal(facts, pack), proposal.findings, pack)
        people = approvals_needed(facts, pack, review).people
        tally.add(
            proposal.proposal_id,
            proposal.created_at,
            _ask(proposal.verdict, proposal.approvals.people),
            _ask(review.verdict, people),
            review.findings,
        )
    return tally.result()


def _with_what_was_said(review: Review, recorded: Iterable[Finding], pack: Pack) -> Review:
    """The review with what rules found then whose facts are not kept, as far as the pack lets them hold at all."""
    holding = {setting.id for _, setting in pack.active if setting.severity != "advisory"}
    findings = tuple(
        one
        for said, mine in ((review.findings, False), (recorded, True))
        for one in said
        if (one.rule in NOT_KEPT_OF_PROPOSALS) is mine and (not mine or one.rule in holding)
    )
    return replace(review, findings=findings, verdict=strongest(findings))


def _proposal_facts(
    connection: Connection, opened: Workspace, stored: StoredProposal, quality: Quality, average_order_cents: int | None
) -> ProposalFacts:
    proposal, play = stored.proposal, stored.proposal.play
    playbook = opened.playbooks.get(play.playbook)
    return ProposalFacts(
        play=play,
        now=proposal.created_at,
        channels={name: way.http.max_length for name, way in opened.settings.ways.items()},
        audience=proposal.audience,
        consent_coverage=consent_coverage(proposal.audience),
        quality={name: measure.value for name, measure in quality.measures.items()},
        requirements=playbook.requires if playbook is not None else {},
        offers=play.offers,
        codes_left={offer.offer_id: proposal.audience.treated for offer in play.offers},
        approved_facts=tuple(approved_facts(connection, proposal.created_at)),
        reference_price_cents=average_order_cents,
        standings=(),
        html_bytes=largest_html_bytes(play),
        spam_score=NOT_MEASURED,
        senders={},
        words_last_sent=words_last_sent(
            connection, play, proposal.created_at, besides=campaigns.campaign_id_of(proposal.proposal_id)
        ),
        cost_cents=proposal.cost_cents,
        times_run=times_run(connection, play.playbook),
        harmed_before=harmed_before(connection, play.playbook),
    )


def _average_order(opened: Workspace) -> int | None:
    engine = opened.lake.connect()
    [(average,)] = engine.con.execute("SELECT avg(total_cents) FROM orders WHERE total_cents > 0").fetchall()
    engine.disconnect()
    return round(average) if average is not None else None


def _ask(verdict: Verdict, people: int) -> str:
    if verdict is Verdict.REFUSE:
        return "refused"
    asked = "one person asked" if people == 1 else "two people asked"
    return f"held, {asked}" if verdict is Verdict.HOLD else asked
