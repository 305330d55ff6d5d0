"""One statement, one journey to PostgreSQL and back: what the driver does around a statement is left out.

Room: store; used by ``store/queue`` for the few statements that every decision on PostgreSQL needs. On a busy machine a
journey costs more than what is done at its end: two processes must be woken for each, and the thread that made it must
win the interpreter back from the event loop. psycopg makes one for BEGIN, one for the statement, two for a COPY and one
for COMMIT, and asks the kernel several times in each. Here a statement is handed to libpq, through the wrapper that
psycopg documents as `psycopg.pq`; outside a transaction it is one of its own, committed when it returns.

Values travel in PostgreSQL's binary form, a column of many rows as one array: the statement is the same however many
rows there are, so the server needs to read and plan it only once. What each decision needs is prepared: planning takes
as long as all the rest. Behind a pooler in transaction mode that does not know of prepared statements the server says
so before it does anything; the connection then goes on without.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from struct import Struct
from typing import Any, TypeAlias

from sqlalchemy import Connection

from consentgate.store.postgres import driver, failure

LONGEST_WAIT = 10_000
"""Milliseconds that anybody waits for a row on PostgreSQL, and that a transaction may stand still before the server
ends it: a process that was stopped while it holds a row (the head, or a request's opening) must not stop all."""

_BEGIN = (
    b"BEGIN ISOLATION LEVEL READ COMMITTED;"
    b" SET LOCAL lock_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = %d"
)

# Constants of libpq's own, the same since its protocol 3: PQTRANS_IDLE, PGRES_COMMAND_OK, PGRES_TUPLES_OK.
_IDLE = 0
_GOOD = (1, 2)

_NO_PREPARING = ("26000", "42P05", "0A000")
"""What a server says of a prepared statement: it knows none of this name, it has one already, or what it found in the
tables then is not so any more. Nothing was done."""

_RENEWED = 1_000
"""Uses of a prepared statement after which it is prepared anew: its plan is for tables as large as they were then."""

_INT8, _BYTEA, _TEXT = 20, 17, 25
"""Object ids of types, fixed in PostgreSQL's pg_type.dat."""

_HEADER = Struct(">iiIii").pack
_LENGTH = Struct(">i").pack
_NUMBER = Struct(">iq").pack
_BIGINT = Struct(">q").pack
_NULL = _LENGTH(-1)


Rows: TypeAlias = list[tuple[bytes | None, ...]]
"""Each value in text form."""


@dataclass(slots=True)
class Prepared:
    """What a connection knows of its prepared statements: how often each was used; or that it can have none."""

    possible: bool = True
    used: dict[bytes, int] = field(default_factory=dict)


def begin(connection: Connection) -> None:
    """Begin the transaction now, and say how long anybody is waited for in it, in either direction.

    Both limits are for this transaction alone: behind a pooler the next one may be somebody else's.
    """
    own = driver(connection)
    if own.pgconn.transaction_status == _IDLE:
        _checked(own, own.pgconn.exec_(_BEGIN % (LONGEST_WAIT, LONGEST_WAIT)))


def ask(connection: Connection, statement: bytes, *values: bytes | None, name: bytes = b"") -> tuple[Rows, int]:
    """Run a statement, in the transaction that has begun or as one of its own.

    Args:
        connection: of PostgreSQL.
        statement: with ``$1``, ``$2`` … for the values, each with its type where it is not plain.
        values: in binary form; ``None`` for none.
        name: under which it is prepared where it is a transaction of its own, and the same for this statement alone;
            by default it is not prepared.

    Returns:
        The rows, each value in text form, and how many rows were touched.
    """
    own = driver(connection)
    result = _ask_prepared(own, statement, values, name) if name else None
    if result is None:
        result = own.pgconn.exec_params(statement, values, param_formats=[1] * len(values))
    _checked(own, result)
    width = range(result.nfields)
    return [tuple(result.get_value(row, column) for column in width) for row in range(result.ntuples)], (
        result.command_tuples or 0
    )


def _ask_prepared(own: Any, statement: bytes, values: Sequence[bytes | None], name: bytes) -> Any:
    """The result, or ``None`` where nothing was done because no prepared statement can be used here."""
    server = own.pgconn
    if server.transaction_status != _IDLE:  # a failure would end a transaction in which more was done than this
        return None
    known: Prepared | None = getattr(own, "consentgate_prepared", None)
    if known is None:
        known = own.consentgate_prepared = Prepared()
    if not known.possible:
        return None
    used = known.used.get(name, 0)
    result = None
    if used % _RENEWED == 0:
        if used:
            server.exec_(b"DEALLOCATE " + name)
        result = server.prepare(name, statement)
    if result is None or result.status in _GOOD:
        known.used[name] = used + 1
        result = server.exec_prepared(name, values, param_formats=[1] * len(values))
    if result.status not in _GOOD and getattr(failure(own, result), "sqlstate", None) in _NO_PREPARING:
        known.possible = False
        return None
    return result


def _checked(own: Any, result: Any) -> Any:
    if result.status not in _GOOD:
        raise failure(own, result)
    return result


def number(value: int | None) -> bytes | None:
    """A ``bigint``, or nothing."""
    return None if value is None else _BIGINT(value)


def numbers(values: Sequence[int | None]) -> bytes:
    """A ``bigint[]``."""
    return _array(_INT8, values, (_NULL if value is None else _NUMBER(8, value) for value in values))


def texts(values: Sequence[str | None]) -> bytes:
    """A ``text[]``."""
    return _strings(_TEXT, [None if value is None else value.encode() for value in values])


def octets(values: Sequence[bytes | None]) -> bytes:
    """A ``bytea[]``."""
    return _strings(_BYTEA, values)


def _strings(kind: int, values: Sequence[bytes | None]) -> bytes:
    pairs = ((_NULL, b"") if value is None else (_LENGTH(len(value)), value) for value in values)
    return _array(kind, values, chain.from_iterable(pairs))


def _array(kind: int, values: Sequence[Any], parts: Iterable[bytes]) -> bytes:
    """The binary form of an array of one dimension that begins at 1, see ``array_recv`` of PostgreSQL."""
    if not values:
        return _HEADER(0, 0, kind, 0, 0)[:12]
    return _HEADER(1, None in values, kind, len(values), 1) + b"".join(parts)
