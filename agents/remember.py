"""What the vector memory holds: lessons, and campaigns with their outcome, which answers "have we tried this?"."""

from __future__ import annotations

from sqlalchemy import Connection

from memory import campaigns, proposals, readouts
from memory.campaigns import Campaign
from memory.lessons import Lesson
from memory.play import Play
from memory.vectors import Document


def lesson_document(lesson: Lesson) -> Document:
    """A lesson under the words by which somebody may look for it."""
    return Document(
        kind="lesson",
        id=lesson.lesson_id,
        text=" ".join(part for part in (lesson.text.get("en"), lesson.text.get("fr"), lesson.segment) if part),
        metadata={"playbook": lesson.playbook, "lever": lesson.lever, "verdict": lesson.verdict},
    )


def campaign_documents(connection: Connection) -> list[Document]:
    """Every campaign that went live: its brief, copy, audience and outcome so far."""
    return [_document(connection, one) for one in campaigns.list_campaigns(connection, ["live", "paused", "finished"])]


def campaign_document(connection: Connection, campaign_id: str) -> Document:
    """One campaign as it should be remembered now. Raises NotFoundError."""
    return _document(connection, campaigns.get(connection, campaign_id))


def _document(connection: Connection, campaign: Campaign) -> Document:
    play = campaigns.get_version(connection, campaign.campaign_id, campaign.version).play
    looks = readouts.of_campaign(connection, campaign.campaign_id)
    outcome = list(looks[-1].body["text"].values()) if looks else []
    parts = [*play.name.values(), _brief(connection, campaign), play.audience_sentence, *_copy(play), *outcome]
    return Document(
        kind="campaign",
        id=campaign.campaign_id,
        text="\n".join(part for part in parts if part),
        metadata={
            "playbook": campaign.playbook,
            "status": campaign.status,
            "verdict": looks[-1].verdict if looks else "",
        },
    )


def _brief(connection: Connection, campaign: Campaign) -> str:
    brief_id = proposals.get(connection, campaign.proposal_id).proposal.brief_id
    if brief_id is None:
        return ""
    brief = proposals.read_brief(connection, brief_id)
    return ". ".join(part for part in (brief.intention, brief.metric, brief.audience_hint) if part)


def _copy(play: Play) -> list[str]:
    """Subjects and headlines: long bodies would drown what they are about."""
    copies = [copy for _, step in play.sends() for copy in step.copies.values()]
    return [text for copy in copies for text in (copy.subject, copy.headline) if text]
