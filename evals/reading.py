"""Reads the end state of a case from its workspace: proposals, ledger, mail, journal and the truth beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from agents.desk import Desk
from agents.planning import PlanResult
from agents.playbook import Playbook
from evals.outcome import SeenCampaign, SeenMail, SeenMessage, SeenProposal, Truth
from evals.people import Person
from evals.scenario import Scenario
from evals.small_world import SALT
from evals.truth import truth_of
from memory import campaigns, journal, ledger, proposals
from memory.assignment import in_programme_holdout
from memory.features.table import compute
from memory.schema import enrolments, lookups, messages
from tools.lookups import MODEL_CALL, read_thread
from tools.render import rehearse


def seen_proposals(connection: Connection) -> tuple[SeenProposal, ...]:
    """Every proposal as it stands, best first."""
    return tuple(
        SeenProposal(
            proposal=stored.proposal,
            status=stored.status,
            decisions=tuple(proposals.decisions_on(connection, stored.proposal.proposal_id)),
            lookups={
                one.lookup_id: {"name": one.name, "result": one.result}
                for one in read_thread(connection, stored.proposal.thread_id)
                if not one.name.startswith(("handover.", "thread."))
            },
            undefined=tuple(rehearse(stored.proposal.play)),
        )
        for stored in proposals.list_proposals(connection)
    )


def outside_marketing(scenario: Scenario, people: Mapping[int, Person]) -> frozenset[int]:
    """Contacts in the programme holdout."""
    share = scenario.desk.programme_share
    return frozenset(one for one in people if in_programme_holdout(SALT, one, share, scenario.clock))


def truths(
    scenario: Scenario,
    people: Mapping[int, Person],
    playbooks: Mapping[str, Playbook],
    set_aside: frozenset[int],
    seen: Sequence[SeenProposal],
) -> dict[str, Truth]:
    """What is true of each playbook, in the days that its newest proposal counts."""
    windows = {one.proposal.play.playbook: one.proposal.play.goal.window_days for one in reversed(seen)}
    found = {}
    for name, playbook in playbooks.items():
        facts = truth_of(
            name,
            people,
            scenario.clock,
            window_days=windows.get(name, playbook.goal.window_days),
            recent_purchase_days=playbook.limits.recent_purchase_days,
            exempt=playbook.limits.hibernation_exempt,
            set_aside=set_aside,
        )
        found[name] = Truth(
            members=facts.members,
            reachable=facts.reachable,
            base_contacts=facts.base_contacts,
            base_reached=facts.base_reached,
        )
    return found


def seen_messages(connection: Connection, scenario: Scenario, people: Mapping[int, Person]) -> tuple[SeenMessage, ...]:
    """Every row of the ledger."""
    playbooks = {one.campaign_id: one.playbook for one in campaigns.list_campaigns(connection)}
    rows = connection.execute(
        select(messages, enrolments.c.in_holdout)
        .join(enrolments, enrolments.c.enrolment_id == messages.c.enrolment_id)
        .order_by(messages.c.message_id)
    )
    return tuple(
        SeenMessage(
            contact_id=row.contact_id,
            group=people[row.contact_id].group_name,
            campaign_id=row.campaign_id,
            playbook=playbooks[row.campaign_id],
            state=row.state,
            reason=row.reason,
            in_holdout=row.in_holdout,
            sent_at=row.sent_at,
            local_hour=_local_hour(row.sent_at, people[row.contact_id], scenario),
        )
        for row in rows
    )


def _local_hour(sent_at: datetime | None, person: Person, scenario: Scenario) -> int | None:
    zone = ZoneInfo(person.group.time_zone or scenario.desk.fallback_zone)
    return None if sent_at is None else sent_at.astimezone(zone).hour


def seen_mails(connection: Connection, outbox: Path, people: Mapping[int, Person]) -> tuple[SeenMail, ...]:
    """Every file that the sandbox wrote, by the contact its address belongs to."""
    by_address = {person.email: person for person in people.values()}
    mails = []
    for path in sorted(outbox.glob("*.eml")):
        mail = message_from_bytes(path.read_bytes())
        person = by_address[parseaddr(str(mail["To"]))[1]]
        headers = [f"{name}: {make_header(decode_header(str(value)))}" for name, value in mail.items()]
        bodies = [part.get_payload(decode=True) for part in mail.walk() if part.get_content_maintype() == "text"]
        texts = [body.decode("utf-8") for body in bodies if isinstance(body, bytes)]
        mails.append(
            SeenMail(
                group=person.group_name,
                contact_id=person.contact_id,
                subject=str(make_header(decode_header(str(mail["Subject"])))),
                text="\n".join([*headers, *texts]),
            )
        )
    return tuple(mails)


def seen_campaigns(connection: Connection) -> tuple[SeenCampaign, ...]:
    """Every campaign with what it would send now, and who approved exactly that."""
    found = []
    for campaign in campaigns.list_campaigns(connection):
        version = campaigns.get_version(connection, campaign.campaign_id, campaign.version)
        approved = proposals.approvals_for(connection, campaign.proposal_id, version.digest_found)
        states = ledger.reconcile(connection, campaign.campaign_id).states
        found.append(
            SeenCampaign(
                campaign_id=campaign.campaign_id,
                playbook=campaign.playbook,
                digest=version.digest_found,
                approved_by=tuple(one.actor for one in approved),
                sent=states.get("sent", 0),
            )
        )
    return tuple(found)


def features(scenario: Scenario, people: Mapping[int, Person], desk: Desk) -> dict[str, dict[str, Any]]:
    """The features that the case asks for, of the first member of each group."""
    wanted = scenario.expect.features
    if not wanted:
        return {}
    names = sorted({name for values in wanted.values() for name in values})
    table = compute(desk.lake, scenario.clock, names=names)
    first = {group: next(one for one, person in people.items() if person.group_name == group) for group in wanted}
    rows = table.rows(first.values(), names)
    return {group: dict(rows[contact_id]) for group, contact_id in first.items()}


def open_questions(planned: PlanResult | None) -> tuple[str, ...]:
    """Ids of the questions that the clarity gate left open."""
    if planned is None or not planned.questions:
        return ()
    return tuple(one["question_id"] for one in planned.questions[0].payload["questions"])


def integrity(connection: Connection) -> tuple[bool, bool]:
    """Whether the ledger adds up, and whether the journal is unbroken."""
    return ledger.reconcile(connection).balances, journal.verify(connection).intact


def tokens(connection: Connection) -> int:
    """What every model call together cost."""
    return int(connection.execute(select(func.coalesce(func.sum(lookups.c.tokens), 0))).scalar_one())


def model_calls(connection: Connection) -> int:
    """How often a model was asked."""
    asked = select(func.count()).select_from(lookups).where(lookups.c.name == MODEL_CALL)
    return int(connection.execute(asked).scalar_one())
