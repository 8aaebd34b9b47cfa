"""A launched campaign with people in its arms, put straight into a store, and what they bought in a lake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from agents.desk import Desk, DeskSettings
from agents.forecasting import store_forecast
from agents.playbook import PACKAGED, Playbook, load_playbooks
from agents.rules import RulesProvider
from memory import campaigns, proposals
from memory.campaigns import Campaign, CampaignVersion, campaign_id_of
from memory.clock import ManualClock
from memory.enrolments import Enrolment
from memory.lake import Lake, LakeTable
from memory.play import Play
from memory.store import Store
from memory.workspace import salt
from tests import examples
from tests.memory.builders import Row, as_rows, purchase
from tests.policies.worlds import base_pack
from tests.tools.scene import add_contacts, write_enrolments

START = examples.NOW
PERIOD_DAYS = 28


@cache
def playbooks() -> dict[str, Playbook]:
    return load_playbooks(PACKAGED)


def desk_of(store: Store, folder: Path, clock: ManualClock, **changes: Any) -> Desk:
    """A desk on a store, with a lake in a folder."""
    with store.write() as connection:
        salt(connection)
    return Desk(
        store=store,
        lake=Lake(folder / "lake"),
        clock=clock,
        pack=base_pack(),
        playbooks=playbooks(),
        brand=examples.brand(),
        provider=RulesProvider(),
        settings=DeskSettings(**changes),
    )


def launch(
    store: Store,
    *,
    treated: Iterable[int],
    holdout: Iterable[int],
    proposal_id: str = "p1",
    play: Play | None = None,
    starts_at: datetime = START,
    days: int = PERIOD_DAYS,
    entered_at: datetime | None = None,
    known: bool = False,
    **changes: Any,
) -> str:
    """A live campaign whose arms hold exactly these contacts, new ones unless they are ``known``.

    They share the sequences of the play evenly.
    """
    plan = play or examples.play(goal={"window_days": 14}, playbook="win_back")
    treated, holdout = list(treated), list(holdout)
    if not known:
        add_contacts(store, [*treated, *holdout])
    made = examples.proposal(proposal_id, play=plan, **changes)
    campaign_id = campaign_id_of(proposal_id)
    keys = [sequence.key for sequence in plan.sequences]
    with store.write() as connection:
        proposals.submit(connection, made, author="noria", at=starts_at, open_limit=100)
        store_forecast(connection, made, starts_at)
        campaigns.create(
            connection,
            Campaign(
                campaign_id=campaign_id,
                proposal_id=proposal_id,
                playbook=plan.playbook,
                name=made.title,
                status="live",
                version=1,
                holdout_share=plan.holdout_share,
                owner=plan.owner,
                starts_at=starts_at,
                ends_at=starts_at + timedelta(days=days),
                review_at=starts_at + timedelta(days=days),
                created_at=starts_at,
            ),
            CampaignVersion(
                campaign_id=campaign_id,
                version=1,
                digest=plan.digest,
                body=plan.model_dump(mode="json"),
                policy_version=plan.policy_version,
                approved_until=starts_at + timedelta(days=days),
                activated_at=starts_at,
            ),
        )
        write_enrolments(
            connection,
            [
                Enrolment(
                    campaign_id=campaign_id,
                    contact_id=one,
                    version=1,
                    in_holdout=held_out,
                    sequence_key=keys[one % len(keys)],
                    probability=1 / len(keys),
                    step_key=None,
                    due_at=None,
                    entered_at=entered_at or starts_at,
                )
                for held_out, ids in ((False, treated), (True, holdout))
                for one in ids
            ],
        )
    return campaign_id


def buy(
    desk: Desk,
    contacts: Iterable[int],
    at: datetime,
    items: Sequence[tuple[str, int]] = (("coffee", 2_000),),
    *,
    name: str = "o",
) -> None:
    """One order of each of these contacts in the lake."""
    orders: list[Row] = []
    lines: list[Row] = []
    for one in contacts:
        order, its_lines = purchase(f"{name}-{one}-{at:%d%H%M}", one, at, *items)
        orders.append(order)
        lines += its_lines
    desk.lake.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, orders))
    desk.lake.upsert(LakeTable.LINES, as_rows(LakeTable.LINES, lines))
