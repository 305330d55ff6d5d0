"""What was erased, remembered outside the database: a backup that is restored does not know.

Room: service. Beside ``consentgate.db`` lies ``consentgate.db.erasures``, one line for each erase entry: the entry's
own bytes, which name ids and reasons, and nobody. It is written after each erasure and read after a restore, when what
was erased since the backup is back and the entries that said so are gone. So it must not be restored with the database.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from consentgate.errors import VerificationError
from consentgate.evidence.entry import EraseEntry, decode, encode

log = logging.getLogger("consentgate")

SUFFIX = ".erasures"


class ErasureLog:
    """The file of one database.

    Args:
        path: of the file, or ``None`` for a database in memory, which cannot be restored.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @classmethod
    def beside(cls, database: Path | None) -> ErasureLog:
        """The log that belongs to a database file."""
        return cls(None if database is None else database.with_name(database.name + SUFFIX))

    def append(self, entries: Iterable[EraseEntry]) -> None:
        """Remember these entries. What cannot be written is only said: the erasure itself is done and on record."""
        lines = _lines(entries)
        if self.path is None or not lines:
            return
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log.error("%s cannot be written (%s): a restore would bring back what was erased", self.path, error)

    def read(self) -> list[EraseEntry]:
        """Everything it remembers, oldest first. A last line that was cut off by a crash is left out."""
        if self.path is None or not self.path.exists():
            return []
        found: list[EraseEntry] = []
        for number, line in enumerate(self.path.read_bytes().split(b"\n"), 1):
            if not line:
                continue
            try:
                entry = decode(line)
            except VerificationError as error:
                log.warning("%s:%d cannot be read: %s", self.path, number, error)
                continue
            if isinstance(entry, EraseEntry):
                found.append(entry)
        return found

    def replace(self, entries: Iterable[EraseEntry]) -> None:
        """Write it anew, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        if self.path is None:
            return
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_lines(entries))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)


def _lines(entries: Iterable[EraseEntry]) -> bytes:
    return b"".join(encode(entry) + b"\n" for entry in entries)
