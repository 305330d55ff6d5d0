"""The anchor file: the newest checkpoint, remembered outside the database, for alarms.

Room: service. Written by `consentgate.service.ledger` after each commit, when everybody was told, and read when a
ledger is opened; what it remembers is held against the database there, and by `consentgate doctor`.

It is written where it lies. A new file that takes the place of the old one would cost as much as the commit itself:
file systems write such a file to the disk at once (ext4: ``auto_da_alloc``). What is lost with that, and what is not:

* a process that is killed leaves this checkpoint or an earlier one, a tenth of a second old where decision followed
  upon decision: a write of one small block is done or not;
* after a power failure the file may be some seconds old. It then knows fewer entries than the database, never more,
  so it raises no false alarm, and an old backup is far older than that;
* whatever is half written, by whatever cause, has no valid signature: it is not used, and the log says so.

A shorter checkpoint than the one that lies there (of another ledger, or of a process that was overtaken) would leave
the other's end behind it, so that one does take its place as a new file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from consentgate.errors import VerificationError

T = TypeVar("T")

_LOOKS = 3
"""How often a file is read that seems damaged: another process may just be writing it."""

_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def remember(path: Path, note: bytes) -> None:
    """Write the newest checkpoint. Best effort: it is no part of what makes a record durable, and never raises.

    Args:
        path: of the anchor file.
        note: the signed checkpoint.
    """
    with suppress(OSError):
        # Opened each time, by its path: the file may have been put aside (`consentgate epoch`) or restored meanwhile.
        descriptor = os.open(path, _FLAGS, 0o666)
        try:
            whole = os.write(descriptor, note) == len(note) == os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if not whole:
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            draft.write_bytes(note)
            draft.replace(path)


def remembered(path: Path, read: Callable[[bytes], T]) -> T | None:
    """Read the file, or ``None`` where there is none.

    Args:
        path: of the anchor file.
        read: checks the checkpoint.

    Raises:
        VerificationError: what stands there is no checkpoint that `read` takes.
        OSError: it cannot be read.
    """
    for look in range(1, _LOOKS + 1):
        try:
            return read(path.read_bytes())
        except FileNotFoundError:
            return None
        except VerificationError:
            if look == _LOOKS:
                raise
    return None
