"""Say no once: what the reason of a no or an edit would be as a limit of the policy, and what it would have stopped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection

from console.activation import Activation, foresee, put_in_force
from console.wiring import Workspace
from memory import campaigns, proposals, readouts
from memory.errors import ConflictError, NotFoundError
from memory.finding import Verdict
from memory.journal import append, entries
from memory.offers import approved_facts
from memory.play import Play
from memory.proposal import Decision, Proposal
from policies.facts import ProposalFacts
from policies.guardian import review_proposal
from policies.pack import Pack, parse_pack
from policies.rules.audience_size import AudienceSizeLimits
from policies.rules.claims import ClaimLimits
from policies.rules.discount import DiscountLimits
from policies.rules.send_window import SendWindowLimits

PACK: Final = "adopted"
_ADOPTED: Final = "policy.adopted"
_HEAD: Final = "# Written by `noria policy adopt`: limits that a no or an edit was made into.\n"
_DISCOUNT: Final = re.compile(r"discount|% off|cheap|generous|remise|rabais|réduction|promo", re.IGNORECASE)
_OFTEN: Final = re.compile(r"(?:too often|trop souvent|(?:too many|trop de) (?:(?:e-)?mails|messages))", re.IGNORECASE)
_LARGE: Final = re.compile(
    r"(?:too|trop) (?:large|big|wide|grand)|(?:too many|trop de) (?:people|contacts|customers|monde|clients)",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"{[{%].*?[%}]}")
_BEFORE: Final = re.compile(r"(?:before|earlier than|avant)\s+(\d{1,2})\b", re.IGNORECASE)
_AFTER: Final = re.compile(r"(?:after|later than|après)\s+(\d{1,2})\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r"[“\"«']\s*([^“”\"«»']{2,40}?)\s*[”\"»']")


class Limit(BaseModel):
    """One parameter of one rule, as it would be set."""

    model_config = ConfigDict(frozen=True)

    rule: str
    parameter: str
    value: Any
    sentence: str
    allows: dict[str, Any]
    """What a test of the pack asks that the limit allows, and below what it stops."""
    stops: dict[str, Any]


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
            for limit in _suggested(decision, seen, pack):
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
    """Write the limit into the team's pack of adopted limits, with a test for what it is about, and put it in force.

    Raises ConflictError where that pack was written and is not in force.
    """
    text, tests = _pack_text(opened, candidate.limit), _tests_text(opened, candidate)
    found = foresee_adoption(opened, candidate)
    folder = opened.folder / "packs"
    folder.mkdir(exist_ok=True)
    (folder / f"{PACK}.tests.yaml").write_text(tests, encoding="utf-8")
    (folder / f"{PACK}.yaml").write_text(text, encoding="utf-8")
    put_in_force(opened, PACK, found, actor)
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


def _suggested(decision: Decision, seen: Proposal, pack: Pack) -> Iterator[Limit]:
    """The closed set of what a reason may become. Nothing is offered that the policy in force holds already."""
    reason, play = decision.reason, seen.play
    deepest = max((one.value for one in play.offers if one.kind == "percent"), default=0)
    allowed = pack.limits("discount", DiscountLimits).maximum_basis_points
    if _DISCOUNT.search(reason) and 100 <= deepest <= allowed:
        most = deepest - 100
        yield Limit(
            rule="discount",
            parameter="maximum_basis_points",
            value=most,
            sentence=f"No discount of more than {most / 100:g} %.",
            allows={"proposal": {"play": {"offer": {"value": most}}}},
            stops={"proposal": {"play": {"offer": {"value": deepest}}}},
        )
    cap, reached = pack.cap.messages, seen.audience.reachable
    if _OFTEN.search(reason) and cap > 1:
        yield Limit(
            rule="frequency",
            parameter="messages",
            value=cap - 1,
            sentence=f"At most {cap - 1} messages to one contact in {pack.cap.window_days} days.",
            allows={"message": {"sent_in_window": cap - 2}},
            stops={"message": {"sent_in_window": cap - 1}},
        )
    sizes = pack.limits("audience_size", AudienceSizeLimits)
    if _LARGE.search(reason) and sizes.minimum_contacts < reached <= sizes.maximum_contacts:
        yield Limit(
            rule="audience_size",
            parameter="maximum_contacts",
            value=reached - 1,
            sentence=f"No campaign reaches {reached} contacts or more.",
            allows={"proposal": _of_size(reached - 1)},
            stops={"proposal": _of_size(reached)},
        )
    yield from _hours(reason, pack.limits("send_window", SendWindowLimits))
    banned = pack.limits("claims", ClaimLimits).banned_words
    words = [one for one in _QUOTED.findall(reason) if one not in banned and one.casefold() in _words_of(play)]
    if words:
        yield Limit(
            rule="claims",
            parameter="banned_words",
            value=[*banned, *dict.fromkeys(words)],
            sentence=f"Copy does not say {', '.join(words)}.",
            allows={"copy": {"body": "Your favourites are still here."}},
            stops={"copy": {"body": f"It is {words[0]}, they say."}},
        )


def _hours(reason: str, window: SendWindowLimits) -> Iterator[Limit]:
    before, after = _BEFORE.search(reason), _AFTER.search(reason)
    for name, found in (("earliest_hour", before), ("latest_hour", after)):
        hour = int(found[1]) if found else -1
        stricter = window.earliest_hour < hour < window.latest_hour
        if stricter:
            word, inside, outside = ("before", hour, hour - 1) if found is before else ("from", hour - 1, hour)
            yield Limit(
                rule="send_window",
                parameter=name,
                value=hour,
                sentence=f"Nothing leaves {word} {hour} o'clock of the contact's day{' on' if word == 'from' else ''}.",
                allows={"message": {"local_now": f"2025-03-03 {inside:02}:00 Europe/Paris"}},
                stops={"message": {"local_now": f"2025-03-03 {outside:02}:00 Europe/Paris"}},
            )
            return


def _of_size(reachable: int) -> dict[str, Any]:
    return {"audience": {"reachable": reachable}, "play": {"size_band": [1, reachable]}}


def _words_of(play: Play) -> str:
    """What its messages say, without the bindings that are filled in at the send."""
    copies = [copy for _, step in play.sends() for copy in step.copies.values()]
    texts = [text for copy in copies for text in (copy.subject, copy.headline, *copy.body, copy.button)]
    return _TAG.sub(" ", " ".join(texts)).casefold()


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
    """Whether a rule is against a proposal, judged on what is on record of that day; only this rule is listened to."""
    facts = ProposalFacts(
        play=one.play,
        now=one.created_at,
        audience=one.audience,
        offers=one.play.offers,
        approved_facts=tuple(approved_facts(connection, one.created_at)),
    )
    found = review_proposal(facts, pack).findings
    return any(finding.rule == rule and finding.verdict is not Verdict.ALLOW for finding in found)


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
    body["rules"].setdefault(limit.rule, {}).setdefault("parameters", {})[limit.parameter] = limit.value
    return _HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def _tests_text(opened: Workspace, candidate: Candidate) -> str:
    path = opened.folder / "packs" / f"{PACK}.tests.yaml"
    body: dict[str, Any] = {"schema_version": 1, "tests": []}
    if path.exists():
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    limit = candidate.limit
    # A stricter limit of the same rule takes the place of what was tested of it before.
    kept = [one for one in body["tests"] if one["rule"] != limit.rule]
    why = f"{candidate.actor} on {candidate.decided_at:%Y-%m-%d}, {candidate.reason}"
    held = "hold" if "message" in limit.stops else "refuse"
    body["tests"] = [
        *kept,
        {"rule": limit.rule, "title": f"within: {limit.sentence}", **limit.allows, "verdict": "allow"},
        {"rule": limit.rule, "title": f"a no of {why}", **limit.stops, "verdict": held},
    ]
    return _HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
