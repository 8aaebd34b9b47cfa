"""One abandoned cart, live: left, reminded after 20 minutes, bought, the rest cancelled; and four that go otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from agents.resume import Threads
from console.cli.importing import run_import
from console.cli.output import quote, say
from console.cli.proposals import print_proposal
from console.work import work_once
from evals.demo.result import Promise
from evals.demo.small_shop import Customer, invent_customers, small_stage, write_past_carts
from evals.demo.stage import Stage
from evals.demo.story import ActResult, Watch, conclude, deliberation, propose, read, say_about
from memory import campaigns, contacts, enrolments, journal, ledger, message_pages, workspace
from memory.assignment import draw_sequence, in_holdout
from memory.campaigns import Campaign
from memory.errors import NoriaError
from memory.importing.report import ImportSettings
from memory.schema import messages
from tools.intake import Incoming, receive

CUSTOMERS = 240
SEQUENCE = "after_20_minutes"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class Visitor:
    """A customer of the story, and what becomes of them."""

    customer: Customer
    contact_id: int
    told: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.customer.first_name


class CartResult(ActResult):
    """What the five got, and when."""

    messages: list[dict[str, Any]]
    """Each of their messages: whose, which step, its state and reason, and when it left."""


def play_cart(folder: Path) -> CartResult:
    """Approve an abandoned-cart campaign, then follow five carts minute by minute."""
    watch = Watch()
    say("[bold]Noria, and carts that are left[/bold]")
    say("[yellow]The customers and what they do are invented.[/yellow] The clock is moved; the mail server is real.")
    people = invent_customers(CUSTOMERS)
    with small_stage(folder, people, name="Marlow & Finch (cart)") as stage:
        past = write_past_carts(folder / "past", people)
        run_import(stage.workspace, past, ImportSettings(currency="EUR", source="shop"))
        watch.step("An approved campaign that waits for carts")
        with deliberation(stage.workspace) as threads:
            campaign = _approve(stage, threads)
            visitors = _visitors(stage, campaign, people)
            watch.step("Five carts, minute by minute")
            _live(stage, threads, visitors)
        found = _messages(stage, campaign, visitors)
        promises = _promises(stage, visitors, found)
        conclude(watch, promises, stage.workspace.folder)
        return CartResult(
            act="cart",
            workspace=str(stage.workspace.folder),
            seconds=watch.seconds,
            promises=promises,
            messages=found,
        )


def _approve(stage: Stage, threads: Threads) -> Campaign:
    stored = propose(threads, "cart", "abandoned_cart")
    print_proposal(stored, [])
    say_about(stage.workspace, stored, "approve", "cli:jane", reason="Please do, all spring.")
    threads.apply_decisions()
    stage.clock.advance_to(stored.proposal.play.schedule.starts_at)
    work_once(stage.workspace, threads)
    with stage.workspace.store.read() as connection:
        campaign = campaigns.of_proposal(connection, stored.proposal.proposal_id)
    if campaign is None:
        raise NoriaError(f"It was not launched: {read(stage.workspace, stored).status}.", where="cart")
    return campaign


def _visitors(stage: Stage, campaign: Campaign, people: Sequence[Customer]) -> list[Visitor]:
    """Four customers who draw the 20 minutes, and one who is held out, in the order of their numbers."""
    with stage.workspace.store.read() as connection:
        salt = workspace.get_value(connection, "salt") or ""
        shares = campaigns.shares(connection, campaign.campaign_id, campaign.version)
        known = [Visitor(one, contacts.find(connection, one.email).contact_id) for one in people]
    held_out = [one for one in known if in_holdout(salt, campaign.series_key, one.contact_id, campaign.holdout_share)]
    treated = [
        one
        for one in known
        if one not in held_out
        and draw_sequence(salt, campaign.campaign_id, one.contact_id, 1, shares[0])[0] == SEQUENCE
    ]
    return [*treated[:4], held_out[0]]


def _live(stage: Stage, threads: Threads, visitors: Sequence[Visitor]) -> None:
    slow, quick, silent, late, apart = visitors
    opens_at = stage.clock.now()
    evening = opens_at.replace(hour=17, minute=50)
    script: dict[datetime, list[tuple[Visitor, str]]] = {
        opens_at: [(one, "cart") for one in (slow, quick, silent, apart)],
        opens_at + 10 * MINUTE: [(quick, "order")],
        opens_at + 25 * MINUTE: [(slow, "order")],
        evening: [(late, "cart")],
        evening + HOUR: [(late, "order")],
    }
    until = opens_at + DAY + 2 * HOUR
    while stage.clock.now() < until:
        now = stage.clock.now()
        for visitor, kind in script.get(now, []):
            _acts(stage, visitor, kind, now)
        work_once(stage.workspace, threads)
        _tell_new_mail(stage, visitors, now)
        # Minute by minute while something happens, then in long steps.
        moments = (*script, opens_at + 20 * MINUTE, opens_at + DAY + 20 * MINUTE)
        near = min((at for at in moments if at > now), default=until)
        stage.clock.advance_to(min(near, until) if near - now > HOUR else now + 5 * MINUTE)


def _acts(stage: Stage, visitor: Visitor, kind: str, at: datetime) -> None:
    properties: dict[str, Any] = {"product_id": "P1", "value_cents": 2_000}
    told = "leaves House coffee in the cart"
    if kind == "order":
        line = {"product_id": "P1", "category": "Coffee", "quantity": 1, "amount_cents": 2_000}
        properties = {
            "order_id": f"live-{visitor.contact_id}",
            "total_cents": 2_000,
            "currency": "EUR",
            "lines": [line],
        }
        told = "orders"
    name = f"{kind}-{visitor.contact_id}"
    event = Incoming(event_id=name, kind=kind, at=at, contact=visitor.contact_id, properties=properties, source="shop")
    receive(stage.workspace.store, [event], at)
    _tell(visitor, at, told)


def _tell_new_mail(stage: Stage, visitors: Sequence[Visitor], at: datetime) -> None:
    with stage.workspace.store.read() as connection:
        for visitor in visitors:
            query = select(messages).where(messages.c.contact_id == visitor.contact_id)
            for row in connection.execute(query.order_by(messages.c.message_id)).all():
                mark = f"{row.message_key}:{row.state}:{row.reason}"
                if mark in visitor.told:
                    continue
                visitor.told.append(mark)
                why = f" ({row.reason})" if row.reason else ""
                colour = {"sent": "green", "withheld": "yellow", "suppressed": "red"}.get(row.state, "dim")
                _tell(visitor, at, f"[{colour}]message “{row.step_key}”: {row.state}{why}[/{colour}]")
            for one in enrolments.active(connection, [visitor.contact_id]):
                if f"in:{one.enrolment_id}" not in visitor.told:
                    visitor.told.append(f"in:{one.enrolment_id}")
                    _tell(visitor, at, "[dim]is in the campaign" + (", held out[/dim]" if one.in_holdout else "[/dim]"))


def _tell(visitor: Visitor, at: datetime, sentence: str) -> None:
    say(f"  {at:%a %H:%M} UTC  {quote(visitor.name):12} {sentence}")


def _messages(stage: Stage, campaign: Campaign, visitors: Sequence[Visitor]) -> list[dict[str, Any]]:
    with stage.workspace.store.read() as connection:
        rows = message_pages.of_campaign(connection, campaign.campaign_id)
    names = {one.contact_id: one.name for one in visitors}
    return [
        {
            "contact": names[row.contact_id],
            "step": row.step_key,
            "state": row.state,
            "reason": row.reason,
            "sent_at": row.sent_at.isoformat() if row.sent_at else None,
            "received": stage.server.received[row.message_key],
        }
        for row in rows
    ]


def _promises(stage: Stage, visitors: Sequence[Visitor], found: Sequence[dict[str, Any]]) -> list[Promise]:
    slow, quick, silent, late, apart = (one.name for one in visitors)
    of = {name: [one for one in found if one["contact"] == name] for name in (slow, quick, silent, late, apart)}
    first = next((one["sent_at"] for one in of[slow] if one["state"] == "sent"), None)
    with stage.workspace.store.read() as connection:
        balance = ledger.reconcile(connection)
        chain = journal.verify(connection)
        entered = {
            one.contact_id: one.entered_at
            for one in enrolments.of_campaign(connection, campaigns.list_campaigns(connection)[0].campaign_id)
        }
    opened = entered[visitors[0].contact_id]
    states = {name: [(one["step"], one["state"]) for one in rows] for name, rows in of.items()}
    return [
        Promise(
            sentence=f"{slow} is reminded exactly 20 minutes after leaving the cart, and after the order of no more.",
            held=first == (opened + 20 * MINUTE).isoformat() and states[slow] == [("reminder", "sent")],
        ),
        Promise(sentence=f"{quick}, who ordered within the 20 minutes, hears nothing.", held=states[quick] == []),
        Promise(
            sentence=f"{silent}, who does nothing, is written to once more the next day.",
            held=states[silent] == [("reminder", "sent"), ("second", "sent")],
        ),
        Promise(
            sentence=f"{late}'s reminder waits for the morning, and is cancelled by the order in the evening.",
            held=[(one["step"], one["state"], one["reason"]) for one in of[late]]
            == [("reminder", "suppressed", "goal")],
        ),
        Promise(
            sentence=f"{apart} is held out: no message, and a row that says so.",
            held=bool(states[apart]) and all(state == "withheld" for _, state in states[apart]),
        ),
        Promise(
            sentence="Each sent message is one file at the receiving server, and nothing else is.",
            held=all(one["received"] == (one["state"] == "sent") for one in found),
        ),
        Promise(sentence="The final states add up to what was planned.", held=balance.balances),
        Promise(sentence="The journal forms an unbroken chain.", held=chain.intact),
    ]
