"""HTML from elsewhere: its looks stay, its words become slots, and nothing of it acts, watches or hides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import InvalidInputError
from tools.html_import import layout_from_html

PAGE = """<!doctype html><html><head><title>Spring is here</title>
<style>p{color:red}</style><script>track()</script></head>
<body style="background:#eee"><div style="display:none">Our new teas</div><!--[if mso]>x<![endif]-->
<table width="600" bgcolor="#ffffff"><tr><td>
<img src="https://www.example.com/logo.png" alt="Shop" width="120"></td></tr>
<tr><td style="padding:20px" onclick="steal()"><h1 style="color:#114433">Spring <em>is</em> here</h1>
<p style="font-size:16px">Hello *|FNAME|*, the new teas are in.</p><p>Come and <b>taste</b> them.</p>
<table><tr><td bgcolor="#114433">
<a href="https://t.example.net/c/1" style="color:#fff">See the teas</a></td></tr></table>
</td></tr><tr><td><p>Shop, 1 street. <a href="https://t.example.net/unsub?e=1">Unsubscribe</a></p></td></tr></table>
<img src="https://t.example.net/open.gif" width="1" height="1"></body></html>"""


def test_the_words_become_slots_and_the_looks_stay() -> None:
    found = layout_from_html(PAGE)
    assert (found.subject, found.preheader, found.headline) == ("Spring is here", "Our new teas", "Spring is here")
    assert found.body == ("Hello, the new teas are in.", "Come and taste them.")
    assert found.button == "See the teas"
    assert '<h1 style="color:#114433">{{ copy.headline }}</h1>' in found.mjml
    paragraphs = '{% for paragraph in copy.body %}<p style="font-size:16px">{{ paragraph }}</p>{% endfor %}'
    assert paragraphs in found.mjml
    assert '<a href="{{ copy.link }}" style="color:#fff">{{ copy.button }}</a>' in found.mjml
    assert 'src="https://www.example.com/logo.png"' in found.mjml


def test_what_acts_watches_or_hides_is_left_out_and_said() -> None:
    found = layout_from_html(PAGE)
    for gone in ("track", "steal", "open.gif", "unsub", "mso", "color:red", "FNAME", "display", "taste"):
        assert gone not in found.mjml
    assert dict(found.left_out) == {
        "merge tag": 1,
        "script": 1,
        "script in an attribute": 1,
        "tracking pixel": 1,
        "unsubscribe link": 1,
    }


@pytest.mark.parametrize(
    "page",
    [
        '<div><h1>News</h1>Hello, spring is here.<br><a href="/unsub">Leave</a></div>',
        '<h1>News</h1><div><p>Hello, spring is here.</p><a href="/unsub">Leave</a></div>',
        f'<h1>News</h1><p>Hello, spring is here.{" And more." * 30}<a href="/unsub">Leave</a></p>',
    ],
    ids=["with the heading", "with other blocks", "long"],
)
def test_a_way_out_takes_no_words_of_the_letter_along(page: str) -> None:
    found = layout_from_html(page)
    assert found.body[0].startswith("Hello, spring is here.")
    assert "Leave" not in found.mjml + "".join(found.body)
    assert dict(found.left_out) == {"unsubscribe link": 1}


def test_a_page_without_a_button_gets_that_of_every_layout() -> None:
    found = layout_from_html("<h1>News</h1><div>Good to see you</div>")
    assert found.button == ""
    assert '<mj-include path="button.mjml" />' in found.mjml
    assert "<div>{% for paragraph in copy.body %}" in found.mjml


@pytest.mark.parametrize(("page", "lacks"), [("<p>Words</p>", "heading"), ("<h1>News</h1>", "paragraph")])
def test_a_page_without_heading_or_paragraph_is_refused(page: str, lacks: str) -> None:
    with pytest.raises(InvalidInputError, match=f"no {lacks}"):
        layout_from_html(page)


PARTS = st.sampled_from(["<p>", "</p>", "<td>", "<div>", "</div>", "<b>", "</i>", "word", "{{ x }}", "{%", "}}", "&"])


@given(st.lists(PARTS))
def test_no_word_of_the_page_stays_in_the_layout_where_no_rule_would_read_it(parts: list[str]) -> None:
    found = layout_from_html("<h1>News</h1><p>first</p>" + " ".join(parts))
    assert "word" not in found.mjml
    assert "x }" not in found.mjml
    assert "first" not in found.mjml
