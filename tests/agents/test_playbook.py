"""Playbooks: the packaged ones are sound and pass the guardian's reading; broken ones say where and what to do."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import nullcontext
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from agents.playbook import (
    PACKAGED,
    Playbook,
    PlaybookError,
    check,
    inspect_playbooks,
    json_schema,
    load_playbook,
    load_playbooks,
)
from memory.bindings import BINDINGS
from memory.errors import ConflictError
from memory.finding import Verdict
from memory.play import Play
from memory.sequence_check import defects
from memory.steps import Copy, SendStep, Sequence
from memory.trigger import Reentry, Trigger
from policies.facts import ProposalFacts
from policies.guardian import read_copy
from policies.pack import parse_pack
from policies.wording import wordings
from tests.examples import NOW
from tests.plays import PLAYBOOKS, offer_for, play_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A team's own folder with a copy of the win-back playbook to break."""
    shutil.copytree(PACKAGED / "win_back", tmp_path / "win_back")
    return tmp_path


def rewrite(folder: Path, old: str, new: str, name: str = "win_back") -> int:
    """Replace a text of the playbook once; returns the line on which the new text stands."""
    path = folder / name / "playbook.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_packaged_playbooks_load_without_a_problem() -> None:
    assert set(PLAYBOOKS) == {path.parent.name for path in PACKAGED.glob("*/playbook.yaml")} >= {"win_back"}
    assert all(check(playbook) == [] for playbook in PLAYBOOKS.values())


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_packaged_copy_passes_the_guardians_reading_with_and_without_an_offer(name: str) -> None:
    playbook = PLAYBOOKS[name]
    pack = parse_pack((ROOT / "policies/packs/base.yaml").read_text(encoding="utf-8"), where="base")
    for offer in (None, offer_for(playbook)):
        play = play_of(playbook, offer=offer)
        texts = wordings(ProposalFacts(play=play, now=NOW, approved_facts=()))
        assert texts
        against = [
            (text.where, finding.rule, finding.sentence, finding.fact)
            for text in texts
            for finding in read_copy(text, pack).findings
            if finding.verdict is not Verdict.ALLOW
        ]
        assert against == []


def test_the_guardian_would_have_noticed_an_invented_number() -> None:
    playbook = PLAYBOOKS["win_back"]
    body = play_of(playbook, offer=None).model_dump(mode="json")
    body["sequences"][0]["steps"][0]["copies"]["en"]["body"][1] = "Save 40 % today, guaranteed."
    pack = parse_pack((ROOT / "policies/packs/base.yaml").read_text(encoding="utf-8"), where="base")
    facts = ProposalFacts(play=Play.model_validate(body), now=NOW, approved_facts=())
    assert any(read_copy(text, pack).verdict is Verdict.REFUSE for text in wordings(facts))


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_priors_start_modest_and_name_their_source(name: str) -> None:
    prior = PLAYBOOKS[name].prior
    assert 0 <= prior.mean <= 0.2
    assert prior.sd > prior.mean
    assert len(prior.source) > 40


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_copy_holds_no_digit_of_its_own(name: str) -> None:
    for _, step in play_of(PLAYBOOKS[name]).sends():
        for copy in step.copies.values():
            words = re.sub(
                r"\{.*?\}", "", " ".join((copy.subject, copy.preheader, copy.headline, *copy.body, copy.button))
            )
            assert not re.search(r"\d", words)


def test_only_win_back_and_sunset_ask_for_the_hibernation_exemption() -> None:
    assert {name for name, playbook in PLAYBOOKS.items() if playbook.limits.hibernation_exempt} == {
        "win_back",
        "sunset",
    }


@pytest.mark.parametrize(("floor", "sound"), [(0.5, True), (50, False), (-0.1, False)])
def test_a_share_that_a_play_requires_lies_between_0_and_1(floor: float, sound: bool) -> None:
    body = {**PLAYBOOKS["win_back"].model_dump(mode="json"), "requires": {"consent_proof_share": floor}}
    refused = nullcontext() if sound else pytest.raises(ValidationError, match="requires")
    with refused:
        assert Playbook.model_validate(body).requires == {"consent_proof_share": floor}


def test_without_an_offer_only_the_sequences_that_need_none_are_left() -> None:
    playbook = PLAYBOOKS["win_back"]
    assert [(sequence.key, sequence.share) for sequence in playbook.tellings(None, ["email"])] == [("reminder", 1.0)]
    assert len(playbook.tellings(offer_for(playbook), ["email"])) == 2


def test_a_play_that_requires_an_offer_cannot_be_told_without_one(own: Path) -> None:
    path = own / "win_back" / "playbook.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["offer"]["use"] = "required"
    data["sequences"] = [data["sequences"][1] | {"share": 1}]
    del data["levels"]["reminder"]
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    playbook = load_playbook(own / "win_back")
    with pytest.raises(ConflictError, match="needs an offer"):
        playbook.tellings(None, ["email"])


def test_a_variant_that_a_missing_channel_makes_the_same_as_another_or_empty_is_left_out() -> None:
    playbook = PLAYBOOKS["win_back"]
    mail = next(one for one in playbook.sequences if one.key == "reminder")
    text = SendStep(key="text", channel="sms", copies={"en": Copy(body=("We kept your place. STOP",))})
    added = mail.model_copy(update={"key": "and_text", "steps": (*mail.steps[:-1], text, mail.steps[-1])})
    alone = mail.model_copy(update={"key": "text", "steps": (text, mail.steps[-1])})
    three = playbook.model_copy(update={"sequences": (mail, added, alone)})
    told = three.tellings(None, ["email"])
    assert [(one.key, one.share) for one in told] == [("reminder", 1.0)]
    assert [one.key for one in three.tellings(None, ["email", "sms"])] == ["reminder", "and_text", "text"]
    # Where nothing could be sent, the guardian says which channel is missing.
    texts = playbook.model_copy(update={"sequences": (alone,)})
    assert [one.key for one in texts.tellings(None, ["email"])] == ["text"]


def test_why_now_carries_the_numbers_of_the_analyst() -> None:
    assert PLAYBOOKS["win_back"].why("fr", {"contacts": "1 204"}).startswith("1 204 clients réguliers")


def test_the_published_schema_is_the_models_own() -> None:
    published = json.loads((ROOT / "docs/schemas/playbook.json").read_text(encoding="utf-8"))
    assert published == json_schema()


def test_the_schema_accepts_the_packaged_files_and_refuses_an_unknown_setting() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for name in PLAYBOOKS:
        data = yaml.safe_load((PACKAGED / name / "playbook.yaml").read_text(encoding="utf-8"))
        assert list(validator.iter_errors(data)) == []
        assert list(validator.iter_errors(data | {"colour": "red"}))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("goal:\n  event", "goals:\n  event", "“goals” is not a known setting here"),
        ("version: 1\n\nname", "version: 1\nversion: 2\n\nname", "“version” is given twice"),
        ("name:\n  en: Win-back", "name: [\n  en: Win-back", "not valid YAML"),
        ("field: days_overdue", "field: days_overdo", "there is no feature 'days_overdo'"),
        ("exits: [goal, consent_withdrawn, suppressed]", "exits: [goal, suppressed]", "“consent_withdrawn” is missing"),
        ("  fr: Reconquête", "  de: Rückgewinnung", "The language “fr” is missing"),
        ("{{ contacts }} regular", "{{ revenue }} regular", "“{{ revenue }}” is not a number"),
        (
            "preheader: A short hello from {{ brand.name }}.",
            'preheader: "{{ brand.slogan }}"',
            "not a value that copy may",
        ),
        ("preheader: A short hello from {{ brand.name }}.", 'preheader: "{{ product.name }}"', "needs a product"),
        ("preheader: A short hello from {{ brand.name }}.", 'preheader: "{% if x %}"', "is more than copy may do"),
        ('link: "{{ links.shop }}"', "link: https://example.com", "must lead to one link"),
        ('link: "{{ links.shop }}"', 'link: "{{ links.unsubscribe }}"', "must lead to one link"),
        ("template: letter", "template: leter", "no layout “leter”"),
        ("            button: Voir la boutique\n", "", "no “button”, which another language has"),
        ("- { kind: exit, key: done }", "- { kind: wait, key: done, days: 2 }", "no exit"),
        ("- { kind: wait, key: five_days, days: 5 }", "- { kind: exit, key: five_days }", "never reached"),
        ("days: 5 }", "days: 28 }", "after the goal's window has closed"),
        ("    share: 0.5", "    share: 0.6", "add up to 1.1, not to 1"),
        ("  reminder: no_offer\n", "", "has no level"),
        ("use: optional\n  kinds: [percent, amount, free_shipping, gift]", "use: none", "the play uses none"),
        ("mean: 0.15", "mean: 0.9", "less than or equal to 0.3"),
        ("id: win_back", "id: winback", "differs from the folder's name"),
    ],
)
def test_a_broken_playbook_names_file_line_and_remedy(own: Path, old: str, new: str, says: str) -> None:
    rewrite(own, old, new)
    with pytest.raises(PlaybookError) as caught:
        load_playbooks(own)
    problems = inspect_playbooks(own)
    assert any(says in problem.what for problem in problems), [str(problem) for problem in problems]
    told = next(problem for problem in problems if says in problem.what)
    assert told.file == "win_back/playbook.yaml"
    assert told.remedy
    assert 1 <= told.line <= (own / "win_back/playbook.yaml").read_text(encoding="utf-8").count("\n") + 1
    assert told.what in str(caught.value)


def test_the_line_of_a_wrong_word_is_the_line_it_stands_on(own: Path) -> None:
    line = rewrite(own, "preheader: A short hello from {{ brand.name }}.", 'preheader: "{{ brand.slogan }}"')
    assert line in {problem.line for problem in inspect_playbooks(own)}


def test_all_problems_of_all_files_are_told_at_once(own: Path) -> None:
    shutil.copytree(PACKAGED / "replenishment", own / "replenishment")
    rewrite(own, "    share: 0.5", "    share: 0.6")
    rewrite(own, "category_share", "category share", "replenishment")
    rewrite(own, "records:\n  product: replenish_product_id", "records: {}", "replenishment")
    with pytest.raises(PlaybookError) as caught:
        load_playbooks(own)
    assert "win_back/playbook.yaml" in str(caught.value)
    assert "replenishment/playbook.yaml" in str(caught.value)


def test_a_record_that_the_segment_does_not_guarantee_is_a_problem(own: Path) -> None:
    shutil.copytree(PACKAGED / "replenishment", own / "replenishment")
    rewrite(own, "    - { type: not, of: { type: missing, field: replenish_product_id } }\n", "", "replenishment")
    assert any("lets in contacts without" in problem.what for problem in inspect_playbooks(own))


def test_an_own_layout_beside_the_playbook_comes_before_the_packaged_one(own: Path) -> None:
    (own / "win_back" / "letter.mjml").write_text("<mjml><mj-body></mj-body></mjml>", encoding="utf-8")
    assert load_playbook(own / "win_back").templates["letter"] == "<mjml><mj-body></mj-body></mjml>"
    assert "copy.headline" in PLAYBOOKS["win_back"].templates["letter"]


def test_a_layout_that_includes_itself_is_refused(own: Path) -> None:
    (own / "win_back" / "letter.mjml").write_text('<mj-include path="letter.mjml" />', encoding="utf-8")
    assert any("includes itself" in problem.what for problem in inspect_playbooks(own))


def test_a_folder_without_a_playbook_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PlaybookError, match=r"holds no playbook\.yaml"):
        load_playbooks(tmp_path)


def test_layouts_reach_the_play_whole() -> None:
    for playbook in PLAYBOOKS.values():
        assert set(playbook.templates) == set(playbook.layouts())
        assert all("mj-include" not in source for source in playbook.templates.values())


def test_the_reference_explains_every_setting_and_every_binding() -> None:
    reference = (ROOT / "docs/playbooks.md").read_text(encoding="utf-8")
    settings = set(Playbook.model_fields) - {"templates"}
    bindings = {name for name, binding in BINDINGS.items() if binding.in_copy}
    assert {name for name in settings | bindings if f"`{name}`" not in reference} == set()
    assert all(f"`{name}`" in reference for name in PLAYBOOKS)


def test_the_examples_of_the_reference_can_be_used() -> None:
    reference = (ROOT / "docs/playbooks.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```yaml\n(.*?)^```", reference, re.MULTILINE | re.DOTALL)
    kinds: set[str] = set()
    for text in examples:
        for part in re.split(r"\n\n", text):
            found = yaml.safe_load(part)
            if "trigger" in found:
                kinds.add(TypeAdapter(Trigger).validate_python(found["trigger"]).kind)
            if "reentry" in found:
                Reentry.model_validate(found["reentry"])
            if "steps" in found:
                sequence = Sequence(key="one", title="One", steps=found["steps"], share=1)
                assert defects(sequence) == []
                kinds.update(step.kind for step in sequence.steps)
    steps = {"send", "wait", "wait_window", "wait_event", "branch", "update", "alert", "exit"}
    assert kinds == steps | {"once", "event", "segment", "date", "api"}
