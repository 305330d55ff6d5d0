"""The command as a whole: help, exit codes, and what happens when something goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from consentgate import __version__
from consentgate.cli.main import app
from tests.cli.conftest import Command, Project

HEAVY = (
    "sqlalchemy",
    "sqlmodel",
    "pydantic",
    "fastapi",
    "starlette",
    "cryptography",
    "jinja2",
    "diff_match_patch",
    "rich",
)


def test_help_loads_nothing_heavy() -> None:
    """`consentgate --help` answers before a database, web or drawing library is loaded."""
    script = (
        "import sys\nfrom consentgate.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "Usage: " in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_help_lists_every_command(command: Command) -> None:
    """Each command and group stands in the help, with the whole of its first sentence."""
    done = command("--help")

    names = [one.name or one.callback.__name__ for one in app.registered_commands if one.callback]
    names += [str(group.typer_instance.info.name) for group in app.registered_groups]
    assert done.code == 0
    assert len(names) == 31
    for name in names:
        assert f"\n  {name} " in done.out
    assert "..." not in done.out.split("Commands")[-1].replace("[ARGS]...", "")


def test_the_version_is_that_of_the_package(command: Command) -> None:
    """`--version` prints it and ends."""
    assert command("--version").out == f"consentgate {__version__}\n"


@pytest.mark.parametrize("words", [("publsh",), ("publish", "--nonsense"), ("export", "--format", "xml"), ("receipt",)])
def test_a_command_line_that_cannot_be_used_ends_with_2(command: Command, words: tuple[str, ...]) -> None:
    """Usage errors are told from refusals."""
    assert command(*words).code == 2


def test_a_mistyped_command_is_guessed(command: Command) -> None:
    """The nearest command is named."""
    assert "'publish'" in command("publsh").err


def test_settings_that_cannot_be_used_end_with_2_and_say_where(command: Command, project: Project) -> None:
    """A settings file is part of the command line: its errors name file and line, and end with 2."""
    (project.root / "consentgate.toml").write_text('database = "consentgate.db"\n\npolicy = "policies"\n')

    done = command("publish")

    assert done.code == 2
    assert done.err.splitlines() == ["consentgate.toml:3: unknown key 'policy'", "  hint: did you mean 'policies'?"]


def test_with_json_an_error_is_a_problem_document(command: Command, project: Project) -> None:
    """Standard output holds one JSON document whatever happens; the sentence stands on standard error, too."""
    project.write("2.0.en.md", "# Terms\n", "efective: 2030-01-01")

    done = command("publish", "--json")

    assert (done.code, done.json["status"], done.json["file"], done.json["line"]) == (
        1, 422, "policies/terms/2.0.en.md", 2,
    )  # fmt: skip
    assert done.json["type"].endswith("/invalid-draft")
    assert done.err.startswith("policies/terms/2.0.en.md:2: unknown key 'efective'\n  hint: ")


def test_debug_may_stand_anywhere_and_shows_the_traceback(project: Project, process: Command) -> None:
    """`--debug` before or after the command lets the error through; without it there is no traceback."""
    project.write("2.0.en.md", "# Terms\n", "efective: 2030-01-01")

    quiet, before, after = process("publish"), process("--debug", "publish"), process("publish", "--debug")

    assert "Traceback" not in quiet.err
    assert "Traceback" in before.err
    assert "Traceback" in after.err


def test_after_a_double_dash_debug_is_a_name_like_any_other(command: Command, project: Project) -> None:
    """What stands after `--` is never taken for an option."""
    assert command("publish", "--", "--debug").err.startswith("--debug: there is no such folder")


def test_an_error_of_the_system_is_one_line(command: Command, published: Project) -> None:
    """A file that cannot be written is said in a line, not in a traceback."""
    done = command("export", "--output", published.root / "no" / "such" / "folder.ndjson")

    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "No such file or directory" in done.err


def test_a_reader_that_goes_away_is_no_error(published: Project) -> None:
    """`consentgate export | head -c 1` says nothing of a broken pipe."""
    line = [sys.executable, "-m", "consentgate.cli", "export"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout is not None
        assert export.stderr is not None
        export.stdout.close()
        assert export.stderr.read() == b""


def test_no_control_character_of_a_file_reaches_the_terminal(command: Command, project: Project) -> None:
    """A title with an escape sequence is refused, and shown written out."""
    (project.policy / "policy.toml").write_text('title = "Terms \\u001b[31mred"\n')

    done = command("publish")

    assert done.code == 1
    assert "\x1b" not in done.err + done.out


def test_warnings_of_the_house_are_shown(command: Command, published: Project) -> None:
    """What the library logs as a warning is a line on standard error, and the handler is gone afterwards."""
    import logging

    Path(f"{published.database}.anchor").write_text("nonsense")
    before = list(logging.getLogger("consentgate").handlers)

    done = command("status")

    assert "warning: the anchor file" in done.err
    assert logging.getLogger("consentgate").handlers == before


def test_texts_in_any_script_survive_a_terminal_that_cannot_show_them(project: Project) -> None:
    """An ASCII terminal gets stand-ins, not a traceback."""
    (project.policy / "policy.toml").write_text('title = "Условия ✓"\n', encoding="utf-8")
    line = [sys.executable, "-m", "consentgate.cli"]
    ascii_only = {"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONUTF8": "0", "LC_ALL": "C"}
    subprocess.run([*line, "publish"], env=ascii_only, check=True, capture_output=True)

    done = subprocess.run([*line, "versions"], env=ascii_only, check=True, capture_output=True)

    assert b"terms" in done.stdout
