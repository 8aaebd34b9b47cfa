"""Connect a system: ask, try, and only then write it down."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from console.secrets import write_secrets
from console.settings import SECRETS_FILE, SETTINGS_FILE
from console.sync import writes_into
from console.wiring import Workspace
from memory.errors import ConfigurationError
from tools.crm.connector import System, SystemOptions
from tools.crm.connectors import SYSTEMS, open_connector


class Connected(BaseModel):
    """What was found, and where it was written."""

    model_config = ConfigDict(frozen=True)

    system: str
    sentence: str
    files: tuple[str, ...]


def connect_system(
    opened: Workspace,
    name: str,
    given: Mapping[str, str],
    *,
    ask: Callable[[str, str], str],
    ask_secret: Callable[[str, str], str],
) -> Connected:
    """Connect one system; secrets that are set already are not asked for.

    ``ask`` gets the name of an option or secret, and what it is. Raises ConfigurationError for what the system does not
    have, and ConnectorError where it does not let us in; then nothing was written.
    """
    system = SYSTEMS.get(name)
    if system is None:
        raise ConfigurationError(
            f"There is no system {name}.", where="noria connect", remedy=f"There are: {', '.join(SYSTEMS)}."
        )
    now = opened.settings.sync.systems.get(name)
    options = _options(system, now, given, ask)
    new: dict[str, str] = {}
    secrets: dict[str, SecretStr] = {}
    for one in options.needs:
        held = opened.secret(one)
        if held is None:
            new[one] = ask_secret(one, system.secrets[one]).strip()
        secrets[one] = held or SecretStr(new[one])
    connector = open_connector(name, options, secrets)
    try:
        sentence = connector.check(writing=writes_into(opened, name))
    finally:
        connector.close()
        for one in secrets.keys() - new.keys():
            if secrets[one] is not opened.secret(one):
                opened.secrets_of(system)[one] = secrets[one]
    # A refresh token may have changed by its first use.
    new = {one: secrets[one].get_secret_value() for one in new}
    files = [SETTINGS_FILE] if _write_options(opened.folder, name, options, now) else []
    if new:
        write_secrets(opened.folder, new)
        files.append(SECRETS_FILE)
    return Connected(system=name, sentence=sentence, files=tuple(files))


def _options(
    system: System, now: SystemOptions | None, given: Mapping[str, str], ask: Callable[[str, str], str]
) -> SystemOptions:
    for name in given.keys() - system.options.model_fields.keys():
        raise ConfigurationError(
            f"{system.title} has no {name}.",
            where=f"noria connect {system.name}, --set",
            remedy=f"It takes {', '.join(system.options.model_fields) or 'no options'}. Nothing was written.",
        )
    values: dict[str, Any] = {**(now.model_dump(exclude_defaults=True) if now else {}), **given}
    for name, field in system.options.model_fields.items():
        if field.is_required() and name not in values:
            values[name] = ask(name, field.description or "").strip()
    try:
        return system.options.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        said = fault["msg"].removeprefix("Value error, ")
        raise ConfigurationError(
            f"{'.'.join(str(part) for part in fault['loc']) or 'setting'}: {said}.",
            where=f"noria connect {system.name}, the options of [sync.{system.name}]",
            remedy=f"Give it again: --set NAME=VALUE. {system.page} says what it takes. Nothing was written.",
        ) from error


def _write_options(folder: Path, name: str, options: SystemOptions, now: SystemOptions | None) -> bool:
    """Add the section to noria.toml; False where it is there. Raises ConfigurationError where it says otherwise."""
    if now is not None:
        if now != options:
            raise ConfigurationError(
                "It is connected already, with other options.",
                where=f"{SETTINGS_FILE}, [sync.{name}]",
                remedy="Change that section by hand.",
            )
        return False
    path = folder / SETTINGS_FILE
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in options.model_dump(exclude_defaults=True).items()]
    text = path.read_text(encoding="utf-8").rstrip()
    path.write_text(f"{text}\n\n[sync.{name}]\n{''.join(lines)}", encoding="utf-8")
    return True
