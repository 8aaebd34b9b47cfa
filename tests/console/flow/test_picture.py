"""Flows as pictures and as trees: everything is there, nothing lies over anything else, and it is always the same."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.flow.layout import Arrow, Box, Layout, place
from console.flow.picture import WIDTH, draw
from console.flow.steps import START, Node, nodes_of
from console.flow.tree import tree
from memory.sequence_check import defects
from memory.steps import BranchStep, ExitStep, Sequence
from memory.trigger import EventTrigger
from tests.memory.sequences import any_sequence, branch, cart, leave, send, sequence, wait

SVG = "{http://www.w3.org/2000/svg}"
TRIGGER = EventTrigger(event="cart")


def reached(of: Sequence) -> Sequence:
    """The sequence with the ways written out, and without the steps that nobody reaches."""
    unreached = {one.step for one in defects(of) if "never reached" in one.what}
    steps = [
        one if isinstance(one, BranchStep | ExitStep) else one.model_copy(update={"next": of.followers(one.key)[0]})
        for one in of.steps
        if one.key not in unreached
    ]
    return of.model_copy(update={"steps": tuple(steps)})


SEQUENCES = any_sequence(forward=True).map(reached)


def parsed(nodes: dict[str, Node], name: str = "flow") -> ET.Element:
    return ET.fromstring(draw(nodes, title="Cart & more", words="After <a cart>.", name=name))


def laid_out(of: Sequence, sizes: list[tuple[float, float]]) -> Layout:
    nodes = nodes_of(of, TRIGGER, "en")
    given_sizes = dict(zip(nodes, sizes, strict=False))
    ways = {key: [way.to for way in node.ways] for key, node in nodes.items()}
    return place(ways, lambda key: given_sizes[key], width=600, margin=16)


def points(arrow: Arrow) -> Iterator[tuple[float, float]]:
    """Points along an arrow: straight and bent pieces in turn, a bend drawn as the picture draws it."""
    for number, ((x, y), (to_x, to_y)) in enumerate(pairwise(arrow.points)):
        for part in range(21):
            t = part / 20
            if number % 2 == 0:
                yield x + (to_x - x) * t, y + (to_y - y) * t
            else:
                s = t * t * (3 - 2 * t)
                yield x + (to_x - x) * s, y + (to_y - y) * (1.5 * t * (1 - t) + t**3)


def inside(x: float, y: float, box: Box) -> bool:
    return box.x - 3 < x < box.x + box.width + 3 and box.y + 0.1 < y < box.y + box.height - 0.1


@given(SEQUENCES, st.lists(st.tuples(st.integers(160, 300), st.integers(40, 200)), min_size=9, max_size=9))
def test_no_box_lies_over_another_and_no_arrow_over_a_box(of: Sequence, sizes: list[tuple[float, float]]) -> None:
    found = laid_out(of, sizes)
    for one, other in combinations(found.boxes.values(), 2):
        apart = one.x + one.width < other.x or other.x + other.width < one.x
        assert apart or one.y + one.height < other.y or other.y + other.height < one.y
    for arrow in found.arrows:
        for x, y in points(arrow):
            assert not any(inside(x, y, box) for box in found.boxes.values()), arrow
        assert arrow.points[0][1] < arrow.points[-1][1]
    for box in found.boxes.values():
        assert box.x >= 15.9
        assert box.x + box.width <= found.width - 15.9
        assert box.y + box.height <= found.height - 15.9


@given(SEQUENCES)
def test_every_step_and_every_way_is_in_the_picture_with_its_words(of: Sequence) -> None:
    nodes = nodes_of(of, TRIGGER, "en", dict.fromkeys(("", *(one.key for one in of.steps)), "12 here now"))
    svg = parsed(nodes)
    boxes = [one for one in svg.iter(f"{SVG}g") if (one.get("class") or "").startswith("step ")]
    told = [" ".join(line.text or "" for line in one.iter(f"{SVG}text")) for one in boxes]
    for node, words in zip(nodes.values(), told, strict=True):
        # Lines may break within a long word.
        assert "".join(words.split()) == "".join(f"{node.key} {node.text} {node.note}".split())
    arrows = [one for one in svg.iter(f"{SVG}path") if one.get("class") == "arrow"]
    assert len(arrows) == sum(len(node.ways) for node in nodes.values())
    answers = [one.findtext(f"{SVG}text") for one in svg.iter(f"{SVG}g") if one.get("class") == "answer"]
    branches = sum(isinstance(one, BranchStep) for one in of.steps)
    assert sorted(str(one) for one in answers) == ["no"] * branches + ["yes"] * branches


@given(SEQUENCES)
def test_the_same_sequence_is_drawn_the_same_again(of: Sequence) -> None:
    nodes = nodes_of(of, TRIGGER, "fr")
    assert draw(nodes, title="t", words="w", name="n") == draw(dict(nodes), title="t", words="w", name="n")


def test_a_picture_says_in_words_what_it_shows_and_its_ids_are_its_own() -> None:
    one, other = parsed(nodes_of(cart(), TRIGGER, "en"), "first"), parsed(nodes_of(cart(), TRIGGER, "en"), "second")
    for svg, name in ((one, "first"), (other, "second")):
        assert svg.get("role") == "img"
        assert svg.get("aria-labelledby") == f"{name}-t {name}-d"
        assert svg.findtext(f"{SVG}title") == "Cart & more"
        assert svg.findtext(f"{SVG}desc") == "After <a cart>."
        assert {element.get("id") for element in svg.iter() if element.get("id")} == {f"{name}-t", f"{name}-d"}


def test_a_flow_of_two_ways_fits_a_page_and_a_broader_one_grows() -> None:
    assert parsed(nodes_of(cart(), TRIGGER, "en")).get("width") == str(WIDTH)
    broad = sequence(
        branch("a", "b", "c"),
        branch("b", "d", "e"),
        branch("c", "f", "g"),
        *(send(key, f"A message that is called {key}", next="end") for key in "defg"),
        leave(),
    )
    assert float(str(parsed(nodes_of(broad, TRIGGER, "en")).get("width"))) > WIDTH


def test_yes_stays_on_the_left_of_no() -> None:
    svg = parsed(nodes_of(cart(), TRIGGER, "en"))
    places = {
        str(one.findtext(f"{SVG}text")): float(str(one.find(f"{SVG}text").get("x")))  # type: ignore[union-attr]
        for one in svg.iter(f"{SVG}g")
        if one.get("class") == "answer"
    }
    assert places["yes"] < places["no"]


@pytest.mark.parametrize("words", ["<script>alert(1)</script>", '"quoted" & more', "a" * 140])
def test_words_from_a_record_stay_words_and_break_rather_than_run_out(words: str) -> None:
    svg = parsed(nodes_of(sequence(send("a", words), leave()), TRIGGER, "en"))
    assert svg.find(f".//{SVG}script") is None
    assert words.replace(" ", "") in "".join("".join(one.itertext()) for one in svg.iter(f"{SVG}text")).replace(" ", "")
    assert max(len(one.text or "") for one in svg.iter(f"{SVG}text")) < 45


@given(SEQUENCES)
def test_the_tree_tells_every_step_once(of: Sequence) -> None:
    nodes = nodes_of(of, TRIGGER, "en")
    lines = [line.lstrip("│ ") for line in tree(nodes)]
    for key, node in nodes.items():
        if key != START:
            assert sum(line[2:] == f"{key}: {node.text}" for line in lines) == 1


def test_the_tree_indents_what_only_some_do() -> None:
    assert tree(nodes_of(cart(), TRIGGER, "en"))[4:] == [
        "◆ clicked: Clicked “shoes”?",
        "├ yes",
        "│   ◷ mornings: Wait until Tuesday to Thursday, 9:00–12:00 local time",
        "│   ✉ shoes: Send the e-mail “More shoes”",
        "├ no",
        "│   ! call: Ask a person: “Call them.”",
        "│   ✎ mark: Set “cart_rescue” to “called”",
        "■ end: Leave",
    ]
    skipping = sequence(branch("a", "b", "end"), wait("b", days=1), send("c"), leave())
    assert tree(nodes_of(skipping, TRIGGER, "en", {"c": "7 sent"}))[2:] == [
        "├ yes",
        "│   ◷ b: Wait 1 day",
        "│   ✉ c: Send the e-mail “Hello”  (7 sent)",
        "├ no → end",
        "■ end: Leave",
    ]
