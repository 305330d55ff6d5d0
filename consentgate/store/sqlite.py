"""Everything that is true of SQLite alone: how it is opened, locked, kept short and how it complains.

Room: store; used by `consentgate.store.database` alone. Its sibling for PostgreSQL offers the same methods (`Backend`).

Two facts shape the file. Several processes may share one database: SQLite before 3.51.3 can corrupt it when two
connections write and checkpoint the write-ahead log at the same instant (https://www.sqlite.org/wal.html#walresetbug),
so each write transaction and each checkpoint happens under one lock file and automatic checkpoints are off. And
Python's driver begins transactions by guessing, so it is switched to autocommit and we say ``BEGIN`` ourselves.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, Pool, QueuePool, StaticPool

from consentgate.errors import ConfigurationError, StoreUnavailableError
from consentgate.store.lockfile import LockFile
from consentgate.store.scrubbing import Scrubbed

_BUSY = 5_000
"""Milliseconds SQLite itself waits: the backstop for programs that write without our lock file."""

_CHECKPOINT_PAGES = 2_000
"""Pages in the write-ahead log (estimated) after which it is moved into the file. A log that is written again from its
beginning costs half the fsync of one that grows, so this is not larger."""

_PAGES_A_BATCH = 8
"""Pages that even the smallest batch of decisions writes; beyond these about one for each row that it changes: more
where its indexes lie scattered, fewer where rows come to lie in one page."""

_LONGEST_LOG = 64 * 1024 * 1024

_PRAGMAS = (
    f"PRAGMA busy_timeout={_BUSY}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA fullfsync=ON",  # macOS: an ordinary fsync does not reach the disk there
    "PRAGMA checkpoint_fullfsync=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
)


def _engine(address: str, begin: str, pool: type[Pool], *, writes: bool, **options: Any) -> Engine:
    """An engine whose transactions start with `begin`, and whose errors never carry parameters (people's data)."""

    def connect() -> sqlite3.Connection:
        # Pooled connections wander between threads; one thread at a time uses each.
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY / 1000)

    engine = create_engine("sqlite://", creator=connect, poolclass=pool, hide_parameters=True, **options)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        if mode not in ("wal", "memory"):
            raise StoreUnavailableError(
                f"SQLite cannot keep a write-ahead log here (journal mode {mode})",
                hint="put the database on a local disk; network file systems cannot do it",
            )
        if not writes:
            connection.execute("PRAGMA query_only=ON").close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        if not driver(connection).in_transaction:  # `SqliteFile.writing` has said it already
            driver(connection).execute(begin).close()

    return engine


def driver(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for what must happen outside a transaction."""
    own: Any = connection.connection.dbapi_connection
    if not isinstance(own, sqlite3.Connection):
        raise StoreUnavailableError("the database connection was closed", hint="try again")
    return own


class _Sqlite:
    """What the file and the memory have in common."""

    queues = False
    most_waiting = 0

    def listener(self) -> None:
        """No connection for that: a look costs some microseconds, and the counter file tells the host anyway."""

    def changes(self, connection: Connection) -> int:
        """A number that grows with each row that a write transaction changes."""
        return driver(connection).total_changes


class SqliteFile(_Sqlite):
    """A database file that several threads and processes share.

    Args:
        path: of the file.
        create: whether to make it where it does not exist.
        readers: most reading connections at a time.
    """

    def __init__(self, path: Path, *, create: bool, readers: int) -> None:
        self.path = path.resolve()
        self._make_file(create)
        self._file_lock = LockFile(self.path.with_name(self.path.name + ".lock"), self.path.stat().st_mode & 0o666)
        self._thread_lock = threading.Lock()
        address = self.path.as_uri() + "?mode=rw"
        self._writer = _engine(address, "BEGIN IMMEDIATE", NullPool, writes=True)
        self._readers = _engine(
            address, "BEGIN", QueuePool, writes=False, pool_size=readers, max_overflow=0, pool_timeout=10
        )
        self._streams = _engine(address, "BEGIN", NullPool, writes=False)
        self._connection: Connection | None = None
        self._pages = 0
        self._identity = self._identify()

    def _make_file(self, create: bool) -> None:
        if not self.path.exists() and not create:
            raise ConfigurationError(
                f"there is no database {self.path}", hint="check the path; the gate makes the file when it starts"
            )
        with suppress(FileExistsError):
            # Everything about people lies in this file: nobody else on the machine may read it, unless the operator
            # made the file beforehand and said otherwise. An empty file is an empty database.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    @property
    def fresh(self) -> bool:
        """Whether the file is still empty: then it is not in write-ahead mode either, and only a writer may open it."""
        return self.path.stat().st_size == 0

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A pooled connection in a read-only transaction: one consistent picture."""
        with self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def streaming(self) -> Iterator[Connection]:
        """A connection of its own in a read-only transaction."""
        with self._streams.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _held(self, timeout: float) -> Iterator[None]:
        """The lock between threads, then the one between processes."""
        started = time.monotonic()
        if not self._thread_lock.acquire(timeout=timeout):
            raise self._locked(timeout)
        try:
            if not self._file_lock.acquire(max(0.0, timeout - (time.monotonic() - started))):
                raise self._locked(timeout)
            try:
                yield
            finally:
                self._file_lock.release()
        finally:
            self._thread_lock.release()

    def _locked(self, timeout: float) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"another process has held {self.path.name}.lock for {timeout:g} seconds",
            hint="look for a stopped or hanging process that uses this database; the same request may be sent again",
        )

    @contextmanager
    def writing(self, timeout: float) -> Iterator[Connection]:
        """The write transaction: committed at the end of the block, rolled back where it raises.

        Raises:
            StoreUnavailableError: the lock was not free within `timeout` seconds.
        """
        with self._held(timeout):
            self._notice_replacement()
            connection = self._open_connection()
            own = driver(connection)
            changes = own.total_changes
            try:
                # By the driver: SQLAlchemy's events around BEGIN and COMMIT cost more than a small batch does. Where
                # a job used it, it believes to have begun this transaction itself, and is told of the end.
                own.execute("BEGIN IMMEDIATE").close()
                yield connection
                (connection if connection.in_transaction() else own).commit()
            except BaseException:
                # Whatever state the connection is in now (a failed COMMIT on a full disk, a broken file), the next
                # transaction starts with a fresh one; errors are rare enough for that.
                self._drop_connection()
                raise
            self._pages += _PAGES_A_BATCH + own.total_changes - changes

    def _notice_replacement(self) -> None:
        """Follow the path, not the file: whoever restores a backup puts another file there, and what we wrote to the
        old one would be acknowledged and gone. The ledger then sees a head that is not its own, and says so."""
        identity = self._identify()
        if identity != self._identity:
            self._drop_connection()
            self._readers.dispose()
            self._identity = identity

    def _identify(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError as error:
            raise StoreUnavailableError(
                f"the database file {self.path} is gone", hint="put it back, or restart to begin with an empty one"
            ) from error
        return found.st_dev, found.st_ino

    def _open_connection(self) -> Connection:
        if self._connection is None:
            self._connection = self._writer.connect()
        return self._connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def tidy(self) -> None:
        """Move the write-ahead log into the file when it is long enough to be worth it. Never raises, never waits.

        Readers are not disturbed; a log that a long reader keeps from being reused is cut once it is very long.
        """
        if self._pages < _CHECKPOINT_PAGES:
            return
        log = self.path.with_name(self.path.name + "-wal")
        with suppress(StoreUnavailableError, SQLAlchemyError, sqlite3.Error, OSError), self._held(0.0):
            self._pages = 0
            long = log.stat().st_size > _LONGEST_LOG
            self._checkpoint("TRUNCATE" if long else "PASSIVE", wait=100)

    def scrub(self, timeout: float) -> Scrubbed:
        """Make sure that nothing deleted is left in the write-ahead log; a reader of an older state may keep it."""
        with self._held(timeout):
            self._pages = 0
            gone = self._checkpoint("TRUNCATE", wait=_BUSY)
        return Scrubbed(gone, "" if gone else "reader")

    def rewrite(self, wait: float) -> Scrubbed:
        """The same: a row is overwritten where it lies, and never moved."""
        return self.scrub(wait)

    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def _checkpoint(self, mode: str, *, wait: int) -> bool:
        """Run a checkpoint; the caller holds the lock. ``wait``: milliseconds for readers to get out of the way."""
        connection = driver(self._open_connection())
        connection.execute(f"PRAGMA busy_timeout={wait}").close()
        try:
            busy, _, _ = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        finally:
            connection.execute(f"PRAGMA busy_timeout={_BUSY}").close()
        return not busy

    def close(self, *, inherited: bool = False) -> None:
        """Close every connection.

        The last connection to close moves the log into the file; SQLite does that with the whole file locked, so
        it is safe even where our own lock is not free.

        Args:
            inherited: the connections belong to the parent process: let go of them without touching the file.
        """
        if inherited:
            for engine in (self._readers, self._writer, self._streams):
                engine.dispose(close=False)
            return
        held = self._thread_lock.acquire(timeout=1.0) and self._file_lock.acquire(1.0)
        try:
            self._readers.dispose()
            self._streams.dispose()
            self._drop_connection()
            self._writer.dispose()
        finally:
            if held:
                self._file_lock.release()
        self._file_lock.close()


class SqliteMemory(_Sqlite):
    """A database in memory, for tests: one connection, one user of it at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._engine = _engine(":memory:", "BEGIN", StaticPool, writes=True)

    @property
    def fresh(self) -> bool:
        """Whether it is certain that nothing was written: never, for all this class knows."""
        return False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The connection, for reading alone."""
        with self._lock, self._engine.connect() as connection:
            driver(connection).execute("PRAGMA query_only=ON").close()
            try:
                with connection.begin():
                    yield connection
            finally:
                driver(connection).execute("PRAGMA query_only=OFF").close()

    @contextmanager
    def streaming(self) -> Iterator[Connection]:
        """A copy of everything: who reads slowly must not keep writers out, and there is only one connection."""
        copy = _engine(":memory:", "BEGIN", StaticPool, writes=True)
        try:
            with copy.connect() as connection:
                with self._lock, self._engine.connect() as source:
                    driver(source).backup(driver(connection))
                with connection.begin():
                    yield connection
        finally:
            copy.dispose()

    @contextmanager
    def writing(self, timeout: float) -> Iterator[Connection]:
        """The write transaction.

        Raises:
            StoreUnavailableError: another thread did not let go within `timeout` seconds.
        """
        if not self._lock.acquire(timeout=timeout):
            raise StoreUnavailableError(f"the database in memory has been in use for {timeout:g} seconds")
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        finally:
            self._lock.release()

    def tidy(self) -> None:
        """Nothing to do: there is no log."""

    def scrub(self, timeout: float) -> Scrubbed:  # noqa: ARG002 - the same signature for all
        """Nothing to do: there is no log."""
        return Scrubbed(gone=True)

    def rewrite(self, wait: float) -> Scrubbed:
        """Nothing to do: there is no file."""
        return self.scrub(wait)

    def size(self) -> int:
        """Nothing is on a disk."""
        return 0

    def close(self, *, inherited: bool = False) -> None:  # noqa: ARG002 - the same signature for all
        """Forget everything."""
        self._engine.dispose()


_FOLDER = "check that the folder exists and that the process may write in it"
_RIGHTS = "let the process write to the file and to its folder, where the -wal and .lock files lie"
_FOREIGN = "find the program that uses the file (a shell, a backup) and end its transaction"

# Words of SQLite, or of the operating system, and what they mean to the reader.
_COMPLAINTS = (
    ("database is locked", "another program is writing to the database without our lock file", _FOREIGN),
    ("table is locked", "another program is changing the database", _FOREIGN),
    ("is full", "the disk is full: nothing was recorded", "free some space; nothing else needs to be done"),
    ("no space left", "the disk is full: nothing was recorded", "free some space; nothing else needs to be done"),
    ("readonly", "the database can only be read", _RIGHTS),
    ("read-only", "the database can only be read", _RIGHTS),
    ("permission denied", "the database may not be opened", _RIGHTS),
    ("unable to open", "the database cannot be opened", _FOLDER),
    ("no such file", "the database cannot be opened", _FOLDER),
    ("not a database", "the file is not an SQLite database", "check the path; it may be an encrypted or foreign file"),
    ("malformed", "the database file is damaged", "restore a backup, then begin a new epoch of the ledger"),
    ("disk i/o error", "the disk reports an error", "check the disk; look at the system's log"),
    ("no such table", "the database lacks one of our tables", "it was changed by hand: restore a backup"),
)


def explain(error: BaseException) -> StoreUnavailableError:
    """SQLite's complaint, in words that say what to do."""
    text = str(error)
    for words, message, hint in _COMPLAINTS:
        if words in text.lower():
            return StoreUnavailableError(f"{message} ({text})", hint=hint)
    return StoreUnavailableError(f"the database refused: {text}", hint="look at the cause in the log")
