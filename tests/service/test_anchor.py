"""The anchor file: what it remembers after whatever happens to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentgate.errors import VerificationError
from consentgate.evidence.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from consentgate.evidence.note import Signer
from consentgate.service.anchor import remember, remembered

SIGNER = Signer("example.com/terms", bytes(32))


def note(size: int) -> bytes:
    return sign_checkpoint(Checkpoint(SIGNER.name, size, bytes([size % 256]) * 32), SIGNER)


def size_of(data: bytes) -> int:
    return open_checkpoint(data, [SIGNER.verifier]).checkpoint.size


def test_the_newest_checkpoint_is_remembered_whole(tmp_path: Path) -> None:
    """Longer ones, shorter ones, and after something foreign: always this one and nothing of the one before."""
    file = tmp_path / "terms.db.anchor"
    assert remembered(file, size_of) is None
    for size in (9, 10, 99, 100, 99, 12_345, 7):
        remember(file, note(size))
        assert file.read_bytes() == note(size)
        assert remembered(file, size_of) == size
    file.write_bytes(b"something foreign\n" * 1_000)
    remember(file, note(8))
    assert remembered(file, size_of) == 8
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_it_is_written_where_it_lies_and_follows_its_path(tmp_path: Path) -> None:
    """In place; but where the file was put aside, as for a new epoch, the one that was put aside stays as it is."""
    file, aside = tmp_path / "terms.db.anchor", tmp_path / "terms.db.anchor.1"
    remember(file, note(10))
    before = file.stat().st_ino
    remember(file, note(11))
    assert file.stat().st_ino == before
    file.rename(aside)
    remember(file, note(12))
    assert (remembered(aside, size_of), remembered(file, size_of)) == (11, 12)


def test_half_a_checkpoint_is_no_memory(tmp_path: Path) -> None:
    """Wherever the new one ends and the old one goes on: the signature does not fit a mixture."""
    file, old, new = tmp_path / "terms.db.anchor", note(10), note(11)
    for cut in range(len(old)):
        file.write_bytes(new[:cut] + old[cut:])
        if file.read_bytes() in (old, new):
            continue
        with pytest.raises(VerificationError):
            remembered(file, size_of)


def test_a_file_that_is_just_being_written_is_looked_at_again(tmp_path: Path) -> None:
    """A reader that came in the middle finds the whole one a moment later."""
    file = tmp_path / "terms.db.anchor"
    file.write_bytes(note(11)[:40] + note(10)[40:])

    def read(data: bytes) -> int:
        remember(file, note(11))
        return size_of(data)

    assert remembered(file, read) == 11


def test_it_never_stands_in_the_way(tmp_path: Path) -> None:
    """A folder that is not there, or may not be written to: nothing is remembered, and nothing fails."""
    remember(tmp_path / "nowhere" / "terms.db.anchor", note(1))
    (tmp_path / "terms.db.anchor").mkdir()
    remember(tmp_path / "terms.db.anchor", note(1))
    with pytest.raises(OSError, match="directory"):
        remembered(tmp_path / "terms.db.anchor", size_of)
