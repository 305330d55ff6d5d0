"""`consentgate diff`: naming texts, and showing what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentgate.terms.canonical import text_digest
from tests.cli.conftest import FIRST, SECOND, Command, Project

CHANGE = "Be kind to one another{+, also in letters+}."


@pytest.mark.parametrize(
    "words",
    [
        ("terms@1.0", "terms@2.0"),
        ("terms@1.0", "terms"),
        ("--policy", "terms", "1.0", "2.0"),
        (text_digest(FIRST), text_digest(SECOND)),
        (text_digest(FIRST)[:10], "terms@2.0"),
        ("terms@1.0", "policies/terms/2.0.en.md"),
        ("policies/terms/1.0.en.md", "policies/terms/2.0.en.md"),
        ("policies/terms/1.0.en.md", "plain.md"),
    ],
)
def test_a_text_can_be_named_in_many_ways(words: tuple[str, ...], decided: Project, command: Command) -> None:
    """A version, the version in force, a digest, the beginning of one, a draft, Markdown alone: all give the same."""
    Path("plain.md").write_text(SECOND)

    done = command("diff", *words)

    assert done.code == 0
    assert CHANGE in done.out
    assert "Pay what you owe" not in done.out.replace("Pay what you owe on time.", "", 1)


def test_two_files_need_no_database(tmp_path: Path, command: Command) -> None:
    """A reviewer compares two files anywhere."""
    Path("old.md").write_text(FIRST)
    Path("new.md").write_text(SECOND)

    assert CHANGE in command("diff", "old.md", "new.md").out


def test_a_draft_may_lie_anywhere(command: Command) -> None:
    """While it is written, a draft's place need not say which policy and version it will be."""
    Path("old.md").write_text(f"---\npolicy: terms\nversion: '1.0'\nlanguage: en\n---\n{FIRST}")
    Path("new.draft.md").write_text(f"---\nimpact: material\nlanguage: en\n---\n{SECOND}")

    assert CHANGE in command("diff", "old.md", "new.draft.md").out


def test_a_file_that_is_no_text_names_its_line(command: Command) -> None:
    """Errors of files begin with their place here, too."""
    Path("old.md").write_text(FIRST)
    Path("new.md").write_bytes(b"# Terms\n\n\xff\n")
    Path("draft.md").write_text("---\nimpact: material\nefective: x\n---\nText.\n")

    assert command("diff", "old.md", "new.md").err.startswith("new.md:3: ")
    assert command("diff", "old.md", "draft.md").err.startswith("draft.md:3: unknown key")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("terms@1.0", "terms@9"), "terms has no version 9"),
        (("terms@1.0", "nothing.md"), "nothing.md is neither a file"),
        (("terms@1.0", "0" * 64), "neither a file"),
        (("terms@1.0", "terms@2.0", "--language", "fr"), "terms 1.0 has no fr text"),
        (("--policy", "privacy", "1", "2"), "neither a file"),
    ],
)
def test_what_cannot_be_found_is_an_error(
    words: tuple[str, ...], said: str, decided: Project, command: Command
) -> None:
    """Nothing is compared with a text that was not meant."""
    done = command("diff", *words)

    assert done.code == 1
    assert said in done.err


def test_no_readable_change_is_said(command: Command) -> None:
    """Re-wrapping a paragraph changes nothing a reader sees."""
    Path("old.md").write_text("# Terms\n\nBe kind to one another and pay.\n")
    Path("new.md").write_text("# Terms\n\nBe kind\nto one another and pay.\n")

    assert command("diff", "old.md", "new.md").out == "No readable change\n"


def test_a_file_that_is_mistyped_is_named(command: Command) -> None:
    """Where there is no ledger either, the name of the file is what is wrong."""
    Path("old.md").write_text(FIRST)

    done = command("diff", "old.md", "nwe.md")

    assert (done.code, done.out) == (2, "")
    assert "nwe.md is no file" in done.err
    assert command("diff", "1.0", "2.0", "--policy", "terms").err.startswith("error: which database?")


def test_colours_are_forced_and_refused_by_the_environment(
    decided: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe gets none; `FORCE_COLOR` brings them for a pager, `NO_COLOR` stands over it."""
    assert "\x1b" not in command("diff", "terms@1.0", "terms").out

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in command("diff", "terms@1.0", "terms").out

    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in command("diff", "terms@1.0", "terms").out


def test_the_page_stands_alone(decided: Project, command: Command) -> None:
    """The HTML opens anywhere: its look is inside, nothing is fetched, names are escaped."""
    Path("<b>.md").write_text(SECOND)

    done = command("diff", "terms@1.0", "<b>.md", "--html", "page.html")

    page = Path("page.html").read_text(encoding="utf-8")
    assert (done.code, done.out) == (0, "")
    assert "<ins" in page
    assert "also in letters" in page
    assert "<style>" in page
    assert "<b>" not in page
    assert "src=" not in page
    assert "<link" not in page


def test_the_json_lists_the_changes(decided: Project, command: Command) -> None:
    """One record for each change, and the digests of what was compared."""
    record = command("diff", "terms@1.0", "terms@2.0", "--json").json

    assert record["old"]["digest"] == text_digest(FIRST)
    assert record["empty"] is False
    assert [change["added"] for change in record["changes"]] == [", also in letters"]


def test_the_changes_can_be_put_into_a_mail(decided: Project, command: Command) -> None:
    """What is written has its look in it, and says first how much changed."""
    done = command("diff", "terms@1.0", "terms@2.0", "--mail", "mail.html")

    mail = Path("mail.html").read_text(encoding="utf-8")
    assert done.code == 0
    assert mail.startswith("<div><p><strong>")
    assert "also in letters</ins>" in mail
    assert "class=" not in mail
