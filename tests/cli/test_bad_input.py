"""Whatever is wrong with a folder of policies: the command says where, ends with 1, and publishes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import FIRST, SECOND, Command, Project

Break = Callable[[Project], object]
NEW = "2.0.en.md"
WHERE = f"policies/terms/{NEW}"


def raw(data: bytes, name: str = NEW) -> Break:
    """Write these bytes as a new text."""
    return lambda project: (project.policy / name).write_bytes(data)


def text(front: str, body: str = SECOND, name: str = NEW) -> Break:
    """Write a new text."""
    return lambda project: project.write(name, body, front)


def both(*steps: Break) -> Break:
    """Do one after the other."""
    return lambda project: [step(project) for step in steps]


def policy(toml: str) -> Break:
    """Write other settings of the policy."""
    return lambda project: (project.policy / "policy.toml").write_text(toml)


def gone(name: str) -> Break:
    """Remove a file of the policy."""
    return lambda project: (project.policy / name).unlink()


FRONT = b"---\nimpact: material\n---\n"
BAD: dict[str, tuple[Break, str, str]] = {
    "no front matter": (raw(SECOND.encode()), f"{WHERE}:1", "the front matter is missing"),
    "front matter not closed": (raw(b"---\nimpact: material\n# Terms\n"), f"{WHERE}:1", "not closed"),
    "unknown key": (text("impact: material\nefective: 2030-01-01"), f"{WHERE}:3", "unknown key 'efective'"),
    "duplicate key": (text("impact: material\nimpact: editorial"), f"{WHERE}:3", "stands twice"),
    "not YAML": (text("impact: material\ntitle: [a"), f"{WHERE}:3", "not YAML"),
    "nested values": (text("title:\n  en: Terms"), f"{WHERE}:2", "single value"),
    "YAML alias": (text("title: &a Terms\nsummary: *a"), f"{WHERE}:2", "anchors and aliases"),
    "alias bomb": (text("title: &a [x, x]\nsummary: &b [*a, *a]"), f"{WHERE}:2", "anchors and aliases"),
    "impact missing": (text("title: Terms"), f"{WHERE}", "does not say its impact"),
    "impact unknown": (text("impact: big"), f"{WHERE}:2", "'big'"),
    "no date": (text("impact: material\neffective: soon"), f"{WHERE}:3", "'soon' is no date"),
    "no zone": (text("effective: 2030-01-01T10:00"), f"{WHERE}:2", "no time zone"),
    "dates out of order": (
        text("impact: material\nannounce: 2030-02-01\neffective: 2030-01-01"), f"{WHERE}:4", "dates out of order",
    ),
    "enforced too early": (
        text("impact: material\neffective: 2030-02-01\nenforce: 2030-01-01"), f"{WHERE}:4", "dates out of order",
    ),
    "before what is published": (
        text("impact: material\nannounce: 2020-01-01\neffective: 2020-01-01"), f"{WHERE}:4", "would take effect before",
    ),
    "too little notice": (
        both(policy('title = "Terms of Use"\nnotice_days = 30\n'), text("version: '2.0'\nimpact: material")),
        f"{WHERE}:2", "0 days of notice",
    ),
    "label differs from the name": (text("impact: material\nversion: '1.0'"), f"{WHERE}:3", "'version' is '1.0'"),
    "one label, two files": (
        both(text("impact: material"), text("impact: material", name="2.0.EN.md")), WHERE, "two texts",
    ),
    "labels differ in case": (
        both(text("impact: material", name="2b.en.md"), text("impact: material", name="2B.en.md")),
        "policies/terms/2b.en.md", "two versions with one label",
    ),
    "no language in the name": (text("impact: material", name="2.md"), "policies/terms/2.md", "no language"),
    "no prevailing text": (text("impact: material", name="2.0.fr.md"), "policies/terms/2.0.fr.md", "prevailing"),
    "translation differs": (
        both(text("impact: material"), text("impact: editorial", name="2.0.fr.md")),
        "policies/terms/2.0.fr.md:2", "impact differs",
    ),
    "broken UTF-8 in the text": (raw(FRONT + b"# Terms\n\n\xff\n"), f"{WHERE}:6", "not valid UTF-8"),
    "broken UTF-8 in the front matter": (raw(b"---\ntitle: \xff\n---\nText.\n"), f"{WHERE}:2", "not valid UTF-8"),
    "NUL in the text": (raw(FRONT + b"# Terms\n\na\0b\n"), f"{WHERE}:6", "U+0000"),
    "NUL in the front matter": (raw(b"---\nimpact: material\ntitle: a\0b\n---\nText.\n"), f"{WHERE}:3", "U+0000"),
    "ten megabytes": (raw(FRONT + b"word " * 2_000_000), WHERE, "10,000,025 bytes"),
    "front matter without end": (
        raw(b"---\ntitle: " + b"x" * 20_000 + b"\n---\nText.\n"), f"{WHERE}:1", "16,384 bytes",
    ),
    "empty text": (raw(FRONT), WHERE, "is empty"),
    "published text changed": (
        text("impact: material", FIRST + "More.\n", "1.0.en.md"), "policies/terms/1.0.en.md", "its text would change",
    ),
    "published date changed": (
        text("impact: material\nannounce: 2026-01-01\neffective: 2026-01-02", FIRST, "1.0.en.md"),
        "policies/terms/1.0.en.md:4", "its effective would change",
    ),
    "no policy.toml": (gone("policy.toml"), "policies/terms/policy.toml", "missing"),
    "policy.toml broken": (policy('title = "Terms\n'), "policies/terms/policy.toml", "not TOML"),
    "policy.toml unknown key": (policy('titel = "Terms"\n'), "policies/terms/policy.toml", "'titel'"),
    "no slug": (
        lambda project: project.policy.rename(project.policy.with_name("Terms Of")), "policies/Terms Of", "slug",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_its_place_and_nothing_is_published(
    name: str, published: Project, command: Command
) -> None:
    """The message begins with file and, where there is one, line; the exit code is 1; the ledger is as it was."""
    spoil, place, said = BAD[name]
    before = published.entries
    spoil(published)

    done = command("publish")

    assert done.code == 1
    assert done.err.startswith(place)
    assert said in done.err.splitlines()[0]
    assert done.out == ""
    assert published.entries == before


def test_one_bad_text_keeps_the_good_ones_back(published: Project, command: Command) -> None:
    """It is all or nothing: a good version beside a bad one is not published either."""
    published.write("2.0.en.md", SECOND, "impact: material")
    published.write("3.0.en.md", SECOND, "impact: enormous")
    before = published.entries

    assert command("publish").code == 1
    assert published.entries == before

    (published.policy / "3.0.en.md").unlink()

    assert command("publish").code == 0
    assert published.entries == before + 1


def test_a_folder_that_cannot_be_published_begins_no_ledger(project: Project, command: Command) -> None:
    """Where there was no database, a refused publication leaves none: neither the file, nor a key."""
    project.write("2.0.en.md", SECOND, "impact: material\nannounce: 2030-02-01\neffective: 2030-01-01")
    before = sorted(project.root.iterdir())

    assert command("publish").code == 1
    assert sorted(project.root.iterdir()) == before


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_policies_is_an_error(folder: str, published: Project, command: Command) -> None:
    """A mistyped folder is not taken for one in which nothing is new."""
    Path("empty").mkdir()

    done = command("publish", folder)

    assert done.code == 1
    assert done.err.startswith(f"{folder}: ")
