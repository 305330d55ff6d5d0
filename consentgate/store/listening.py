"""One connection that watches the publication counter: told at once where the server can, asked twice a second too.

Room: store; made by `Database.listener`, used by ``service/watch`` from its one thread. A connection of its own,
because a publication must reach a worker whose pool is busy.

``NOTIFY`` comes with the commit of whoever published. Through a pooler in transaction mode, and from databases that
only speak PostgreSQL's protocol, it never comes; then the next look finds the counter moved.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from consentgate.store.database import explained
from consentgate.store.meta import CHANNEL, GENERATION

_READ = "SELECT value FROM consentgate_meta WHERE key = %s"


class Listener:
    """Watches the counter.

    Args:
        connect: opens a connection that commits by itself.
        listen: whether the server knows ``LISTEN``.
    """

    def __init__(self, connect: Callable[[], Any], *, listen: bool) -> None:
        self._connect = connect
        self._listen = listen
        self._connection: Any = None
        self._lock = threading.Lock()
        self._ear, self._mouth = socket.socketpair()

    def generation(self) -> int:
        """The publication counter. A connection that was lost is replaced at once, and asked in its stead.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        with self._lock:
            if self._connection is not None:
                with suppress(Exception):
                    return self._ask()
                self._drop()
            try:
                self._connection = self._connect()
                if self._listen:
                    self._connection.execute(f"LISTEN {CHANNEL}")
                return self._ask()
            except Exception as error:
                self._drop()
                ours = explained(error)
                if ours is error:
                    raise
                raise ours from None  # what the driver says may name the password's place

    def _ask(self) -> int:
        row = self._connection.execute(_READ, (GENERATION,)).fetchone()
        return int(row[0]) if row else 0

    def wait(self, seconds: float) -> None:
        """Wait until somebody published, the connection was lost, or `wake` was called; at most so many seconds."""
        # Not select.select: it refuses descriptors from 1,024 on, and a busy server has as many connections.
        with selectors.DefaultSelector() as watched:
            watched.register(self._ear, selectors.EVENT_READ)
            with self._lock:
                if self._connection is not None and self._listen:
                    watched.register(self._connection.fileno(), selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in watched.select(seconds)}
        if self._ear in ready:
            self._ear.recv(64)
        elif ready:
            with self._lock:
                self._hear()

    def _hear(self) -> None:
        """Take what the server said: that somebody published, or that it hangs up."""
        try:
            self._connection.pgconn.consume_input()
            while self._connection.pgconn.notifies():
                pass
        except Exception:  # noqa: BLE001 - the next look makes another connection
            self._drop()

    def wake(self) -> None:
        """End a `wait`, from any thread."""
        with suppress(OSError):
            self._mouth.send(b"!")

    def close(self) -> None:
        """Close the connection. Nobody may be waiting any more."""
        with self._lock:
            self._drop()
            self._ear.close()
            self._mouth.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()
