"""A flow as lines of text: what follows stands below, and what only some contacts do is indented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from console.flow.steps import START, Node

_MARKS = {
    "start": "▶",
    "send": "✉",
    "wait": "◷",
    "wait_window": "◷",
    "wait_event": "◷",
    "branch": "◆",
    "update": "✎",
    "alert": "!",
    "exit": "■",
}


def tree(nodes: Mapping[str, Node]) -> list[str]:
    """The lines of a flow; a step to which several ways lead is told once, and by its key elsewhere."""
    told = _Teller(nodes)
    told.tell(START, None, "")
    return told.lines


@dataclass
class _Teller:
    nodes: Mapping[str, Node]
    lines: list[str] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)
    _known: dict[str, list[str]] = field(default_factory=dict)

    def tell(self, key: str | None, until: str | None, margin: str) -> None:
        """Tell the steps from one on, up to the one at which the ways meet again."""
        while key is not None and key != until:
            node = self.nodes[key]
            if key in self._told:
                self.lines.append(f"{margin}→ {key}")
                return
            self._told.add(key)
            name = f"{key}: " if key else ""
            note = f"  ({node.note})" if node.note else ""
            self.lines.append(f"{margin}{_MARKS[node.kind]} {name}{node.text}{note}")
            key = self._after(node, until, margin)

    def _after(self, node: Node, until: str | None, margin: str) -> str | None:
        if len(node.ways) < 2:
            return node.ways[0].to if node.ways else None
        meet = self._meeting(node, until)
        for way in node.ways:
            self.lines.append(f"{margin}├ {way.answer}" + (f" → {way.to}" if way.to == meet else ""))
            self.tell(way.to, meet, f"{margin}│   ")
        return meet

    def _meeting(self, node: Node, until: str | None) -> str | None:
        """The first step that every way out of a branch comes to, if one does."""
        first, second = (self._inescapable(way.to) for way in node.ways)
        return next((one for one in first if one in second), until)

    def _inescapable(self, key: str) -> list[str]:
        """The steps through which every way from one leads, itself first."""
        if key not in self._known:
            ends = [self._inescapable(way.to) for way in self.nodes[key].ways]
            self._known[key] = [key, *(one for one in (ends[0] if ends else []) if all(one in end for end in ends))]
        return self._known[key]
