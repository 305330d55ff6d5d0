"""Laws of the redline's views: safe, complete, and readable without colour."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.terms.redline import compare
from consentgate.terms.views import Labels, View, to_email_html, to_html, to_list_of_changes, to_text
from consentgate.terms.views_html import safe_href

VIEWS: tuple[View, ...] = ("inline", "side-by-side", "changes", "full")
INNER = {"p": {"p"}, "li": {"ul", "ol"}, "tr": {"table"}, "td": {"tr"}, "th": {"tr"}}

OLD = """# Garden rules

The garden is open to everybody.

Dogs are welcome on a leash.

## 1. Opening hours

1. Monday to Friday from nine to five.
2. On Saturday from ten to four.
   * In winter until three.
3. On Sunday the garden is closed.

| Place | Seats |
|-------|-------|
| Pond | 12 |
| Hill | 7 |

## 2. Ponds

Nobody swims in the ponds.

Fish are not to be fed.

The bench by the pond is for resting, not for sleeping.

Ice is not to be walked on.

Boats need a [permit](https://example.org/permit).
"""
NEW = """# Garden rules

The garden is open to everybody.

The bench by the pond is for resting, not for sleeping.

Dogs are welcome on a leash.

## 1. Opening hours

1. We are glad to see you.
2. Monday to Friday from nine to six.
3. On Saturday from ten to four.
   * In winter until three.
4. On Sunday the garden is closed.

| Place | Seats |
|-------|-------|
| Pond | 12 |
| Hill | 9 |

## 2. Ponds

Nobody swims in the ponds.

Fish are not to be fed.

Ice is not to be walked on.

Boats need a [permit](https://example.org/licence).
"""
REDLINE = compare(OLD, NEW)


class Page(HTMLParser):
    """Reads HTML strictly: every element is closed, and stands where it may."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.hrefs: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.silent: list[str] = []
        self.marked: list[list[str]] = []
        self.feed(html)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        assert not any(name.startswith("on") for name in found)
        self.ids += [found["id"]] if "id" in found else []
        self.hrefs += [found["href"]] if "href" in found else []
        self.tags.append(tag)
        if tag == "p":
            assert "p" not in self.stack
        elif tag in INNER:
            assert self.stack[-1] in INNER[tag]
        if found.get("class") in ("cg-ins", "cg-del"):
            self.marked.append([])
        if tag != "br":
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data
        if self.marked and {"ins", "del"}.intersection(self.stack):
            self.marked[-1].append(data)


@pytest.mark.parametrize("view", VIEWS)
def test_every_change_has_a_place_and_every_link_leads_to_one(view: View) -> None:
    """Ids are unique, change-1 to change-n are all there, and links within the page arrive."""
    page = Page(to_html(REDLINE, view=view))
    assert len(page.ids) == len(set(page.ids))
    assert {f"change-{change.number}" for change in REDLINE.changes} <= set(page.ids)
    assert {href[1:] for href in page.hrefs if href.startswith("#")} <= set(page.ids)


@pytest.mark.parametrize("view", VIEWS)
def test_every_insertion_and_deletion_says_so_in_words(view: View) -> None:
    """Colour and line are not for everybody: each marked passage begins and ends with words."""
    labels = Labels(inserted="ajouté", deleted="supprimé", end="fin")
    page = Page(to_html(REDLINE, view=view, labels=labels))
    words = [passage for passage in page.marked if passage]
    assert words
    for passage in words:
        if passage[0].startswith("http"):  # a link target in the list of targets, whose sentence says what it is
            continue
        assert passage[0] in ("[ajouté] ", "[supprimé] ")
        assert passage[-1] == " [fin]"


@pytest.mark.parametrize("view", VIEWS)
def test_what_changed_is_in_every_view(view: View) -> None:
    """New words, old words, moved words, cells and targets."""
    words = Page(to_html(REDLINE, view=view)).words
    for shown in (
        "five",
        "six",
        "We are glad to see you.",
        "9",
        "7",
        "The bench by the pond",
        "https://example.org/licence",
    ):
        assert shown in words


def test_unchanged_paragraphs_are_folded_or_left_out_or_shown() -> None:
    """Inline folds them, "changes" counts them, "full" shows them all."""
    far = "Nobody swims in the ponds."
    inline, changes, full = (to_html(REDLINE, view=view, context=0) for view in ("inline", "changes", "full"))
    assert re.search(rf"<details[^>]*><summary>\d unchanged paragraphs</summary>.*{far}", inline)
    assert far not in changes
    assert "unchanged paragraphs" in changes
    assert far in full
    assert "unchanged paragraph" not in full


def test_context_keeps_neighbours_and_the_heading_they_stand_under() -> None:
    """A change is shown with what stands around it."""
    new = OLD.replace("swims", "bathes")
    narrow, wide = (to_html(compare(OLD, new), view="changes", context=context) for context in (0, 1))
    assert "2. Ponds" in narrow
    assert "Fish are not to be fed." not in narrow
    assert "Fish are not to be fed." in wide


def test_side_by_side_has_the_old_words_left_and_the_new_words_right() -> None:
    """Nothing inserted stands left, nothing deleted right."""
    html = to_html(REDLINE, view="side-by-side")
    left = "".join(re.findall(r'<div class="cg-old">(.*?)</div>', html))
    right = "".join(re.findall(r'<div class="cg-new">(.*?)</div>', html))
    assert "<ins" not in left
    assert "<del" not in right
    assert "five" in left
    assert "five" not in right
    assert "six" in right
    assert "six" not in left


def test_headings_lists_and_tables_stay_what_they_are() -> None:
    """Structure is kept: heading levels, nested lists, list numbers, table headings."""
    html = to_html(REDLINE, view="full")
    assert "<h2>Garden rules</h2>" in html
    assert "<h3>1. Opening hours</h3>" in html
    assert re.search(
        r'<li value="3"><p>.*?On Saturday from ten to four\.</p><ul><li><p>In winter until three\.</p></li></ul>', html
    )
    assert re.search(r'<table class="cg-table"><tr><th scope="col" class="cg-cell">Place</th>', html)


def test_a_part_of_a_table_is_shown_under_its_heading_row() -> None:
    """A row alone would have no names for its cells."""
    rows = "".join(f"| Place {number} | {number} |\n" for number in range(30))
    old = f"| Place | Seats |\n|---|---|\n{rows}"
    html = to_html(compare(old, old.replace("| 20 |", "| 21 |")), view="changes")
    assert html.index(">Seats<") < html.index("Place 20")
    assert "Place 3<" not in html


def test_a_moved_clause_names_both_places_and_links_them() -> None:
    """At the new place: from where; at the old one: to where."""
    html = to_html(REDLINE)
    assert re.search(r'href="#change-1-from">Moved here from “2. Ponds”</a> The bench', html)
    assert re.search(r'id="change-1-from"[^>]*><a[^>]*href="#change-1">Moved to “Garden rules”</a> The bench', html)


def test_a_renumbering_is_quiet_unless_nothing_else_changed() -> None:
    """It is told beside the clause, but does not unfold it; where it is all there is, it is shown."""
    assert "(renumbered from 1.)" in to_html(REDLINE)
    new = OLD.replace("## 2.", "## 3.").replace("## 1.", "## 2.")
    alone = to_html(compare(OLD, new), view="changes")
    assert '<del class="cg-num">' in alone
    assert "Opening hours" in alone


def test_paragraphs_that_became_one_are_shown_as_one() -> None:
    """The inline view has the structure of the new text; side by side each side has its own."""
    old = "Reading is free for everybody here.\n\nPrinting a page costs five cents today.\n"
    new = "Reading is free for everybody here. Printing a page costs six cents today.\n"
    joined, split = compare(old, new), compare(new, old)
    assert Page(to_html(joined)).tags.count("p") == 1
    assert Page(to_html(split)).tags.count("p") == 2
    sides = to_html(joined, view="side-by-side")
    assert [part.count("<p") for part in re.findall(r'<div class="cg-(?:old|new)">(.*?)</div>', sides)] == [2, 1]


def test_formatting_is_kept_in_unchanged_and_in_changed_words() -> None:
    """Bold, italics, code and links look as they do in the text."""
    html = to_html(compare("A **bold** and *soft* word.\n", "A **bold** and `hard` word, [linked](/x).\n"))
    assert "<strong>bold</strong>" in html
    assert "<em>soft</em>" in html
    assert "<code>hard</code>" in html
    assert '<a href="/x" rel="noopener noreferrer">linked</a>' in html


HOSTILE = [
    "<script>alert(1)</script>", "<b onclick=x>bold</b>", '"><img src=x onerror=alert(1)>', "&lt;script&gt;",
    "a & b < c", "[x](javascript:alert(1))", "<a href='javascript:alert(1)'>x</a>", "`</del><script>`", "'\"",
    "# </h2><script>", "| <td> | </table> |\n|---|---|\n| a | <i>b |", "1. <li>", '[</a>](/x"y)', "word",
    "{section} {0} %s", "\x00\x01",
]  # fmt: skip


@given(st.lists(st.sampled_from(HOSTILE), max_size=6), st.lists(st.sampled_from(HOSTILE), max_size=6))
def test_no_text_breaks_out_of_the_page(old: list[str], new: list[str]) -> None:
    """Whatever the texts hold, the HTML is well-formed, has only our tags, and no link that acts."""
    redline = compare("\n\n".join(old) + "\n", "\n\n".join(new) + "\n")
    for html in (*(to_html(redline, view=view) for view in VIEWS), to_email_html(redline)):
        page = Page(html)
        assert not {"script", "img", "style", "iframe"}.intersection(page.tags)
        assert not any("javascript" in href for href in page.hrefs)


@pytest.mark.parametrize(
    "href",
    ["javascript:x", "JAVASCRIPT:x", "data:text/html,x", "vbscript:x", "java\tscript:x", " javascript:x",
     "\\\\host", "//host/x", "http://[::1", "file:///etc/passwd"],
)  # fmt: skip
def test_links_that_could_act_are_not_made(href: str) -> None:
    """Only the web, mail, telephone and places of this site can be followed."""
    assert safe_href(href) == ""


@pytest.mark.parametrize(
    "href", ["https://example.org/a?b=c#d", "/terms", "#part", "mailto:a@example.org", "tel:+1", "a.html"]
)
def test_ordinary_links_are_kept(href: str) -> None:
    """What a policy links to stays reachable."""
    assert safe_href(href) == href


def test_labels_are_escaped_too() -> None:
    """A translation cannot break the page."""
    labels = Labels(inserted="<i>", deleted="&", moved_here="<b>{section}", unchanged=lambda count: f"<{count}>")
    page = Page(to_html(REDLINE, labels=labels))
    assert "[<i>] " in page.words


def test_an_empty_redline_says_so() -> None:
    """And still has the text, folded."""
    html = to_html(compare(OLD, OLD))
    assert "No readable change" in html
    assert "Nobody swims" in html
    assert to_text(compare(OLD, OLD), colour=False) == "No readable change\n"


def test_the_list_of_changes_has_a_line_for_each_with_its_first_words() -> None:
    """Kinds, sections, counts and excerpts."""
    lines = to_list_of_changes(REDLINE, excerpt=30)
    assert [(line.kind, line.section) for line in lines] == [
        ("moved", "Garden rules"), ("inserted", "1. Opening hours"), ("replaced", "1. Opening hours"),
        ("replaced", "1. Opening hours"),
    ]  # fmt: skip
    assert [line.anchor for line in lines] == ["change-1", "change-2", "change-3", "change-4"]
    assert (lines[2].removed, lines[2].added) == ("five", "six")
    assert (lines[2].words_removed, lines[2].words_added) == (1, 1)
    assert lines[0].added == "The bench by the pond is for…"


def test_a_line_above_says_how_much_changed() -> None:
    """Changes, sections and words are counted, in mail and in a terminal alike."""
    old = "# One\n\nStay.\n\n# Two\n\nPay five euros a day.\n\n# Three\n\nGo away now.\n"
    new = "# One\n\nStay.\n\n# Two\n\nPay six or seven euros a day.\n\n# Three\n\nGo away.\n"
    redline = compare(old, new)
    line = "2 changes in 2 sections, 3 words added, 2 removed"
    assert to_text(redline, colour=False).split("\n")[0] == line
    assert f"<strong>{line}</strong>" in to_email_html(redline)
    alone = compare("One word less.\n\n1. Stay here.\n", "One less.\n\n2. Stay here.\n")
    assert to_text(alone, colour=False).split("\n")[0] == "1 change in 1 section, 1 word removed, 1 passage renumbered"


def test_mail_carries_its_look_with_it() -> None:
    """No classes, no ids, no links within the page, no hidden words that a mail program would show."""
    html = to_email_html(REDLINE)
    page = Page(html)
    assert "class=" not in html
    assert page.ids == []
    assert not any(href.startswith("#") for href in page.hrefs)
    assert "text-decoration:line-through" in html
    assert "[inserted]" not in html


def test_a_terminal_shows_words_removed_and_added() -> None:
    """With brackets as Git has them, or in colours."""
    plain = to_text(REDLINE, colour=False)
    assert "Monday to Friday from nine to [-five-]{+six+}." in plain
    assert "⇢ The bench by the pond" in plain
    assert "unchanged paragraphs" in plain
    assert "\033[31;9mfive\033[0m \033[32;4msix\033[0m" in to_text(REDLINE, colour=True)


def test_in_colour_too_the_old_word_is_parted_from_the_new_one() -> None:
    """A bug of old: "£6£7" reads like one word where a terminal strikes nothing through."""
    shown = to_text(compare("Entry costs £6 a day.\n", "Entry costs £7 a day.\n"), colour=True)
    assert shown.split("\n")[2] == "Entry costs £\033[31;9m6\033[0m \033[32;4m7\033[0m a day."


def test_cells_of_a_row_do_not_run_together_in_the_list_of_changes() -> None:
    """A bug of old: a row "Plan | Price" was listed as "PlanPrice"."""
    new = "Words.\n\n| Plan | Price |\n|---|---|\n| Reader | £6 |\n"
    (line,) = to_list_of_changes(compare("Words.\n", new))
    assert line.added == "Plan | Price … Reader | £6"


def test_a_section_that_moved_is_said_to_be_in_another_one() -> None:
    """A bug of old: "Moved to" named the very section that moved."""
    clauses = ["## Fees\n\nYou pay once a month, in advance.\n", "## Refunds\n\nWe pay back what you did not use.\n",
               "## Complaints\n\nWrite to us; we answer within a week.\n"]  # fmt: skip
    old = "# House rules\n\n" + "\n".join(clauses)
    new = "# House rules\n\n" + "\n".join([clauses[1], clauses[2], clauses[0]])
    page = to_html(compare(old, new), view="full")
    assert "Moved to “House rules”" in page
    assert "Moved here from “House rules”" in page


def test_no_control_character_of_a_text_reaches_the_terminal() -> None:
    """A policy cannot clear the screen or set a title."""
    redline = compare("safe\n", "un\033]0;owned\007safe \x9b2J\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", to_text(redline, colour=False))


def test_a_coarse_comparison_says_so_in_mail_and_terminal() -> None:
    """The page has its own sentence; here it goes with the text."""
    old, new = "**a* " * 20_000 + "\n", "**b* " * 20_000 + "\n"
    redline = compare(old, new)
    assert "shown as replaced as a whole" in to_text(redline, colour=False)
    assert "shown as replaced as a whole" in to_email_html(redline)
