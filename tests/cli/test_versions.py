"""`consentgate versions`."""

from __future__ import annotations

from tests.cli.conftest import SECOND, Command, Project


def rows(out: str) -> list[list[str]]:
    """The cells of the lines below the heading."""
    return [line.split("  ") for line in out.splitlines()]


def test_it_lists_dates_state_and_acceptances(decided: Project, command: Command) -> None:
    """Each version is one line: what it is, since when, and how many accepted and refused it."""
    decided.write("3.0.en.md", SECOND + "\nMore.\n", "impact: material\neffective: 2130-01-01\nenforce: 2130-02-01")
    decided.write("4.0.en.md", SECOND, "impact: material\nannounce: 2140-01-01\neffective: 2140-01-01")
    command("publish")

    done = command("versions", "terms")

    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "terms — Terms of Use"
    assert lines[2] == "1.0 past material 2026-01-01 2026-01-01 2026-01-01 en 2 0"
    assert lines[3].startswith("2.0 in force material ")
    assert lines[3].endswith(" en 1 1")
    assert lines[4].startswith("3.0 announced material ")
    assert lines[4].endswith(" 2130-01-01 2130-02-01 en 0 0")
    assert lines[5] == "4.0 planned material 2140-01-01 2140-01-01 2140-01-01 en 0 0"
    assert "UTC" in lines[-1]


def test_rows_are_never_folded(decided: Project, command: Command) -> None:
    """However narrow the terminal, one version is one line: programs and eyes read by lines."""
    lines = command("versions").out.splitlines()

    assert sum(line.startswith("2.0 ") for line in lines) == 1


def test_the_json_has_the_serial_and_each_kind_of_decision(decided: Project, command: Command) -> None:
    """Machines get what people are spared."""
    first, second = command("versions", "--json").json

    assert (first["serial"], first["state"], first["accepted"], first["refused"]) == (1, "past", 2, 0)
    assert (second["serial"], second["state"], second["decisions"]) == (2, "in force", {"accept": 1, "decline": 1})


def test_a_policy_that_is_not_published_is_an_error(published: Project, command: Command) -> None:
    """A mistyped policy is told from one without versions."""
    done = command("versions", "term")

    assert (done.code, done.err) == (1, "error: there is no policy term\n  hint: published: terms\n")


def test_a_retired_policy_says_so(published: Project, command: Command) -> None:
    """Versions of a policy that asks nobody any more are not called in force."""
    (published.policy / "policy.toml").write_text('title = "Terms of Use"\nretired = 2026-02-01\n')
    command("publish")

    assert [one["state"] for one in command("versions", "--json").json] == ["retired"]
