"""What a team sets for HubSpot, and what can be had from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from tools.crm.connector import System, SystemOptions


class HubSpotOptions(SystemOptions):
    """Contacts and deals of HubSpot; its key is NORIA_HUBSPOT_KEY, or OAuth's three are set."""

    title: ClassVar[str] = "HubSpot"

    client_id: str = ""
    """Of an app with OAuth; empty for the key of a private app."""
    subscription_id: str = ""
    """The subscription type from which a step on `consent` takes a contact out."""

    @property
    def needs(self) -> Sequence[str]:
        return (
            ("NORIA_HUBSPOT_CLIENT_SECRET", "NORIA_HUBSPOT_REFRESH_TOKEN") if self.client_id else ("NORIA_HUBSPOT_KEY",)
        )


SYSTEM: Final = System(
    name="hubspot",
    title="HubSpot",
    options=HubSpotOptions,
    things={"contacts": "contacts", "deals": "deals"},
    deletes=("contacts", "deals"),
    discovers=True,
    writes=("properties", "lifecycle stage", "withdrawn consent", "tasks", "notes"),
    scope="crm.objects.contacts.read and crm.objects.deals.read; to write back also crm.objects.contacts.write",
    secrets={
        "NORIA_HUBSPOT_KEY": "the access token of a private app",
        "NORIA_HUBSPOT_CLIENT_SECRET": "the client secret of an app with OAuth",
        "NORIA_HUBSPOT_REFRESH_TOKEN": "the refresh token of an app with OAuth",
    },
    limits="X-HubSpot-RateLimit-Remaining",
)
