"""Laws of reading Markdown for the redline: in pieces, and without the parser where it is simple."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.token import Token

from consentgate.terms import blocks as reading
from consentgate.terms.blocks import Block, count_signs, cut_plain, read_blocks, read_piece, read_plain
from consentgate.terms.chunks import cut, references
from consentgate.terms.inline import Run, parser, read_runs
from consentgate.terms.plain import quick_lines
from consentgate.terms.plain_runs import quick_runs

INDENTS = ["", "", "", "", " ", "  ", "   ", "    ", "      "]
MARKS = [
    "", "", "", "* ", "- ", "+ ", "1. ", "2. ", "3) ", "10. ", "*  ", "1.   ", "# ", "## ", "> ", "| ", "```", "~~~",
    "<div>", "</div>", "<!-- ", "-->",
    "*", "-", "1.", "* * *", "---", "===", "\t", "**", "1.5 ", "(a) ", "[a]: ", "* 1. ",
    "* # ", "1. ## ", "* * ", "- 1. ", "1. - * ", "* * # ", "- #### ", "       ", "          ",
    "|", "| ", "\u00a0", "** ", "---|", ":--", "-",
]  # fmt: skip
WORDS = [
    "foo", "bar baz", "**bold** x", "**b.** y", "[l](http://a/b)", "x [l](/p?q=1#f) y", "", "Foo *it* b", "a_b_c",
    "_i_ z", "a | b |", "|---|---|", "q **b**r", "2 * 3", "\\- e", "<br>", "a<br/>b", "R & D", "&amp; x", "!",
    "<https://ex.org/x>", "](x", "[x]", "x  ", "[a]", "[a][b]", "`c`", "“q”", "**a** b **c**", "*a **b** c*",
    "é **ñ** ü", "\u3000x", "x\u00a0", "30 days", "[e](<x y>)", "**[l](u)**", "a *b", "**x", "***y***", "日本語 の 文",
    "a\u200bb", "_a_b_", "__s__ t", "**a `b` [c](d)**", '[t](/u "v")', "[**a** b](c)", "![p](q)", '[![p](q)](r "s")',

    "a *b **c** d*", "*x*y*", "**a*b**", "R&D", "x\\", "[a`b](c)`", "|", "_a*b_c*", "“*a*”b", "$*a*$", "x\x85",
    "&eagrave; y", "[\\[a\\]](/b)", "[a \\](b) c", "[a`\\](b)`", "<https://xn--a.org>",
]  # fmt: skip
LINES = st.just("") | st.builds("{}{}{}".format, *map(st.sampled_from, (INDENTS, MARKS, WORDS)))
TEXTS = (
    st.lists(LINES, min_size=1, max_size=10).map(lambda lines: "\n".join(lines).strip("\n") + "\n").filter(str.strip)
)


def parsed(text: str, monkeypatch: pytest.MonkeyPatch) -> list[Block]:
    """What the parser makes of a whole text, with no short cut of ours."""

    def words(builder: reading._Builder, token: Token) -> None:
        cell = read_runs(token.children or ())
        if builder.row is not None:
            builder.row.append(cell)
        else:
            builder.add("h" if builder.level else "p", (cell,))

    with monkeypatch.context() as patch:
        patch.setitem(reading._Builder.STEPS, "inline", words)
        builder = reading._Builder({})
        builder.read(parser().parse(text))
    return builder.blocks


@given(text=TEXTS)
@settings(max_examples=400)
def test_pieces_read_alone_are_what_the_parser_reads_together(text: str) -> None:
    """Neither the cuts nor the short cuts change what is read."""
    with pytest.MonkeyPatch.context() as patch:
        expected = parsed(text, patch)
    pieces = cut(text)
    assert "".join(pieces) == text
    definitions = references(pieces)
    assert [block for piece in pieces for block in read_piece(piece, definitions)] == expected
    assert read_blocks(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "One.\n\nTwo.\n",
        "# Title\n\n* one\n\n* two\n\n  more\n\nThree\n",
        "1. one\n\n2. two\n   1. inner\n\n      text\n\n3. three\n",
        "```\nfenced\n\n# not a heading\n\n* not a list\n```\n\nAfter.\n",
        "* item\n\n  ```\n  fenced\n\nout of the list, and of the fence\n",
        "<!-- a comment\n\nwith *blank* lines -->\n\nAfter.\n",
        "<script>\n\nvar a = 1\n\n</script>\n\nAfter.\n",
        "~~~\nnever closed\n\n# still code\n\nand here\n",
        "> quoted\n\n> again\n\nnot quoted\n",
        "[label]: https://example.org/a\n\nSee [label] and [other].\n\n[other]: /b 'title'\n",
        "| a | b |\n|---|---|\n| 1 | **2** |\n\n| c |\n|---|\n",
        "Setext\n======\n\nPara\n---\n",
    ],
)
def test_pieces_of_known_difficulty_are_read_as_the_parser_does(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fences, comments, scripts, lists, quotations, tables and definitions that reach over blank lines."""
    pieces = cut(text)
    definitions = references(pieces)
    assert [block for piece in pieces for block in read_piece(piece, definitions)] == parsed(text, monkeypatch)


def test_simple_forms_are_read_without_the_parser() -> None:
    """The short cut is taken: headings, paragraphs, nested lists and tables, bold words, links and breaks."""
    text = "# Title\nWords **bold** and\n* one\n  1. inner\n  2. [link](/x)\n\n  more\n"
    assert quick_lines(text) is not None
    assert quick_lines("| a | b |\n|---|---|\n| 1 | 2 |\n") is not None
    assert quick_runs("R & D **bold** [link](/x)<br>more \\* _it_ ", lambda href: href) is not None


@pytest.mark.parametrize(
    "source",
    [
        "***all* of** it", '_a_ __b__ **c `d` [e](/f "g")**', "[**a** b](/c) ![p](/q) [![i](/j) k](/l)",
        "one  \ntwo\\\nthree<br>four", "AT&T &amp; &copy; snake_case_name \\* \\[x\\]", "“**quoted**”, *_both_*",
    ],
)  # fmt: skip
def test_what_stands_inside_a_block_is_read_without_the_parser(source: str) -> None:
    """Nested emphasis, links with titles, pictures, breaks, entities: no parser is asked, and it would agree."""
    atoms = quick_runs(source, lambda href: href, defined=False)
    assert atoms is not None
    (block,) = read_piece(source + "\n")
    with pytest.MonkeyPatch.context() as patch:
        assert [block] == parsed(source + "\n", patch)


@pytest.mark.parametrize(
    "piece",
    [
        "1. one\n\n       code in it\n\n         - more of it\n\n2. two\n", "- #### Head\n  words\n\n  ## Inner\n",
        "* * [a](/b)\n    * * *\n  * c\n", "* a\n\n  Title\n  -----\n", "**  \nwords**\n",
    ],
)  # fmt: skip
def test_lists_of_all_kinds_are_read_without_the_parser(piece: str) -> None:
    """Code, headings, rules and lists inside lists: no parser is asked, and it would agree."""
    assert quick_lines(piece) is not None
    assert read_piece(piece) == read_blocks(piece)


def test_the_head_of_a_table_is_not_mistaken_for_a_heading() -> None:
    """A bug of old: one cell over one dash is a table, although it looks like a heading under a paragraph."""
    assert [block.kind for block in read_piece("a |\n---\n")] == ["head"]


def test_blocks_know_what_they_stand_in() -> None:
    """Lists, quotations, numbers and headings are kept as they are seen."""
    blocks = read_blocks("# A\n\n3. three\n   * inner\n\n     more\n4. four\n\n> quoted\n")
    assert [(block.kind, block.level, block.path, block.lead, block.marker) for block in blocks] == [
        ("h", 1, "", False, ""),
        ("p", 0, "o", True, "3."),
        ("p", 0, "ou", True, ""),
        ("p", 0, "ou", False, ""),
        ("p", 0, "o", True, "4."),
        ("p", 0, "q", False, ""),
    ]


def test_words_keep_their_formatting_and_links() -> None:
    """Runs carry bold, italics, code and targets; blanks collapse as in a browser."""
    (block,) = read_blocks("One  **two *three***\nfour `five` [six](/x) <b>seven</b>  \neight\n")
    assert block.cells == (
        (
            Run("One "), Run("two ", "b"), Run("three", "bi"), Run(" four "), Run("five", "c"), Run(" "),
            Run("six", "", "/x"), Run(" "), Run("seven", "b"), Run("\neight"),
        ),
    )  # fmt: skip


def test_raw_html_is_read_as_words_and_never_as_tags() -> None:
    """Blocks of raw HTML fall into paragraphs, headings, items and rows; scripts and comments are nothing."""
    text = (
        "<div onclick='x'><h2>Head</h2><p>One<br>two</p><ul><li>item</li></ul>"
        "<table><tr><td>a</td><td>b</td></tr></table>"
        "<script>no()</script><!-- no --></div>\n"
    )
    assert [
        (block.kind, ["".join(run.text for run in cell) for cell in block.cells]) for block in read_blocks(text)
    ] == [
        ("h", ["Head"]),
        ("p", ["One\ntwo"]),
        ("p", ["item"]),
        ("row", ["a", "b"]),
    ]


@given(st.lists(st.sampled_from(["a", "b c", "", " ", "\t", "# x", "* y"]), max_size=30).map("\n".join))
def test_plain_paragraphs_joined_are_the_text_again(text: str) -> None:
    """Reading a text as it stands loses no word of it."""
    pieces = cut_plain(text)
    assert "".join(pieces) == text
    read = [word for piece in pieces for block in read_plain(piece) for word in block.cells[0][0].text.split()]
    assert read == text.split()


def test_signs_are_counted_with_the_lines() -> None:
    """The cost of reading grows with lines and with the signs that may mean something."""
    assert count_signs("a\n*b*\n[c](d) <e> `f` & g | h ! \\ _") == 2 + 2 + 2 + 2 + 2 + 5
