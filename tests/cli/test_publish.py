"""`consentgate publish`: what is published, what is only asked, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import FIRST, SECOND, Command, Project

FILES = {"consentgate.db", "consentgate.db.key", "consentgate.db.anchor"}


def test_publishing_says_what_and_from_when(project: Project, command: Command) -> None:
    """Label, impact, languages, and the dates with their zone; equal dates are said once."""
    project.write("1.0.en.md", FIRST, "announce: 2026-01-01\neffective: 2026-01-01\nenforce: 2026-01-02T10:00+02:00")

    done = command("publish")

    assert done.out.splitlines() == [
        "Published:",
        "  terms 1.0   material   en",
        "      announced and effective 2026-01-01 00:00 UTC · enforced 2026-01-02 08:00 UTC",
        "  terms   settings (policy.toml)",
    ]


def test_a_new_ledger_is_announced_with_its_key(project: Project, command: Command) -> None:
    """Whoever begins a ledger is told its name, and that its signing key must be kept."""
    done = command("publish")

    assert "A new ledger was begun: example.com/terms, in consentgate.db." in done.err
    assert "consentgate.db.key" in done.err
    assert "made up" not in done.err
    assert {path.name for path in project.root.iterdir()} >= FILES


def test_a_made_up_name_is_said_to_be_one(project: Project, command: Command) -> None:
    """Where nobody named the ledger, the name it got for good is not passed over in silence."""
    (project.root / "consentgate.toml").write_text('database = "consentgate.db"\n')

    assert "That name is made up" in command("publish").err


def test_publishing_twice_is_publishing_once(published: Project, command: Command) -> None:
    """The second time nothing happens, and it says so."""
    before = published.entries

    done = command("publish")

    assert (done.code, done.out, done.err) == (0, "Nothing to publish: 1 version unchanged.\n", "")
    assert published.entries == before


@pytest.mark.parametrize("option", ["--dry-run", "--check"])
def test_asking_changes_nothing(option: str, published: Project, command: Command) -> None:
    """A dry run and a check say what would be published, and the ledger is as it was."""
    published.write("2.0.en.md", SECOND, "impact: material\neffective: 2030-01-01")
    before = published.entries

    done = command("publish", option)

    assert done.out.startswith("Would be published:\n  terms 2.0   material   en\n")
    assert "effective and enforced 2030-01-01 00:00 UTC" in done.out
    assert "1 version unchanged." in done.out
    assert published.entries == before


@pytest.mark.parametrize("option", ["--dry-run", "--check"])
def test_asking_where_there_is_no_database_makes_none(option: str, project: Project, command: Command) -> None:
    """CI may ask on a machine that has never seen the database."""
    before = sorted(project.root.iterdir())

    done = command("publish", option)

    assert done.out.startswith("Would be published:")
    assert "There is no database at consentgate.db yet" in done.err
    assert sorted(project.root.iterdir()) == before


def test_check_ends_with_1_exactly_when_something_is_not_published(published: Project, command: Command) -> None:
    """Drift is a new version, a new translation, or other settings; what is published as it is, is none."""
    assert command("publish", "--check").code == 0

    later = published.write("2.0.en.md", SECOND, "impact: material")
    assert command("publish", "--check").code == 1
    later.unlink()

    translation = published.write("1.0.fr.md", "# Conditions\n\nSoyez aimables.\n", "title: Conditions")
    assert command("publish", "--check").code == 1
    translation.unlink()

    (published.policy / "policy.toml").write_text('title = "Terms"\n')
    assert command("publish", "--check").code == 1
    (published.policy / "policy.toml").write_text('title = "Terms of Use"\n')

    assert command("publish", "--check").code == 0


def test_a_dry_run_of_something_new_is_no_failure(published: Project, command: Command) -> None:
    """Only `--check` makes drift a failure."""
    published.write("2.0.en.md", SECOND, "impact: material")

    assert command("publish", "--dry-run").code == 0


def test_findings_are_sentences_with_their_place(published: Project, command: Command) -> None:
    """What the checks found is printed with level, file and line, and does not stop anything."""
    published.write("2.0.en.md", SECOND + "\nPay in {{currency}}.\n", "impact: material")

    done = command("publish")

    assert done.code == 0
    assert "warning: policies/terms/2.0.en.md:10: Template syntax was left in the text: '{{currency}}'." in done.out


def test_short_notice_is_given_only_when_asked_for(published: Project, command: Command) -> None:
    """The promised notice holds unless `--short-notice` says otherwise, and that is a finding."""
    (published.policy / "policy.toml").write_text('title = "Terms of Use"\nnotice_days = 30\n')
    published.write("2.0.en.md", SECOND, "impact: material")

    assert command("publish").code == 1

    done = command("publish", "--short-notice")

    assert done.code == 0
    assert "gives 0 days of notice; its policy promises 30." in done.out


def test_the_json_has_the_keys_of_the_api(published: Project, command: Command) -> None:
    """A program reads the same publication from command and API."""
    from consentgate.web.api import PublicationOut

    published.write("2.0.en.md", SECOND, "impact: material")

    record = command("publish", "--json", "--check").json

    drift = record.pop("drift")
    assert drift is True
    assert PublicationOut.model_validate(record).model_dump(mode="json") == record
    assert [one["version"] for one in record["published"]] == ["2.0"]
    assert record["unchanged"] == [{"policy": "terms", "version": "1.0"}]
    assert record["dry_run"] is True


def test_who_publishes_is_in_the_record(published: Project, command: Command) -> None:
    """`--by` stands in the ledger, as a personal field."""
    done = command("export")

    assert "the tests" in done.out
    assert "the tests" not in command("export", "--no-openings").out


def test_the_folder_can_be_named(published: Project, command: Command) -> None:
    """An argument stands over the settings file, and a folder called policies over nothing at all."""
    other = published.root / "elsewhere"
    (other / "privacy").mkdir(parents=True)
    (other / "privacy" / "policy.toml").write_text('kind = "notice"\n')
    (other / "privacy" / "1.en.md").write_text("---\nimpact: material\n---\nWe keep nothing.\n")

    assert "privacy 1 " in command("publish", "elsewhere").out

    (published.root / "consentgate.toml").write_text('database = "consentgate.db"\n')

    assert command("publish").out == "Nothing to publish: 1 version unchanged.\n"


def test_without_a_folder_it_says_what_to_name(project: Project, command: Command) -> None:
    """Nothing is published from a folder nobody named."""
    (project.root / "policies").rename(project.root / "texts")
    (project.root / "consentgate.toml").write_text('database = "consentgate.db"\n')

    done = command("publish")

    assert done.code == 2
    assert "which policies?" in done.err


def test_it_publishes_from_any_folder_below(
    published: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings file of a folder above is found, and means the same database and policies."""
    monkeypatch.chdir(Path("policies") / "terms")

    assert command("publish").out == "Nothing to publish: 1 version unchanged.\n"
    assert not Path("consentgate.db").exists()
