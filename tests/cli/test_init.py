"""`consentgate init`: a folder that works as it is."""

from __future__ import annotations

import ast
import os
import re
import stat
from pathlib import Path

import pytest

from consentgate.service.config_file import read_config
from consentgate.service.folder import read_folder
from consentgate.service.settings import resolve_secrets
from tests.cli.conftest import Command


def test_what_it_writes_can_be_published_at_once(command: Command) -> None:
    """Sample, settings and keys fit together without another keystroke."""
    assert command("init").code == 0
    assert command("publish").out.startswith("Published:\n  terms-of-use ")
    assert command("publish", "--check").code == 0
    assert "consentgate.secret" in command("status").out


def test_it_says_what_it_wrote_and_the_next_three_steps(command: Command) -> None:
    """The files on standard output, the steps on standard error; the code among them is code."""
    done = command("init")

    assert all(Path(line).exists() for line in done.out.splitlines())
    assert len(done.out.splitlines()) == 5
    assert [line[:2] for line in done.err.splitlines() if re.match(r"\d\.", line)] == ["1.", "2.", "3."]
    code = re.findall(r"^     (?! *consentgate )(.*)$", done.err, re.MULTILINE)
    assert {node.func.id for node in ast.walk(ast.parse("\n".join(code))) if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)} == {"ConsentGate", "Path"}  # fmt: skip


def test_nothing_that_exists_is_overwritten(command: Command) -> None:
    """Where one of the files is there, none is written."""
    Path("consentgate.toml").write_text("mine")

    done = command("init")

    assert done.code == 1
    assert done.err.startswith("error: consentgate.toml exists already; nothing was written\n")
    assert [path.name for path in Path().iterdir()] == ["consentgate.toml"]
    assert Path("consentgate.toml").read_text() == "mine"


def test_it_begins_in_another_folder(command: Command) -> None:
    """A folder that is named is made."""
    assert command("init", "new/site").code == 0
    assert read_config(Path("new/site/consentgate.toml")).values["policies"] == Path.cwd() / "new/site/policies"
    assert len(read_folder(Path("new/site/policies")).drafts) == 1


def test_the_line_of_code_names_the_ledger_alike(command: Command) -> None:
    """Whoever starts the application before the first publication begins the same ledger."""
    assert 'origin="example.com/terms",' in command("init", "--origin", "example.com/terms").err


def test_names_that_are_given_stand_in_the_settings(command: Command) -> None:
    """Whatever a site is called, the file that is written can be read."""
    command("init", "--origin", "example.com/terms", "--site-name", 'The "Daily" \\ Kettle\tß')

    config = read_config(Path("consentgate.toml"))
    assert (config.values["origin"], config.values["site_name"]) == ("example.com/terms", 'The "Daily" \\ Kettle\tß')


def test_a_name_no_ledger_can_have_is_refused_at_once(command: Command) -> None:
    """It could never be changed later."""
    assert command("init", "--origin", "https://example.com").code == 2
    assert list(Path().iterdir()) == []


def test_the_keys_are_private_and_ignored(command: Command) -> None:
    """The key file is readable by its owner alone, and Git does not see it."""
    command("init")

    assert len(resolve_secrets(Path("consentgate.secret"))) == 1
    assert "consentgate.secret" in Path(".gitignore").read_text().splitlines()
    if os.name == "posix":
        assert stat.S_IMODE(Path("consentgate.secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("before", ["*.pyc", "*.pyc\n", "consentgate.secret\n*.pyc\n"])
def test_gitignore_keeps_what_it_had(before: str, command: Command) -> None:
    """Lines that are missing are added, once, and below."""
    Path(".gitignore").write_text(before)

    command("init")

    lines = Path(".gitignore").read_text().splitlines()
    assert lines[: len(before.splitlines())] == before.splitlines()
    assert lines.count("consentgate.secret") == 1
