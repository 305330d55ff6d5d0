"""The publication counter: eight bytes that all workers of a host look at on every request.

Room: gate. The service bumps it after publishing, rotating keys or a withdrawal; each gate compares it with the
number it last loaded at, and loads again when they differ. A read is one index into mapped memory (about 16 ns), so
a publication reaches every worker of the host on its next request, and costs the same however many there are.

A reader may see a half-written number in theory; it then loads once more than needed, and never less, because the
comparison is for equality and the final number differs from every earlier one.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: one process at a time may bump, threads are still safe
    fcntl = None

_SIZE = 8
_WRAP = 2**64


class Generation:
    """A counter in shared memory. Make one with `open` or `local`.

    Args:
        cell: eight writable bytes as a view of one unsigned 64-bit number; ``cell[0]`` is the fastest read there is.
        descriptor: the open file behind it, for locking; ``None`` when it lives in this process alone.
    """

    __slots__ = ("_descriptor", "_lock", "_map", "cell")

    def __init__(self, cell: memoryview, *, descriptor: int | None = None, mapping: mmap.mmap | None = None) -> None:
        self.cell = cell
        self._descriptor = descriptor
        self._map = mapping
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: str | Path) -> Generation:
        """Map the counter at a path, making the file when it is missing.

        The file is never shortened: shortening a mapped file kills its readers with SIGBUS. Keep it where no
        clean-up job truncates it, beside the database.

        Raises:
            OSError: the file cannot be made or mapped.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                os.ftruncate(descriptor, _SIZE)  # only ever longer, and zeros: two openers may do this at once
            mapping = mmap.mmap(descriptor, _SIZE)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(memoryview(mapping).cast("Q"), descriptor=descriptor, mapping=mapping)

    @classmethod
    def local(cls) -> Generation:
        """A counter of this process alone, for tests and where no file can be written."""
        return cls(memoryview(bytearray(_SIZE)).cast("Q"))

    @property
    def value(self) -> int:
        """The number now."""
        return self.cell[0]

    def bump(self) -> int:
        """Count one on, so that every worker of the host loads again on its next request; returns the new number."""
        with self._lock, self._locked():
            self.cell[0] = (self.cell[0] + 1) % _WRAP
            return self.cell[0]

    def close(self) -> None:
        """Let go of the file. Gates that still hold `cell` must be gone by then."""
        self.cell.release()
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from counting at the same time: two bumps must be two."""
        if self._descriptor is None or fcntl is None:
            yield
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
