"""What PostgreSQL says about its own tidying, and where it must not keep values at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consentgate.store import schema, scrubbing
from consentgate.store.database import Database
from tests.postgres import Server

HEAD = 'finished vacuuming "one.public.consentgate_opening": index scans: 1\npages: 0 removed, 4 remain, 4 scanned\n'
HORIZON = "\nremovable cutoff: 757, which was 0 XIDs old when it ended\nbuffer usage: 76 hits, 0 reads, 3 dirtied"
MISSED = "tuples missed: 1 dead from 1 pages not removed due to cleanup lock contention"


@pytest.mark.parametrize(
    ("report", "left"),
    [
        (f"{HEAD}tuples: 10 removed, 100 remain, 0 are dead but not yet removable{HORIZON}", 0),
        (f"{HEAD}tuples: 10 removed, 100 remain, 2 are dead but not yet removable{HORIZON}", 2),
        (f"{HEAD}tuples: 10 removed, 100 remain, 0 are dead but not yet removable\n{MISSED}{HORIZON}", 1),
        (f"{HEAD}Tupel: 7 entfernt, 93 verbleiben, 12 sind tot\nLimit: 757, das 0 XIDs alt war", 12),
        (f"{HEAD}元组：移除 7，保留 93，0 是死元组\n移除截止：757，操作结束时为 0", 0),
        (f"{HEAD}tuples: none at all{HORIZON}", 1),
        ("", 1),
    ],
)
def test_a_vacuum_says_what_it_left(report: str, left: int) -> None:
    """Dead rows that could not be removed are counted, in whatever language; what is not understood is left."""
    assert scrubbing.dead_rows(report) == left


@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("make", [schema.make, schema.upgrade])
def test_the_planner_knows_no_personal_value(
    postgres: Callable[[int], Server], version: int, make: Callable[..., object]
) -> None:
    """Bug: ANALYZE kept a hundred openings, salts and all, in the planner's statistics, and no erasure reached them."""
    database = Database.bare(postgres(version).fresh())
    fill = (
        "INSERT INTO consentgate_opening SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), NULL, 'user', NULL, 'terms',"
        " 1, 'accept', n, NULL, '{\"subject\":[\"' || n || '\"]}' FROM generate_series(1, 500) n"
    )
    try:
        if make is schema.upgrade:
            database.write(lambda connection: schema.upgrade(connection, 1))
            database.write(lambda connection: connection.exec_driver_sql(f"{fill}; ANALYZE consentgate_opening"))
        database.write(make)
        if make is schema.make:
            database.write(lambda connection: connection.exec_driver_sql(fill))
        database.write(lambda connection: connection.exec_driver_sql("ANALYZE consentgate_opening"))
        known = database.read(
            lambda connection: set(
                connection.exec_driver_sql(
                    "SELECT attname FROM pg_stats WHERE tablename = 'consentgate_opening'"
                    " AND schemaname = current_schema()"
                ).scalars()
            )
        )
    finally:
        database.close()

    assert "at" in known
    assert "openings" not in known


@pytest.mark.parametrize("version", [15, 18])
def test_a_vacuum_leaves_nothing_where_nobody_reads(postgres: Callable[[int], Server], version: int) -> None:
    """Bug: on PostgreSQL 15 the numbers of other lines were taken for dead rows, and nothing ever counted as gone."""
    database = Database.open(postgres(version).fresh())
    try:
        assert database.scrub().gone
        assert database.rewrite(5.0).gone
    finally:
        database.close()
