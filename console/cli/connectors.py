"""`noria connectors`: the providers that Noria can work with, what each can do, and how yours fare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from console.cli.output import AsJson, answer, moment, say, table
from console.cli.place import InWorkspace
from console.wiring import nearest_workspace, open_workspace
from tools.channels.vendor import Vendor
from tools.channels.vendors import VENDORS

if TYPE_CHECKING:
    from console.wiring import Workspace


def add_commands(app: typer.Typer) -> None:
    app.command()(connectors)


def connectors(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print what each provider can do; in a workspace also which it uses and when they last took or said something."""
    found = [{**_can(vendor), "here": None} for vendor in VENDORS.values()]
    if workspace is not None or nearest_workspace() is not None:
        with open_workspace(workspace) as opened:
            for one, vendor in zip(found, VENDORS.values(), strict=True):
                one["here"] = _here(opened, vendor)

    def show() -> None:
        headings = ["provider", "carries", "per request", "known again", "test mode", "proof of reports"]
        names = ("name", "carries", "per_request", "idempotency", "test_mode", "proof")
        table("Connectors", headings, [[str(one[name]) or "no" for name in names] for one in found], numbers=(2,))
        for one in found:
            here = one["here"]
            if here and (here["used"] or here["last_report_at"]):
                say(f"{one['title']}: {_fares(here)}")

    answer({"connectors": found}, as_json=as_json, show=show)


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
