"""Laws of tampering: of every ledger table each column edited, each row deleted, any two swapped, is found.

The furnished ledger has every type of entry, more than one tile, and erasures. What is changed is chosen by the tables
themselves, so that a table or column that is added is tried without anybody thinking of it.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Table

from consentgate.service.administrators import Administrator
from consentgate.service.audit import audit
from consentgate.service.terms import Terms
from consentgate.service.verify import Report
from consentgate.store.subjects import living
from consentgate.store.tables import BLOB, METADATA, OPENING
from consentgate.terms.policy import Act
from consentgate.testing import FrozenClock, run
from tests.service.conftest import ALICE, BOB, NEWS, NOTICE, TERMS, TEXT, VISITOR, Desk, draft, settings_for

NOT_OF_THE_LEDGER = {
    f"consentgate_{name}" for name in ("token", "meta", "draft", "proposal", "answer", "queue")
}  # what administration works with, and what waits to be entered
TABLES = [table for table in METADATA.sorted_tables if table.name not in NOT_OF_THE_LEDGER]
FREE = {
    ("consentgate_blob", "media"),  # a word for whoever looks into the database; nothing reads it but the verification
    ("consentgate_policy", "position"),  # in which order policies are listed
}
"""Columns that no proof, no page and no verdict depends on."""

MOST_ROWS = 3
"""Of a longer table the first, the last, and some in between; all of them with `make soak`."""


async def accept_often(terms: Terms, times: int) -> None:
    """Many decisions, in few transactions."""
    await asyncio.gather(*(terms.record(ALICE, "terms") for _ in range(times)))


def furnish(desk: Desk) -> None:
    """Everything there is."""
    desk.publish(
        draft("1", summary="First."), draft("1", TEXT + "Bref.\n", language="fr", summary="Un."),
        draft("1", policy="privacy"), draft("1", policy="newsletter"), policies=(TERMS, NOTICE, NEWS),
    )  # fmt: skip
    desk.accept(VISITOR)
    desk.accept(ALICE)
    desk.decide(desk.seal(BOB), BOB, Act.DECLINE)
    run(desk.terms.link(VISITOR.id, BOB))
    desk.publish(draft("2", TEXT + "And smile.\n", summary="Second."), policies=(replace(TERMS, renew_after=90),))
    desk.publish(draft("2", TEXT + "Et souris.\n", language="fr", summary="Deux."), policies=())
    desk.publish(policies=(replace(NEWS, retain_days=30),))
    desk.clock.advance(days=1)
    desk.accept(BOB)
    run(desk.terms.record(BOB, "newsletter", act=Act.GRANT))
    run(desk.terms.new_token("auditor", "test"))
    run(accept_often(desk.terms, 256))
    run(desk.terms.erase(VISITOR, basis="asked"))
    run(desk.terms.erase(BOB, mode="hold", basis="case"))
    desk.publish(draft("3", TEXT + "And sing.\n"), policies=())
    for label in ("4", "5"):
        later = {"announce": "2027-01-01", "effective": f"2027-0{label}-01", "enforce": f"2027-0{label}-01"}
        desk.publish(draft(label, TEXT + f"And {label}.\n", **later), policies=())
        run(desk.terms.admin.cancel(Administrator("ann", frozenset({"publisher"})), "terms", label, "a mistake"))


@pytest.fixture(name="furnished", scope="module")
def _furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("furnished")
    clock = FrozenClock()
    terms = Terms(settings_for(f"sqlite:///{folder}/terms.db"), clock=clock)
    run(terms.start())
    furnish(Desk(terms, clock))
    run(terms.stop())
    return folder


Tamper = Callable[[sqlite3.Connection], Any]


@pytest.fixture(name="verified")
def _verified(furnished: Path, tmp_path: Path) -> Iterator[Callable[[Tamper], Report]]:
    """Verifies a copy of the furnished ledger after something was done to it behind our back."""
    for path in furnished.iterdir():
        shutil.copy(path, tmp_path / path.name)

    def verify(tamper: Tamper) -> Report:
        shutil.copy(furnished / "terms.db", tmp_path / "terms.db")
        connection = sqlite3.connect(tmp_path / "terms.db", isolation_level=None)
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        try:
            tamper(connection)
        except sqlite3.IntegrityError as error:  # a second head: the database itself does not take it
            return Report("", problems=[str(error)])
        finally:
            connection.execute("COMMIT")
            connection.close()
        return audit(settings_for(f"sqlite:///{tmp_path}/terms.db"))

    yield verify


@pytest.fixture(name="rows")
def _rows(furnished: Path) -> Callable[[Table], list[dict[str, Any]]]:
    """The rows of a table."""

    def rows(table: Table) -> list[dict[str, Any]]:
        connection = sqlite3.connect(furnished / "terms.db")
        order = ", ".join(column.name for column in table.primary_key)
        cursor = connection.execute(f"SELECT * FROM {table.name} ORDER BY {order}")
        found = [dict(zip((item[0] for item in cursor.description), row, strict=True)) for row in cursor]
        leaves = b"".join(leaf for (leaf,) in connection.execute("SELECT leaf FROM consentgate_entry")).decode()
        redlines = {digest for (digest,) in connection.execute("SELECT digest FROM consentgate_redline")}
        connection.close()
        if table is BLOB:  # what was offered and never decided about is kept for nobody
            return [row for row in found if row["digest"] in leaves or row["digest"] in redlines]
        # What was erased leaves an empty row behind, which says nothing and may go.
        return [row for row in found if table is not OPENING or living(list(row.values())) is not None]

    return rows


def some(rows: list[Any]) -> list[Any]:
    """At most `MOST_ROWS` of them, the first and the last among them."""
    return rows if len(rows) <= MOST_ROWS else [rows[len(rows) * place // (MOST_ROWS - 1) - (place == MOST_ROWS - 1)]
                                                for place in range(MOST_ROWS)]  # fmt: skip


def at(table: Table, row: dict[str, Any]) -> tuple[str, list[Any]]:
    """The condition that finds a row by its key."""
    names = [column.name for column in table.primary_key]
    return " AND ".join(f"{name} = ?" for name in names), [row[name] for name in names]


def changed(value: Any, column: Column[Any]) -> list[Any]:
    """Other values a column could have: a bit or a letter off, emptied, taken away."""
    if value is None:
        return [1] if column.type.python_type is int else [b"\1" * 16] if column.type.python_type is bytes else ["x"]
    if isinstance(value, int):
        return [value + 1, -value - 1]
    if isinstance(value, bytes):
        return [bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 128]), b"", value + b"\0"]
    other = value[:-1] + ("b" if value[-1:] != "b" else "c")
    # Blanks behind openings are what an erased field left there.
    ways = (other, "", f"{value}\t" if column is OPENING.c.openings else f"{value} ")
    return [one for one in ways if one != value] + ([None] if column.nullable else [])


def by(sql: str, *words: Any) -> Tamper:
    """Tampering by one statement."""
    return lambda connection: connection.execute(sql, words)


def check_edits(
    table: Table, rows: list[dict[str, Any]], verified: Callable[[Tamper], Report], *, every_way: bool
) -> int:
    """Edit each column of each of these rows, in each way or in one after the other; how many edits were tried."""
    tried = 0
    for place, row in enumerate(rows):
        where, key = at(table, row)
        for column in table.columns:
            if (table.name, column.name) in FREE:
                continue
            ways = changed(row[column.name], column)
            for value in ways if every_way else [ways[place % len(ways)]]:
                sql = f"UPDATE OR REPLACE {table.name} SET {column.name} = ? WHERE {where}"
                report = verified(by(sql, value, *key))
                assert report.problems, f"{table.name}.{column.name} of {key}: {row[column.name]!r} became {value!r}"
                tried += 1
    return tried


def check_deletions(table: Table, rows: list[dict[str, Any]], verified: Callable[[Tamper], Report]) -> None:
    """Delete each of these rows."""
    for row in rows:
        where, key = at(table, row)
        report = verified(by(f"DELETE FROM {table.name} WHERE {where}", *key))
        assert report.problems, f"{table.name}: {key} was deleted"


def check_swaps(
    table: Table, pairs: list[tuple[dict[str, Any], dict[str, Any]]], verified: Callable[[Tamper], Report]
) -> int:
    """Let two rows exchange everything but their keys; how many pairs were tried."""
    keys = {column.name for column in table.primary_key}
    names = [column.name for column in table.columns if column.name not in keys]
    tried = 0
    for one, other in pairs:
        if all(one[name] == other[name] for name in names if (table.name, name) not in FREE):
            continue

        def swap(connection: sqlite3.Connection, one: Any = one, other: Any = other) -> None:
            for row in (one, other):
                connection.execute(f"DELETE FROM {table.name} WHERE {at(table, row)[0]}", at(table, row)[1])
            for row in (
                {**one, **{name: other[name] for name in names}},
                {**other, **{name: one[name] for name in names}},
            ):
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table.name} ({', '.join(row)}) VALUES ({marks})", list(row.values()))

        assert verified(swap).problems, f"{table.name}: {at(table, one)[1]} and {at(table, other)[1]} were exchanged"
        tried += 1
    return tried


by_name = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name.removeprefix("consentgate_"))


def test_the_untouched_ledger_verifies(verified: Callable[[Tamper], Report]) -> None:
    """Everything below fails because of what was changed, and of nothing else."""
    report = verified(lambda _: None)

    assert report.problems == []
    assert report.erased > 0
    assert report.size > 256


@by_name
def test_every_edit_is_found(table: Table, rows: Any, verified: Callable[[Tamper], Report]) -> None:
    """Each column of each row (of long tables, of some), now in this way, now in that."""
    assert check_edits(table, some(rows(table)), verified, every_way=False) > 0


@by_name
def test_every_deletion_is_found(table: Table, rows: Any, verified: Callable[[Tamper], Report]) -> None:
    """Each row (of long tables, some)."""
    check_deletions(table, some(rows(table)), verified)


@by_name
def test_every_swap_is_found(table: Table, rows: Any, verified: Callable[[Tamper], Report]) -> None:
    """Neighbours, and the first with the last, exchange what they say. The head is alone, and here the tile."""
    found = some(rows(table))
    tried = check_swaps(table, [*pairwise(found), (found[0], found[-1])], verified)

    assert tried > 0 or len(found) == 1
    assert tried > 0 or table.name in ("consentgate_head", "consentgate_tile")


def test_tiles_that_were_swapped_are_found(desk: Desk) -> None:
    """Two full ones, in a ledger of more than 512 entries."""
    desk.publish(draft("1"))
    run(accept_often(desk.terms, 520))
    assert run(desk.terms.verify()).problems == []
    swap = (
        "UPDATE consentgate_tile SET root = (SELECT root FROM consentgate_tile AS other WHERE other.idx <> {0}.idx), \
        hashes = (SELECT hashes FROM consentgate_tile AS other WHERE other.idx <> {0}.idx)"
    )
    done = run(desk.terms._write(lambda connection, _: connection.exec_driver_sql(swap.format("consentgate_tile"))))

    assert done.rowcount == 2
    assert "was changed" in str(run(desk.terms.verify()).problems)


@pytest.mark.soak
@by_name
def test_every_row_of_every_table(table: Table, rows: Any, verified: Callable[[Tamper], Report]) -> None:
    """Each deleted; twenty edited in every way; all pairs of sixteen exchanged."""
    found = rows(table)
    check_edits(table, found[:: max(1, len(found) // 20)], verified, every_way=True)
    check_deletions(table, found, verified)
    check_swaps(table, list(combinations(found[:16], 2)), verified)
