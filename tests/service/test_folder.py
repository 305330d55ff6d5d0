"""Laws of the policies folder: what is not understood is an error, never a text that silently is not published."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentgate.errors import DraftError
from consentgate.service.folder import read_folder

TEXT = "---\nversion: {label}\nimpact: material\n---\n# Terms\n\nBe kind.\n"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    place = tmp_path / "policies" / "terms"
    place.mkdir(parents=True)
    (place / "policy.toml").write_text('title = "Terms"\n')
    (place / "1.en.md").write_text(TEXT.format(label="1"))
    return place


def test_a_folder_is_read_whole(folder: Path) -> None:
    """Policies, versions, translations; notes and hidden files apart."""
    (folder / "1.fr.md").write_text("---\nversion: 1\n---\nSoyez aimables.\n")
    (folder / "README.md").write_text("For editors.")
    (folder / ".draft.md").write_text("Not yet.")
    found = read_folder(folder.parent)

    assert [policy.slug for policy in found.policies] == ["terms"]
    assert [(draft.label, draft.language) for draft in found.drafts] == [("1", "en"), ("1", "fr")]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("2.en.md", "no front matter", "terms/2.en.md:1: the front matter is missing"),
        ("2.en.md", TEXT.format(label="3"), "terms/2.en.md:2: 'version' is '3' here"),
        ("notes.md", TEXT.format(label="notes"), "the name has no language"),
        ("2.english words.md", TEXT.format(label="2"), "no language tag"),
        ("A.en.md", TEXT.format(label="A"), None),
    ],
)
def test_a_file_that_is_not_understood_is_an_error_with_its_name(
    folder: Path, name: str, content: str, says: str | None
) -> None:
    """Relative to the folder, with the line."""
    (folder / name).write_text(content)
    if says is None:
        assert len(read_folder(folder.parent).drafts) == 2
        return
    with pytest.raises(DraftError) as caught:
        read_folder(folder.parent)

    assert says in str(caught.value)


def test_two_labels_that_differ_in_case_only_are_refused(folder: Path) -> None:
    """On another machine they would be one file."""
    (folder / "a.en.md").write_text(TEXT.format(label="a"))
    (folder / "A.fr.md").write_text(TEXT.format(label="A"))

    with pytest.raises(DraftError, match="two versions with one label"):
        read_folder(folder.parent)


def test_a_giant_file_is_refused_before_it_is_read(folder: Path) -> None:
    """Ten megabytes."""
    (folder / "2.en.md").write_bytes(b"x" * 10_000_000)

    with pytest.raises(DraftError, match="a text may have 1,000,000"):
        read_folder(folder.parent)


def test_a_folder_that_is_not_there_or_empty_says_what_to_do(tmp_path: Path) -> None:
    """The way out is named."""
    with pytest.raises(DraftError, match="no such folder") as missing:
        read_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DraftError, match="no policy in this folder"):
        read_folder(tmp_path / "empty")

    assert "consentgate init" in missing.value.hint


def test_a_policy_without_settings_is_refused(folder: Path) -> None:
    """Its policy.toml is missing."""
    (folder / "policy.toml").unlink()

    with pytest.raises(DraftError, match="this file is missing"):
        read_folder(folder.parent)
