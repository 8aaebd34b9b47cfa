"""Turns a read-out into memory: a lesson, the score of the forecast, and what both say of earlier lessons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from agents.desk import Desk
from agents.learning.forecast import Forecast, score
from agents.learning.intervals import Effect, critical_value
from agents.learning.readout import ReadOut
from agents.lesson_text import lesson_text
from agents.look import LookState
from agents.measure import ACTOR
from agents.remember import campaign_document, lesson_document
from agents.written import desk_for
from memory import campaigns, forecasts, lessons, proposals, readouts
from memory.campaigns import Campaign
from memory.canonical import digest
from memory.journal import append, entries
from memory.lessons import Lesson
from memory.play import Play
from memory.readouts import StoredReadOut

EXPIRES_DAYS = 365
_REPLACED = "A later look at the same campaign replaced it."
_POOLED = "Letters of the same series were read together later."
_NARROWED = (
    "Lesson {newer} of campaign {campaign} measured another effect on another segment; this one holds for its own only."
)
_CONTRADICTED = "Lesson {newer} of campaign {campaign} measured another effect; the intervals do not overlap."


def learn(state: LookState, desk: Desk) -> LookState:
    """Learn what a stored look teaches; running it twice has one effect.

    The last look and a look at which a campaign works or harms write a lesson, each replacing the one before of the
    same campaign. The forecast is scored once, when nothing more will be measured. An invalid look teaches nothing.
    """
    with desk.store.write() as connection:
        stored = readouts.get(connection, state["readout_id"])
        campaign = campaigns.get(connection, state["campaign_id"])
        readout = ReadOut.model_validate(stored.body)
        now = desk.clock.now()
        if readout.verdict == "invalid":
            _say_that_nothing_was_learned(connection, campaign, stored, now)
            lesson, gone = None, list[str]()
            outcome = "Nothing was learned: the arms do not have their planned sizes."
        elif not teaches(readout):
            lesson, gone = None, []
            outcome = "Nothing is learned before the last look, unless it works or harms."
        else:
            lesson, gone = _teach(connection, desk, campaign, stored, readout, now)
            outcome = lesson.text["en"]
    if desk.vectors is not None:
        with desk.store.read() as connection:
            documents = [campaign_document(connection, campaign.campaign_id)]
        desk.vectors.index(documents if lesson is None else [*documents, lesson_document(lesson)])
        desk.vectors.forget("lesson", gone)
    return {"lesson_id": "" if lesson is None else lesson.lesson_id, "outcome": outcome}


def teaches(readout: ReadOut) -> bool:
    """Whether a look is worth a lesson: the last one always, an earlier one once the campaign works or harms."""
    return readout.verdict != "invalid" and (readout.verdict != "inconclusive" or concludes(readout))


def concludes(readout: ReadOut) -> bool:
    """Whether nothing more will be measured after this look: it was the last, it harms, or it cannot be trusted."""
    return readout.look == readout.looks_planned or readout.verdict in {"harms", "invalid"}


def contradicts(newer: Lesson, older: Lesson) -> bool:
    """Whether two lessons cannot both hold: their 95 % intervals on log-odds have no value in common.

    Stricter than a test of the difference at 5 %, so that a lesson does not fall with every third campaign.
    """
    reach = critical_value(0.05)
    return abs(newer.effect - older.effect) > reach * (newer.standard_error + older.standard_error)


def _teach(
    connection: Connection, desk: Desk, campaign: Campaign, stored: StoredReadOut, readout: ReadOut, now: datetime
) -> tuple[Lesson, list[str]]:
    """Write the lesson with everything that follows from it; returns it and the ids that no longer hold."""
    play = campaigns.get_version(connection, campaign.campaign_id, campaign.version).play
    letters = [one.campaign_id for one in campaigns.letters_of(connection, campaign.series_key)]
    same = {campaign.campaign_id, *readout.letters}
    # A letter that is read late says less than a later one of its series has said of both.
    later = set(letters) - same
    known = lessons.usable(connection, now, playbook=campaign.playbook)
    taught = {
        told["campaign"]: told for one in known if one.campaign_id in same for told in one.evidence.get("letters", ())
    }
    lesson = _lesson(desk, campaign, play, stored, readout, now, taught)
    earlier = [one for one in known if one.lesson_id != lesson.lesson_id]
    if concludes(readout) and not readout.letters:
        # What a follow-up letter added by itself is not measured, so its forecast is not scored.
        others = [one for one in earlier if one.campaign_id not in letters]
        _score(connection, campaign, stored, readout, others, now)
    if not lessons.write(connection, lesson, at=now):
        return lessons.get(connection, lesson.lesson_id), _no_longer_held(connection, lesson.playbook)
    if any(one.campaign_id in later for one in earlier):
        lessons.set_state(connection, lesson.lesson_id, "withdrawn", reason=_POOLED, actor=ACTOR, at=now)
        earlier = []
    for one in earlier:
        if one.campaign_id in same:
            why = _REPLACED if one.campaign_id == campaign.campaign_id else _POOLED
            lessons.set_state(connection, one.lesson_id, "withdrawn", reason=why, actor=ACTOR, at=now)
        elif (one.segment, one.lever) == (lesson.segment, lesson.lever) and contradicts(lesson, one):
            why = _CONTRADICTED.format(newer=lesson.lesson_id, campaign=campaign.campaign_id)
            lessons.set_state(connection, one.lesson_id, "contradicted", reason=why, actor=ACTOR, at=now)
        elif one.lever == lesson.lever and contradicts(lesson, one):
            why = _NARROWED.format(newer=lesson.lesson_id, campaign=campaign.campaign_id)
            lessons.narrow(connection, one.lesson_id, reason=why, actor=ACTOR, at=now)
    return lesson, _no_longer_held(connection, lesson.playbook)


def _no_longer_held(connection: Connection, playbook: str) -> list[str]:
    return [one.lesson_id for one in lessons.every(connection) if one.playbook == playbook and one.state != "active"]


def _lesson(
    desk: Desk,
    campaign: Campaign,
    play: Play,
    stored: StoredReadOut,
    readout: ReadOut,
    now: datetime,
    taught: Mapping[str, dict[str, Any]],
) -> Lesson:
    playbook = desk_for(desk, campaign.playbook).playbooks.get(campaign.playbook)
    keys = sorted(one.key for one in play.sequences)
    assert readout.verdict != "invalid"
    found = readout.sequences or {one.name: one.comparable for one in readout.arms}
    arms = {name: {"contacts": one.contacts, "conversions": one.conversions} for name, one in found.items()}
    mine: dict[str, Any] = {
        "campaign": campaign.campaign_id,
        "observed_to": stored.planned_at.isoformat(),
        "arms": arms,
    }
    if play.bands:
        by_band = [{name: one.model_dump() for name, one in of.items()} for of in readout.by_band]
        mine |= {"bands": play.bands.model_dump(mode="json"), "by_band": by_band}
    return Lesson(
        lesson_id="l" + digest(["lesson", stored.readout_id])[:15],
        campaign_id=campaign.campaign_id,
        readout_id=stored.readout_id,
        playbook=campaign.playbook,
        segment=play.audience_sentence,
        lever=playbook.lever if playbook else "",
        level=" + ".join(playbook.levels.get(key, key) if playbook else key for key in keys),
        goal=play.goal.event,
        channel="+".join(sorted({step.channel for _, step in play.sends()})),
        effect=readout.effect.estimate,
        standard_error=readout.effect.standard_error,
        contacts=readout.treated.contacts + readout.holdout.contacts,
        conversions=readout.treated.conversions + readout.holdout.conversions,
        verdict=readout.verdict,
        text=lesson_text(play, readout, observed_from=campaign.starts_at, observed_to=stored.planned_at),
        evidence={
            "readout": stored.readout_id,
            "look": stored.look,
            "looks_planned": stored.looks_planned,
            "goal_category": play.goal.category,
            "window_days": play.goal.window_days,
            "holdout": readout.holdout.model_dump(),
            "treated": readout.treated.model_dump(),
            "arms": arms,
            "letters": [*(one for name, one in sorted(taught.items()) if name != campaign.campaign_id), mine],
            "contacts_needed": readout.contacts_needed,
            "mixed_contacts": readout.mixed_contacts,
        },
        observed_from=campaign.starts_at,
        observed_to=stored.planned_at,
        expires_at=stored.planned_at + timedelta(days=EXPIRES_DAYS),
        created_at=now,
    )


def _score(
    connection: Connection,
    campaign: Campaign,
    stored: StoredReadOut,
    readout: ReadOut,
    others: list[Lesson],
    now: datetime,
) -> None:
    """Compare what was forecast of the launched version with what was measured."""
    proposal = proposals.get(connection, campaign.proposal_id).proposal
    made = forecasts.of_proposal(connection, proposal.proposal_id, proposal.version)
    if made is None:
        return
    last = max(others, key=lambda one: (one.observed_to, one.lesson_id), default=None)
    scored = score(
        Forecast.model_validate(made.body),
        readout.effect,
        last=None if last is None else Effect(estimate=last.effect, standard_error=last.standard_error),
    )
    forecasts.score(
        connection, made.forecast_id, readout_id=stored.readout_id, body=scored.model_dump(mode="json"), at=now
    )


def _say_that_nothing_was_learned(
    connection: Connection, campaign: Campaign, stored: StoredReadOut, now: datetime
) -> None:
    subject, action = stored.readout_id, "lesson.none"
    if next(entries(connection, action=action, subject=subject, limit=1), None) is None:
        append(
            connection,
            at=now,
            actor=ACTOR,
            action=action,
            subject=subject,
            payload={"campaign": campaign.campaign_id, "reason": "the arms do not have their planned sizes"},
        )
