"""Messages: every copy renders for every contact, says the same in both parts, and leads nowhere it may not."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from typing import Any

import pytest
from bs4 import BeautifulSoup, Comment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from liquid import Environment, FalsyStrictUndefined
from liquid.exceptions import UndefinedError

from memory.errors import NoriaError
from memory.play import Play
from memory.slots import MissingValueError, SlotError, parse_slot
from memory.steps import SendStep
from tests.examples import brand
from tests.plays import PLAYBOOKS, messages, offer_for, play_of, step_of
from tools.bindings import Bindings
from tools.display_names import display_name, first_name
from tools.mould import RenderError
from tools.render import Rendered, example, rehearse, render

WAY_OUT = "https://noria.example.net/u/abc123"
CHOOSE = "https://noria.example.net/p/abc123"
URL = re.compile(r"https?://[^\s\"'<>]+")


def rendered(
    name: str, sequence: str, step_key: str, language: str, *, bare: bool = False, values: dict[str, str] | None = None
) -> Rendered:
    play = play_of(PLAYBOOKS[name])
    found = example(play, language, bare=bare)
    filled = {**found.values, "links.unsubscribe": WAY_OUT, "links.preferences": CHOOSE, **(values or {})}
    return render(play, step_of(play, sequence, step_key), language, Bindings(language, filled))


def with_layout(source: str, **changes: Any) -> tuple[Play, SendStep]:
    play = play_of(PLAYBOOKS["win_back"], offer=None, templates={"letter": source}, **changes)
    return play, play.sends()[0][1]


def letter() -> str:
    return PLAYBOOKS["win_back"].templates["letter"]


def visible_words(html: str) -> list[str]:
    """The words a reader sees, found without the code under test."""
    page = BeautifulSoup(html, "html.parser")
    for element in page(["style", "title", "head"]):
        element.decompose()
    for comment in page.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for image in page("img"):
        image.replace_with(f" {image['alt']} ")
    return page.get_text(" ").split()


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(("name", "sequence", "step", "language"), messages())
def test_every_message_renders_with_full_and_with_missing_data(
    name: str, sequence: str, step: str, language: str, bare: bool
) -> None:
    message = rendered(name, sequence, step, language, bare=bare)
    assert message.subject
    assert message.preheader
    assert not re.search(r"\{\{|\}\}|\{%|%\}|\bslot[0-9a-f]{16}", message.html + message.text + message.subject)
    assert "None" not in message.text
    # A missing name leaves no gap before a comma.
    assert not re.search(r"\s,|^,|, ,|,\s*$", message.subject)
    assert not re.search(r" ,", message.text)


@pytest.mark.parametrize(("name", "sequence", "step", "language"), messages())
def test_the_text_part_has_the_words_of_the_html_and_its_links(
    name: str, sequence: str, step: str, language: str
) -> None:
    message = rendered(name, sequence, step, language)
    without_links = URL.sub(" ", message.text).split()
    assert without_links == visible_words(message.html)
    page = BeautifulSoup(message.html, "html.parser")
    assert URL.findall(message.text) == [str(link["href"]) for link in page("a")]


@pytest.mark.parametrize(("name", "sequence", "step", "language"), messages())
def test_both_parts_show_the_way_out_the_sender_and_the_postal_address(
    name: str, sequence: str, step: str, language: str
) -> None:
    message = rendered(name, sequence, step, language)
    page = BeautifulSoup(message.html, "html.parser")
    out = next(link for link in page("a") if link["href"] == WAY_OUT)
    assert out.get_text(strip=True)
    assert not re.search(r"display:\s*none|font-size:\s*0(px)?;[^\"]*\">\s*\w", str(out))
    assert WAY_OUT in message.text
    for part in (" ".join(visible_words(message.html)), message.text):
        assert brand().postal_address in part
        assert brand().name in part


@pytest.mark.parametrize(("name", "sequence", "step", "language"), messages())
def test_links_lead_to_allowed_domains_only_and_nothing_else_is_fetched(
    name: str, sequence: str, step: str, language: str
) -> None:
    page = BeautifulSoup(rendered(name, sequence, step, language).html, "html.parser")
    for link in page("a"):
        assert str(link["href"]) in {WAY_OUT, CHOOSE} or brand().allows_link(str(link["href"]))
    assert not page.find_all(["script", "link", "iframe", "form", "img"])
    assert "@import" not in str(page)


@pytest.mark.parametrize(("name", "sequence", "step", "language"), messages())
def test_messages_are_accessible(name: str, sequence: str, step: str, language: str) -> None:
    play = play_of(PLAYBOOKS[name], brand=brand(logo_url="https://shop.example.com/logo.png"))
    message = render(play, step_of(play, sequence, step), language, example(play, language))
    page = BeautifulSoup(message.html, "html.parser")
    assert page.html is not None
    assert page.html["lang"] == language
    assert page.title is not None
    assert page.title.get_text() == message.subject
    assert [str(image["alt"]) for image in page("img")] == [brand().name]
    levels = [int(heading.name[1]) for heading in page.find_all(re.compile(r"^h[1-6]$"))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(table.get("role") == "presentation" for table in page("table"))
    assert all(link.get_text(strip=True) or link.find("img") for link in page("a"))


def test_a_message_nobody_would_read_on_a_small_screen_has_a_viewport_and_fluid_columns() -> None:
    html = rendered("win_back", "reminder", "reminder", "en").html
    assert "width=device-width" in html
    assert "max-width:600px" in html


def test_a_missing_first_name_gets_the_neutral_greeting() -> None:
    assert "\nBonjour,\n" in rendered("win_back", "reminder", "reminder", "fr", bare=True).text
    assert "\nBonjour Camille,\n" in rendered("win_back", "reminder", "reminder", "fr").text


def test_markup_in_a_value_stays_text() -> None:
    message = rendered(
        "replenishment", "one_reminder", "reminder", "en", values={"product.name": 'Tea <b>"4" & more</b>'}
    )
    assert "<b>" not in message.html
    assert "Tea &lt;b&gt;&#34;4&#34; &amp; more&lt;/b&gt;" in message.html
    assert 'Tea <b>"4" & more</b>' in message.text


def test_liquid_in_a_value_is_never_run() -> None:
    message = rendered(
        "replenishment", "one_reminder", "reminder", "en", values={"product.name": "{{ links.unsubscribe }}"}
    )
    assert "{{ links.unsubscribe }}" in message.text
    assert message.text.count(WAY_OUT) == 1


def test_liquid_in_the_brand_is_never_run() -> None:
    play = play_of(PLAYBOOKS["win_back"], offer=None, brand=brand(name="{{ contact.first_name }} <i>"))
    message = render(play, play.sends()[0][1], "en", example(play, "en"))
    assert "{{ contact.first_name }} <i>" in message.text
    assert "<i>" not in message.html


def test_line_breaks_and_control_characters_never_reach_the_subject() -> None:
    message = rendered(
        "replenishment",
        "one_reminder",
        "reminder",
        "en",
        values={"product.name": "Tea\r\nBcc: all@example.com\x00\u2028x"},
    )
    assert message.subject == "Time to reorder Tea Bcc: all@example.com x"


def test_no_break_spaces_of_french_typography_are_kept() -> None:
    assert "\u00a0: " in rendered("cross_sell", "others_like_you", "others", "fr").subject


def test_a_value_that_is_not_there_is_an_error_with_its_name() -> None:
    play = play_of(PLAYBOOKS["replenishment"])
    values = {name: value for name, value in example(play, "en").values.items() if name != "product.name"}
    with pytest.raises(MissingValueError) as caught:
        render(play, play.sends()[0][1], "en", Bindings("en", values))
    assert caught.value.binding == "product.name"


def test_rehearsal_finds_nothing_in_packaged_plays_and_the_fault_in_a_broken_one() -> None:
    for playbook in PLAYBOOKS.values():
        assert rehearse(play_of(playbook)) == []
        if offer_for(playbook):
            assert rehearse(play_of(playbook, offer=offer_for(playbook, code=""))) == []
    play, _ = with_layout(letter().replace("{{ links.unsubscribe }}", "{{ links.shop }}"))
    assert any("links.unsubscribe" in problem for problem in rehearse(play))


def test_an_offer_without_a_code_says_nothing_of_a_code() -> None:
    playbook = PLAYBOOKS["win_back"]
    play = play_of(playbook, offer=offer_for(playbook, code=""))
    message = render(play, step_of(play, "reminder_then_offer", "offer"), "en", example(play, "en"))
    assert "Valid up to and including" in message.text
    assert "Code" not in message.text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{{ links.unsubscribe }}", "{{ links.shop }}", "leaves out links.unsubscribe"),
        ("{{ brand.postal_address }}", "", "leaves out brand.postal_address"),
        ("{{ copy.headline }}", "", "leaves out copy.headline"),
        ("{{ paragraph }}", "", "leaves out copy.body.0"),
        ('href="{{ copy.link }}"', 'href="https://evil.example.net/"', "leads to no allowed address"),
        ('href="{{ copy.link }}"', 'href="{{ copy.headline }}"', "leads to no allowed address"),
        (
            'href="{{ copy.link }}"',
            'href="https://shop.example.com/?to={{ links.shop }}"',
            "leads to no allowed address",
        ),
        ('href="{{ copy.link }}"', 'href="javascript:alert(1)"', "leads to no allowed address"),
        ("{{ copy.headline }}", "{{ copy.headline }}<script>1</script>", "cannot do what <script>"),
        ("{{ copy.headline }}", '<b onclick="x">{{ copy.headline }}</b>', "cannot do what <b>"),
        ("<mj-button", "<mj-carousel", "<mj-carousel>"),
        ("</mj-body>", "", "not valid MJML"),
        ("{{ copy.headline }}", "{{ contact.first_name }}", "asks for something that is not there"),
    ],
)
def test_a_layout_that_hides_or_smuggles_something_is_refused(old: str, new: str, says: str) -> None:
    assert old in letter()
    play, step = with_layout(letter().replace(old, new))
    with pytest.raises(RenderError, match=re.escape(says)):
        render(play, step, "en", example(play, "en"))


def test_a_layout_that_names_an_unknown_binding_is_refused() -> None:
    play, step = with_layout(letter().replace("{{ copy.headline }}", "{{ copy.headlines }}"))
    with pytest.raises(SlotError, match=r"copy\.headlines"):
        render(play, step, "en", example(play, "en"))


@pytest.mark.parametrize(
    "address", ["https://evil.example.net/", "javascript:alert(1)", "https://shop.example.com\\@evil.net/"]
)
def test_a_record_with_a_foreign_link_stops_the_message(address: str) -> None:
    with pytest.raises(RenderError, match="not allowed"):
        rendered("win_back", "reminder", "reminder", "en", values={"links.shop": address})


@pytest.mark.parametrize("address", ["http://noria.example.net/u/1", "ftp://x.example", "https://x .example/", ""])
def test_a_way_out_that_is_not_https_stops_the_message(address: str) -> None:
    with pytest.raises(NoriaError):
        rendered("win_back", "reminder", "reminder", "en", values={"links.unsubscribe": address})


@pytest.mark.parametrize(
    "text",
    [
        "{{ contact.email }}",
        "{{ contact.first_name | upcase }}",
        "{% for i in (1..99) %}x{% endfor %}",
        "{% assign x = 1 %}",
        "{% raw %}{{ x }}{% endraw %}",
        "{% if contact.first_name == 'Anna' %}x{% endif %}",
        "{{ '<script>' }}",
        "{{ contact.first_name | default: '<b>' }}",
        "{{ contact.first_name",
        "{% if contact.first_name %}",
        "{{ copy.headline }}",
    ],
)
def test_copy_can_print_and_ask_for_bindings_and_do_nothing_else(text: str) -> None:
    with pytest.raises(SlotError):
        parse_slot(text)


def test_copy_may_fall_back_on_words_of_its_own() -> None:
    slot = parse_slot(
        'Hello {{ contact.first_name | default: "there" }}, {% unless offer.code %}no code{% endunless %}'
    )
    assert slot.text({}) == "Hello there, no code"
    assert slot.needed == ()


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "{{ links.unsubscribe }}",
            "{% raw %}",
            "<script>alert(1)</script>",
            "https://evil.example",
            "evil.com",
            "anna@example.com",
            "Anna\r\nBcc: x@example.com",
            "\u202eannA",
            "A" * 41,
            "Ignore all previous instructions and send",
            "[click](x)",
            "&lt;b&gt;",
            "-",
            "' OR 1=1",
        ]
    ),
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(HOSTILE)
def test_a_hostile_name_becomes_a_plain_name_or_the_neutral_greeting(raw: str) -> None:
    name = first_name(raw)
    if name is not None:
        assert 0 < len(name) <= 40
        assert not re.search(r"[<>{}\[\]@/:%\\\d\r\n]|\.\w{2}|www\.", name)
        assert name.isprintable()
    values = {} if name is None else {"contact.first_name": name}
    message = rendered("win_back", "reminder", "reminder", "en", bare=True, values=values)
    greeting = "Hello," if name is None else f"Hello {name},"
    assert greeting in message.text
    assert [str(link["href"]) for link in BeautifulSoup(message.html, "html.parser")("a")] == [
        "https://shop.example.com",
        CHOOSE,
        WAY_OUT,
    ]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_values_that_slip_through_are_still_only_text(raw: str) -> None:
    values = {"product.name": raw}
    try:
        message = rendered("replenishment", "one_reminder", "reminder", "en", values=values)
    except NoriaError:
        assert not any(character.isprintable() and not character.isspace() for character in raw)
        return
    plain = rendered("replenishment", "one_reminder", "reminder", "en", values={"product.name": "Tea"})
    tags = [element.name for element in BeautifulSoup(message.html, "html.parser").find_all(True)]
    assert tags == [element.name for element in BeautifulSoup(plain.html, "html.parser").find_all(True)]
    assert "\n" not in message.subject
    assert "\r" not in message.subject


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("anna", "Anna"),
        ("MARIE-CLAIRE", "Marie-Claire"),
        ("d’Artagnan", "d’Artagnan"),
        ("O'BRIEN", "O'Brien"),
        ("José", "José"),
        ("  Zoé\u200b ", "Zoé"),
        ("王芳", "王芳"),
        ("Mary J.", "Mary J."),
        ("McKay", "McKay"),
        ("", None),
        ("user123", None),
        ("anna@example.com", None),
        ("evil.com", None),
        ("One Two Three Four Five", None),
        ("☃", None),
    ],
)
def test_first_names_are_cleaned_or_left_out(raw: str, name: str | None) -> None:
    assert first_name(raw) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("FLUID MILK PRODUCTS", "Fluid milk products"),
        ("Tea, 4 x 100 g (5 %)", "Tea, 4 x 100 g (5 %)"),
        ("Soft  drinks\n", "Soft drinks"),
        ("Visit evil.com", None),
        ("<b>Tea</b>", None),
        ("{{ x }}", None),
        ("--", None),
        ("word " * 40, "word " * 15 + "word…"),
    ],
)
def test_names_of_products_are_cleaned_or_left_out(raw: str, name: str | None) -> None:
    assert display_name(raw) == name


def test_twenty_five_hundred_messages_take_seconds() -> None:
    play = play_of(PLAYBOOKS["win_back"])
    step = play.sends()[0][1]
    values = example(play, "en")
    started = time.perf_counter()
    for number in range(2500):
        render(play, step, "en", Bindings("en", {**values.values, "contact.first_name": f"Anna {number}"}))
    assert time.perf_counter() - started < 15


@given(value=st.text(max_size=40))
def test_a_slot_that_is_one_binding_reads_as_within_words(value: str) -> None:
    values = {"product": {"name": value}}
    bare, worded = parse_slot("{{ product.name }}"), parse_slot("x{{ product.name }}")
    assert bare.is_bare
    assert not worded.is_bare
    assert "x" + bare.text(values) == worded.text(values)
    assert "x" + bare.html(values) == worded.html(values)


def test_a_slot_without_its_value_is_missing_it_in_every_form() -> None:
    for source in ("{{ product.name }}", "x{{ product.name }}"):
        for fill in (parse_slot(source).text, parse_slot(source).html):
            with pytest.raises(MissingValueError) as caught:
                fill({})
            assert caught.value.binding == "product.name"


def test_a_slot_without_bindings_is_the_same_for_everybody() -> None:
    slot = parse_slot("Tea & cups")
    assert slot.text({"product": {"name": "x"}}) == slot.text({}) == "Tea & cups"
    assert slot.html({}) == "Tea &amp; cups"


@pytest.mark.parametrize(
    "source",
    [
        "Hello {{ contact.first_name | default: 'you' }},  your {{ product.name }}",
        "{% if contact.first_name %}{{ contact.first_name }}, {% endif %}<b> {{ product.name }} {{ product.name }}",
        "{%- unless contact.first_name -%} Hello {% else %} {{- contact.first_name -}} ! {% endunless %} now",
        "\ue000 {{ contact.first_name | default: '0' }} \ue0000\ue000",
    ],
)
def test_a_slot_is_filled_as_its_template_fills_it_whatever_is_there(source: str) -> None:
    slot = parse_slot(source)
    plain = Environment(undefined=FalsyStrictUndefined).from_string(source)
    first_names: list[dict[str, object]] = [{"first_name": "Ann & <b>"}, {"first_name": ""}, {"first_name": "0"}, {}]
    for contact in first_names * 2:
        for values in ({"contact": contact, "product": {"name": "\ue0001\ue000"}}, {"contact": contact, "product": {}}):
            try:
                expected = plain.render(**values)
            except UndefinedError:
                with pytest.raises(MissingValueError, match=r"product\.name"):
                    slot.text(values)
            else:
                assert slot.text(values) == expected
