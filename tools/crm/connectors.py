"""Every system that Noria can be connected to, and the one place where its parts are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from pydantic import SecretStr

from tools.channels.channel import Channel
from tools.crm.connector import Connector, System, SystemOptions
from tools.crm.csv.options import SYSTEM as CSV
from tools.crm.hubspot.options import SYSTEM as HUBSPOT
from tools.crm.klaviyo.options import SYSTEM as KLAVIYO
from tools.crm.mapping import Rules, read_mapping
from tools.crm.salesforce.options import SYSTEM as SALESFORCE
from tools.crm.shopify.options import SYSTEM as SHOPIFY
from tools.crm.sql.options import SYSTEM as SQL
from tools.crm.tryton.options import SYSTEM as TRYTON

SYSTEMS: Final[Mapping[str, System]] = {
    one.name: one for one in (HUBSPOT, SALESFORCE, TRYTON, SHOPIFY, KLAVIYO, SQL, CSV)
}


def import_connector(name: str) -> Callable[..., Connector]:
    """The connector of a system, to be made; its HTTP client loads with it."""
    return cast("Callable[..., Connector]", import_module(f"tools.crm.{name}.connector").CONNECTOR)


def open_connector(
    name: str, options: SystemOptions, secrets: MutableMapping[str, SecretStr], *, patience_seconds: float = 120
) -> Connector:
    """The way into a system. Raises ConfigurationError where a secret or setting is missing."""
    return import_connector(name)(options, secrets, patience_seconds=patience_seconds)


def open_channel_to(name: str, options: SystemOptions, secrets: MutableMapping[str, SecretStr]) -> Channel:
    """How approved steps are written back to a system. Raises ConfigurationError where a secret is missing."""
    made = cast("Callable[..., Channel]", import_module(f"tools.crm.{name}.channel").CHANNEL)
    return made(options, secrets)


def mapping_of(name: str, workspace: Path) -> dict[str, Rules]:
    """How the records of a system are read in this workspace. Raises ConfigurationError."""
    path = Path(__file__).parent / name / "mapping.yaml"
    return read_mapping(SYSTEMS[name], path.read_text(encoding="utf-8") if path.is_file() else "{}", workspace)
