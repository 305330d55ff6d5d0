"""A PostgreSQL database opened for reading with nothing but the driver; `consentgate.store.lines` does it for a file.

Room: store; called by the export service, for the command line. It imports no SQLAlchemy (30 MB, half a second). What
it cannot be sure to understand as the application does (a URL with more than one host, say) it leaves to that.

Rows arrive in PostgreSQL's binary form: bytes as they lie, where the text form would spell each of them as two digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from consentgate.store.lines import Lines

T = TypeVar("T")

_SCHEMES = ("postgresql://", "postgresql+psycopg://", "postgres://")
_OURS = ("pool=", "allow_unsafe=")
"""What a database URL says to the application and libpq does not know; reading needs neither."""


def conninfo(url: str) -> str | None:
    """A database URL as libpq reads it, or ``None`` where both might not read the same.

    >>> conninfo("postgresql+psycopg://auditor@db.example/terms?pool=4&sslmode=require")
    'postgresql://auditor@db.example/terms?sslmode=require'
    """
    scheme = next((scheme for scheme in _SCHEMES if url.startswith(scheme)), None)
    if scheme is None:
        return None
    place, _, query = url.removeprefix(scheme).partition("?")
    words = [word for word in query.split("&") if word and not word.startswith(_OURS)]
    names = [word.partition("=")[0] for word in words]
    if "+" in query or "#" in url or ("host=" in query and ":" in query) or len(set(names)) < len(names):
        return None
    return f"postgresql://{place}{'?' if words else ''}{'&'.join(words)}"


class LedgerServer:
    """A connection to a PostgreSQL server that only reads. Make it with `open`; close it.

    Args:
        connect: makes the driver's connection.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self.replica: bool = self._run(self._in_recovery)
        """Whether it only follows another server, and may be behind it."""

    @classmethod
    def open(cls, url: str) -> LedgerServer | None:
        """Open a database; ``None`` where it has to be opened as the application does it, which says why if it fails.

        Raises:
            StoreError: it cannot be reached, or refuses; the hint says what to look at.
        """
        info = conninfo(url)
        try:
            import psycopg
        except ImportError:
            return None
        if info is None:
            return None
        try:
            psycopg.conninfo.conninfo_to_dict(info)
        except psycopg.Error:
            return None
        wait = {} if "connect_timeout=" in info else {"connect_timeout": 10}
        name = "consentgate"
        return cls(
            lambda: psycopg.connect(info, prepare_threshold=None, fallback_application_name=name, **wait)  # type: ignore[arg-type]  # mypy takes the ``**`` for any argument
        )

    def read(self, work: Callable[[Lines], T]) -> T:
        """Run work in a read-only transaction: one consistent picture.

        Raises:
            StoreError: the database cannot be reached, or refuses.
        """
        return self._run(lambda connection: work(Lines(partial(connection.cursor, binary=True), "%s")))

    def _run(self, work: Callable[[Any], T]) -> T:
        import psycopg

        try:
            try:
                return self._once(work)
            except psycopg.OperationalError as error:
                from consentgate.store.postgres import lost  # has SQLAlchemy at its side, which only a failure pays for

                if not lost(error) or self._connection is None:
                    raise
            self.close()  # the server was restarted, or somebody in between hung up
            return self._once(work)
        except psycopg.Error as error:
            from consentgate.store.postgres import cause, explain

            raise explain(error) from cause(error)

    def _once(self, work: Callable[[Any], T]) -> T:
        if self._connection is None:
            import psycopg

            self._connection = self._connect()
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
        with self._connection.transaction():
            return work(self._connection)

    @staticmethod
    def _in_recovery(connection: Any) -> bool:
        return bool(connection.execute("SELECT pg_is_in_recovery()").fetchone()[0])

    def close(self) -> None:
        """Let go of the server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
