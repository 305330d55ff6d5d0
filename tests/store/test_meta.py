"""Single values and the publication counter, on every database."""

from __future__ import annotations

import pytest

from consentgate.store import meta
from consentgate.store.database import Database
from consentgate.store.tables import SCHEMA_VERSION


def test_a_value_is_written_and_written_again(database: Database) -> None:
    """`put` leaves the last value, and an unknown key has none."""
    database.write(lambda connection: meta.put(connection, "origin", "one"))
    database.write(lambda connection: meta.put(connection, "origin", "two"))

    assert database.read(lambda connection: meta.get(connection, "origin")) == "two"
    assert database.read(lambda connection: meta.get(connection, "unknown")) is None


def test_what_is_chosen_once_stays(database: Database) -> None:
    """`put_new` writes the first value and from then on returns it."""
    assert database.write(lambda connection: meta.put_new(connection, "pepper", "one")) == "one"
    assert database.write(lambda connection: meta.put_new(connection, "pepper", "two")) == "one"


def test_all_values_are_read_at_once(database: Database) -> None:
    """A fresh database knows its schema version and that nothing was published."""
    database.write(lambda connection: meta.put(connection, "origin", "example.com"))

    assert database.read(meta.everything) == {
        "schema_version": str(SCHEMA_VERSION), "generation": "0", "origin": "example.com",
    }  # fmt: skip


def test_the_generation_counts_publications(database: Database) -> None:
    """Each bump is one more, and is undone with its transaction."""
    assert database.read(meta.generation) == 0
    assert [database.write(meta.bump_generation) for _ in range(2)] == [1, 2]
    with pytest.raises(LookupError), database.transaction() as connection:
        assert meta.bump_generation(connection) == 3
        raise LookupError
    assert database.read(meta.generation) == 2


def test_the_generation_is_counted_only_from_where_it_was_expected(database: Database) -> None:
    """Compared and counted in one statement: of two who expect the same, one is told to look again."""
    assert database.write(lambda connection: meta.advance_generation(connection, 0)) == 1
    assert database.write(lambda connection: meta.advance_generation(connection, 0)) is None
    assert database.read(meta.generation) == 1
