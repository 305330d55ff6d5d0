"""Which database a command works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentgate.cli.project import find_project, shown, who
from consentgate.errors import ConfigurationError
from tests.cli.conftest import Command, Project


def test_an_option_stands_over_the_environment_and_that_over_the_file(
    published: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearer to the command line, the stronger."""
    assert command("status", "--json").json["ledger"]["database"] == "consentgate.db"

    monkeypatch.setenv("CONSENTGATE_DATABASE", "environment.db")
    assert command("status").err.startswith("error: there is no database at environment.db")

    assert command("status", "--database", "option.db").err.startswith("error: there is no database at option.db")


def test_a_command_that_only_looks_never_makes_a_database(project: Project, command: Command) -> None:
    """A mistyped path is an error, not an empty ledger that is sound."""
    before = sorted(project.root.iterdir())

    for words in (
        ["status"],
        ["versions"],
        ["verify"],
        ["export"],
        ["receipt", "x"],
        ["token", "list"],
        ["key", "show"],
    ):
        done = command(*words)
        assert done.code == 2, words
        assert "there is no database at consentgate.db" in done.err
    assert command("token", "new", "--role", "owner", "--label", "me").code == 2

    assert sorted(project.root.iterdir()) == before


def test_nothing_is_guessed_where_nothing_is_named(command: Command) -> None:
    """Without settings, option and environment there is no database to work on."""
    done = command("status")

    assert done.code == 2
    assert "which database?" in done.err
    assert "--database" in done.err


def test_the_database_that_lies_here_is_meant(published: Project, command: Command) -> None:
    """Where nothing is named, `consentgate.db` of this folder is, if it exists: the default of `ConsentGate`."""
    (published.root / "consentgate.toml").unlink()

    assert command("versions").code == 0


def test_the_name_of_a_ledger_goes_with_its_database(published: Project, command: Command) -> None:
    """Where an option names another database, the name in the settings file is not that of its ledger."""
    (published.root / "other.toml").write_text('database = "other.db"\norigin = "example.org/other"\n')
    assert command("publish", "--config", "other.toml").code == 0

    assert command("key", "show", "--database", "other.db").out.startswith("example.org/other+")
    assert command("key", "show").out.startswith("example.com/terms+")


def test_a_settings_file_that_is_named_must_be_there(command: Command) -> None:
    """`--config` with a wrong name is an error."""
    assert command("status", "--config", "nowhere.toml").code == 2


def test_opening_a_project_publishes_nothing(project: Project) -> None:
    """The folder in the settings is for `publish`; looking at a ledger must not change it."""
    assert find_project(None, None).settings().policies is None


def test_a_password_is_never_shown() -> None:
    """The name of a database that is printed has none."""
    settings = find_project(None, "postgresql://user:hunter2@db/terms").settings()

    assert "hunter2" not in shown(settings)


def test_a_bad_setting_names_its_file(project: Project) -> None:
    """What `Settings` refuses is said with the file it stands in."""
    Path("consentgate.toml").write_text('database = "a.db"\nprefix = "terms"\n')

    with pytest.raises(ConfigurationError, match=r"^consentgate\.toml: prefix='terms'"):
        find_project(None, None).settings()


def test_an_account_without_a_name_is_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run as numbers that have no name."""
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(OSError("no such user")))

    assert (who(None), who("Ada")) == ("cli", "Ada")
