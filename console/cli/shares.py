"""`noria campaigns shares`: who draws which sequence, what was decided about it, and your word on it."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, plain, quote, say, table
from console.cli.place import InWorkspace, as_role
from console.wiring import open_workspace
from memory import allocations, campaigns
from memory.errors import InvalidInputError
from memory.steps import Sequence

_SHOWN = 10


def campaign_shares(
    campaign_id: Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")],
    accept: Annotated[bool, typer.Option("--accept", help="Put the shares in force that wait for a yes.")] = False,
    decline: Annotated[bool, typer.Option("--decline", help="Refuse the shares that wait for a yes.")] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Return to the approved shares; from then on each move waits for a yes.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it goes into the journal.")] = "",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print who draws which sequence of a running campaign and every decision about it, or give your word on one."""
    if [accept, decline, back].count(True) > 1:
        raise InvalidInputError(
            "Only one of these can be done.", where="--accept, --decline, --back", remedy="Name one of them."
        )
    with open_workspace(workspace) as opened, opened.store.write() as connection:
        found = campaigns.get(connection, campaign_id)
        at, of = opened.clock.now(), found.campaign_id
        if accept:
            allocations.accept(connection, of, actor=as_role(opened, "approver"), at=at)
        elif decline:
            allocations.decline(connection, of, actor=as_role(opened, "approver"), reason=reason, at=at)
        elif back:
            actor = as_role(opened, "approver")
            allocations.return_to_plan(connection, of, actor=actor, reason=reason or "A person's word.", at=at)
        today = campaigns.shares(connection, of, found.version)
        play = campaigns.get_version(connection, of, found.version).play
        approved = {one.key: one for one in play.sequences}
        past = allocations.of_campaign(connection, of)

    def show() -> None:
        rows = [
            [
                *([play.bands.label(band, "en")] if play.bands else []),
                key,
                f"{share:.1%}",
                f"{play.shares[band][key]:.0%}" if key in approved else "–",
                "–" if key not in approved else _range(approved[key], play.shares[band][key]),
            ]
            for band, shares in enumerate(today)
            for key, share in shares.items()
        ]
        headings = ["sequence", "today", "approved", "may move from"]
        table(f"Shares of {found.name}", [*(["contacts"] if play.bands else []), *headings], rows)
        decided = [
            [
                moment(one.decided_at),
                one.state.replace("_", " "),
                "; ".join(", ".join(f"{key} {share:.0%}" for key, share in sorted(of.items())) for of in one.shares),
                one.actor or "–",
                one.reason,
            ]
            for one in past[-_SHOWN:]
        ]
        if not decided:
            say("Nothing was decided yet: that happens once a day while a campaign lets contacts in.")
            return
        table("Decisions", ["when", "what became of it", "shares", "by", "why"], decided)
        if past[-1].state == "waiting":
            say(f"It waits for a yes: noria campaigns shares {quote(found.campaign_id)} --accept, or --decline.")

    value = {
        "campaign_id": found.campaign_id,
        "bands": None if play.bands is None else [play.bands.label(band, "en") for band in range(len(play.bands))],
        "shares": today,
        "approved": {
            key: {"shares": [of[key] for of in play.shares], "range": one.share_range} for key, one in approved.items()
        },
        "decisions": plain(past),
    }
    answer(value, as_json=as_json, show=show)


def _range(sequence: Sequence, start: float) -> str:
    """How far the share may go; what was approved as the start is inside."""
    low, high = sequence.share_range
    return f"{min(low, start):.0%} to {max(high, start):.0%}"
