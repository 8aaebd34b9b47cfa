"""What a team sets for Salesforce, and what can be had from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from pydantic import Field

from tools.crm.connector import System, SystemOptions


class SalesforceOptions(SystemOptions):
    """Contacts, leads and opportunities of one organisation, by OAuth."""

    title: ClassVar[str] = "Salesforce"

    domain: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*(\.sandbox)?$")
    """What stands before .my.salesforce.com."""
    client_id: str
    """The consumer key of the connected app."""

    @property
    def needs(self) -> Sequence[str]:
        return ("NORIA_SALESFORCE_CLIENT_SECRET", "NORIA_SALESFORCE_REFRESH_TOKEN")


SYSTEM: Final = System(
    name="salesforce",
    title="Salesforce",
    options=SalesforceOptions,
    things={"contacts": "contacts", "leads": "contacts", "deals": "deals"},
    deletes=("contacts", "leads", "deals"),
    discovers=True,
    writes=("properties", "withdrawn consent", "tasks"),
    scope="the OAuth scopes api and refresh_token, for a user who may read contacts, leads and opportunities; "
    "to write back also edit contacts and make tasks",
    secrets={
        "NORIA_SALESFORCE_CLIENT_SECRET": "the consumer secret of the connected app",
        "NORIA_SALESFORCE_REFRESH_TOKEN": "a refresh token",
    },
    limits="REQUEST_LIMIT_EXCEEDED",
)
