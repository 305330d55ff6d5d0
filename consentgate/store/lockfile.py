"""The lock that several processes take in turn: ``flock`` on a file of its own, with a time limit.

Room: store; used by `consentgate.store.sqlite` alone. Not the database file itself: SQLite keeps POSIX locks there,
and closing any descriptor of that file would drop them (https://www.sqlite.org/howtocorrupt.html, 2.2). The file is
never removed, because a process that waits for a removed file would wait for another lock than its neighbours.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


_LONGEST_PAUSE = 0.001
"""Seconds between two looks at a lock that is taken. ``flock`` knows no time limit and no queue, so waiters look again
and again; a busy writer leaves the lock free for a tenth of its time, so nobody looks in vain for long."""


class LockFile:
    """An exclusive lock between processes. Not for threads of one process: its owner keeps those apart.

    Args:
        path: made where it does not exist, with the permissions `mode`.
        mode: permission bits of a new file.
    """

    __slots__ = ("_descriptor", "_mode", "_path")

    def __init__(self, path: Path, mode: int = 0o600) -> None:
        self._path = path
        self._mode = mode
        self._descriptor = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), self._mode)

    def acquire(self, timeout: float) -> bool:
        """Take the lock.

        Args:
            timeout: seconds; a process that was stopped while it held the lock must not stop everybody for ever.

        Returns:
            Whether it was taken.
        """
        deadline = time.monotonic() + timeout
        pause = 0.0001
        while True:
            try:
                _try_lock(self._descriptor)
            except (BlockingIOError, PermissionError):
                pass
            else:
                if os.fstat(self._descriptor).st_nlink:
                    return True
                # Somebody removed the file: others lock a new one by now, and ours is worth nothing.
                os.close(self._descriptor)
                self._descriptor = self._open()
                continue
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def release(self) -> None:
        """Let go of it."""
        _unlock(self._descriptor)

    def close(self) -> None:
        """Give the file back to the system; the lock goes with it."""
        os.close(self._descriptor)
