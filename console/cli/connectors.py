"""`noria connectors`: the providers and systems that Noria can work with, what each can do, and how yours fare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from console.cli.output import AsJson, answer, moment, number, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import nearest_workspace, open_workspace
from tools.channels.vendor import Vendor
from tools.channels.vendors import VENDORS
from tools.crm.connector import System
from tools.crm.connectors import SYSTEMS

if TYPE_CHECKING:
    from console.wiring import Workspace


def add_commands(app: typer.Typer) -> None:
    app.command()(connectors)


def connectors(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print what each provider and system can do; in a workspace also which it uses, and how those fare."""
    found = [{**_can(vendor), "here": None} for vendor in VENDORS.values()]
    systems = [{**_gives(system), "here": None} for system in SYSTEMS.values()]
    if workspace is not None or nearest_workspace() is not None:
        with open_workspace(workspace) as opened:
            for one, vendor in zip(found, VENDORS.values(), strict=True):
                one["here"] = _here(opened, vendor)
            for one, system in zip(systems, SYSTEMS.values(), strict=True):
                one["here"] = _read_here(opened, system)

    def show() -> None:
        headings = ["provider", "carries", "per request", "known again", "test mode", "proof of reports"]
        names = ("name", "carries", "per_request", "idempotency", "test_mode", "proof")
        table("Connectors", headings, [[str(one[name]) or "no" for name in names] for one in found], numbers=(2,))
        for one in found:
            here = one["here"]
            if here and (here["used"] or here["last_report_at"]):
                say(f"{one['title']}: {_fares(here)}")
        headings = ["system", "gives", "what was deleted", "custom properties", "takes back"]
        rows = [
            [str(one["name"]), ", ".join(one["things"]), ", ".join(one["deletes"]) or "no",
             "discovered" if one["discovers"] else "no", ", ".join(one["writes"]) or "no"]
            for one in systems
        ]  # fmt: skip
        table("Systems", headings, rows)
        for one in systems:
            for state in (one["here"] or {}).get("things", []):
                say(_stands(str(one["title"]), state))

    answer({"connectors": found, "systems": systems}, as_json=as_json, show=show)


def _can(vendor: Vendor) -> dict[str, Any]:
    return {
        "name": vendor.name,
        "title": vendor.title,
        "carries": vendor.carries,
        "per_request": vendor.per_request,
        "idempotency": vendor.idempotency,
        "test_mode": vendor.test_mode,
        "reports": list(vendor.reports),
        "proof": vendor.proof,
        "scope": vendor.scope,
        "secrets": [vendor.key_name, vendor.webhook_name],
        "page": vendor.page,
    }


def _gives(system: System) -> dict[str, Any]:
    return {
        "name": system.name,
        "title": system.title,
        "things": dict(system.things),
        "deletes": list(system.deletes),
        "discovers": system.discovers,
        "writes": list(system.writes),
        "scope": system.scope,
        "limits": system.limits,
        "secrets": dict(system.secrets),
        "page": system.page,
    }


def _read_here(opened: Workspace, system: System) -> dict[str, Any]:
    from memory.syncs import standings

    options = opened.settings.sync.systems.get(system.name)
    with opened.store.read() as connection:
        found = standings(connection, system.name)
    now = opened.clock.now()
    return {
        "connected": options is not None,
        "secrets": options is not None and all(opened.holds(name) for name in options.needs),
        "things": [
            {
                **one.model_dump(mode="json", exclude={"system", "cursor"}),
                "behind_seconds": None if one.complete_at is None else int((now - one.complete_at).total_seconds()),
            }
            for one in found
        ],
    }


def _stands(title: str, state: dict[str, Any]) -> str:
    if state["began_at"]:
        share = f" of {number(state['total'])}" if state["total"] else ""
        how = f"under way, {number(state['records'])}{share} read"
    elif state["behind_seconds"] is None:
        how = "never read to the end"
    else:
        how = f"as it was {number(state['behind_seconds'] // 60)} minutes ago"
    trouble = f" [red]{quote(state['trouble'])}[/red]" if state["trouble"] else ""
    return f"{title} {state['thing']}: {how}.{trouble}"


def _here(opened: Workspace, vendor: Vendor) -> dict[str, Any]:
    from memory.ledger import last_sent_at
    from tools.intake import last_heard_at

    with opened.store.read() as connection:
        sent_at, heard_at = last_sent_at(connection, vendor.name), last_heard_at(connection, vendor.name)
    way = opened.settings.ways.get(vendor.carries)
    return {
        "used": way is not None and way.kind == vendor.name,
        "key": opened.holds(vendor.key_name),
        "webhook": opened.holds(vendor.webhook_name),
        "last_sent_at": sent_at,
        "last_report_at": heard_at,
    }


def _fares(here: dict[str, Any]) -> str:
    key = "has its key" if here["key"] else "has no key"
    reports = "reports are taken" if here["webhook"] else "reports are not taken"
    sent = f"last message {moment(here['last_sent_at'])}" if here["last_sent_at"] else "no message yet"
    heard = f"last report {moment(here['last_report_at'])}" if here["last_report_at"] else "no report yet"
    return f"{'used, ' if here['used'] else ''}{key}, {reports}; {sent}, {heard}."
