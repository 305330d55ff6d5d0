"""The memory of what was verified: bounded, and never worse than none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.gate.memo import Memo


@given(st.lists(st.tuples(st.integers(0, 30), st.integers()), max_size=200), st.integers(2, 12))
def test_it_never_holds_more_than_its_size_and_never_says_what_was_not_put(
    puts: list[tuple[int, int]], size: int
) -> None:
    """After any puts: within bounds, and each answer is the last value or none."""
    memo: Memo[int, int] = Memo(size)
    last: dict[int, int] = {}
    for key, value in puts:
        memo.put(key, value)
        last[key] = value
        assert len(memo) <= size
        assert memo.get(key, None) == value
    for key in range(31):
        assert memo.get(key, None) in (None, last.get(key))


def test_what_is_in_use_stays_while_others_come_and_go() -> None:
    """A key that is asked for between the generations is never forgotten."""
    memo: Memo[str, int] = Memo(10)
    memo.put("regular", 1)
    for stranger in range(1_000):
        memo.put(str(stranger), 0)
        assert memo.get("regular", None) == 1


def test_it_remembers_nothing_as_a_value() -> None:
    """`None` is a thing like others: a visitor's pass stands for nobody signed in."""
    memo: Memo[str, None] = Memo(4)
    memo.put("visitor", None)

    assert memo.get("visitor", "unseen") is None
    assert memo.get("stranger", "unseen") == "unseen"


def test_a_reader_of_the_younger_half_never_sees_it_emptied() -> None:
    """Generations change by taking new dictionaries, so one that is being read stays true."""
    memo: Memo[int, int] = Memo(4)
    memo.put(1, 1)
    held = memo.young
    for key in range(2, 9):
        memo.put(key, key)

    assert held[1] == 1
    assert memo.young is not held


@pytest.mark.parametrize("size", [2, 3, 1_000])
def test_the_newest_is_always_there(size: int) -> None:
    """What was put last can be got, whatever the size."""
    memo: Memo[int, int] = Memo(size)
    for key in range(50):
        memo.put(key, -key)
        assert memo.get(key, None) == -key
