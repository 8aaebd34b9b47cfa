"""Puts the six folders inside the one package that a wheel installs; an editable install needs no copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("memory", "policies", "tools", "agents", "evals", "console")


class CarryFolders(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is private to hatchling
    """Generic names such as ``agents`` must never land in site-packages."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            for folder in FOLDERS:
                build_data["force_include"][str(Path(self.root, folder))] = f"noria/_app/{folder}"
