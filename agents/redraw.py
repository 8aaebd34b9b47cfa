"""Turns an idea about a running campaign into the play that would take its place, and puts that before people."""

from __future__ import annotations

from collections.abc import Sequence as Many
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from agents.change import drafted, put_forward, running
from agents.desk import Desk
from agents.goal_window import WEEK
from agents.ideas import TRIED_SHARE, Idea
from agents.variations import Variation, variations
from memory.bands import only
from memory.errors import ConflictError
from memory.play import Play
from memory.proposal import ROUND, Authorship, Proposal
from memory.segments.grammar import parse
from memory.segments.sentence import describe
from memory.sequence_check import last_send
from memory.steps import Sequence
from tools.render import rehearse

if TYPE_CHECKING:
    from agents.resume import Threads


def put_idea_forward(threads: Threads, idea: Idea, round_id: str) -> str:
    """Draw the play, have it judged, and put it before people; returns the thread that deliberates on it.

    The same idea of the same round is put once; a later round may ask again.

    Raises ConflictError for a campaign that is over, or where the idea leaves nothing to propose.
    """
    desk = threads.desk
    runs = running(desk, idea.campaign_id)
    before = runs.proposal.play
    play, tried = redrawn(before, idea, runs.proposal.audience.bands)
    if tried and (problems := [one for one in rehearse(play) if one not in rehearse(before)]):
        raise ConflictError(f"A variation could not be written. {problems[0]}", where=f"campaign {idea.campaign_id}")
    leaves: Literal["stay", "leave"] = "leave" if idea.kind == "retire_campaign" else "stay"
    draft = _told(desk, drafted(desk, runs, play, in_flight=leaves, occasion=f"{ROUND} {round_id}"), idea, tried)
    if idea.kind == "rhythm":
        # Nobody is in the letter any more: it is about those whom the next ones go to.
        draft = draft.model_copy(update={"audience": runs.proposal.audience})
    put_forward(threads, runs, draft, author=ROUND)
    return draft.thread_id


def redrawn(play: Play, idea: Idea, in_bands: Many[int] = ()) -> tuple[Play, list[Variation]]:
    """The play as an idea would have it, and the variations that it would try; ``in_bands`` contacts are in its bands.

    Raises ConflictError where there is no variation left.
    """
    kept, tried = play.sequences, list[Variation]()
    if idea.kind == "rhythm":
        return Play.model_validate(play.model_dump() | {"days_between": idea.days_between}), tried
    if idea.kind == "vary":
        tried = _variations(play, idea)
        new = {"share": TRIED_SHARE / len(tried), "share_range": (0.0, 1.0)}
        kept = (
            *_with_shares(kept, idea.shares, total=1 - TRIED_SHARE),
            *(one.sequence.model_copy(update=new) for one in tried),
        )
    elif idea.kind != "retire_campaign":
        kept = _with_shares(tuple(one for one in kept if one.key in idea.shares), idea.shares)
    drawn = play.model_copy(update={"sequences": kept})
    if idea.by_band and idea.shares:
        new_ones = dict.fromkeys((one.sequence.key for one in tried), TRIED_SHARE / max(len(tried), 1))
        today = only(idea.by_band, idea.shares, total=1 - sum(new_ones.values()))
        drawn = drawn.drawing(tuple({**of, **new_ones} for of in today), in_bands)
    changes: dict[str, Any] = {"sequences": drawn.sequences, "band_shares": drawn.band_shares}
    if idea.only:
        audience = {"type": "all", "of": [play.audience, idea.only]}
        changes |= {"audience": audience, "audience_sentence": describe(parse(audience), "en")}
    return Play.model_validate(play.model_copy(update=changes).model_dump()), tried


def _variations(play: Play, idea: Idea) -> list[Variation]:
    [best] = [one for one in play.sequences if one.key in idea.sequences]
    hours = (play.schedule.send_from_hour, play.schedule.send_until_hour)
    found = variations(best, hours=hours, weekdays=play.schedule.weekdays, known=play.sequences)
    # What comes in the last days of the goal's window is counted too little of. A window of the day is one of the week
    # to the check, but whoever waits for an hour waits a day.
    latest = max(timedelta(days=play.goal.window_days) - WEEK, last_send(best))
    found = [one for one in found if one.lever == "hour" or last_send(one.sequence) <= latest][: idea.variations]
    if not found:
        raise ConflictError(f"There is no variation of {best.key} left to try.", where=f"campaign {idea.campaign_id}")
    return found


def _with_shares(
    sequences: tuple[Sequence, ...], shares: dict[str, float], *, total: float = 1.0
) -> tuple[Sequence, ...]:
    """The sequences with these shares, scaled to add up to ``total``, each inside a range that holds its own."""
    scale = total / sum(shares[one.key] for one in sequences)
    found = []
    for one in sequences:
        share = shares[one.key] * scale
        low, high = one.share_range
        found.append(one.model_copy(update={"share": share, "share_range": (min(low, share), max(high, share))}))
    return tuple(found)


def _told(desk: Desk, draft: Proposal, idea: Idea, tried: list[Variation]) -> Proposal:
    """The draft in the words of the idea, with its evidence in the place of that of the first launch."""
    changes = [f"{one.sequence.key}: {one.sentence}" for one in tried]
    ends, is_rhythm = idea.kind == "retire_campaign", idea.kind == "rhythm"
    follows = "What was planned for those who are in it is not sent." if ends else draft.summary
    if is_rhythm:
        follows = "No letter changes, only the day of the next one, of which you are asked as before."
    update: dict[str, Any] = {
        "title": f"{'End' if ends else 'Change'} of {idea.name}",
        "summary": " ".join([idea.sentence, *([f"Tried: {'; '.join(changes)}."] if changes else []), follows]),
        "hypothesis": _HYPOTHESES[idea.kind],
        "why_now": idea.why,
        "evidence": idea.evidence,
        "authors": (Authorship(agent="analyst", provider="rules"),),
    }
    if ends:
        update["kind"] = "retire_campaign"
    if ends or is_rhythm:
        sentence = "Nothing more of it is sent." if ends else "This letter does what it did; see the evidence."
        nothing = {"incremental_mean": 0.0, "value_cents_mean": 0.0, "sentence": sentence}
        update["forecast"] = draft.forecast.model_copy(update=nothing)
    return draft.model_copy(update=update)


_HYPOTHESES = {
    "retire_campaign": "Without this campaign its contacts do at least as well, and nobody is disturbed for nothing.",
    "retire_sequence": "Whoever would have drawn it does better with what is left.",
    "narrow": "Whom it helps is still helped, and whom it harms is left alone.",
    "rhythm": "Letters that come like this bring more contacts to the goal, or make fewer leave.",
    "reallocate": "More contacts reach the goal when these shares are what is planned with and returned to.",
    "vary": "One of the variations does better than what works today; the shares move to it if so.",
}
