"""Files that a command writes: whole or not at all, and never in the place of what is no file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from consentgate.cli.files import whole_file, write_whole


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """While it is written, and where that fails, what was there before stays."""
    path = tmp_path / "record.ndjson"
    write_whole(path, b"before")
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"before"
    write_whole(path, b"after")

    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in tmp_path.iterdir()] == ["record.ndjson"]


def test_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    """Bug: as root, ``--output /dev/null`` put a file in the place of the device, for the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    thread.start()
    write_whole(pipe, b"through the pipe")
    thread.join(20)

    assert read == [b"through the pipe"]
    assert pipe.is_fifo()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, b"no")
