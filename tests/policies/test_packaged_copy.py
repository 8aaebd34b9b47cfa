from __future__ import annotations

from pathlib import Path

from agents.playbook import load_playbooks
from memory.finding import Verdict
from memory.steps import SendStep
from policies.guardian import read_copy
from policies.rule import Wording
from tests import examples
from tests.policies.worlds import OFFER, base_pack

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
