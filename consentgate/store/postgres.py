"""Everything that is true of PostgreSQL alone: how it is reached, what it must promise, and how it complains.

Room: store; used by `consentgate.store.database` alone, and the only importer of psycopg. Its sibling for SQLite
offers the same methods (`Backend`).

Three facts shape the file. A pooler in transaction mode (PgBouncer) gives each transaction another connection, so
nothing of ours need outlive a transaction: no session settings, no session locks, and of prepared statements one that
can be missed (`consentgate.store.direct`). A reader needs one consistent picture, so readers are ``REPEATABLE READ``; a
writer must see what was committed while it waited for a row, so writers are ``READ COMMITTED``. And a commit that is
not on the disk is no commit: a server that was told to acknowledge earlier is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from consentgate.errors import ConfigurationError, OverloadedError, StoreError, StoreUnavailableError
from consentgate.store import scrubbing
from consentgate.store.scrubbing import Scrubbed

_CONNECT_TIMEOUT = 10
"""Seconds to wait for a server that does not answer."""

_WRITERS = 6
"""Most writing connections of a process: its writer threads, its sequencer, and what sets things up."""

_READERS = 8
"""Reading connections of a process where the URL does not say ``pool=``."""

_WAITING = 1_000_000
"""Entries that may wait for their places where the URL does not say ``waiting=``: about 2 GB."""

_PROMISES = ("fsync", "synchronous_commit", "full_page_writes")
"""Settings of the server without which a crash takes back what was acknowledged."""


def _driver() -> Any:
    """psycopg, which comes with the extra and is imported only where it is used."""
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError(
            "PostgreSQL needs the driver psycopg", hint="pip install 'consentgate[postgres]'"
        ) from error
    return psycopg


def _counting(psycopg: Any) -> Any:
    """A cursor that counts on its connection what it changed: psycopg has no such number of its own."""

    class Counting(psycopg.Cursor):  # type: ignore[misc]  # psycopg is imported lazily, so its classes are unknown
        def execute(self, *words: Any, **options: Any) -> Any:
            done = super().execute(*words, **options)
            if self.description is None and self.rowcount > 0:
                self.connection.changed = getattr(self.connection, "changed", 0) + self.rowcount
            return done

    return Counting


def driver(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.dbapi_connection


def failure(own: Any, result: Any) -> Exception:
    """What psycopg would raise for a result of libpq's that is a failure, see `consentgate.store.direct`."""
    errors = _driver().errors
    found: Exception = errors.error_from_result(result)
    if getattr(found, "sqlstate", None) is None:  # nobody answered
        return errors.OperationalError(str(found) or own.pgconn.get_error_message())  # type: ignore[no-any-return]
    return found


def in_recovery(connection: Connection) -> bool:
    """Whether a server replays what another one wrote. Never where it is no server."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar())


class Postgres:
    """A PostgreSQL database, or one that speaks its protocol.

    Args:
        url: of the database. Besides what libpq knows its query may say ``allow_unsafe=1`` (a server that
            acknowledges before it is durable is used all the same), ``pool=8`` (most reading connections) and
            ``waiting=1000000`` (most entries that may wait for their places).
        readers: most reading connections where the URL does not say.
    """

    queues = True

    def __init__(self, url: URL, *, readers: int = _READERS) -> None:
        psycopg = _driver()
        query = dict(url.query)
        self._notifies = False
        self._unsafe = query.pop("allow_unsafe", "") == "1"
        readers = _number(query.pop("pool", str(readers)))
        self.most_waiting = _number(query.pop("waiting", str(_WAITING)), "waiting", _WAITING * 1_000)
        self._url = url.set(drivername="postgresql+psycopg", query=query)
        self._options: dict[str, Any] = {"prepare_threshold": None, "cursor_factory": _counting(psycopg)}
        if "connect_timeout" not in query:
            self._options["connect_timeout"] = _CONNECT_TIMEOUT
        if not {"application_name", "fallback_application_name"} & query.keys():
            self._options["fallback_application_name"] = "consentgate"
        self._readers = self._engine(QueuePool, writes=False, pool_size=readers, max_overflow=0, pool_timeout=10)
        self._streams = self._engine(NullPool, writes=False)
        self._writers = self._engine(QueuePool, writes=True, pool_size=1, max_overflow=_WRITERS - 1, pool_timeout=10)
        try:
            self.check()
        except BaseException:
            self.close()
            raise

    def _engine(self, pool: type[Pool], *, writes: bool, **options: Any) -> Engine:
        engine = create_engine(
            self._url,
            poolclass=pool,
            hide_parameters=True,
            use_native_hstore=False,
            connect_args=self._options,
            isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
            **options,
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, record: Any) -> None:
            record.info["notifies"] = self._notifies
            if not writes:
                connection.read_only = True  # said with each BEGIN, so a pooler cannot forget it

        return engine

    def listener(self) -> tuple[Callable[[], Any], bool]:
        """How to open the connection that watches the publication counter, and whether the server can tell of it.

        It must notice within a second or so that the network is gone: the worker then says so, and tries again.
        """
        words, options = self._readers.dialect.create_connect_args(self._url)
        quick = {"connect_timeout": 2, "tcp_user_timeout": 2_000}
        options = {**self._options, **quick, **options, "autocommit": True}
        return (lambda: _driver().connect(*words, **options)), self._notifies

    def check(self) -> None:
        """Refuse a server whose commits a crash can take back.

        Raises:
            ConfigurationError: it names the setting.
        """
        named = ", ".join(f"current_setting('{name}', true)" for name in _PROMISES)
        with self.reading() as connection:
            *found, version = connection.exec_driver_sql(f"SELECT {named}, version()").one()
        values = dict(zip(_PROMISES, found, strict=True))
        # Others speak the protocol and know no NOTIFY (CockroachDB), or say that they are PostgreSQL (YugabyteDB).
        self._notifies = str(version).startswith("PostgreSQL") and "-YB-" not in str(version)
        broken = [name for name, value in values.items() if value == "off"]
        if broken and not self._unsafe:
            raise ConfigurationError(
                f"this PostgreSQL server has {broken[0]}=off: what it acknowledged may be gone after a crash",
                hint=f"set {broken[0]}=on; for tests with data nobody needs, add ?allow_unsafe=1 to the URL",
                setting=broken[0],
            )

    @property
    def fresh(self) -> bool:
        """Whether it is certain that nothing was ever written to it: never, for all this class knows."""
        return False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A pooled connection in a read-only transaction: one consistent picture."""
        with _use(self._readers) as connection:
            yield connection

    @contextmanager
    def streaming(self) -> Iterator[Connection]:
        """A connection of its own in a read-only transaction; long results stay with the server."""
        with _use(self._streams) as connection:
            yield connection

    @contextmanager
    def writing(self, timeout: float) -> Iterator[Connection]:  # noqa: ARG002 - the same signature for all
        """A write transaction. Several go on at the same time: what must not, locks a row (`entries.lock_head`)."""
        with _use(self._writers) as connection:
            yield connection

    def changes(self, connection: Connection) -> int:
        """A number that grows with each row that a write transaction changes."""
        return getattr(driver(connection), "changed", 0)

    def tidy(self) -> None:
        """Nothing to do: autovacuum is the server's business."""

    def scrub(self, timeout: float) -> Scrubbed:  # noqa: ARG002 - the same signature for all
        """Vacuum the table of openings, and write it anew where it is small and nobody has to wait long for that.

        Raises:
            StoreUnavailableError: this role may not do it.
        """
        if self._vacuum():
            return Scrubbed(gone=False, why="reader", server=True)
        try:
            with self.writing(0) as connection:
                if scrubbing.size(connection) > scrubbing.SMALL:
                    return Scrubbed(gone=False, why="size", server=True)
                scrubbing.limit(connection, scrubbing.WAIT, scrubbing.LONGEST)
                scrubbing.rewrite(connection)
        except DBAPIError as error:
            return Scrubbed(gone=False, why=scrubbing.reason(error), server=True)
        return self._rewritten()

    def rewrite(self, wait: float) -> Scrubbed:
        """Vacuum the table of openings and write it anew, however large it is."""
        if self._vacuum():
            return Scrubbed(gone=False, why="reader", server=True)
        with self.writing(0) as connection:
            scrubbing.limit(connection, wait, 0)
            scrubbing.rewrite(connection)
        return self._rewritten()

    def size(self) -> int:
        """Bytes of the table of openings."""
        with self.reading() as connection:
            return scrubbing.size(connection)

    def _rewritten(self) -> Scrubbed:
        # Afterwards, while others go on; and where it fails, autovacuum does it another day.
        with suppress(DBAPIError), self.writing(0) as connection:
            scrubbing.analyze(connection)
        return Scrubbed(gone=True, server=True)

    def _vacuum(self) -> int:
        with self._streams.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            own = driver(connection)
            own.read_only = None
            return scrubbing.vacuum(connection, own)

    def close(self, *, inherited: bool = False) -> None:
        """Close every connection.

        Args:
            inherited: they belong to the parent process: let go of them without saying a word to the server.
        """
        for engine in (self._readers, self._streams, self._writers):
            engine.dispose(close=not inherited)


@contextmanager
def _use(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction. One that broke is not used again, nor are those that lay idle beside it."""
    with engine.connect() as connection:
        own = driver(connection)
        try:
            with connection.begin():
                yield connection
        except BaseException:
            if own.closed:
                # SQLAlchemy learns of it, and lets go of every connection that is as old as this one.
                with suppress(Exception):
                    connection.exec_driver_sql("SELECT 1")
            raise


def _number(words: str | tuple[str, ...], name: str = "pool", most: int = 1_000) -> int:
    if not isinstance(words, str) or not words.isdecimal() or not 1 <= int(words) <= most:
        raise ConfigurationError(
            f"{name}= in the database URL is no number of {'connections' if name == 'pool' else 'entries'}",
            hint=f"write {name}={8 if name == 'pool' else _WAITING}",
        )
    return int(words)


# A connection that is refused has no code, only words: those of the server, in whatever language it was built for.
_REFUSALS = (
    (r"database .* does not exist", "3D"),
    (r"role .* does not exist|authentication failed|pg_hba\.conf|no password supplied", "28"),
    (r"too many clients|connection slots", "53300"),
    (r"starting up|shutting down|recovery mode", "57P"),
)
_AGAIN = "the same request may be sent again"
_RIGHTS = "grant the role what `consentgate db roles` prints"

# What PostgreSQL's error codes (https://www.postgresql.org/docs/current/errcodes-appendix.html) mean to the reader.
_COMPLAINTS = {
    "28": ("the database does not let us in", "check user and password in the database URL, and pg_hba.conf"),
    "3D": ("there is no such database", "make it with createdb, or correct the name in the database URL"),
    "25006": ("this server only lets us read", "it is a replica: name the primary in the database URL"),
    "40": ("another transaction was in the way", _AGAIN),
    "42501": ("the database role may not do this", _RIGHTS),
    "42P01": ("the database lacks one of our tables", "run `consentgate db upgrade`"),
    "42703": ("the database lacks one of our columns", "run `consentgate db upgrade`"),
    "53100": ("the disk of the database is full: nothing was recorded", "free some space; nothing else is needed"),
    "55P03": ("somebody has held a row for too long", "look for a stopped process; " + _AGAIN),
    "57014": ("the database took too long and was stopped", _AGAIN),
    "57P": ("the database is being stopped or started", _AGAIN),
    "25P03": ("the database ended a transaction that stood still", _AGAIN),
    "58": ("the server of the database has trouble with its files", "look at its log"),
    "XX": ("the database is damaged, or has a fault", "look at its log; restore a backup if it must be"),
}


def ours(error: BaseException) -> bool:
    """Whether an error comes from the driver this file is about."""
    return type(error).__module__.split(".")[0] == "psycopg"


def lost(error: BaseException) -> bool:
    """Whether an error says that the connection is gone: a read may be tried again on another."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and lost(error.orig))
    if not ours(error):
        return False
    code = getattr(error, "sqlstate", None)
    return code in ("57P01", "57P02") or (code is None and type(error).__name__ == "OperationalError")


def cause(error: Exception) -> Exception | None:
    """What may stand in a traceback: PostgreSQL quotes the whole row that broke a rule, and it may be personal."""
    own = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return None if ours(own) and getattr(getattr(own, "diag", None), "message_detail", None) else error


def said(error: BaseException) -> str:
    """What the server said, without its details: those quote rows."""
    diagnosis = getattr(error, "diag", None)
    words = getattr(diagnosis, "message_primary", None) or str(error)
    return " ".join(str(words).split())


def explain(error: BaseException) -> StoreError:
    """PostgreSQL's complaint, in words that say what to do.

    ``conflict`` says that another transaction was in the way: ``taken``, what was to be new was made by it, or
    ``overtaken``, the server took its side (a deadlock).
    """
    words = said(error)
    code = getattr(error, "sqlstate", None) or next((code for form, code in _REFUSALS if re.search(form, words)), "")
    if code.startswith("23"):
        return StoreError(
            f"a row would break a rule of the database ({words})",
            hint="what it names is there already, or is not there at all",
            conflict="taken" if code == "23505" else None,
        )
    if code == "53300":
        return OverloadedError(
            f"the database has no connection left ({words})",
            hint="lower pool= in the database URL, raise max_connections, or put PgBouncer between",
        )
    if not code and lost(error):
        return StoreUnavailableError(
            f"the database cannot be reached ({words})", hint="is it running, and are host and port right?"
        )
    for start in filter(None, (code, code[:3], code[:2])):
        if start in _COMPLAINTS:
            message, hint = _COMPLAINTS[start]
            conflict = "overtaken" if start == "40" else None
            return StoreUnavailableError(f"{message} ({words})", hint=hint, conflict=conflict)
    return StoreUnavailableError(f"the database refused: {words}", hint="look at the cause in the log")
