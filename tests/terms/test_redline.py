"""Laws of the redline: exact, readable, honest about what it could not do, the same everywhere."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentgate.terms import rewording
from consentgate.terms.redline import ALGORITHM, Redline, compare, rebuild, to_bytes, visible

PACKAGE = Path(rewording.__file__).resolve().parent.parent

POLICY = """# Terms of Use

Welcome to the reading room. These terms say what you may do here.

## 1. Your account

1. You choose a name and a password.
2. You keep the password to yourself and tell us within 30 days when it is lost.
3. You may close the account whenever you like.

## 2. What we charge

Reading costs nothing. Printing a page costs five cents, payable at the [desk](https://example.org/desk).

| Service | Price | Paid |
|---------|-------|------|
| Printing | 5 cents | at once |
| Copying | 8 cents | monthly |

(a) Prices include tax.

(b) A receipt is given for every payment.
"""


def items(redline: Redline, op: str) -> list[str]:
    """The words of the items with this fate."""
    return [item.text(new=op not in ("deleted", "left")) for item in redline.items if item.op == op]


def marks(redline: Redline) -> tuple[list[str], list[str]]:
    """What was removed and what was added, piece by piece."""
    pieces = [piece for item in redline.items for piece in item.pieces]
    return [p.text for p in pieces if p.op == "-"], [p.text for p in pieces if p.op == "+"]


# Exactness

LINES = st.sampled_from(
    [
        "The reader may borrow three books at a time.",
        "The reader may borrow four books at a time. Books are returned.",
        "Books are returned within thirty days.", "# Rules", "## 1. Rules", "## 2. Rules",
        "* a point", "* another point",
        "1. You pay the fee of five cents.", "2. You pay the fee of six cents.", "  * an inner point", "> quoted words",
        "(a) Prices include tax.", "(b) Prices include tax.", "**Bold** words and [a link](/here).", "    code", "",
        "Bold words and [a link](/there).", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", "日本語の文です。", "word",
        "日本語の別の文です。", "ข้อความภาษาไทย", "```\nfenced\n```", "<p>raw <b>words</b></p>", "x\u00a0y\u200bz",
        "See [d].",
        "Word, word; word!", "[d]: /x",
    ]
)  # fmt: skip
TEXTS = st.lists(LINES, max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n\n", "\n"]).map(lambda blank: blank.join(lines).strip("\n") + "\n")
)


@given(old=TEXTS, new=TEXTS)
@settings(max_examples=300)
def test_both_visible_texts_can_be_rebuilt_from_the_redline(old: str, new: str) -> None:
    """No word a reader sees on either side is lost, doubled or moved."""
    assert rebuild(compare(old, new)) == (visible(old), visible(new))


@given(text=TEXTS)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    """Equal texts give an empty redline that still holds the whole text."""
    redline = compare(text, text)
    assert redline.empty
    assert rebuild(redline) == (visible(text), visible(text))


@given(old=TEXTS, new=TEXTS)
def test_there_is_no_change_where_both_texts_read_the_same(old: str, new: str) -> None:
    """Without a change the words are equal; with equal words nothing is marked as added or removed but a new order."""
    redline = compare(old, new)
    if not redline.changes and not redline.summary.renumbered:
        assert "".join(visible(old).split()) == "".join(visible(new).split())


# What shows nothing


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Reading costs nothing. Printing", "Reading costs\nnothing.\nPrinting"),
        ("3. You may", "3. You  may"),
        ("1. You choose", "1) You choose"),
        ("Reading costs nothing", "Reading *costs* **nothing**"),
        ("(a) Prices include tax.", "\\(a\\) Prices include tax."),
        ("five cents", "five\u00a0cents"),
        ("password", "pass\u200bword"),
        ("# Terms of Use", "Terms of Use\n============"),
        ("| Printing | 5 cents | at once |", "|Printing|5 cents|at once|"),
        ("Welcome to the reading room. These", "Welcome to the reading room.\n\nThese"),
        ("(a) Prices include tax.\n\n(b)", "(a) Prices include tax. (b)"),
    ],
)
def test_what_a_reader_cannot_see_is_no_change(before: str, after: str) -> None:
    """Wrapping, list marks, emphasis, kinds of blanks, table source, and paragraphs split or joined show nothing."""
    assert before in POLICY
    new = POLICY.replace(before, after)
    if before.startswith("1. You"):
        new = new.replace("\n2. You", "\n2) You").replace("\n3. You", "\n3) You")
    redline = compare(POLICY, new)
    assert marks(redline) == ([], [])
    assert redline.empty
    assert rebuild(redline) == (visible(POLICY), visible(new))


def test_bullets_of_another_kind_are_no_change() -> None:
    """``*``, ``-`` and ``+`` look the same."""
    assert compare("* one\n* two\n", "- one\n- two\n").empty


# What is shown


def test_only_the_changed_words_are_marked() -> None:
    """A paragraph that changed in one place is shown with that place marked, whole words each."""
    redline = compare(POLICY, POLICY.replace("costs nothing", "is free").replace("payable", "due"))
    assert marks(redline) == (["costs nothing", "payable"], ["is free", "due"])
    assert [change.kind for change in redline.changes] == ["replaced"]
    assert redline.summary.words_added == redline.summary.words_removed == 3


def test_words_kept_between_two_insertions_are_not_marked() -> None:
    """A bug of old: a lone word that stood between two insertions was shown as removed and added again."""
    redline = compare("We keep notes.\n", "We carefully and always keep your many private notes.\n")
    assert not any(piece.op == "-" for item in redline.items for piece in item.pieces)
    back = compare("We carefully and always keep your many private notes.\n", "We keep notes.\n")
    assert not any(piece.op == "+" for item in back.items for piece in item.pieces)


def test_a_comma_is_marked_without_the_word_before_it() -> None:
    """Signs are words of their own."""
    assert marks(compare("One two three.\n", "One two, three.\n")) == ([], [","])


def test_a_number_inside_a_sentence_is_a_change_and_no_renumbering() -> None:
    """Thirty days that become sixty stand out, wherever the number stands."""
    for old, new in (
        ("within 30 days", "within 60 days"),
        ("30 days later", "60 days later"),
        ("2.5 per cent", "3.5 per cent"),
    ):
        redline = compare(f"{old}\n", f"{new}\n")
        assert len(redline.changes) == 1
        assert redline.summary.renumbered == 0


def test_a_new_clause_at_the_front_is_one_insertion_and_the_rest_are_renumbered() -> None:
    """Clauses are recognised whatever number stands before them."""
    redline = compare(POLICY, POLICY.replace("1. You choose", "1. You are at least sixteen.\n2. You choose"))
    assert items(redline, "inserted") == ["You are at least sixteen."]
    assert [change.kind for change in redline.changes] == ["inserted"]
    assert redline.summary.renumbered == 3


def test_numbers_written_in_the_text_are_ignored_when_clauses_are_recognised() -> None:
    """Letters, sections and headings renumber quietly, and both numbers are kept."""
    new = POLICY.replace("(b)", "(c)").replace("(a)", "(b)").replace("## 2.", "## 3.")
    redline = compare(POLICY, new)
    assert redline.changes == ()
    assert redline.summary.renumbered == 3
    assert not redline.empty
    numbers = [(p.op, p.text) for item in redline.items for p in item.pieces if p.op in "<>"]
    assert ("<", "2. ") in numbers
    assert (">", "3. ") in numbers


def test_a_clause_at_another_place_has_moved() -> None:
    """It is shown as moved, from where and to where, and none of its words as added or removed."""
    last = "(b) A receipt is given for every payment.\n"
    redline = compare(POLICY, POLICY.replace(last, "").replace("## 1.", last + "\n## 1."))
    assert items(redline, "moved") == items(redline, "left") == ["(b) A receipt is given for every payment."]
    assert marks(redline) == ([], [])
    (change,) = redline.changes
    assert change.kind == "moved"
    moved, left = change.items
    assert redline.items[moved].source == left


def test_a_clause_that_moved_and_changed_shows_both() -> None:
    """Its new words are marked at its new place."""
    clause = "You keep the password to yourself and tell us within 30 days when it is lost."
    new = POLICY.replace(f"2. {clause}\n", "") + "\n" + clause.replace("30 days", "two weeks") + "\n"
    redline = compare(POLICY, new)
    assert marks(redline) == (["30 days"], ["two weeks"])
    assert redline.summary.moved == 1


def test_a_section_that_moved_is_one_change_with_its_heading() -> None:
    """Short neighbours go with what moved."""
    first, second = (
        "# One\n\nThe first section speaks of books and of readers.\n\n",
        "# Two\n\nThe second one speaks of fees.\n\n",
    )
    third = "# Three\n\nThe third section speaks of closing time.\n\nIt has two paragraphs, of some length.\n\n"
    redline = compare(first + second + third, first + third + second)
    assert [change.kind for change in redline.changes] == ["moved"]
    assert redline.summary.words_added == redline.summary.words_removed == 0


def test_tables_are_compared_by_row_and_cell() -> None:
    """A changed cell is marked in its row, a new row is an insertion."""
    redline = compare(
        POLICY, POLICY.replace("8 cents | monthly |", "9 cents | monthly |\n| Binding | 2 euros | at once |")
    )
    (row,) = [item for item in redline.items if item.op == "changed"]
    assert [[piece.op for piece in cell.pieces] for cell in row.cells] == [["="], ["-", "+", "="], ["="]]
    assert items(redline, "inserted") == ["Binding | 2 euros | at once"]


def test_a_new_column_is_added_cell_by_cell() -> None:
    """Cells are found again when their number changed."""
    lines = POLICY.split("\n")
    table = [number for number, line in enumerate(lines) if line.startswith("|")]
    for number, cell in zip(table, (" Where |", "---|", " hall |", " desk |"), strict=True):
        first, _, rest = lines[number][1:].partition("|")
        lines[number] = f"|{first}|{cell}{rest}"
    redline = compare(POLICY, "\n".join(lines))
    assert marks(redline) == ([], ["Where", "hall", "desk"])


def test_a_link_that_leads_elsewhere_stands_apart_from_the_words() -> None:
    """Targets are listed, and are no change of words."""
    redline = compare(POLICY, POLICY.replace("https://example.org/desk", "https://example.org/shop"))
    assert redline.changes == ()
    assert not redline.empty
    ((_, text, old, new),) = redline.links
    assert (text, old, new) == ("desk", "https://example.org/desk", "https://example.org/shop")


@pytest.mark.parametrize(
    ("old", "new", "targets"),
    [
        ("See the desk.", "See the [desk](/a).", ("", "/a")),
        ("See the [desk](/a).", "See the desk.", ("/a", "")),
        ("See the [desk](/a) now.", "See the [desk](/b) soon.", ("/a", "/b")),
        ("See the [desk].\n\n[desk]: /a", "See the [desk].\n\n[desk]: /b", ("/a", "/b")),
    ],
)
def test_links_put_on_taken_off_or_defined_elsewhere_are_listed(old: str, new: str, targets: tuple[str, str]) -> None:
    """Wherever the target is written, its change is found."""
    ((_, text, before, after),) = compare(old + "\n", new + "\n").links
    assert (text, before, after) == ("desk", *targets)


def test_paragraphs_that_were_split_and_changed_mark_only_the_change() -> None:
    """A paragraph made two, with one word changed, does not show its half as removed and added."""
    old = "Reading costs nothing at all. Printing a page costs five cents, payable at the desk in the hall.\n"
    new = "Reading costs nothing at all.\n\nPrinting a page costs seven cents, payable at the desk in the hall.\n"
    for one, other, expected in ((old, new, (["five"], ["seven"])), (new, old, (["seven"], ["five"]))):
        redline = compare(one, other)
        assert marks(redline) == expected
        assert rebuild(redline) == (visible(one), visible(other))


def test_a_paragraph_rewritten_from_top_to_bottom_is_not_shown_as_confetti() -> None:
    """No lone word is left unmarked between two edits."""
    old = "The house may close the account of a reader who does not return books, after one warning by letter.\n"
    new = (
        "We can end your membership if our staff find that you did keep any books, with no warning by letter at all.\n"
    )
    removed, added = marks(compare(old, new))
    assert len(removed) <= 2
    assert len(added) <= 2


def test_scripts_without_spaces_are_compared_by_character() -> None:
    """One changed character of a Japanese sentence marks that character; Thai vowels stay with their consonant."""
    assert marks(compare("利用料は無料です。\n", "利用料は有料です。\n")) == (["無"], ["有"])
    removed, added = marks(compare("ค่าบริการรายเดือน\n", "ค่าบริการรายปี\n"))
    assert removed == ["เดือน"]
    assert added == ["ปี"]


@pytest.mark.parametrize("word", ["naïve", "हिन्दी", "عربية", "e-mail", "reader’s", "1,000"])
def test_a_word_is_marked_whole(word: str) -> None:
    """Accents, vowel signs, hyphens, apostrophes and digit groups do not cut a word."""
    assert marks(compare(f"one {word} two\n", f"one {word}x two\n")) == ([word], [f"{word}x"])


# Going back and forth


def test_there_and_back_again_is_no_change() -> None:
    """Who accepted A sees nothing new when, after B, it is A again."""
    other = POLICY.replace("five cents", "seven cents")
    assert not compare(POLICY, other).empty
    assert compare(POLICY, POLICY).empty


def test_sections_and_changes_name_one_another() -> None:
    """Each change stands in the section that lists it, and covers items within it."""
    new = POLICY.replace("five cents", "six cents").replace("three", "3").replace("choose", "pick")
    redline = compare(POLICY, new)
    assert [section.title for section in redline.sections] == ["Terms of Use", "1. Your account", "2. What we charge"]
    for change in redline.changes:
        section = redline.sections[change.section]
        assert change.number in section.changes
        assert section.start <= change.items[0] < section.stop
    assert redline.summary.sections == 2


# The same everywhere

_SCRIPT = """
import sys
from consentgate.terms.redline import compare
old, new = sys.stdin.read().split("\\0")
print(compare(old, new).digest)
"""


def test_every_process_makes_the_same_bytes() -> None:
    """Neither hash seeds nor the process have any influence."""
    new = POLICY.replace("five", "six").replace("Reading", "To read") + "\nA new clause.\n"
    digests = {hashlib.sha256(to_bytes(compare(POLICY, new))).hexdigest()}
    for seed in ("0", "1", "4711"):
        run = subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            input=f"{POLICY}\0{new}", capture_output=True, check=True, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1", "PYTHONPATH": str(PACKAGE.parent)},
        )  # fmt: skip
        digests.add(run.stdout.strip())
    assert len(digests) == 1


def test_time_has_no_say_in_the_result() -> None:
    """diff-match-patch's time limit is off: what it does is counted, not timed."""
    assert rewording._engine().Diff_Timeout == 0


def test_only_one_module_knows_diff_match_patch() -> None:
    """Whoever wants another algorithm changes one file, and its name in the record."""
    importers = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            importers += [path.name for name in names if name.partition(".")[0] == "diff_match_patch"]
    assert importers == ["rewording.py"]
    assert compare("a\n", "b\n").algorithm == ALGORITHM == "consentgate-redline/2"


# Too much to do


def long_text(word: str, paragraphs: int) -> str:
    """Paragraphs that share no word with those made from another word."""
    numbers = (range(50 * number, 50 * number + 50) for number in range(paragraphs))
    return "\n\n".join(" ".join(f"{word}{place}" for place in places) for places in numbers) + "\n"


def test_long_texts_without_a_common_word_are_compared_in_blocks_and_say_so() -> None:
    """Where pairing would take too long, paragraphs are shown as removed and added as they are."""
    old, new = long_text("a", 400), long_text("b", 400)
    redline = compare(old, new)
    assert redline.degradations == ("blocks",)
    assert rebuild(redline) == (visible(old), visible(new))


def test_long_passages_without_an_anchor_are_replaced_as_a_whole_and_say_so() -> None:
    """Where a word diff would take too long, the passage is replaced."""
    words = ["alpha", "beta", "gamma", "delta", "omega"]
    old = " ".join(words[number * number % 5] for number in range(4000)) + "\n"
    new = " ".join(words[number * 3 % 5 - number % 2] for number in range(4100)) + "\n"
    redline = compare(old, new)
    assert redline.degradations == ("words",)
    assert rebuild(redline) == (visible(old), visible(new))


def test_texts_full_of_signs_are_read_as_they_stand_and_say_so() -> None:
    """Markdown that would keep a parser busy for minutes is not parsed."""
    old, new = "**a* " * 20_000 + "\n\nlast words\n", "**b* " * 20_000 + "\n\nlast words\n"
    redline = compare(old, new)
    assert "plain" in redline.degradations
    assert rebuild(redline) == (visible(old, plain=True), visible(new, plain=True))
    assert items(redline, "same") == ["last words"]


def test_a_huge_text_with_small_changes_is_compared_in_full() -> None:
    """Size alone degrades nothing: only what differs costs anything."""
    old = long_text("a", 2000)
    new = old.replace("a777 ", "changed ").replace("a77777 ", "too ")
    redline = compare(old, new)
    assert redline.degraded is None
    assert marks(redline) == (["a777", "a77777"], ["changed", "too"])
