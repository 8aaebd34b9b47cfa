"""A letter that a person wrote, as the playbook and the desk by which the graph makes a proposal of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

from pydantic import ValidationError

from agents.clarity import Question, ask, open_questions, says_something
from agents.desk import Desk
from agents.drafting import plain_play
from agents.extractor import ReplyFacts
from agents.playbook import PACKAGED, Playbook, load_playbook, packaged_layout
from agents.playbook_check import check
from agents.provider import Analysis, Provider, Scheduling, Task, Writing
from agents.scheduler import schedule_by_rules
from memory import letters, other_campaigns
from memory.errors import InvalidInputError
from memory.finding import Finding, Verdict
from memory.layouts import own_layouts
from memory.letters import Letter, StoredLetter, is_letter
from memory.offers import approved_facts, open_offers
from memory.play import Offer, Play
from memory.proposal import Audience, Authorship, Brief, Proposal
from memory.segments.grammar import parse
from memory.segments.sentence import describe
from memory.steps import Copy, ExitStep, SendStep, Sequence
from policies.facts import ProposalFacts
from policies.guardian import review_proposal
from tools.audience import features_for, preview
from tools.render import largest_html_bytes, rehearse

SEQUENCE: Final = "as_written"
PLAIN, WITH_OFFER, WITH_SUGGESTION = "letter", "offer", "newsletter"
LAYOUTS: Final = {
    PLAIN: "words and a button",
    WITH_SUGGESTION: "the same, and what each contact looked at or may like next",
    WITH_OFFER: "words, the offer in a panel, and a button",
}
"""Layouts that come with Noria and that a letter may use, and what they show."""
_OF_WORDS: Final = ("copy", "offer")
_AUTHOR: Final = "The words are those of the person who wrote it."
QUESTIONS: Final = (
    ask(
        "signal",
        "What shows that now is the moment?",
        "Qu'est-ce qui montre que c'est le moment ?",
        "Without a signal it is noise.",
        "Sans signal, ce n'est que du bruit.",
    ),
    ask(
        "receptivity",
        "What shows that these people want to hear it?",
        "Qu'est-ce qui montre que ces personnes veulent l'entendre ?",
        "Consent allows a message; it does not make it welcome.",
        "Le consentement permet un message ; il ne le rend pas bienvenu.",
    ),
)
"""What the clarity gate asks of a letter beside what it asks of every brief; a playbook brings its own answers."""


def unanswered(letter: Letter) -> tuple[Question, ...]:
    """The questions of the clarity gate that a letter leaves open."""
    own = tuple(one for one in QUESTIONS if not says_something(one.question_id, getattr(letter, one.question_id)))
    return (*open_questions(brief_of(letter, "", "")), *own)


def brief_of(letter: Letter, brief_id: str, author: str) -> Brief:
    """The brief that a letter answers."""
    return Brief(
        brief_id=brief_id,
        metric=letter.metric,
        intention=letter.intention,
        audience_hint=describe(parse(letter.segment), "en"),
        horizon_days=letter.window_days,
        owner=letter.owner,
        stop_rule=letter.stop_rule,
        decision=letter.decision,
        author=author,
    )


def playbook_from(stored: StoredLetter, offer: Offer | None, layouts: Mapping[str, str]) -> Playbook:
    """The playbook that a letter is: the newsletter's, with the words and the audience of the person who wrote it.

    Raises InvalidInputError for words that cannot stand.
    """
    letter, base = stored.letter, _newsletter()
    source = _layout(letter.layout, layouts)
    try:
        step = SendStep(
            key="letter",
            template=letter.layout,
            link=f"{{{{ {letter.link} }}}}",
            copies={spoken: _copy(words.model_dump()) for spoken, words in letter.words.items() if not words.empty},
            **_suggestion(base) if letter.layout == WITH_SUGGESTION else {},
        )
        sequence = Sequence(key=SEQUENCE, title=letter.name, share=1.0, steps=(step, ExitStep(key="done")))
        changes = {
            "id": stored.playbook,
            "version": stored.version,
            "name": dict.fromkeys(base.name, letter.name),
            "signal": dict.fromkeys(base.signal, _sentence(letter.signal)),
            "why_now": {spoken: f"{_sentence(letter.receptivity)} {why}" for spoken, why in base.why_now.items()},
            "segment": letter.segment,
            "goal": {"window_days": letter.window_days},
            "offer": {"use": "required", "kinds": (offer.kind,)} if offer else {"use": "none"},
            "days_between": None,
            "rhythms": (),
            "lever": "creative_angle",
            "levels": {SEQUENCE: letter.name},
            "sequences": (sequence.model_dump(),),
            "templates": {letter.layout: source},
        }
        return Playbook.model_validate({**base.model_dump(), **changes})
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidInputError(
            f"This letter cannot stand: {fault['msg'].removeprefix('Value error, ')}.",
            where=".".join(str(part) for part in fault["loc"]),
            remedy="Complete or shorten that part.",
        ) from error


def faults(desk: Desk, stored: StoredLetter) -> list[str]:
    """Everything that would keep a letter from being proposed, in sentences. Raises InvalidInputError.

    It may be written in one language only: that of the brand, in which everybody is written to who reads no other.
    """
    playbook = _seated(desk, stored).playbooks[stored.playbook]
    written = {spoken for step in playbook.sends() for spoken in step.copies} | {desk.brand.language}
    return [f"{one.what} {one.remedy}" for one in check(playbook, written)]


def desk_for(desk: Desk, playbook: str) -> Desk:
    """The desk at which a playbook is worked on: for a letter it knows the letter, and writes what stands there.

    Raises NotFoundError for a letter that is gone.
    """
    if not is_letter(playbook) or playbook in desk.playbooks:
        return desk
    with desk.store.read() as connection:
        stored = letters.of_playbook(connection, playbook)
    return _seated(desk, stored)


def play_of(desk: Desk, stored: StoredLetter) -> Play:
    """A letter as the play that it would be, for a look at it. Raises InvalidInputError for words that cannot stand."""
    seated = _seated(desk, stored)
    play = plain_play(seated, seated.playbooks[stored.playbook])
    starts_at = stored.letter.starts_at or play.schedule.starts_at
    schedule = play.schedule.model_copy(update={"starts_at": starts_at})
    return play.model_copy(update={"schedule": schedule, "offer": _offer_of(desk, stored)})


def audience_of(desk: Desk, stored: StoredLetter) -> Audience:
    """Whom a letter would reach now, as a subtraction; while it has no words yet, by those of the newsletter."""
    try:
        play = play_of(desk, stored)
    except InvalidInputError:
        play = plain_play(desk, _newsletter().model_copy(update={"segment": stored.letter.segment}))
    now = desk.clock.now()
    return preview(
        desk.store,
        desk.lake,
        desk.pack,
        play,
        at=now,
        features=desk.features.at(desk.lake, now, features_for(play)),
        programme_share=desk.settings.programme_share,
        currency=desk.settings.currency,
    )


def _seated(desk: Desk, stored: StoredLetter) -> Desk:
    with desk.store.read() as connection:
        layouts = own_layouts(connection)
    offer = _offer_of(desk, stored)
    written = playbook_from(stored, offer, layouts)
    provider = AsWritten(desk.provider, stored.letter, offer)
    return replace(desk, playbooks={**desk.playbooks, stored.playbook: written}, provider=provider)


class AsWritten:
    """Proposes the very words, offer and hour of a letter; the rest is done as for every other play."""

    def __init__(self, inner: Provider, letter: Letter, offer: Offer | None) -> None:
        self._inner = inner
        self._letter = letter
        self._offer = offer

    @property
    def name(self) -> str:
        return self._inner.name

    def analyse(self, task: Task) -> Analysis:
        return self._inner.analyse(task)

    def write(self, task: Task, analysis: Analysis) -> Writing:
        if self._letter.offer_id and self._offer is None:
            raise InvalidInputError(
                f"There is no approved, open offer {self._letter.offer_id}.",
                where="offer",
                remedy="Choose another offer, or none.",
            )
        author = Authorship(agent="copywriter", provider="rules", note=_AUTHOR)
        return Writing(sequences=task.playbook.sequences, offer=self._offer, author=author)

    def schedule(self, task: Task, analysis: Analysis, writing: Writing) -> Scheduling:
        by_rules = schedule_by_rules(task, analysis, writing)
        starts_at = self._letter.starts_at
        if starts_at is None or starts_at <= task.desk.clock.now():
            schedule = by_rules.schedule
        else:
            schedule = by_rules.schedule.model_copy(update={"starts_at": starts_at})
        return by_rules.model_copy(
            update={"schedule": schedule, "contacts_per_day": self._letter.contacts_per_day, "reasons": ()}
        )

    def criticise(self, task: Task, proposal: Proposal) -> tuple[Finding, ...]:
        return self._inner.criticise(task, proposal)

    def reply(self, task: Task, proposal: Proposal, question: str) -> str:
        return self._inner.reply(task, proposal, question)

    def read_reply(self, words: str) -> tuple[ReplyFacts, int] | None:
        return self._inner.read_reply(words)


def _offer_of(desk: Desk, stored: StoredLetter) -> Offer | None:
    with desk.store.read() as connection:
        found = open_offers(connection, desk.clock.now())
    return next((one for one in found if one.offer_id == stored.letter.offer_id), None)


@cache
def _newsletter() -> Playbook:
    return load_playbook(PACKAGED / "newsletter")


def _layout(name: str, own: Mapping[str, str]) -> str:
    if name == WITH_SUGGESTION:
        return _newsletter().templates[name]
    if name in LAYOUTS:
        return packaged_layout(name)
    if name not in own:
        raise InvalidInputError(f"There is no layout “{name}”.", where="layout", remedy="Choose another one.")
    return own[name]


def _suggestion(base: Playbook) -> dict[str, Any]:
    """What the packaged newsletter suggests to each contact: looked at, or likely next, and not bought lately."""
    step = base.sends()[0]
    return {"records": dict(step.records), "unbought_days": step.unbought_days}


def _copy(words: dict[str, str]) -> Copy:
    paragraphs = [line.strip() for line in words["body"].splitlines() if line.strip()]
    return Copy.model_validate({**words, "body": paragraphs})


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def proof_of_layout(desk: Desk, name: str, mjml: str) -> tuple[list[Finding], list[str]]:
    """What the rules hold against a layout, and what keeps a message from being made of it, whatever it would say."""
    playbook = _newsletter()
    words = playbook.sends()[-1].copies
    step = SendStep(key="letter", template=name, link="{{ links.shop }}", copies=words)
    sequence = Sequence(key=SEQUENCE, title=name, share=1.0, steps=(step, ExitStep(key="done")))
    shown = playbook.model_copy(update={"sequences": (sequence,), "templates": {name: mjml}})
    play = plain_play(desk, shown)
    return proof(desk, play), rehearse(play)


def proof(desk: Desk, play: Play) -> list[Finding]:
    """What the rules hold against the words and the layout of a play, before anybody submits it."""
    now = desk.clock.now()
    with desk.store.read() as connection:
        facts = ProposalFacts(
            play=play,
            now=now,
            channels=desk.settings.channels,
            offers=tuple(open_offers(connection, now)),
            approved_facts=tuple(approved_facts(connection, now)),
            html_bytes=largest_html_bytes(play),
            words_last_sent=other_campaigns.words_last_sent(connection, play, now),
        )
    found = review_proposal(facts, desk.pack).findings
    return [one for one in found if one.part in _OF_WORDS and one.verdict is not Verdict.ALLOW]
