"""Where the boxes of a flow stand: layer by layer from the top, nothing over anything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP = 24.0
"""Between boxes side by side."""
LANE = 20.0
"""Room for an arrow that passes a layer."""
BETWEEN = 40.0
"""Between layers, for the arrows."""
ANSWER = 24.0
"""Further room below a branch, for what was answered."""
_HEAD = 10.0
_SWEEPS = 8
# An arrow that passes several layers looks best straight.
_STRAIGHT = 4.0


@dataclass(frozen=True, slots=True)
class Box:
    """A placed box: left upper corner and size, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Arrow:
    """A placed arrow: the points that it passes, each straight above or below a bend."""

    source: str
    target: str
    way: int
    """0 for the first way out of its source, 1 for the second."""
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture."""

    boxes: dict[str, Box]
    arrows: tuple[Arrow, ...]
    width: float
    height: float


@dataclass
class _Grid:
    """Boxes and the lanes of passing arrows, in layers, with what is joined to what."""

    layers: list[list[str]]
    above: dict[str, list[str]]
    below: dict[str, list[str]]
    lanes: dict[tuple[str, int], list[str]]


def columns(ways: Mapping[str, Sequence[str]]) -> tuple[int, int]:
    """Of the fullest layer, the number of boxes and of arrows that pass beside them."""
    grid = _grid(ways)
    return max((sum(one in ways for one in row), sum(one not in ways for one in row)) for row in grid.layers)


def place(
    ways: Mapping[str, Sequence[str]], size: Callable[[str], tuple[float, float]], *, width: float, margin: float
) -> Layout:
    """Place the boxes of a flow without circles: ``ways`` leads from each to the next ones, the first is the start.

    ``size`` gives width and height of a box. The picture is as wide as asked, or wider if the boxes need it.
    """
    grid = _grid(ways)
    _uncross(grid)
    sizes = {one: size(one) for one in ways}
    broad = {one: sizes[one][0] if one in ways else LANE for row in grid.layers for one in row}
    needed = max(sum(broad[one] + GAP for one in row) - GAP for row in grid.layers)
    width = max(width, needed + 2 * margin)
    middles = _middles(grid, broad, margin, width - margin)
    tops, y = [], margin
    for row in grid.layers:
        tops.append((y, y + max((sizes[one][1] for one in row if one in ways), default=0.0)))
        y = tops[-1][1] + BETWEEN + ANSWER * any(len(ways.get(one, ())) > 1 for one in row)
    level = {one: number for number, row in enumerate(grid.layers) for one in row}
    boxes = {
        one: Box(middles[one] - sizes[one][0] / 2, tops[level[one]][0], sizes[one][0], sizes[one][1]) for one in ways
    }
    arrows = [
        _arrow(one, way, grid.lanes[one, way], ways[one], boxes, middles, [tops[level[at]] for at in (one, *path)])
        for one in ways
        for way, path in ((way, [*grid.lanes[one, way], ways[one][way]]) for way in range(len(ways[one])))
    ]
    return Layout(boxes, tuple(arrows), width, tops[-1][1] + margin)


def _arrow(
    source: str,
    way: int,
    lanes: Sequence[str],
    targets: Sequence[str],
    boxes: Mapping[str, Box],
    middles: Mapping[str, float],
    tops: Sequence[tuple[float, float]],
) -> Arrow:
    box, target = boxes[source], boxes[targets[way]]
    start = box.middle + (0 if len(targets) == 1 else box.width / 4 * (-1, 1)[way])
    points = [(start, box.y + box.height), (start, tops[0][1] + ANSWER * (len(targets) > 1))]
    for lane, (top, bottom) in zip(lanes, tops[1:], strict=False):
        points += [(middles[lane], top), (middles[lane], bottom)]
    return Arrow(source, targets[way], way, (*points, (target.middle, target.y - _HEAD), (target.middle, target.y)))


def _grid(ways: Mapping[str, Sequence[str]]) -> _Grid:
    level: dict[str, int] = {}
    for one in _in_order(ways):
        level.setdefault(one, 0)
        for target in ways[one]:
            level[target] = max(level.get(target, 0), level[one] + 1)
    layers: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    grid = _Grid(layers, defaultdict(list), defaultdict(list), {})
    for one in _in_order(ways):
        layers[level[one]].append(one)
        for way, target in enumerate(ways[one]):
            # A space keeps the name of a lane apart from that of any step.
            lanes = [f"{one} {way} {layer}" for layer in range(level[one] + 1, level[target])]
            grid.lanes[one, way] = lanes
            for lane, layer in zip(lanes, range(level[one] + 1, level[target]), strict=True):
                layers[layer].append(lane)
            path = [one, *lanes, target]
            for upper, lower in pairwise(path):
                grid.below[upper].append(lower)
                grid.above[lower].append(upper)
    return grid


def _in_order(ways: Mapping[str, Sequence[str]]) -> list[str]:
    """Each before all that follow it, the first way out before the second."""
    order: list[str] = []
    stack = [(next(iter(ways)), False)]
    seen: set[str] = set()
    while stack:
        one, leaving = stack.pop()
        if leaving:
            order.append(one)
        elif one not in seen:
            seen.add(one)
            stack += [(one, True), *((target, False) for target in ways[one])]
    return order[::-1]


def _uncross(grid: _Grid) -> None:
    """Order each layer so that few arrows cross; the first way out of a branch stays left where nothing is lost."""
    best, fewest = [list(row) for row in grid.layers], _crossings(grid)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        rows = grid.layers[1:] if down else grid.layers[-2::-1]
        before = grid.layers[:-1] if down else grid.layers[:0:-1]
        joined = grid.above if down else grid.below
        for row, other in zip(rows, before, strict=True):
            at = {one: place for place, one in enumerate(other)}
            ranks = {
                one: sum(at[end] for end in joined[one]) / len(joined[one]) if joined[one] else place
                for place, one in enumerate(row)
            }
            row.sort(key=lambda one: ranks[one])
        crossings = _crossings(grid)
        if crossings < fewest:
            best, fewest = [list(row) for row in grid.layers], crossings
    grid.layers[:] = best


def _crossings(grid: _Grid) -> int:
    found = 0
    for upper, lower in pairwise(grid.layers):
        at = {one: place for place, one in enumerate(lower)}
        ends = [[at[end] for end in grid.below[one]] for one in upper]
        for place, mine in enumerate(ends):
            found += sum(a > b for theirs in ends[place + 1 :] for a in mine for b in theirs)
            # Two ways out of one box leave side by side.
            found += len(mine) == 2 and mine[0] > mine[1]
    return found


def _middles(grid: _Grid, broad: Mapping[str, float], left: float, right: float) -> dict[str, float]:
    middles: dict[str, float] = {}
    for row in grid.layers:
        wanted = [(left + right) / 2] * len(row)
        middles |= zip(row, _apart([broad[one] for one in row], wanted, [1.0] * len(row), left, right), strict=True)
    for sweep in range(2 * _SWEEPS):
        down = sweep % 2 == 1
        joined = grid.above if down else grid.below
        for row in grid.layers if down else reversed(grid.layers):
            wanted = [
                sum(middles[end] for end in joined[one]) / len(joined[one]) if joined[one] else middles[one]
                for one in row
            ]
            weights = [1.0 if one in grid.below and len(joined[one]) != 1 else _STRAIGHT for one in row]
            middles |= zip(row, _apart([broad[one] for one in row], wanted, weights, left, right), strict=True)
    return middles


def _apart(
    widths: Sequence[float], wanted: Sequence[float], weights: Sequence[float], left: float, right: float
) -> list[float]:
    """Middles as near as can be to what is wanted (least squares), in this order and without touching."""
    offsets, at = [], 0.0
    for width in widths:
        offsets.append(at + width / 2)
        at += width + GAP
    blocks: list[list[float]] = []  # of each: value, weight, number
    for want, offset, weight in zip(wanted, offsets, weights, strict=True):
        blocks.append([want - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            value, weighs, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + value * weighs) / (last[1] + weighs)
            last[1] += weighs
            last[2] += count
    values = [min(max(value, left), right - (at - GAP)) for value, _, count in blocks for _ in range(int(count))]
    return [value + offset for value, offset in zip(values, offsets, strict=True)]
