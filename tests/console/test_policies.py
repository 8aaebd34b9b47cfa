"""`noria policy` as a team uses it, with packs of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.activation import set_pack
from console.cli import app
from console.wiring import Workspace
from memory import journal, proposals
from memory.errors import ConfigurationError, ConflictError, NoriaError, NotFoundError
from memory.proposal import ProposalStatus as Status
from memory.proposals import swap_status
from policies.pack_document import PackError

OWN = "schema_version: 1\nname: own\nextends: france\nrules:\n  frequency: {parameters: {messages: 2}}\n"
PAIR = """schema_version: 1
tests:
  - {rule: frequency, title: the second, message: {sent_in_window: 1}, verdict: allow}
  - {rule: frequency, title: the third, message: {sent_in_window: 2}, verdict: hold}
"""


def ask(*words: str, fails: bool = False) -> Any:
    """The command line outside of any workspace."""
    result = CliRunner().invoke(app, ["policy", *words, "--json"])
    if isinstance(result.exception, NoriaError):
        raise result.exception
    assert (result.exit_code != 0) == fails, result.output
    return json.loads(result.stdout)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack of a team in a folder that is no workspace."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_outside_of_a_workspace_the_packaged_packs_are_there(own: Path) -> None:
    found = {one["name"]: one for one in ask("list")}
    assert found["france"]["extends"] == ["eu"]
    assert not any(one["in_force"] for one in found.values())
    assert ask("check", "france") == []
    assert ask("explain", "send_window", "--pack", "france")["parameters"][2]["value"] == [0, 1, 2, 3, 4, 5]
    with pytest.raises(NotFoundError, match="no rule window"):
        ask("explain", "window")
    with pytest.raises(NotFoundError, match="no policy pack swiss"):
        ask("check", "swiss")


def test_a_team_s_pack_is_tested_with_the_tests_of_those_it_extends(own: Path) -> None:
    bare = ask("test", str(own))
    assert bare["without_a_pair"] == ["frequency"]
    own.with_name("own.tests.yaml").write_text(PAIR, encoding="utf-8")
    done = ask("test", str(own))
    assert (done["failed"], done["without_a_pair"]) == ([], [])
    assert done["passed"] == bare["passed"] + 2 > 90
    own.with_name("own.tests.yaml").write_text(PAIR.replace("verdict: hold", "verdict: allow"), encoding="utf-8")
    (failed,) = ask("test", str(own), fails=True)["failed"]
    assert (failed["rule"], failed["wanted"], failed["found"]) == ("frequency", "allow", "hold")
    assert failed["where"].endswith("own.tests.yaml, line 4")


def test_a_check_that_finds_something_leaves_with_status_1(own: Path) -> None:
    assert ask("check", str(own)) == []
    own.write_text(OWN + "  links: {parameters: {extra_domains: [bit.ly]}}\n", encoding="utf-8")
    (problem,) = ask("check", str(own), fails=True)
    assert (Path(problem["file"]).name, problem["line"]) == ("own.yaml", 6)
    own.write_text(OWN + "  colour: {}\n", encoding="utf-8")
    assert "There is no rule colour" in ask("check", str(own), fails=True)[0]["what"]
    with pytest.raises(PackError, match="no rule colour"):
        ask("test", str(own))


def test_a_difference_names_what_becomes_stricter(own: Path) -> None:
    found = ask("diff", "france", str(own))
    assert [(one["rule"], one["what"], one["effect"]) for one in found["changes"]] == [
        ("frequency", "messages", "stricter")
    ]
    assert found["voids"] is None


def test_in_a_workspace_a_difference_names_the_approvals_that_would_fall(proposed: Path) -> None:
    def run(*words: str) -> Any:
        return ask(*words, "--workspace", str(proposed))

    (proposed / "packs" / "own.yaml").write_text(OWN.replace("france", "base"), encoding="utf-8")
    found = {one["name"]: one for one in run("list")}
    assert found["base"]["in_force"]
    assert not found["own"]["packaged"]
    same = run("diff", "base", "base")
    assert (same["changes"], any(same["voids"].values())) == ([], False)
    waiting = run("diff", "base", "own")["voids"]["waiting"]
    assert len(waiting) >= 2
    before = CliRunner().invoke(app, ["proposals", "list", "--workspace", str(proposed), "--json"])
    assert set(waiting) <= {one["proposal_id"] for one in json.loads(before.stdout)}


def test_an_approval_that_was_given_is_named_apart(proposed: Path) -> None:
    (proposed / "packs" / "own.yaml").write_text(OWN.replace("france", "base"), encoding="utf-8")
    words = ("--workspace", str(proposed))
    first = ask("diff", "base", "own", *words)["voids"]["waiting"][0]
    workspace = Workspace(proposed, {})
    with workspace.store.write() as connection:
        swap_status(connection, first, Status.OPEN, Status.APPROVED, workspace.clock.now(), actor="cli:marie")
    workspace.close()
    voids = ask("diff", "base", "own", *words)["voids"]
    assert voids["approved"] == [first]
    assert first not in voids["waiting"]
    assert not any(ask("diff", "own", "base", *words)["voids"].values())


def test_the_measures_that_a_pack_may_name_are_those_of_the_record(shop: Path) -> None:
    rule = "  data_quality: {parameters: {minimum_measures: {%s: 0.5}}}\n"
    text = "schema_version: 1\nname: own\nextends: base\nrules:\n" + rule
    path = shop / "packs" / "own.yaml"
    path.write_text(text % "consent_proof_share", encoding="utf-8")
    assert ask("check", "own", "--workspace", str(shop)) == []
    path.write_text(text % "purity", encoding="utf-8")
    assert "no measure purity" in ask("check", "own", "--workspace", str(shop), fails=True)[0]["what"]


def test_a_pack_is_put_in_force_with_the_approvals_that_fall_named_and_voided(proposed: Path) -> None:
    words = ("--workspace", str(proposed))
    (proposed / "packs" / "own.yaml").write_text(OWN.replace("france", "base"), encoding="utf-8")
    workspace = Workspace(proposed, {})
    before = workspace.pack.version
    waiting = ask("diff", "base", "own", *words)["voids"]["waiting"]
    with pytest.raises(ConflictError, match="Nothing was changed"):
        ask("activate", "own", *words)
    assert not workspace.take_up_policy()
    done = ask("activate", "own", "--yes", *words)
    assert (done["old"], done["voids"]["waiting"]) == (before, waiting)
    text = (proposed / "noria.toml").read_text(encoding="utf-8")
    assert text.count("policy_pack") == 1
    assert "# or eu, france" in text
    # The worker that runs takes it up; nothing else of its settings moves.
    assert workspace.take_up_policy()
    assert workspace.pack.version == workspace.desk.pack.version == workspace.workplace.pack.version == done["new"]
    with workspace.store.read() as connection:
        assert {proposals.get(connection, one).status for one in waiting} == {Status.VOIDED}
        (line,) = journal.entries(connection, action="proposal.voided", subject=waiting[0])
        assert next(journal.entries(connection, action="policy.activated")).subject == done["new"]
    assert "frequency messages 3 → 2 (stricter)" in line.payload["reason"]
    workspace.close()
    with pytest.raises(ConflictError, match="in force already"):
        ask("activate", "own", "--yes", *words)


def test_a_pack_that_is_not_sound_or_fails_its_tests_is_not_put_in_force(shop: Path) -> None:
    words = ("--workspace", str(shop))
    path = shop / "packs" / "own.yaml"
    path.write_text(OWN + "  links: {parameters: {extra_domains: [bit.ly]}}\n", encoding="utf-8")
    with pytest.raises(ConflictError, match="not sound"):
        ask("activate", "own", "--yes", *words)
    path.write_text(OWN, encoding="utf-8")
    path.with_name("own.tests.yaml").write_text(PAIR.replace("verdict: hold", "verdict: allow"), encoding="utf-8")
    with pytest.raises(ConflictError, match="1 of its tests fail"):
        ask("activate", "own", "--yes", *words)
    assert 'policy_pack = "base"' in (shop / "noria.toml").read_text(encoding="utf-8")


def test_a_policy_that_cannot_be_read_leaves_the_one_that_was(shop: Path) -> None:
    workspace = Workspace(shop, {})
    before = workspace.pack
    (shop / "noria.toml").write_text('name = "Shop"\npolicy_pack = "gone"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no policy pack gone"):
        workspace.take_up_policy()
    assert workspace.pack is before
    workspace.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('name = "S"\n\n[review]\nx = 1\n', 'name = "S"\npolicy_pack = "own"\n\n[review]\nx = 1\n'),
        ("policy_pack = 'eu'  # ours\n", 'policy_pack = "own"  # ours\n'),
    ],
)
def test_only_the_line_of_the_pack_is_written(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "noria.toml"
    path.write_text(before, encoding="utf-8")
    set_pack(path, "own")
    assert path.read_text(encoding="utf-8") == after
