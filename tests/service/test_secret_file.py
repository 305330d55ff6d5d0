"""Key files: made, rotated, looked at; whole or not at all, and private."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import ConfigurationError, InputError
from consentgate.service import secret_file
from consentgate.service.secret_file import create_secret_file, look_at, rotate_secret_file
from consentgate.service.settings import new_secret, read_secret_file, resolve_secrets

DAY = 86_400_000_000
OLD = "an-old-key-0123456789-abcdefghijklmnop"
OLDER = "an-older-key-0123456789-abcdefghijklm"


def test_a_new_file_can_be_read_by_the_application_and_by_nobody_else(tmp_path: Path) -> None:
    """One key, mode 600, a comment that says what it is."""
    made = create_secret_file(tmp_path / "seal", 0, lambda: OLD)

    assert (made.keys, made.private) == (1, True)
    assert resolve_secrets(made.path) == (OLD.encode(),)
    assert made.path.read_text().startswith("# ")
    assert "# made 1970-01-01\n" in made.path.read_text()
    if os.name == "posix":
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


def test_a_file_that_exists_is_never_replaced_by_a_new_one(tmp_path: Path) -> None:
    """Not even a link that leads nowhere, nor one that appears in the last moment."""
    (tmp_path / "seal").write_text(OLD)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    for name in ("seal", "link"):
        with pytest.raises(InputError):
            create_secret_file(tmp_path / name, 0)

    def meanwhile() -> str:
        (tmp_path / "late").write_text(OLD)
        return new_secret()

    with pytest.raises(ConfigurationError):
        create_secret_file(tmp_path / "late", 0, meanwhile)
    assert (tmp_path / "late").read_text() == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["late", "link", "seal"]


@given(st.integers(0, 4), st.booleans(), st.booleans(), st.none() | st.integers(1, 6))
def test_rotation_puts_one_key_on_top_and_keeps_the_order(
    tmp_path_factory: pytest.TempPathFactory, older: int, head: bool, newline: bool, keep: int | None
) -> None:
    """Whatever the file looked like: the new key, then those before it, as many as were asked for."""
    path = tmp_path_factory.mktemp("keys") / "seal"
    keys = [f"{place}-{OLD}" for place in range(older + 1)]
    text = ("# A comment of the operator's.\n" if head else "") + "\n".join(f"# about {key[0]}\n{key}" for key in keys)
    path.write_text(text + ("\n" if newline else ""))

    made = rotate_secret_file(path, DAY, keep=keep, make=lambda: OLDER)

    expected = [OLDER, *keys][:keep]
    assert read_secret_file(path) == expected
    assert made.keys == len(expected)
    assert path.read_text().startswith("# A comment of the operator's.\n") or not head


def test_a_rotation_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs no key."""
    path = tmp_path / "seal"
    path.write_text(OLD + "\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(secret_file.os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        rotate_secret_file(path, 0)

    assert path.read_text() == OLD + "\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, b"", b"too short\n", b"\xff" * 40])
def test_what_is_no_key_file_is_not_rotated(content: bytes | None, tmp_path: Path) -> None:
    """A file that the application would refuse is refused here, and stays as it was."""
    path = tmp_path / "seal"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigurationError):
        rotate_secret_file(path, 0)

    assert (path.read_bytes() if path.exists() else None) == content


def test_keeping_no_key_is_refused(tmp_path: Path) -> None:
    """The new one at least."""
    made = create_secret_file(tmp_path / "seal", 0)

    with pytest.raises(InputError):
        rotate_secret_file(made.path, 0, keep=0)


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
@pytest.mark.parametrize(("mode", "private"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)])
def test_a_file_that_others_can_read_is_not_private(mode: int, private: bool, tmp_path: Path) -> None:
    """Group and others count."""
    path = create_secret_file(tmp_path / "seal", 0).path
    path.chmod(mode)

    assert look_at(path).private is private
