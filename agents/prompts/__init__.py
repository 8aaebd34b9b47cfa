"""What models are told: one file per agent."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def prompt(name: str) -> str:
    """The instructions of an agent."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
