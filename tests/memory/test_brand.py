"""The brand file: read strictly, readable for everyone, and strict about where links lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.brand import READABLE_CONTRAST, Brand, Colours, contrast, load_brand
from memory.errors import InvalidInputError
from memory.marked_yaml import read_yaml
from tests.examples import brand

EXAMPLE = (Path(__file__).parents[2] / "agents/playbooks/brand.example.yaml").read_text(encoding="utf-8")


def test_the_example_loads_with_everything_a_message_needs() -> None:
    found = load_brand(EXAMPLE, "brand.yaml")
    assert found.name == "Marlow & Finch"
    assert found.postal_address
    assert found.facts[0].texts["fr"].startswith("Vous pouvez")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("language: en\n", "language: en\nfont: Arial\n", "“font” is not a known setting"),
        ("sender_address: hello@news.example.com", "sender_address: hello", "“sender_address”"),
        ('primary: "#1f5f8b"', 'primary: "blue"', "“primary”"),
        ("website: https://www.example.com/", "website: example.com", "“website”"),
        ("language: en\n", "language: en\nlanguage: fr\n", "given twice"),
        ("tone: [warm", "tone: [warm: [", "not valid YAML"),
        ("approved_by: Jane Marlow", "approved_by: ''", "“approved_by”"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_do(old: str, new: str, says: str) -> None:
    text = EXAMPLE.replace(old, new, 1)
    assert text != EXAMPLE
    wanted = text[: text.index(new)].count("\n") + 1 + new.strip("\n").count("\n")
    with pytest.raises(InvalidInputError) as caught:
        load_brand(text, "brand.yaml")
    assert says in caught.value.what
    assert caught.value.where == f"brand.yaml, line {wanted}"
    assert caught.value.remedy


def test_a_missing_setting_is_named() -> None:
    text = "\n".join(line for line in EXAMPLE.splitlines() if not line.startswith("postal_address"))
    with pytest.raises(InvalidInputError, match="“postal_address” is missing"):
        load_brand(text, "brand.yaml")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('text: "#22262a"', 'text: "#bbbbbb"', "“text” on “surface”"),
        ('muted: "#5c646b"', 'muted: "#9aa0a6"', "“muted” on “surface”"),
        ('on_primary: "#ffffff"', 'on_primary: "#6f8fa8"', "“on_primary” on “primary”"),
    ],
)
def test_text_that_is_hard_to_read_is_refused(old: str, new: str, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told) as caught:
        load_brand(EXAMPLE.replace(old, new), "brand.yaml")
    assert "would do" in caught.value.remedy


def test_the_default_colours_are_readable() -> None:
    colours = Colours()
    pairs = [("text", "surface"), ("text", "background"), ("muted", "surface"), ("muted", "background")]
    pairs.append(("on_primary", "primary"))
    assert all(contrast(getattr(colours, ink), getattr(colours, paper)) >= READABLE_CONTRAST for ink, paper in pairs)


def test_contrast_matches_the_published_ends_and_a_known_grey() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#123456", "#123456") == pytest.approx(1)
    # The lightest grey that passes AA on white.
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize(
    "address",
    [
        "https://shop.example.com",
        "https://shop.example.com/a?b=c#d",
        "https://www.shop.example.com/",
        "https://deep.shop.example.com/",
        "http://partner.example.org/x",
        "https://SHOP.example.com/",
    ],
)
def test_links_on_the_brands_domains_are_allowed(address: str) -> None:
    assert brand(link_domains=("partner.example.org",)).allows_link(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/",
        "https://evilshop.example.com.evil.net/",
        "https://notshop.example.com/",
        "https://shop.example.com@evil.net/",
        "https://user@shop.example.com/",
        "https://shop.example.com\\@evil.net/",
        "https://shop.example.com /",
        "//shop.example.com/",
        "javascript:alert(1)",
        "ftp://shop.example.com/",
        "https://[/",
        "",
    ],
)
def test_other_links_are_not(address: str) -> None:
    assert not brand().allows_link(address)


def test_a_brand_is_part_of_what_is_approved_so_it_never_changes() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Brand.__setattr__(brand(), "name", "Other")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "a: &x 1\nb: !!python/object:os.system {}\n"])
def test_anything_but_one_plain_mapping_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_yaml(text, where="file.yaml")


def test_the_line_of_a_part_is_the_line_of_its_name() -> None:
    marked = read_yaml("a: 1\nb:\n  - c: 2\n  - c: 3\n", where="file.yaml")
    assert [marked.line(path) for path in (("a",), ("b", 1, "c"), ("b", 9), ("zzz",))] == [1, 4, 2, 1]


def test_the_example_shows_topics_and_questions_that_load_once_uncommented() -> None:
    head, commented = EXAMPLE.split("# topics:\n")
    lines = [line.removeprefix("# ") for line in commented.splitlines() if line.startswith(("#   ", "# questions:"))]
    found = load_brand("\n".join([head, "topics:", *lines]), "brand.yaml")
    assert [one.id for one in found.topics] == ["news", "offers"]
    assert found.questions[0].name_of("Coffee", "fr") == "Café"
    assert found.questions[0].name_of("Gin", "fr") is None


@pytest.mark.parametrize("what", ["topics", "questions"])
def test_a_topic_or_question_that_stands_there_twice_is_refused(what: str) -> None:
    choices = [{"id": "yes", "name": {"en": "Yes"}}, {"id": "no", "name": {"en": "No"}}]
    one = (
        {"id": "news", "name": {"en": "News"}}
        if what == "topics"
        else {"id": "a", "ask": {"en": "A?"}, "choices": choices}
    )
    assert len(getattr(brand(**{what: [one]}), what)) == 1
    with pytest.raises(ValueError, match="stands there twice"):
        brand(**{what: [one, one]})
