from __future__ import annotations

from pathlib import Path

import pytest

from agents.playbook import load_playbooks
from memory.finding import Verdict
from memory.steps import SendStep
from policies.guardian import read_copy, review_proposal
from policies.rule import Wording
from tests import examples
from tests.plays import PLAYBOOKS, play_of
from tests.policies.worlds import OFFER, base_pack, proposal
from tools.render import largest_html_bytes

FOLDER = Path(__file__).parents[2] / "agents" / "playbooks"


def test_the_copy_of_every_packaged_playbook_is_allowed() -> None:
    seen = 0
    for playbook in load_playbooks(FOLDER).values():
        for sequence in playbook.sequences:
            for step in sequence.steps:
                if not isinstance(step, SendStep):
                    continue
                for language, copy in step.copies.items():
                    wording = Wording(
                        copy=copy,
                        language=language,
                        brand=examples.brand(),
                        offer=OFFER,
                        facts=(),
                        choices=step.labels(language),
                        where=step.key,
                    )
                    review = read_copy(wording, base_pack())
                    against = [finding for finding in review.findings if finding.verdict is not Verdict.ALLOW]
                    assert not against, (playbook.id, step.key, language)
                    seen += 1
    assert seen >= 16


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_the_layouts_of_every_packaged_playbook_can_be_read_by_everybody_and_are_shown_whole(name: str) -> None:
    play = play_of(PLAYBOOKS[name])
    size = largest_html_bytes(play)
    assert 2_000 < size < 30_000
    review = review_proposal(proposal(play=play, html_bytes=size), base_pack())
    judged = [one for one in review.findings if one.rule in ("accessibility", "message_size")]
    assert len(judged) == 2
    assert [one for one in judged if one.verdict is not Verdict.ALLOW] == []


def test_a_layout_that_repeats_itself_is_too_large_to_be_shown_whole() -> None:
    play = play_of(PLAYBOOKS["win_back"])
    swollen = {
        key: source.replace("</mj-body>", "<mj-text>Hello</mj-text>" * 800 + "</mj-body>")
        for key, source in play.templates.items()
    }
    size = largest_html_bytes(play.model_copy(update={"templates": swollen}))
    review = review_proposal(proposal(play=play, html_bytes=size), base_pack())
    assert {one.rule for one in review.findings if one.verdict is Verdict.REFUSE} >= {"message_size"}
