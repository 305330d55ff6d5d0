"""Open the shelves, read them, and write to them one transaction at a time.

Room: store. Everything here blocks: callers run it in a thread, never in a request's own task. It may not import
evidence, gate or service.

The parts that differ between databases are behind `Backend`; they are in `consentgate.store.sqlite` and
`consentgate.store.postgres`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from consentgate.errors import ConfigurationError, OverloadedError, StoreError, StoreUnavailableError
from consentgate.store import postgres, schema, sqlite
from consentgate.store.scrubbing import Scrubbed
from consentgate.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from consentgate.store.listening import Listener

T = TypeVar("T")

_log = logging.getLogger("consentgate")


class Backend(Protocol):
    """What each kind of database brings of its own."""

    @property
    def queues(self) -> bool:
        """Whether entries wait in a queue until they get their places in the ledger."""

    @property
    def most_waiting(self) -> int:
        """Entries that may wait for their places, where they do."""

    @property
    def fresh(self) -> bool:
        """Whether it is certain that nothing was ever written to it."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A pooled connection in a read-only transaction."""

    def streaming(self) -> AbstractContextManager[Connection]:
        """A connection of its own in a read-only transaction."""

    def writing(self, timeout: float) -> AbstractContextManager[Connection]:
        """The write transaction, committed at the end."""

    def changes(self, connection: Connection) -> int:
        """A number that grows with each row that a write transaction changes."""

    def listener(self) -> tuple[Callable[[], Any], bool] | None:
        """How to open a connection that watches the publication counter, and whether it can be told; or ``None``."""

    def tidy(self) -> None:
        """Housekeeping after a write, outside any transaction; never raises."""

    def scrub(self, timeout: float) -> Scrubbed:
        """Remove what erasures left behind, as far as nobody has to wait for it."""

    def rewrite(self, wait: float) -> Scrubbed:
        """Remove all of it, while nobody else reads or writes personal data."""

    def size(self) -> int:
        """Bytes of what `rewrite` writes anew."""

    def close(self, *, inherited: bool = False) -> None:
        """Close every connection."""


class Database:
    """The shelves, open. Make it with `Database.open`.

    Safe for use from many threads. Not for use on both sides of a fork: open it in each process.
    """

    def __init__(self, backend: Backend, name: str, lock_timeout: float) -> None:
        self._backend = backend
        self._pid = os.getpid()
        self._closed = False
        self.name = name
        self.lock_timeout = lock_timeout

    @classmethod
    def open(cls, url: str, *, create: bool = True, lock_timeout: float = 10.0, readers: int | None = None) -> Database:
        """Open a database; a fresh one gets its tables at once, an older SQLite file the tables it lacks.

        Args:
            url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite://`` for one in memory, or
                ``postgresql://user:password@host/name``.
            create: whether to make a file that does not exist, and tables that are not there.
            lock_timeout: seconds to wait for another process that writes.
            readers: most reading connections at a time; ``None``: as many as suit this kind of database.

        Raises:
            ConfigurationError: not a URL we know, made by a newer consentgate, or to be brought up first.
            StoreUnavailableError: it cannot be opened; the hint says what to look at.
        """
        database = cls.bare(url, create=create, lock_timeout=lock_timeout, readers=readers)
        try:
            database._prepare(create=create)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def bare(
        cls, url: str, *, create: bool = False, lock_timeout: float = 10.0, readers: int | None = None
    ) -> Database:
        """Open a database whatever tables it has, to look at them or to bring them up.

        Raises:
            ConfigurationError: not a URL we know.
            StoreUnavailableError: it cannot be opened; the hint says what to look at.
        """
        parsed = _parse(url)
        name = parsed.set(query={}).render_as_string(hide_password=True)
        try:
            with _translated():
                return cls(_backend(parsed, create=create, readers=readers), name, lock_timeout)
        except OSError as error:
            raise sqlite.explain(error) from error

    def schema_version(self) -> str | None:
        """The schema version as it stands in the database, or ``None`` where there are no tables of ours."""
        return None if self._backend.fresh else self.read(schema.version)

    def replica(self) -> bool:
        """Whether it only follows another server, and may be behind it."""
        return self.read(postgres.in_recovery)

    def upgrade(self) -> tuple[int, int]:
        """Bring the tables up to those of this release; the schema versions before and after."""
        return self.write(schema.upgrade)

    def _prepare(self, *, create: bool) -> None:
        """Make the tables of a fresh database, bring up those of an older one, refuse those of a newer one."""
        found = self.schema_version()
        if found is None:
            if not create:
                raise ConfigurationError(f"{self.name} holds no consentgate tables", hint="check the path")
            # Several workers start at once on a fresh database: one makes the tables, the others find them.
            self.write(schema.make)
            found = self.schema_version()
        if found == schema.COPYING:
            raise ConfigurationError(
                f"{self.name} was not copied to the end", hint="run the same `consentgate db copy` again: it goes on"
            )
        if found is None or not found.isdecimal() or int(found) > SCHEMA_VERSION:
            raise ConfigurationError(
                f"{self.name} has schema version {found or None}; this consentgate knows up to {SCHEMA_VERSION}",
                hint="install the version of consentgate that wrote it, or a newer one",
            )
        if int(found) < SCHEMA_VERSION:
            self._bring_up(int(found), create=create)

    def _bring_up(self, found: int, *, create: bool) -> None:
        """An older SQLite file is brought up where it is opened; a server is changed only by whoever is told to.

        On a server the web workers' role may not change tables (`consentgate db roles`), and a deployment decides when.
        """
        if create and self.read(lambda connection: connection.dialect.name) == "sqlite":
            before, after = self.upgrade()
            if before != after:
                _log.info("%s: the tables were brought from schema version %d to %d", self.name, before, after)
            return
        raise ConfigurationError(
            f"{self.name} has schema version {found}; this consentgate works with {SCHEMA_VERSION}",
            hint="run `consentgate db upgrade`; workers of the release before go on meanwhile",
        )

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a read-only transaction: one consistent picture, writers are not disturbed.

        Raises:
            StoreUnavailableError: the database cannot be reached.
            OverloadedError: all reading connections are busy.
        """
        self._check()
        with _translated():
            try:
                with self._backend.reading() as connection:
                    return work(connection)
            except Exception as error:
                if not postgres.lost(error):
                    raise
            # The server was restarted, or somebody in between hung up: the pool has thrown its connections away.
            with self._backend.reading() as connection:
                return work(connection)

    def stream(self, work: Callable[[Connection], Iterable[T]]) -> Iterator[T]:
        """Yield what `work` yields, on a connection of its own, for exports that take long.

        Closing the iterator closes the connection. While it is open the write-ahead log of SQLite cannot be reused:
        where the reader is slow (a download), read page by page with `read` instead.
        """
        self._check()
        with _translated(), self._backend.streaming() as connection:
            yield from work(connection)

    @contextmanager
    def transaction(self, timeout: float | None = None) -> Iterator[Connection]:
        """The write transaction: committed at the end of the block, rolled back where it raises.

        Only the `Writer`, the sequencer and set-up use it. On SQLite no other thread or process writes while it is
        open; on PostgreSQL others do, and what must not happen twice locks a row (`entries.lock_head`).

        Raises:
            StoreUnavailableError: the lock was not free in time, or the database refused.
            StoreError: a row would break a constraint.
        """
        self._check()
        with _translated(), self._backend.writing(self.lock_timeout if timeout is None else timeout) as connection:
            yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction of its own. For set-up; everything else goes through the `Writer`."""
        with self.transaction() as connection:
            result = work(connection)
        self.tidy()
        return result

    @property
    def queues(self) -> bool:
        """Whether entries wait in a queue until they get their places in the ledger (PostgreSQL)."""
        return self._backend.queues

    @property
    def most_waiting(self) -> int:
        """How many entries may wait in it before decisions are turned away."""
        return self._backend.most_waiting

    def listener(self) -> Listener | None:
        """A connection of its own that watches the publication counter (PostgreSQL), or ``None``."""
        from consentgate.store.listening import Listener

        made = self._backend.listener()
        return None if made is None else Listener(made[0], listen=made[1])

    def changes(self, connection: Connection) -> int:
        """A number that grows with each row that this write transaction changes."""
        return self._backend.changes(connection)

    def tidy(self) -> None:
        """Housekeeping after a write: cheap, never raises, never waits."""
        if not self._closed and self._pid == os.getpid():
            self._backend.tidy()

    def scrub(self) -> Scrubbed:
        """Remove what an erasure left on the disk, as far as nobody has to wait for it; call it after the commit."""
        self._check()
        with _translated():
            return self._backend.scrub(self.lock_timeout)

    def rewrite(self, wait: float) -> Scrubbed:
        """Remove everything that erasures left on the disk. While it lasts nobody else reads or writes openings.

        Args:
            wait: seconds to wait for whoever uses them now.

        Raises:
            StoreUnavailableError: they were in use for longer, or this role may not do it; nothing was changed.
        """
        self._check()
        with _translated():
            return self._backend.rewrite(wait)

    def size(self) -> int:
        """Bytes of what `rewrite` writes anew."""
        self._check()
        with _translated():
            return self._backend.size()

    def close(self) -> None:
        """Close every connection. Twice is once."""
        if not self._closed:
            self._closed = True
            self._backend.close(inherited=self._pid != os.getpid())

    def _check(self) -> None:
        """Refuse to use SQLite's connections of a parent process: both would corrupt each other's locks."""
        if self._closed:
            raise StoreUnavailableError("the database is closed", hint="it was used after shut-down")
        if self._pid != os.getpid():
            raise StoreUnavailableError(
                "the database was opened before this process was forked",
                hint="open it after the fork: start the application in each worker, not while it is being imported",
            )


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "the database URL cannot be read", hint="write sqlite:///consentgate.db (three slashes, then the path)"
        ) from error


def _backend(url: URL, *, create: bool, readers: int | None) -> Backend:
    kind = url.get_backend_name()
    if url.drivername in ("postgresql", "postgresql+psycopg", "postgres"):
        return postgres.Postgres(url) if readers is None else postgres.Postgres(url, readers=readers)
    if kind != "sqlite" or url.get_driver_name() not in ("pysqlite", ""):
        raise ConfigurationError(
            f"consentgate keeps its records in SQLite or PostgreSQL, not in {url.drivername}",
            hint="write sqlite:///consentgate.db or postgresql://user@host/name; the driver is chosen for you",
        )
    if url.query or url.host or url.username:
        raise ConfigurationError(
            "an SQLite URL is only a path", hint="write sqlite:///relative.db or sqlite:////abs.db"
        )
    if url.database in (None, "", ":memory:"):
        return sqlite.SqliteMemory()
    return sqlite.SqliteFile(Path(str(url.database)), create=create, readers=readers or 16)


def explained(error: Exception) -> Exception:
    """An error of database or driver as one of ours; any other as it is. A statement's values are never in it."""
    if isinstance(error, DBAPIError) and error.orig is not None and postgres.ours(error.orig):
        error = error.orig
    if postgres.ours(error):
        return postgres.explain(error)
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        message = f"a row would break a rule of the database ({getattr(error, 'orig', error)})"
        return StoreError(message, hint="what it names is there already, or is not there at all")
    if isinstance(error, PoolTimeoutError):
        return OverloadedError("all reading connections are busy", hint="try again in a moment")
    if isinstance(error, DBAPIError):
        return sqlite.explain(error.orig or error)
    return sqlite.explain(error) if isinstance(error, sqlite3.Error) else error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        ours = explained(error)
        if ours is error:
            raise
        raise ours from postgres.cause(error)
