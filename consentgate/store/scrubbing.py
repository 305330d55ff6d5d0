"""What an erasure leaves on the disk, and how PostgreSQL gets rid of it.

Room: store; used by `consentgate.store.postgres`, and the answer (`Scrubbed`) by every kind of database.

An update writes the new row beside the old one. VACUUM takes the old row out of its page, but does not overwrite the
space it had, nor that of rows it moved: their bytes stay until the space is used again. Only a table that is written
anew holds nothing but its rows, and so do its indexes, which keep the keyed tags. CLUSTER writes it anew as VACUUM FULL
does, and may stand in a transaction: limits can be set for that alone, which a pooler cannot leave with somebody else.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from consentgate.errors import StoreUnavailableError
from consentgate.store.tables import OPENING

_log = logging.getLogger("consentgate")

SMALL = 64 * 1024 * 1024
"""Bytes up to which the table of openings is written anew after each erasure: about 200,000 decisions, and a second or
two in which nobody can decide."""

WAIT = 2.0
"""Seconds to wait for the table after an erasure: whoever decides meanwhile waits as long."""

LONGEST = 5.0
"""Seconds after which that is given up, waiting included."""

_BUSY = frozenset({"55P03", "57014", "40P01"})  # lock not had, took too long, deadlock

Why = Literal["", "reader", "failed", "size", "busy", "refused"]


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What is left of what was erased, in the files of a database.

    Args:
        gone: whether nothing is.
        why: if not: ``reader``: somebody who reads an older state keeps the rows of before. ``failed``: they could not
            be removed, because this role may not, or the database is away. ``size``, ``busy``, ``refused``:
            the rows are gone, but the free space within the files may still hold their bytes, because the table is
            large, was in use, or the server would not write it anew.
        server: whether it is a server, which has a log that nobody can empty from here.
    """

    gone: bool
    why: Why = ""
    server: bool = False


def vacuum(connection: Connection, own: Any) -> int:
    """Vacuum the table of openings; how many dead rows could not be removed.

    Args:
        connection: outside any transaction.
        own: the driver's connection behind it.

    Raises:
        StoreUnavailableError: this role may not do it.
    """
    said: list[str] = []
    own.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    connection.exec_driver_sql(f"VACUUM (VERBOSE) {OPENING.name}")
    left = [dead_rows(one) for one in said if one.count("\n") > 2]
    if not left:  # that a role may not is a warning of the server's, not an error
        raise StoreUnavailableError(
            "this role may not vacuum the table of openings, so what was erased is still on the disk",
            hint=f"let its owner run VACUUM {OPENING.name}; from PostgreSQL 17 on `consentgate db roles` allows it",
        )
    return sum(left)


_NUMBER = re.compile(r"\d+")
_HORIZON = re.compile(r"^\D*\d+\s*[,，、;]")


def dead_rows(report: str) -> int:
    """How many dead rows a vacuum could not remove from a table, by what it says, in whatever language.

    After its head and a line about pages it says ``tuples: 7 removed, 93 remain, 2 are dead but not yet removable``,
    and, where somebody held a page, ``tuples missed: 1 dead from 1 pages not removed due to cleanup lock contention``;
    then comes the horizon, ``removable cutoff: 729, which was …``. What cannot be understood counts as left.
    """
    _head, _pages, rows, after, *_ = [*report.split("\n"), "", "", ""]
    numbers = _NUMBER.findall(rows)
    if len(numbers) != 3:
        return 1
    return int(numbers[2]) + (0 if _HORIZON.match(after) else 1)


def size(connection: Connection) -> int:
    """Bytes of the table of openings, with its long values and without its indexes."""
    return int(connection.exec_driver_sql(f"SELECT pg_table_size('{OPENING.name}')").scalar() or 0)


def limit(connection: Connection, wait: float, longest: float) -> None:
    """Bound the rest of this transaction.

    Args:
        connection: in a transaction.
        wait: seconds to wait for a lock.
        longest: seconds for each statement, waiting included; 0: no bound.
    """
    for name, seconds in (("lock_timeout", wait), ("statement_timeout", longest)):
        connection.exec_driver_sql(f"SET LOCAL {name} = {round(seconds * 1000)}")


def rewrite(connection: Connection) -> None:
    """Write the table of openings and its indexes anew. Until the transaction ends nobody else reads or writes it."""
    connection.exec_driver_sql(f"CLUSTER {OPENING.name} USING {OPENING.name}_pkey")


def analyze(connection: Connection) -> None:
    """Let the planner's statistics forget the tags of rows that are gone. Nobody waits for it."""
    connection.exec_driver_sql(f"ANALYZE {OPENING.name}")


def reason(error: DBAPIError) -> Why:
    """Why a table was not written anew. The erasure itself is done: what is left on the disk is only said."""
    code = getattr(error.orig, "sqlstate", None)
    if code in _BUSY:
        return "busy"
    _log.warning("the table of openings could not be written anew (%s)", code or type(error.orig).__name__)
    return "refused"
