"""Laws of words, anchors and edits: the small tools of the redline."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.terms import align
from consentgate.terms.align import Work, anchors, longest_increasing, pair_in_order, shared_words
from consentgate.terms.inline import Run
from consentgate.terms.numbering import label_length
from consentgate.terms.redline_pieces import Phrase, compare_joined
from consentgate.terms.rewording import Edit, reword, segments
from consentgate.terms.words import count_words, is_word, seen, tokens

PLENTY = 10**9
LETTERS = st.lists(st.sampled_from("abcde"), max_size=30)
SENTENCES = st.text("ab c,.-'()1é日本 ธั\u00a0\u200b\n", max_size=40)


# Words


@given(SENTENCES)
def test_tokens_cover_a_text_without_a_gap(text: str) -> None:
    """Offsets grow and end at the end of the text; a text of blanks alone has no token."""
    keys, places = tokens(text)
    assert len(places) == len(keys) + 1
    assert places[0] == 0
    assert places == sorted(set(places))
    assert not keys or places[-1] == len(text)
    assert tokens(text, 7) == (keys, [place + 7 for place in places])
    assert bool(keys) == bool(text.replace("\u200b", " ").strip())


@given(SENTENCES)
def test_texts_that_look_alike_have_the_same_tokens(text: str) -> None:
    """Kinds of blanks and characters without width make no difference."""
    assert tokens(seen(text))[0] == tokens(text)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", [" Hello", ",", " world", "!"]),
        ("the reader’s e-mail (1,000)", [" the", " reader’s", " e-mail", " (", "1,000", ")"]),
        ("東京。 です", [" 東", "京", "。", "で", "す"]),
        ("ดีมาก", [" ดี", "ม", "า", "ก"]),
        ("हिन्दी में", [" हिन्दी", " में"]),
        ("a\u00a0b\u200bc", [" a", " bc"]),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    """Words where blanks part them, characters with their marks where they do not."""
    assert tokens(text)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \n b\t", "a b"),
        ("a\u00a0\u2009b\u3000c", "a b c"),
        ("so\u00adft\u200b", "soft"),
        ("日本\n語", "日本語"),
        ("日 a", "日 a"),
    ],
)
def test_what_is_seen_of_blanks(text: str, expected: str) -> None:
    """One blank for a run of any blanks, none where a line of Japanese was wrapped."""
    assert seen(text) == expected


def test_only_words_are_counted() -> None:
    """Signs are no words."""
    assert count_words("One, two – three (4)!") == 4
    assert not is_word(",")


# Numbers of clauses


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1. You pay", "1. "), ("(a) You pay", "(a) "), ("iv) You pay", "iv) "), ("4.2 The house", "4.2 "),
        ("4.2. the house", "4.2. "), ("a. you pay", "a. "), ("§ 7 Fees", "§ 7 "), ("B) Fees", "B) "),
        ("第三条 料金", "第三条 "),
    ],
)  # fmt: skip
def test_the_number_of_a_clause_is_recognised(text: str, label: str) -> None:
    """Figures, letters and roman numerals with a stop or in brackets."""
    assert text[: label_length(text, heading=False)] == label


@pytest.mark.parametrize(
    "text",
    [
        "30 days after",
        "2.5 per cent",
        "1,000 readers",
        "A reader pays",
        "I agree",
        "1.",
        "(a)",
        "5 cents",
        "e.g. a book",
        "12",
    ],
)
def test_what_belongs_to_the_sentence_is_no_number(text: str) -> None:
    """Amounts and articles are words, or a changed amount would be shown as a renumbering."""
    assert label_length(text, heading=False) == 0


@pytest.mark.parametrize(
    ("text", "label"), [("Article 5 Fees", "Article 5 "), ("3 Fees", "3 "), ("II. Fees", "II. "), ("A Fee", "")]
)
def test_headings_may_have_bare_numbers(text: str, label: str) -> None:
    """A heading's number needs no stop."""
    assert text[: label_length(text, heading=True)] == label


# Anchors


@given(LETTERS, LETTERS)
def test_anchors_are_equal_items_in_order_and_gaps_are_what_is_between(old: list[str], new: list[str]) -> None:
    """Pairs grow on both sides; a gap holds no pair and neither side of it is empty."""
    pairs, gaps = anchors(old, new, Work(PLENTY))
    assert all(old[one] == new[other] for one, other in pairs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(pairs))
    for old_from, old_to, new_from, new_to in gaps:
        assert old_from < old_to
        assert new_from < new_to
        assert not any(old_from <= one < old_to or new_from <= other < new_to for one, other in pairs)


@given(LETTERS)
def test_everything_in_equal_sequences_is_an_anchor(items: list[str]) -> None:
    """Equal sequences leave no gap."""
    assert anchors(items, list(items), Work(PLENTY)) == ([(place, place) for place in range(len(items))], [])


def test_without_work_left_nothing_but_both_ends_is_anchored() -> None:
    """The work is counted, and what is left over is a gap."""
    old, new = list("xabcdy"), list("xbacey")
    assert anchors(old, new, Work(0)) == ([(0, 0), (5, 5)], [(1, 5, 1, 5)])


@given(st.lists(st.integers(0, 20), unique=True, max_size=9))
def test_the_longest_increasing_run_is_increasing_and_longest(seconds: list[int]) -> None:
    """No other choice of pairs that keeps their order is longer."""
    pairs = list(enumerate(seconds))
    run = longest_increasing(pairs)
    assert [second for _, second in run] == sorted(second for _, second in run)
    best = 0
    for choice in range(1 << len(pairs)):
        chosen = [pair[1] for number, pair in enumerate(pairs) if choice >> number & 1]
        if chosen == sorted(chosen):
            best = max(best, len(chosen))
    assert len(run) == best


@given(st.lists(st.frozensets(st.sampled_from("abcdefgh")), min_size=1, max_size=25),
       st.lists(st.frozensets(st.sampled_from("abcdefgh")), min_size=1, max_size=25))  # fmt: skip
def test_both_ways_of_counting_shared_words_agree(ones: list[frozenset[str]], others: list[frozenset[str]]) -> None:
    """Sets for a few, bits for many: the same numbers."""
    expected = [[len(one & other) for other in others] for one in ones]
    assert shared_words(ones, others) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(align, "_BITS", 2)
        assert shared_words(ones, others) == expected


@given(st.integers(1, 4).flatmap(lambda columns: st.lists(
    st.lists(st.integers(0, 9), min_size=columns, max_size=columns), min_size=1, max_size=4)))  # fmt: skip
def test_pairs_in_order_have_the_largest_sum(scores: list[list[int]]) -> None:
    """Compared with trying every choice."""

    def best(row: int, column: int) -> int:
        if row == len(scores) or column == len(scores[0]):
            return 0
        return max(scores[row][column] + best(row + 1, column + 1), best(row + 1, column), best(row, column + 1))

    pairs = pair_in_order(scores)
    assert sum(scores[row][column] for row, column in pairs) == best(0, 0)
    assert all(scores[row][column] for row, column in pairs)


# Edits

WORDS = st.lists(
    st.sampled_from([" the", " reader", " pays", " fee", ",", ".", " book", " a", " of", " house"]), max_size=25
)


def applied(edits: list[Edit], old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    """Both sides put together again from the edits."""
    one = [token for edit in edits for token in old[edit.old_from : edit.old_to]]
    other = [token for edit in edits for token in new[edit.new_from : edit.new_to]]
    return one, other


@given(WORDS, WORDS)
def test_edits_cover_both_sides_and_equal_stretches_are_equal(old: list[str], new: list[str]) -> None:
    """Equal and changed take turns, nothing is left out, and equal means equal."""
    edits, coarse = reword(old, new, Work(PLENTY))
    assert applied(edits, old, new) == (old, new)
    assert not coarse
    for edit in edits:
        if edit.equal:
            assert old[edit.old_from : edit.old_to] == new[edit.new_from : edit.new_to]
    assert all(one.equal != other.equal for one, other in pairwise(edits))


@given(WORDS, WORDS)
def test_no_lone_sign_stands_between_two_edits(old: list[str], new: list[str]) -> None:
    """What is left equal between two edits has a word in it."""
    edits, _ = reword(old, new, Work(PLENTY))
    for edit in edits[1:-1]:
        assert not edit.equal or any(map(is_word, new[edit.new_from : edit.new_to]))


@given(WORDS, WORDS, st.lists(st.integers(1, 24), max_size=3, unique=True), st.booleans())
def test_edits_parted_at_a_stop_are_the_same_edits(
    old: list[str], new: list[str], places: list[int], side: bool
) -> None:
    """Parting loses nothing, and no part reaches over its stop."""
    length = len(new) if side else len(old)
    stops = sorted(place for place in places if place < length)
    edits, _ = reword(old, new, Work(PLENTY))
    parts = segments(edits, stops, new=side)
    assert len(parts) == len(stops) + 1
    assert applied([edit for part in parts for edit in part], old, new) == (old, new)
    for number, part in enumerate(parts):
        low, high = [0, *stops][number], [*stops, length][number]
        for edit in part:
            start, stop = (edit.new_from, edit.new_to) if side else (edit.old_from, edit.old_to)
            assert low <= start <= stop <= high


def test_without_work_left_a_stretch_is_replaced_as_a_whole() -> None:
    """And said so."""
    old, new = [" a", " b", " a", " c"], [" b", " a", " b", " d", " a"]
    assert reword(old, new, Work(0)) == ([Edit(equal=False, old_from=0, old_to=4, new_from=0, new_to=5)], True)


# One block and several


PARTS = st.lists(
    st.lists(
        st.sampled_from(["one", "two,", "日本", "語", "3.", "x\u00a0y", "a\u200bb", "é"]), min_size=1, max_size=4
    ).map(" ".join),
    min_size=2,
    max_size=4,
)


@given(
    parts=PARTS, between=st.sampled_from([" ", "\n", "\n\n", " \n", "\u00a0", ""]), split=st.booleans(),
    changed=st.booleans(),
)  # fmt: skip
def test_a_block_parted_otherwise_is_compared_the_same_way_with_and_without_the_short_cut(
    parts: list[str], between: str, split: bool, changed: bool
) -> None:
    """What is found as it stands is what a comparison word by word would find."""
    one = [Phrase((Run(between.join(parts)),), label=None)]
    several = [Phrase((Run(part),), label=None if number == 0 else 0) for number, part in enumerate(parts)]
    if changed:
        several[-1] = Phrase((Run("another word"),))
    sides = (one, several) if split else (several, one)
    quick = compare_joined(*sides, Work(1_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consentgate.terms.redline_pieces._found_in", lambda whole, parts: None)
        assert compare_joined(*sides, Work(1_000)) == quick
