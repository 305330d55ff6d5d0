"""What is personal, on every database."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentgate.errors import StoreError
from consentgate.store import subjects
from consentgate.store.database import Database
from consentgate.store.sqlite import driver
from consentgate.store.subjects import DecisionRow, OpeningRow

ANNA, BERT, VISITOR = b"anna's tag 12345", b"bert's tag 12345", b"visitor tag 1234"


def _keep(database: Database, *rows: OpeningRow) -> None:
    database.write(lambda connection: subjects.insert_openings(connection, rows))


def _decision(row: OpeningRow) -> DecisionRow:
    return DecisionRow(str(row.policy), int(row.serial or 0), str(row.act), row.at, row.expires, row.ref)


@pytest.fixture(name="make")
def _make(fake: ModuleType) -> Any:
    """Openings with refs that count up."""
    number = iter(range(1, 10_000))
    return lambda **changes: fake.opening(next(number).to_bytes(16, "big"), **{"subject_tag": ANNA, **changes})


def test_openings_come_back_as_they_were(database: Database, make: Any) -> None:
    """An opening is read by its ref, with everything that may be missing missing."""
    full = make(linked_tag=b"x", expires=77, openings='{"ip":["s","v"]}')
    bare = OpeningRow(b"b" * 16, None, None, None, None, None, None, 5, None, "{}")
    _keep(database, full, bare)

    assert full == database.read(lambda connection: subjects.opening_by_ref(connection, full.ref))
    assert {full.ref: full, bare.ref: bare} == database.read(
        lambda connection: subjects.openings_by_refs(connection, [full.ref, bare.ref, b"nobody"])
    )


def test_an_entry_has_one_opening(database: Database, make: Any) -> None:
    """A second opening for a ref is refused: what was committed to cannot be said again differently."""
    row = make()
    _keep(database, row)
    with pytest.raises(StoreError, match=r"(?i)unique"):
        _keep(database, row._replace(openings="{}"))

    assert row == database.read(lambda connection: subjects.opening_by_ref(connection, row.ref))


def test_a_subject_sees_their_own_rows_oldest_first(database: Database, make: Any) -> None:
    """Another subject's rows are never among them; rows that are no decisions are."""
    rows = [make(at=3), make(at=1), make(at=2, policy=None, serial=None, act=None), make(at=1)]
    _keep(database, *rows, make(subject_tag=BERT))

    expected = sorted(rows, key=lambda row: (row.at, row.ref))
    assert expected == database.read(lambda connection: subjects.openings_of(connection, ANNA))


def test_the_gate_is_given_the_decisions_of_the_subject_alone(database: Database, make: Any) -> None:
    """Decisions of every policy and kind come back; rows that are no decisions, and other people's, do not."""
    mine = [make(serial=1), make(serial=2, act="decline"), make(policy="privacy", serial=3, expires=9)]
    _keep(database, *mine, make(serial=None, act=None), make(subject_tag=BERT, serial=4))

    found = database.read(lambda connection: subjects.decisions_of(connection, ANNA))
    assert sorted(map(_decision, mine)) == sorted(found)
    assert database.read(lambda connection: subjects.decisions_of(connection, b"nobody")) == []


def test_what_a_linked_visitor_decided_before_the_link_counts(database: Database, make: Any) -> None:
    """A visitor's decisions up to the link count for the user; later ones on the same device do not."""
    before, at_once, after = (make(subject_tag=VISITOR, serial=serial, at=serial * 10) for serial in (1, 2, 3))
    own = make(serial=4, at=5)
    link = make(linked_tag=VISITOR, policy=None, serial=None, act="link", at=20)
    _keep(database, before, at_once, after, own, link)

    found = database.read(lambda connection: subjects.decisions_of(connection, ANNA))
    assert sorted(map(_decision, (before, at_once, own))) == sorted(found)
    assert database.read(lambda connection: subjects.linked_to(connection, VISITOR)) == ANNA
    assert database.read(lambda connection: subjects.linked_to(connection, ANNA)) is None


def _plan(database: Database, run: Any) -> str:
    """How SQLite goes about the statements that a function runs."""

    def look(connection: Any) -> str:
        own, seen = driver(connection), []
        own.set_trace_callback(seen.append)
        run(connection)
        own.set_trace_callback(None)
        return "\n".join(str(row[3]) for sql in seen for row in own.execute(f"EXPLAIN QUERY PLAN {sql}"))

    return database.read(look)


@pytest.mark.parametrize(
    "run",
    [
        lambda connection: subjects.decisions_of(connection, ANNA),
        lambda connection: subjects.accepted_at(connection, ANNA, "terms", 5),
        lambda connection: subjects.openings_of(connection, ANNA),
        lambda connection: subjects.linked_to(connection, VISITOR),
        lambda connection: subjects.openings_by_refs(connection, [b"a", b"b"]),
    ],
    ids=["decisions_of", "accepted_at", "openings_of", "linked_to", "openings_by_refs"],
)
def test_looking_somebody_up_never_reads_the_whole_table(file: Database, run: Any) -> None:
    """Every look-up by a person goes through an index, however large the table is."""
    plan = _plan(file, run)

    assert "SEARCH" in plan
    assert "SCAN" not in plan.replace("SCAN (subquery", "")


def test_the_last_decision_up_to_an_instant_is_found(database: Database, make: Any) -> None:
    """At any instant it is the newest that was made by then, of that subject and that policy."""
    first, second, third = make(at=10), make(at=20, act="withdraw"), make(at=30, serial=2)
    _keep(database, first, second, third, make(at=25, policy="privacy"), make(at=25, subject_tag=BERT))

    def at(instant: int, *acts: str) -> DecisionRow | None:
        return database.read(lambda connection: subjects.accepted_at(connection, ANNA, "terms", instant, acts))

    assert at(9) is None
    assert _decision(first) == at(10) == at(19)
    assert _decision(second) == at(20) == at(29)
    assert _decision(third) == at(30) == at(1_000)
    assert _decision(first) == at(29, "accept", "acknowledge")


@given(
    instants=st.lists(st.integers(0, 6), max_size=12),
    asked=st.integers(0, 7),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_the_last_decision_is_that_of_a_plain_search(fake: ModuleType, instants: list[int], asked: int) -> None:
    """Whatever was decided when, the newest by instant and then by ref is found."""
    database = Database.open("sqlite://")
    rows = [fake.opening(bytes([place]) * 16, subject_tag=ANNA, at=at) for place, at in enumerate(instants)]
    _keep(database, *rows)
    found = database.read(lambda connection: subjects.accepted_at(connection, ANNA, "terms", asked))
    database.close()

    expected = max((row for row in rows if row.at <= asked), key=lambda row: (row.at, row.ref), default=None)
    assert (None if expected is None else _decision(expected)) == found


def test_erasing_takes_what_is_named_and_nothing_else(database: Database, make: Any) -> None:
    """Named openings go, others stay; the number says how many there were."""
    rows = [make() for _ in range(5)]
    _keep(database, *rows)

    gone = database.write(
        lambda connection: subjects.delete_openings(connection, [rows[0].ref, rows[3].ref, b"unknown"])
    )
    assert gone == 2
    assert [rows[1], rows[2], rows[4]] == database.read(lambda connection: subjects.openings_of(connection, ANNA))


def test_one_field_can_be_erased(database: Database, make: Any) -> None:
    """Other openings take the place of the old ones; look-ups still find the row."""
    row = make(openings='{"ip":["s","v"],"subject":["s","v"]}')
    _keep(database, row)

    assert database.write(lambda connection: subjects.replace_openings(connection, row.ref, '{"subject":["s","v"]}'))
    assert not database.write(lambda connection: subjects.replace_openings(connection, b"unknown", "{}"))
    assert [row._replace(openings='{"subject":["s","v"]}')] == database.read(
        lambda connection: subjects.openings_of(connection, ANNA)
    )


def test_decisions_are_counted_by_version_and_act(database: Database, make: Any) -> None:
    """Counts are by serial and act; what is no decision does not count."""
    _keep(database, make(), make(), make(act="decline"), make(serial=2), make(serial=None, act="link"))

    assert database.read(subjects.count_by_serial) == {(1, "accept"): 2, (1, "decline"): 1, (2, "accept"): 1}


def test_the_curve_of_a_version_counts_by_period(database: Database, make: Any) -> None:
    """Each decision stands in the period its instant falls in; periods without any are left out."""
    _keep(database, *[make(at=at) for at in (0, 99, 100, 350)], make(at=120, act="decline"), make(at=1, serial=2))

    found = database.read(lambda connection: subjects.count_per_period(connection, 1, 100))
    assert found == [(0, "accept", 2), (100, "accept", 1), (100, "decline", 1), (300, "accept", 1)]
