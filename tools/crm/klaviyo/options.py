"""What a team sets for Klaviyo, and what can be had from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from tools.crm.connector import System, SystemOptions


class KlaviyoOptions(SystemOptions):
    """Profiles, lists, events and sends of Klaviyo; its key is NORIA_KLAVIYO_KEY."""

    title: ClassVar[str] = "Klaviyo"

    @property
    def needs(self) -> Sequence[str]:
        return ("NORIA_KLAVIYO_KEY",)


SYSTEM: Final = System(
    name="klaviyo",
    title="Klaviyo",
    options=KlaviyoOptions,
    things={"contacts": "contacts", "lists": "contacts", "events": "events", "sends": "sends"},
    beside={"sends": "events"},
    discovers=True,
    writes=("properties", "withdrawn consent"),
    scope="profiles:read, lists:read, events:read, metrics:read and flows:read; to write back also profiles:write, and "
    "lists:write and subscriptions:write for consent",
    secrets={"NORIA_KLAVIYO_KEY": "a private API key"},
    limits="Retry-After, RateLimit-Remaining",
)
