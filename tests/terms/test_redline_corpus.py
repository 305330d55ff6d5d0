"""The redline on real policy histories, where their folder is at hand; `benchmarks/redline.py` walks all of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from consentgate.terms.blocks import read_blocks, read_piece
from consentgate.terms.chunks import cut, references
from consentgate.terms.redline import compare, from_bytes, rebuild, to_bytes, visible

pytestmark = [pytest.mark.corpus]

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"
STEP = 23


@pytest.fixture(name="texts", scope="module")
def _texts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("redline_texts", BENCHMARKS / "_redline_texts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="transitions", scope="module")
def _transitions(shared: Path, texts: ModuleType) -> list[tuple[str, str]]:
    if not (shared / "corpus" / "transitions.json").is_file():
        pytest.skip("no corpus of policy histories")
    every = texts.transitions(shared / "corpus")
    return [(one.old, one.new) for one in every[::STEP]]


def test_real_texts_are_rebuilt_from_their_redlines(transitions: list[tuple[str, str]]) -> None:
    """Exactly, and after a way through the canonical bytes."""
    for old, new in transitions:
        redline = compare(old, new)
        assert from_bytes(to_bytes(redline)) == redline
        assert rebuild(redline) == (visible(old), visible(new))
        assert redline.degraded in (None, "words")


def test_pieces_of_real_texts_are_read_as_the_whole_is(transitions: list[tuple[str, str]]) -> None:
    """The short cuts change nothing."""
    for text in {text for pair in transitions for text in pair}:
        pieces = cut(text)
        definitions = references(pieces)
        assert [block for piece in pieces for block in read_piece(piece, definitions)] == read_blocks(text)


def test_real_texts_without_a_visible_difference_show_no_change(texts: ModuleType, shared: Path) -> None:
    """Transitions of which a heuristic says that only blanks or front matter changed."""
    quiet = [one for one in texts.transitions(shared / "corpus") if one.kind in ("none", "metadata")][::4]
    assert quiet
    for one in quiet:
        assert compare(one.old, one.new).changes == ()
