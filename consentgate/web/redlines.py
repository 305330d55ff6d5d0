"""A redline and a text as they stand in a page: our labels in the reader's language, ids that do not meet.

Room: web (pure). Several policies may stand on one page, so every id gets its policy's slug in front; headings go
deeper by as much as the page's own headings need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from markupsafe import Markup

from consentgate.terms import views
from consentgate.terms.markdown import ID_PREFIX, render
from consentgate.terms.redline import Redline
from consentgate.web.present import View, _, n_
from consentgate.web.render import Words

# All words of a redline are escaped, so what looks like a tag or an attribute here is one of the view's own.
_CHANGE_ID = re.compile(r'( id="| href="#)change-')
_HEADING_TAG = re.compile(r"(</?h)([1-6])(?=[ >])")
_FOLDED = re.compile(r"<details.*?</details>", re.DOTALL)
_FIRST_HEADING = re.compile(r"\s*<(h[1-6])[^>]*>(.*?)</h[1-6]>", re.DOTALL)
_TABLE = re.compile(r"<table(?=[ >])")
_TEXT_ID = re.compile(rf'(<(?:h[1-6] id="|a href="#)){ID_PREFIX}')


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One line of the list of changes.

    Args:
        url: of its place in the page.
        kind: in words.
        section: title, or empty.
        removed, added: first words of what went and what came.
        moved: first words of what stands elsewhere now, neither added nor removed.
    """

    url: str
    kind: str
    section: str
    removed: str
    added: str
    moved: str


def labels(words: Words) -> views.Labels:
    """The redline's labels in an interface language."""
    return views.Labels(
        inserted=words.say(_("inserted")),
        deleted=words.say(_("deleted")),
        end=words.say(_("end")),
        before=words.say(_("Before")),
        after=words.say(_("After")),
        moved_here=words.say(_("Moved here from “{section}”")),
        moved_away=words.say(_("Moved to “{section}”")),
        renumbered=words.say(_("renumbered from")),
        links=words.say(_("Changed link targets")),
        link_changed=words.say(_("“{text}” now leads to {new} instead of {old}")),
        link_added=words.say(_("“{text}” now leads to {new}")),
        link_removed=words.say(_("“{text}” no longer leads to {old}")),
        beginning=words.say(_("Beginning of the text")),
        nothing=words.say(_("The two texts read the same.")),
        kinds=tuple(_kinds(words).items()),
        unchanged=lambda count: words.count(n_("%(num)s unchanged paragraph", "%(num)s unchanged paragraphs"), count),
    )


def _kinds(words: Words) -> dict[str, str]:
    return {
        "inserted": words.say(_("Added")),
        "deleted": words.say(_("Removed")),
        "replaced": words.say(_("Changed")),
        "moved": words.say(_("Moved")),
    }


def redline_html(redline: Redline, view: View, words: Words, *, slug: str, top: int, title: str = "") -> Markup:
    """A redline as it stands in a page.

    Args:
        redline: to show.
        view: how.
        words: the interface language.
        slug: of the policy; goes before every id.
        top: level of its highest heading in the page.
        title: shown right above it, see `text_html`.
    """
    return _redline_html(_Marked(redline.digest, view, words, slug, top, title, redline))


@dataclass(frozen=True, slots=True)
class _Marked:
    """What a rendered redline depends on; the redline itself is told by its digest."""

    digest: str
    view: View
    words: Words
    slug: str
    top: int
    title: str
    redline: Redline = field(compare=False)


# After a publication everybody reads the same page within hours, and marking up a long text takes a tenth of a second.
@lru_cache(maxsize=128)
def _redline_html(marked: _Marked) -> Markup:
    slug, top = marked.slug, marked.top
    html = views.to_html(marked.redline, view=marked.view, labels=labels(marked.words))
    html = _CHANGE_ID.sub(rf"\g<1>{slug}-change-", html)
    html = html.replace('href="#s-', f'href="#{slug}-s-')
    frame, start, inside = html.partition(">")
    html = frame + start + _unrepeated(_rebased(inside, top), marked.title)
    return Markup(_scrolling(html))  # noqa: S704 - every word of it was escaped by the view


def change_lines(redline: Redline, words: Words, *, slug: str, anchored: bool) -> list[ChangeLine]:
    """The list of changes; without links where the page does not show the marked text."""
    kinds = _kinds(words)
    return [
        ChangeLine(
            url=f"#{slug}-{line.anchor}" if anchored else "",
            kind=kinds[line.kind],
            section=line.section,
            removed=line.removed,
            added="" if line.kind == "moved" else line.added,
            moved=line.added if line.kind == "moved" else "",
        )
        for line in views.to_list_of_changes(redline, excerpt=90)
    ]


@lru_cache(maxsize=128)
def text_html(text: str, *, slug: str, top: int, title: str = "") -> Markup:
    """A text as it stands in a page; no comment of a page's own can be faked by it.

    Args:
        text: Markdown.
        slug: of the policy; goes before every id.
        top: level of its highest heading in the page.
        title: shown right above it; where the text opens with the same words they are not shown twice to the eye.
    """
    html = _TEXT_ID.sub(rf"\g<1>{slug}-{ID_PREFIX}", _rebased(render(text), top))
    html = _unrepeated(html, title)
    return Markup(_scrolling(html.replace("<!--", "&lt;!--")))  # noqa: S704 - sanitised by nh3


def _unrepeated(html: str, title: str) -> str:
    """Where a text opens with the title that stands right above it, the eye is not shown the same words twice."""
    opening = _FIRST_HEADING.match(html)
    if not title or not opening or _plain(opening[2]) != _plain(title):
        return html
    return f'<{opening[1]} class="cg-repeats"{html[opening.end(1) :]}'


def _scrolling(html: str) -> str:
    """A wide table scrolls by itself on a small screen (also by keyboard), and never takes the page with it."""
    return _TABLE.sub(r'<div class="cg-scroll" tabindex="0">\g<0>', html).replace("</table>", "</table></div>")


def _plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", html).split()).casefold()


def _rebased(html: str, top: int) -> str:
    """Headings moved so that the highest one that is seen at once has this level: none is skipped (WCAG 1.3.1).

    What is folded away does not count: a text's own title usually is, and its chapters must still follow the page's.
    """
    seen = _HEADING_TAG.findall(_FOLDED.sub("", html)) or _HEADING_TAG.findall(html)
    highest = min((int(level) for _, level in seen), default=top)
    return _HEADING_TAG.sub(lambda found: f"{found[1]}{min(6, max(top, int(found[2]) - highest + top))}", html)
