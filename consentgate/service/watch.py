"""Watch: publications of other processes and other hosts reach this one, and so do other sealing keys.

Room: service. One thread a process reads one integer twice a second; when it moved, the host's counter is bumped,
and every gate of this host loads the new calendar at its next request. (Processes that share our host see the
counter file anyway, at once; this thread is for other hosts, and for publishers that died before they could bump.)

On PostgreSQL the server tells of a publication as it is committed; the thread looks twice a second all the same,
because a pooler in between does not pass that on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from consentgate.errors import ConsentGateError
from consentgate.store.listening import Listener

log = logging.getLogger("consentgate")

INTERVAL = 0.5
"""Seconds between two looks: a publication is seen within one second."""


class Watch:
    """The watching thread.

    Args:
        read: reads the publication counter from the database.
        moved: called with the new value when it changed.
        seen: the value that is known already.
        interval: seconds.
        listener: a connection that can be told of a publication; ``None``: only look.
        also: called after each look that succeeded: what else is to be done in the background.
        always: called before each look, also while the database is away.
    """

    def __init__(
        self,
        read: Callable[[], int],
        moved: Callable[[int], None],
        seen: int,
        interval: float = INTERVAL,
        also: Callable[[], None] | None = None,
        listener: Listener | None = None,
        always: Callable[[], None] | None = None,
    ) -> None:
        self._read = read
        self._moved = moved
        self._seen = seen
        self._interval = interval
        self._also = also
        self._always = always
        self._listener = listener
        self._stop = threading.Event()
        self._healthy = True
        self._thread = threading.Thread(target=self._run, name="consentgate-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread has ended."""
        self._stop.set()
        if self._listener is not None:
            self._listener.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._listener is not None:
            self._listener.close()

    @property
    def healthy(self) -> bool:
        """Whether the last look succeeded. When not, this worker keeps gating with what it knows."""
        return self._healthy

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._listener is None or not self._healthy:
                self._stop.wait(self._interval)
            else:
                self._wait(self._listener)
            if not self._stop.is_set():
                self.look()

    def _wait(self, listener: Listener) -> None:
        """Wait to be told; whatever goes wrong in that, the next look comes."""
        try:
            listener.wait(self._interval)
        except Exception:
            log.exception("publications are only looked for, not heard of, for a moment")
            self._stop.wait(self._interval)

    def look(self) -> None:
        """Look once."""
        _do(self._always)
        try:
            value = self._read()
        except ConsentGateError as error:
            if self._healthy:
                log.warning("publications cannot be watched: %s; gating goes on with what is known", error)
            self._healthy = False
            return
        if not self._healthy:
            log.info("publications are watched again")
        self._healthy = True
        if value != self._seen:
            self._seen = value
            self._moved(value)
        _do(self._also)


def _do(what: Callable[[], None] | None) -> None:
    try:
        if what is not None:
            what()
    except Exception:
        log.exception("what the watching thread does besides failed; it goes on watching")
