"""Markdown to safe HTML.

Room: terms (pure). Called by the pages and by e-mail. Texts come from people who may publish, yet nothing in them may
act on the page they stand in: no script, no style, no image, no form, no id that could shadow one of the page's own.
What remains is decided by an allow-list (nh3), not by looking for what is bad.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from consentgate.terms.blocks import MAX_SIGNS, count_signs, cut_plain, read_plain
from consentgate.terms.inline import HIDDEN_TAGS, parser

ID_PREFIX = "s-"
"""Before every id of a text, so that no heading can shadow an element of the page."""

_TAGS = frozenset(
    re.findall(
        r"\w+",
        """a abbr b bdi bdo blockquote br caption cite code col colgroup dd del details dfn div dl dt em h1 h2 h3 h4
        h5 h6 hr i ins kbd li mark ol p pre q rp rt ruby s samp small span strong sub summary sup table tbody td tfoot
        th thead time tr u ul var wbr""",
    )
)
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"id", "lang", "dir"},
    "a": {"href", "title", "name"},
    "abbr": {"title"},
    "bdo": {"dir"},
    "ol": {"start", "type", "reversed"},
    "li": {"value"},
    "td": {"colspan", "rowspan", "align"},
    "th": {"colspan", "rowspan", "align", "scope"},
    "col": {"span"},
    "time": {"datetime"},
}
_SCHEMES = frozenset(("http", "https", "mailto", "tel"))
_HEADING_TAG = re.compile(r"(</?h)([1-6])(?=[ >])")
_ALIGN = re.compile(r"text-align:(left|right|center)")


def render(text: str, *, shift: int = 0) -> str:
    """Render Markdown as HTML that cannot act.

    Args:
        text: Markdown, CommonMark with tables; raw HTML in it is reduced to harmless formatting.
        shift: how many levels deeper headings go, so that the text's own title fits under the page's.

    Returns:
        HTML; headings have ids (`ID_PREFIX` and a slug), links ``rel="noopener noreferrer"``. A text with an absurd
        number of signs is shown as it stands.
    """
    heavy = count_signs(text) > MAX_SIGNS
    html = nh3.clean(
        _plain(text) if heavy else _renderer().render(text),
        tags=set(_TAGS),
        clean_content_tags=set(HIDDEN_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=_filter,
        url_schemes=set(_SCHEMES),
        strip_comments=True,
        link_rel="noopener noreferrer",
    )
    if shift:
        html = _HEADING_TAG.sub(lambda found: f"{found[1]}{min(6, int(found[2]) + shift)}", html)
    return html


def _plain(text: str) -> str:
    """A text whose signs would keep the parser busy for too long, as the redline reads it: paragraph by paragraph."""
    blocks = (block for piece in cut_plain(text) for block in read_plain(piece))
    texts = (_escape(block.cells[0][0].text).replace("\n", "<br>\n") for block in blocks)
    return "".join(f"<p>{words}</p>\n" for words in texts)


def slug(title: str) -> str:
    """A heading's words as an id: letters and digits of any script, joined by hyphens.

    >>> slug("3. Paying & refunds")
    '3-paying-refunds'
    """
    kept = "".join(char if _sluggable(char) else " " for char in title.lower())
    return "-".join(kept.split()) or "section"


def _sluggable(char: str) -> bool:
    return char == "_" or unicodedata.category(char)[0] in "LNM"


def _filter(_tag: str, attribute: str, value: str) -> str | None:
    if attribute in ("id", "name"):
        return value if value.startswith(ID_PREFIX) else ID_PREFIX + value
    if attribute == "href" and value.startswith("#") and len(value) > 1:
        return "#" + ID_PREFIX + value[1:].removeprefix(ID_PREFIX)
    return value


@lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    md = MarkdownIt("commonmark", renderer_cls=_Renderer).enable("table")
    md.core.ruler.push("heading_ids", _heading_ids)
    md.core.ruler.push("aligned_cells", _aligned_cells)
    return md


class _Renderer(RendererHTML):
    """Images become their description: a text that is signed must not depend on what a server shows today."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """An image, as markdown-it's renderer calls it."""
        return _escape(self.renderInlineAsText(tokens[idx].children, options, env) if tokens[idx].children else "")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _heading_ids(state: Any) -> None:
    taken: set[str] = set()
    for token, inline in zip(state.tokens, state.tokens[1:], strict=False):
        if token.type != "heading_open":
            continue
        words = "".join(child.content for child in inline.children or () if child.type != "html_inline")
        base = name = slug(words)
        number = 1
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        token.attrs["id"] = ID_PREFIX + name


def _aligned_cells(state: Any) -> None:
    """Write a column's alignment as an attribute: styles are not allowed on our pages."""
    for token in state.tokens:
        if token.type in ("td_open", "th_open") and (found := _ALIGN.search(str(token.attrs.get("style", "")))):
            token.attrs = {"align": found[1]}


__all__ = ["ID_PREFIX", "parser", "render", "slug"]
