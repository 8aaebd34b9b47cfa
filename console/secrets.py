"""Secrets that are written down: those a person gave, and those that a system changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from console.settings import SECRETS_FILE


class KeptSecrets(dict[str, SecretStr]):
    """Secrets of one system; one that is replaced holds from then on, and is written down unless a person set it
    in the environment."""

    def __init__(self, held: Mapping[str, SecretStr | None], folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__({name: secret for name, secret in held.items() if secret is not None})
        self._folder, self._environment = folder, environment

    def __setitem__(self, name: str, secret: SecretStr) -> None:
        super().__setitem__(name, secret)
        if not self._environment.get(name):
            write_secrets(self._folder, {name: secret.get_secret_value()})


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """Add or replace secrets in secrets.toml, which nobody but its owner may read."""
    path = folder / SECRETS_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for name, value in secrets.items():
        text = re.sub(rf"(?m)^\s*{name}\s*=.*\n?", "", text)
        text = f"{text.rstrip()}\n{name} = {json.dumps(value, ensure_ascii=False)}\n".lstrip()
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)
