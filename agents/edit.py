"""What people may change in a proposal before they approve it, and the new version that this makes."""

from __future__ import annotations

from collections.abc import Sequence as Many
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agents.desk import Desk
from agents.review import count_audience, foresee
from agents.scheduler import size_band
from memory.bands import only
from memory.errors import InvalidInputError
from memory.finding import Finding, Verdict
from memory.offers import open_offers
from memory.play import Offer, Play
from memory.proposal import Proposal
from memory.segments.grammar import All, Not, OneOf, parse
from memory.segments.sentence import describe
from memory.steps import Copy, SendStep, Sequence
from tools.render import rehearse, shows_offer


class Changes(BaseModel):
    """An edit. What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    copies: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    """STEP or SEQUENCE.STEP → language → slot → text; body is a list of paragraphs."""
    offer_id: str | None = None
    """"" takes the offer out; several, with commas between them, are tiers by the value of the open cart."""
    holdout_share: float | None = Field(default=None, ge=0.05, le=0.5)
    contacts_per_day: int | None = Field(default=None, ge=1)
    starts_at: AwareDatetime | None = None
    sequences: tuple[str, ...] | None = None
    """Keys of the sequences to keep."""
    languages: tuple[str, ...] | None = None
    """Languages to keep; whoever would read another one is left out."""


_REMEDIES = {
    "copies": "Name step, language and slot, and give a text; body is a list of paragraphs.",
    "offer_id": "Give the id of an approved offer, or nothing to take the offer out.",
    "holdout_share": "Give a share between 0.05 and 0.5.",
    "contacts_per_day": "Give a whole number from 1 on.",
    "starts_at": "Give day, hour and zone, for example 2025-03-04T09:00:00Z.",
    "sequences": "List the keys of the sequences to keep.",
    "languages": "List the languages to keep, for example fr.",
}
_SHOWN = 3


def step_names(play: Play) -> dict[str, tuple[Sequence, SendStep]]:
    """Every send step under the name an edit uses: its key, with its sequence's before it where keys repeat."""
    keys = [step.key for _, step in play.sends()]
    return {
        step.key if keys.count(step.key) == 1 else f"{sequence.key}.{step.key}": (sequence, step)
        for sequence, step in play.sends()
    }


def read_changes(changes: dict[str, Any]) -> Changes:
    """Check the shape of an edit. Raises InvalidInputError."""
    try:
        return Changes.model_validate(
            {key: value for key, value in changes.items() if value not in ("", None)}
            | ({"offer_id": ""} if changes.get("offer_id") == "" else {})
        )
    except ValidationError as error:
        fault = error.errors()[0]
        remedy = _REMEDIES.get(str(fault["loc"][0]), f"One may change: {', '.join(Changes.model_fields)}.")
        raise InvalidInputError(
            f"This edit cannot be made: {fault['msg']}.",
            where=".".join(str(part) for part in fault["loc"]),
            remedy=remedy,
        ) from error


def check_edit(proposal: Proposal, changes: dict[str, Any], desk: Desk) -> None:
    """Whether an edit may be noted: that it can be made, and that the policy would not refuse what comes of it.

    Raises InvalidInputError.
    """
    before = {_said(finding) for finding in proposal.findings}
    findings = foresee(desk, apply_changes(proposal, changes, desk))
    # What was refused before may be mended step by step: an edit need not mend everything.
    refused = [one for one in findings if one.verdict is Verdict.REFUSE and _said(one) not in before]
    if refused:
        raise InvalidInputError(
            f"The policy would refuse this edit. {' '.join(_said(one) for one in refused[:_SHOWN])}",
            where=f"rule {', '.join(sorted({one.rule for one in refused}))}",
            remedy="Change what it found; nothing was noted.",
        )


def apply_changes(proposal: Proposal, changes: dict[str, Any], desk: Desk) -> Proposal:
    """The next version of a proposal, without findings: the guardian has to count and judge it again.

    Raises InvalidInputError when the edit names what is not there, or changes nothing.
    """
    wanted, now = read_changes(changes), desk.clock.now()
    play = changed_play(proposal.play, wanted, desk, proposal.audience.bands)
    changed = proposal.model_copy(
        update={
            "version": proposal.version + 1,
            "play": play,
            "shares_why": proposal.shares_why if play.shares == proposal.play.shares else "",
            "findings": (),
            "holdout_why": proposal.holdout_why if wanted.holdout_share is None else "",
            "expires_at": now + timedelta(days=desk.settings.expires_days),
        }
    )
    return changed if wanted.languages is None else _counted(changed, desk)


def changed_play(play: Play, wanted: Changes, desk: Desk, in_bands: Many[int]) -> Play:
    """A play with an edit made, and rehearsed; ``in_bands`` is how many contacts each of its bands has.

    Raises InvalidInputError when it names what is not there.
    """
    changed = _play_with(play, wanted, desk, desk.clock.now(), in_bands)
    if changed.digest == play.digest:
        raise InvalidInputError("This edit changes nothing.", where=f"playbook {play.playbook}")
    _rehearse(changed, play)
    return changed


def _play_with(play: Play, wanted: Changes, desk: Desk, now: datetime, in_bands: Many[int]) -> Play:
    names = step_names(play)
    if unknown := sorted(set(wanted.copies) - set(names)):
        raise InvalidInputError(
            f"There is no message {', '.join(unknown)}.", where="copies", remedy=f"There are: {', '.join(names)}."
        )
    texts = {(names[name][0].key, names[name][1].key): languages for name, languages in wanted.copies.items()}
    sequences = [_sequence_with(sequence, texts) for sequence in play.sequences]
    if wanted.sequences is not None:
        sequences = _kept(sequences, wanted.sequences)
    kept = play.model_copy(update={"sequences": tuple(sequences)})
    if play.band_shares and len(sequences) < len(play.sequences):
        kept = kept.drawing(only(play.band_shares, [one.key for one in sequences]), in_bands)
    updates: dict[str, Any] = {"sequences": kept.sequences, "band_shares": kept.band_shares}
    if wanted.languages is not None:
        updates |= _in_languages(play, sequences, wanted.languages)
    if wanted.offer_id is not None:
        found = _offers(desk, wanted.offer_id, now)
        updates |= {"offer": found[0] if found else None, "tiers": tuple(found[1:])}
    if wanted.holdout_share is not None:
        if play.holdout_key and wanted.holdout_share != play.holdout_share:
            raise InvalidInputError(
                "A follow-up letter holds out the same people as the letters before it.",
                where="holdout_share",
                remedy="Leave the share as it is; the next series may have another.",
            )
        updates["holdout_share"] = wanted.holdout_share
    if wanted.contacts_per_day is not None:
        updates["limits"] = play.limits.model_copy(update={"contacts_per_day": wanted.contacts_per_day})
    if wanted.starts_at is not None and wanted.starts_at != play.schedule.starts_at:
        if wanted.starts_at < now:
            raise InvalidInputError(
                "It cannot start in the past.",
                where="starts_at",
                remedy=f"Give a moment after {now:%Y-%m-%dT%H:%MZ}.",
            )
        updates["schedule"] = play.schedule.model_copy(update={"starts_at": wanted.starts_at})
    return Play.model_validate(play.model_copy(update=updates).model_dump())


def _sequence_with(sequence: Sequence, texts: dict[tuple[str, str], dict[str, dict[str, Any]]]) -> Sequence:
    steps = []
    for step in sequence.steps:
        languages = texts.get((sequence.key, step.key))
        if languages and isinstance(step, SendStep):
            copies = {**step.copies}
            for language, slots in languages.items():
                if language not in copies:
                    raise InvalidInputError(
                        f"{step.key} is not written in {language!r}.",
                        where=f"{step.key}.{language}",
                        remedy=f"It is written in: {', '.join(sorted(copies))}.",
                    )
                copies[language] = _copy_with(copies[language], slots, f"{step.key}.{language}")
            try:
                step = step.with_copies(copies)
            except ValidationError as error:
                what = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise InvalidInputError(
                    f"This text cannot stand: {what}.", where=step.key, remedy=_REMEDIES["copies"]
                ) from error
        steps.append(step)
    return sequence.model_copy(update={"steps": tuple(steps)})


def _copy_with(copy: Copy, slots: dict[str, Any], where: str) -> Copy:
    if unknown := sorted(set(slots) - set(Copy.model_fields)):
        raise InvalidInputError(
            f"There is no slot {', '.join(unknown)}.", where=where, remedy=f"There are: {', '.join(Copy.model_fields)}."
        )
    try:
        return Copy.model_validate({**copy.model_dump(), **slots})
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidInputError(
            f"This text cannot stand: {fault['msg']}.",
            where=f"{where}.{fault['loc'][0]}",
            remedy=_REMEDIES["copies"],
        ) from error


def _rehearse(play: Play, before: Play) -> None:
    """Refuse what cannot be written to anybody, or not to contacts of whom less is known, and an offer unseen."""
    if (play.sequences, play.offers) == (before.sequences, before.offers):
        return
    if play.offers and not shows_offer(play):
        raise InvalidInputError(
            f"No message would show the offer {play.offers[0].offer_id}.",
            where="offer_id",
            remedy="Take the offer out with it, or keep a sequence whose texts or layout name it.",
        )
    if found := [problem for problem in rehearse(play) if problem not in rehearse(before)]:
        raise InvalidInputError(
            f"A message could not be written. {' '.join(found[:_SHOWN])}",
            where="copies",
            remedy="Mend the text, or keep an offer that it speaks of.",
        )


def _said(finding: Finding) -> str:
    found = f" Found: {finding.fact}." if finding.fact else ""
    return f"{finding.sentence}{found}" + (f" Allowed: {finding.limit}." if finding.limit else "")


def _kept(sequences: list[Sequence], keys: tuple[str, ...]) -> list[Sequence]:
    kept = [sequence for sequence in sequences if sequence.key in keys]
    if len(kept) != len(set(keys)) or not kept:
        raise InvalidInputError(
            "At least one known sequence must stay, and no unknown one be named.",
            where="sequences",
            remedy=f"There are: {', '.join(one.key for one in sequences)}.",
        )
    total = sum(sequence.share for sequence in kept)
    return [
        sequence.model_copy(update={"share": sequence.share / total, "share_range": (0.0, 1.0)})
        if len(kept) < len(sequences)
        else sequence
        for sequence in kept
    ]


def written_in(play: Play) -> set[str]:
    """The languages in which some message of a play is written."""
    return {language for _, step in play.sends() for language in step.copies}


def _in_languages(play: Play, sequences: list[Sequence], kept: tuple[str, ...]) -> dict[str, Any]:
    """The parts of a play that change when only some of its languages stay: the texts, and who is written to."""
    written = written_in(play)
    if not kept or not set(kept) <= written:
        raise InvalidInputError(
            "At least one language must stay, and none be named in which nothing is written.",
            where="languages",
            remedy=f"It is written in: {', '.join(sorted(written))}.",
        )
    if written == set(kept):
        return {}
    # Whoever reads none of the languages, or no known one, reads the brand's.
    others = Not(of=OneOf(field="language", values=tuple(written - set(kept))))
    readers = others if play.brand.language in kept else OneOf(field="language", values=kept)
    audience = parse(All(of=(parse(play.audience), readers)))
    return {
        "sequences": tuple(_only_in(sequence, kept) for sequence in sequences),
        "audience": audience.model_dump(mode="json"),
        "audience_sentence": describe(audience, "en"),
    }


def _counted(proposal: Proposal, desk: Desk) -> Proposal:
    """The proposal with room for as many as read what is left of it, counted now."""
    audience = count_audience(desk, proposal)
    if not audience.reachable:
        raise InvalidInputError(
            f"Nobody who may be written to reads {', '.join(sorted(written_in(proposal.play)))}.",
            where="languages",
            remedy="Keep another language too, or reject the proposal.",
        )
    play = proposal.play
    if not play.trigger.runs_days:
        # What a trigger lets in is bounded by its days, not by who is there today.
        play = play.model_copy(update={"size_band": size_band(audience.reachable)})
    return proposal.model_copy(update={"play": play, "audience": audience})


def _only_in(sequence: Sequence, kept: tuple[str, ...]) -> Sequence:
    def shortened(step: SendStep) -> SendStep:
        copies = {language: copy for language, copy in step.copies.items() if language in kept}
        if step.copies and not copies:
            raise InvalidInputError(
                f"{step.key} is written in none of these languages.",
                where="languages",
                remedy=f"It is written in: {', '.join(sorted(step.copies))}.",
            )
        return step.with_copies(copies)

    steps = tuple(shortened(step) if isinstance(step, SendStep) else step for step in sequence.steps)
    return sequence.model_copy(update={"steps": steps})


def _offers(desk: Desk, offer_ids: str, now: datetime) -> list[Offer]:
    """The offers of these ids, separated by commas, the smallest basket first."""
    wanted = [one.strip() for one in offer_ids.split(",")] if offer_ids else []
    with desk.store.read() as connection:
        offers = {offer.offer_id: offer for offer in open_offers(connection, now)}
    for offer_id in wanted:
        if offer_id not in offers:
            raise InvalidInputError(
                f"There is no approved, open offer {offer_id}.",
                where="offer_id",
                remedy=f"Open now: {', '.join(offers) or 'none'}.",
            )
    found = sorted((offers[one] for one in wanted), key=lambda one: one.minimum_basket_cents)
    if len({one.minimum_basket_cents for one in found}) < len(found):
        raise InvalidInputError(
            "Two of the offers begin at the same basket.",
            where="offer_id",
            remedy="Name offers whose minimum_basket differs, or one.",
        )
    return found
