"""The error tree: drawn once, true everywhere."""

from __future__ import annotations

import re

import pytest

from consentgate import errors
from consentgate.errors import PROBLEM_BASE, ConsentGateError, DraftError, OverloadedError


def tree(root: type[ConsentGateError] = ConsentGateError) -> list[type[ConsentGateError]]:
    """The error classes of this package, parents before children."""
    children = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
    return [root, *(item for child in children for item in tree(child))]


def test_the_drawing_is_the_tree() -> None:
    """The tree in the docstring names every class, in order, at its depth."""
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+Error)", errors.__doc__ or "", re.MULTILINE)
    depths = [(name, len(branch) // 4) for branch, name in drawn]

    assert depths == [(kind.__name__, len(kind.mro()) - len(ConsentGateError.mro())) for kind in tree()]


def test_no_two_errors_share_a_slug() -> None:
    """A problem type names one error."""
    slugs = [kind.slug for kind in tree() if "slug" in vars(kind)]

    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize("kind", [kind for kind in tree() if kind is not DraftError], ids=lambda kind: kind.slug)
def test_every_error_is_a_problem_document(kind: type[ConsentGateError]) -> None:
    """`problem()` has the members of RFC 9457, the hint, and the facts the error carries."""
    document = kind("it broke", hint="mend it", policy="terms-of-use", nothing=None).problem()

    assert document["type"] == PROBLEM_BASE + kind.slug
    assert document["title"] == kind.title
    assert document["status"] == kind.status
    assert document["detail"] == "it broke"
    assert document["hint"] == "mend it"
    assert document["policy"] == "terms-of-use"
    assert "nothing" not in document


def test_a_problem_without_a_hint_has_no_empty_hint() -> None:
    """What is not known is left out."""
    assert "hint" not in ConsentGateError("it broke").problem()


@pytest.mark.parametrize(
    ("line", "text"), [(None, "terms.en.md: no version"), (7, "terms.en.md:7: no version")], ids=["file", "line"]
)
def test_a_draft_error_names_file_and_line(line: int | None, text: str) -> None:
    """An author can jump to the place, and a program can read it."""
    error = DraftError("no version", file="terms.en.md", line=line)

    assert str(error) == text == error.problem()["detail"]
    assert error.problem().get("line") == line


def test_an_overload_says_when_to_come_back() -> None:
    """The seconds to wait are an attribute and a fact of the problem document."""
    error = OverloadedError("the queue is full", retry_after=5)

    assert error.retry_after == error.problem()["retry_after"] == 5
