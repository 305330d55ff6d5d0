"""The sealing keys in use: read when we start, and again when their file changes.

Room: service. `consentgate.service.watch` asks twice a second whether the file is another one; it costs one `stat`.

Workers do not notice in the same instant, and one that does not know a key takes a pass that was sealed with it for
none: its visitor would be asked again. So a key that is new opens at once, and seals `SETTLING` seconds later, when
every worker that reads this file knows it. A key that is gone from the file opens nothing from then on, and where it
was the one that sealed, the first of the others seals at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from consentgate.errors import ConfigurationError
from consentgate.gate.seals import Seals
from consentgate.service.settings import resolve_secrets

log = logging.getLogger("consentgate")

SETTLING = 5.0
"""Seconds after which a new key seals: several times as long as workers need to notice it."""

Stamp = tuple[int, int, int] | None


class Keyring:
    """The keys, newest first, and the file they come from.

    Args:
        secrets: as the settings have them.
        file: the key file, or ``None`` where they came another way and cannot change while we run.
        clock: seconds of a clock that never goes back.
    """

    def __init__(
        self, secrets: Sequence[bytes], file: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.trouble: ConfigurationError | None = None
        """Why the file cannot be used as it is now; the keys of before stay in use."""
        self._file = file
        self._clock = clock
        self._stamp = _stamp(file)
        self._due: tuple[float, tuple[bytes, ...]] | None = None
        self._keys = tuple(secrets)
        if file is not None:
            # The settings may have been made long ago, before this process was forked.
            try:
                self._keys = resolve_secrets(file)
            except ConfigurationError as error:
                log.warning("%s; going on with the keys the settings were made with", error)
        self.seals = Seals(self._keys)

    def look(self) -> Seals | None:
        """Look once: the seals to use from now on, or ``None`` where nothing changed."""
        if self._file is None:
            return None
        stamp = _stamp(self._file)
        if stamp != self._stamp:
            self._stamp = stamp  # noted before it is read: what is written meanwhile is noticed next time
            return self._read(self._file)
        if self._due is not None and self._clock() >= self._due[0]:
            return self._use(self._due[1])
        return None

    def _read(self, file: Path) -> Seals | None:
        try:
            found = resolve_secrets(file)
        except ConfigurationError as error:
            self.trouble = error
            return None
        self.trouble = None
        seals = self._keys[0]
        if found[0] == seals or seals not in found:
            return self._use(found)
        changed = self._use((seals, *(key for key in found if key != seals)))
        self._due = (self._clock() + SETTLING, found)
        return changed

    def _use(self, keys: tuple[bytes, ...]) -> Seals | None:
        self._due = None
        if keys == self._keys:
            return None
        self._keys, self.seals = keys, Seals(keys)
        log.info("sealing keys: %d in use, read from %s", len(keys), self._file)
        return self.seals


def _stamp(file: Path | None) -> Stamp:
    """What tells one state of a file from another. Links are followed: that is how containers swap secrets."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
