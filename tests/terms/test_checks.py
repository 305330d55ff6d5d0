"""Laws of the publisher's checks: what readers cannot see, and what contradicts itself, is found."""

from __future__ import annotations

import pytest

from consentgate.terms.checks import check_change, check_text


def codes(text: str) -> list[str]:
    """Codes of what is found in one text."""
    return [finding.code for finding in check_text(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plain words.\n", []),
        ("Zero\u200bwidth.\n", ["invisible-character"]),
        ("Turned \u202earound.\n", ["invisible-character"]),
        ("می\u200cخواهم\n", []),
        ("Dear {{ name }}.\n", ["template-syntax"]),
        ("[INSERT COMPANY]\n", ["template-syntax"]),
        ("x" * 20_001 + "\n", ["giant-line"]),
    ],
)
def test_what_readers_cannot_or_should_not_see_is_found(text: str, expected: list[str]) -> None:
    """Invisible and bidirectional characters, left template syntax, giant lines."""
    assert codes(text) == expected


def test_a_finding_names_its_line_in_the_file() -> None:
    """Counted with the front matter above."""
    [finding] = check_text("One.\n\nTwo\u200b.\n", file="x.md", first_line=5)

    assert (finding.file, finding.line) == ("x.md", 7)


@pytest.mark.parametrize(
    ("old", "new", "changed", "expected"),
    [
        ("As of 2024-01-01.\nA b c.\n", "As of 2024-01-01.\nA b d.\n", True, ["date-unchanged"]),
        ("As of 2024-01-01.\nA b c.\n", "As of 2025-01-01.\nA b d.\n", True, []),
        ("As of 1 March 2024.\nA b c.\n", "As of 1 April 2024.\nA b c.\n", True, ["only-dates-changed"]),
        ("Same words here.\n", "Same\nwords here.\n", False, ["no-readable-change"]),
        ("Short text.\n", "A much longer text than there was before it.\n", True, ["size-jump"]),
        ("These are the terms.\n", "Это условия сайта те.\n", True, ["script-changed"]),
    ],
)
def test_what_contradicts_itself_is_found(old: str, new: str, changed: bool, expected: list[str]) -> None:
    """Words and dates, sizes, scripts."""
    assert [finding.code for finding in check_change(old, new, words_changed=changed)] == expected
