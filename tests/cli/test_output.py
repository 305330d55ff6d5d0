"""How commands print: for people in a terminal, and for programs in a pipe."""

from __future__ import annotations

import io
import os
import shutil
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.cli import output
from consentgate.terms.instants import parse_instant

MIDNIGHT = parse_instant("2026-10-05T00:00:00.000000Z")
MORNING = parse_instant("2026-10-05T09:05:00.000000Z")
EXACT = parse_instant("2026-10-05T09:05:07.123456Z")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_an_instant_for_people_always_has_its_zone() -> None:
    """A legal date without a zone would be two dates."""
    assert output.when(MIDNIGHT) == "2026-10-05 00:00 UTC"
    assert output.when(EXACT) == "2026-10-05 09:05:07 UTC"
    assert output.when(None) == "—"


def test_in_a_table_midnight_is_its_date() -> None:
    """The line below the table says so."""
    assert [output.short(one) for one in (MIDNIGHT, MORNING, EXACT, None)] == [
        "2026-10-05", "2026-10-05 09:05", "2026-10-05 09:05", "—",
    ]  # fmt: skip


def test_numbers_agree_with_what_they_count() -> None:
    """One version, two versions, two entries."""
    assert output.count(1, "version") == "1 version"
    assert output.count(0, "version") == "0 versions"
    assert output.count(1_204, "key") == "1,204 keys"
    assert output.count(2, "entry", "entries") == "2 entries"


@given(st.text())
def test_clean_text_has_no_invisible_character(text: str) -> None:
    """Nothing that moves the cursor, hides or reorders what is read."""
    assert output.clean(text).isprintable()


@given(st.text().filter(str.isprintable))
def test_printable_text_stays_as_it_is(text: str) -> None:
    """Letters of every script are left alone."""
    assert output.clean(text) == text


def test_lines_are_broken_between_words_in_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe gets whole lines; a terminal gets no word cut in two, and further lines are indented."""
    words = "  - " + "consequently " * 12

    output.say(words)
    assert capsys.readouterr().out == words + "\n"

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((40, 20)))
    output.say(words, hanging="    ")

    lines = terminal.getvalue().splitlines()
    assert lines[0].startswith("  - consequently")
    assert all(line.startswith("    consequently") for line in lines[1:])
    assert all(len(line) <= 40 and line.endswith("consequently") for line in (line.rstrip() for line in lines))


def test_lines_that_were_made_stay_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code among the next steps of `init` keeps its lines and indents in a terminal."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((40, 20)))

    output.tell("Steps:\n\n     first()\n         second()\n" + "word " * 12)

    assert terminal.getvalue().startswith("Steps:\n\n     first()\n         second()\nword word")
    assert max(map(len, terminal.getvalue().splitlines())) <= 40


def test_progress_is_shown_in_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log of CI holds no bars."""
    with output.progress("Verifying", "entries") as show:
        show(1, 2)
    assert capsys.readouterr() == ("", "")

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with output.progress("Verifying", "entries") as show:
        show(1, 2)
        show(2, 2)
    assert "Verifying" in terminal.getvalue()


def test_a_row_is_a_line_and_a_cell_cannot_break_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells come from files of others."""
    output.table(("A", "B"), [["x" * 300, "[bold]\n\x1b[31m"], ["", "é"]], right=("B",))

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].endswith("[bold]\\n\\x1b[31m")
