"""Putting another policy pack in force: which approvals fall, why, and the setting that says so."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from console.settings import SETTINGS_FILE
from console.wiring import Workspace
from memory import campaigns, proposals
from memory.errors import ConfigurationError, ConflictError
from memory.journal import append
from memory.proposal import ProposalStatus as Status
from policies.comparison import Change, compare
from policies.pack import Pack
from policies.soundness import inspect_pack

_APPROVED = (Status.APPROVED, Status.LAUNCHING)
_WAITING = (Status.QUEUED, Status.OPEN, Status.ASKED)
_LINE = re.compile(r'^policy_pack\s*=\s*("[^"\n]*"|\'[^\'\n]*\')', re.MULTILINE)
_SHOWN = 5


class Activation(BaseModel):
    """What another pack in force changes, and what falls with it."""

    model_config = ConfigDict(frozen=True)

    old: str
    new: str
    changes: tuple[Change, ...]
    voids: dict[str, list[str]]
    """Proposals approved and not launched, proposals that wait, and campaigns that hold until approved again."""

    @property
    def reason(self) -> str:
        """Why an approval fell, in one sentence."""
        told = [
            f"{one.rule} {one.what} {one.old} → {one.new} ({one.effect})"
            for one in self.changes
            if one.what not in ("sentence", "source")
        ]
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        what = f": {'; '.join(told[:_SHOWN])}{more}" if told else ", in words only"
        return f"The policy changed since the approval, {self.old} is now {self.new}{what}."


def foresee_activation(opened: Workspace, name: str) -> Activation:
    """What putting a pack in force would do; nothing is changed.

    Raises ConflictError for a pack that is in force already or that is not sound, NotFoundError for an unknown one.
    """
    pack = opened.read_pack(name)
    old = opened.pack
    if pack.version == old.version and name == opened.settings.policy_pack:
        raise ConflictError(f"{pack.version} is in force already.", where=SETTINGS_FILE)
    file = opened.packs.find(name)
    problems = inspect_pack(file.text, where=str(file.path), parents=opened.packs.texts)
    if problems:
        raise ConflictError(
            f"The pack is not sound: {problems[0].what}",
            where=f"{problems[0].file}, line {problems[0].line}",
            remedy=f"`noria policy check {name}` tells all.",
        )
    return foresee(opened, pack)


def foresee(opened: Workspace, pack: Pack) -> Activation:
    """What changes, and what falls, if this pack took the place of the one in force."""
    old = opened.pack
    return Activation(
        old=old.version, new=pack.version, changes=tuple(compare(old, pack)), voids=voided_by(opened, pack)
    )


def put_in_force(opened: Workspace, name: str, found: Activation, actor: str) -> None:
    """Set a pack and void what was approved or waits under another; workers take it up in their next round.

    Messages of running campaigns hold by themselves until people approve them again.
    """
    # The setting first: whatever is cut off after it, the door voids for the same reason.
    set_pack(opened.folder / SETTINGS_FILE, name)
    at = opened.clock.now()
    with opened.store.write() as connection:
        for proposal_id in (*found.voids["approved"], *found.voids["waiting"]):
            status = proposals.get(connection, proposal_id).status
            if status in (*_APPROVED, *_WAITING):
                proposals.swap_status(
                    connection, proposal_id, status, Status.VOIDED, at, actor=actor, reason=found.reason
                )
        append(
            connection,
            at=at,
            actor=actor,
            action="policy.activated",
            subject=found.new,
            payload={"from": found.old, "voided": found.voids},
        )


def voided_by(opened: Workspace, pack: Pack) -> dict[str, list[str]]:
    """Ids of proposals whose approval would no longer count, and of campaigns that would wait for a new one."""
    with opened.store.read() as connection:
        waiting = proposals.list_proposals(connection, [*_WAITING, *_APPROVED])
        other = [one for one in waiting if one.proposal.play.policy_version != pack.version]
        held = [one.campaign_id for one in campaigns.approved_under_another(connection, pack.version)]
    return {
        "approved": [one.proposal.proposal_id for one in other if one.status in _APPROVED],
        "waiting": [one.proposal.proposal_id for one in other if one.status not in _APPROVED],
        "campaigns": held,
    }


def set_pack(path: Path, name: str) -> None:
    """Write the name of the pack into the settings, and leave every other line as it is."""
    text = path.read_text(encoding="utf-8")
    line = f'policy_pack = "{name}"'
    head, table, rest = text.partition("\n[")
    new, replaced = _LINE.subn(line, head, count=1)
    if not replaced:
        if "policy_pack" in head:
            raise ConfigurationError(
                "The line of policy_pack cannot be read.", where=str(path), remedy=f"Write it as: {line}"
            )
        new = f"{head.rstrip()}\n{line}\n"
    written = path.with_name(f"{path.name}.new")
    written.write_text(new + table + rest, encoding="utf-8")
    written.replace(path)
