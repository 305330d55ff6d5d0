"""``consentgate db``: the tables of the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg

from consentgate.store.tables import SCHEMA_VERSION
from tests.cli.conftest import Command, Project
from tests.postgres import USER, Server


def _change(file: Path, *statements: str) -> None:
    with sqlite3.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_an_up_to_date_database_is_as_it_should_be(published: Project, command: Command) -> None:
    """`current` and `check` say so and end with 0; `upgrade` has nothing to do."""
    for word in ("current", "check"):
        done = command("db", word)
        assert (done.code, done.out) == (0, f"consentgate.db: schema version {SCHEMA_VERSION}, as it should be.\n")
    assert command("db", "upgrade").err == f"consentgate.db: nothing to do, schema version {SCHEMA_VERSION}.\n"
    assert command("db", "check", "--json").json == {
        "database": "consentgate.db", "good": True, "found": SCHEMA_VERSION, "expected": SCHEMA_VERSION,
        "differences": [],
    }  # fmt: skip


def test_an_empty_database_gets_its_tables(tmp_path: Path, command: Command) -> None:
    """`current` says that there are none, `upgrade` makes them, with no ledger and no key."""
    (tmp_path / "empty.db").touch()

    assert command("db", "current", "--database", "empty.db").code == 1
    assert "made the tables" in command("db", "upgrade", "--database", "empty.db").err
    assert command("db", "check", "--database", "empty.db").code == 0
    assert not (tmp_path / "empty.db.key").exists()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, command: Command) -> None:
    """A slip of the pen makes no second ledger."""
    done = command("db", "upgrade", "--database", "nowhere.db")

    assert done.code == 2
    assert not (tmp_path / "nowhere.db").exists()


def test_missing_and_different_tables_are_found(published: Project, command: Command) -> None:
    """A lost index is an error, an index of the operator's own is only said."""
    _change(published.database, "CREATE INDEX mine ON consentgate_entry (leaf_hash)")
    done = command("db", "check")
    assert (done.code, done.out.splitlines()[1]) == (0, "  unexpected: index mine")

    _change(published.database, "DROP INDEX consentgate_opening_serial")
    done = command("db", "check")
    assert done.code == 1
    assert "  missing: index consentgate_opening_serial" in done.out


def test_a_database_of_a_newer_release_is_refused(published: Project, command: Command) -> None:
    """Nothing is changed, and the hint says what to install."""
    _change(published.database, "UPDATE consentgate_meta SET value = '999' WHERE key = 'schema_version'")

    assert "install a newer one" in command("db", "current").out
    done = command("db", "upgrade")
    assert done.code == 2
    assert "schema version 999" in done.err


# --- copy -------------------------------------------------------------------------------------------------------------


def test_a_ledger_moves_and_the_reader_is_told_how_to_switch(decided: Project, command: Command) -> None:
    """The copy verifies, and the words name the new database and the key that stays where it is."""
    done = command("db", "copy", "consentgate.db", "moved.db")

    assert done.code == 0
    assert "moved.db: 6 entries of example.com/terms, verified." in done.err
    assert "database = moved.db" in done.err
    assert "ledger_key = consentgate.db.key" in done.err
    assert command("verify", "--database", "moved.db").code == 0
    again = command("db", "copy", "consentgate.db", "moved.db", "--json").json
    assert (again["written"], again["size"], again["origin"]) == (0, 6, "example.com/terms")


def test_a_ledger_moves_to_a_server(decided: Project, command: Command, postgres: Callable[[int], Server]) -> None:
    """The same onto PostgreSQL; the application then runs there, with the key where it was."""
    url = postgres(15).fresh()

    assert command("db", "copy", "consentgate.db", url).code == 0
    assert command("db", "check", "--database", url).code == 0
    assert command("verify", "--database", url).code == 0


def test_what_cannot_be_copied_is_refused(decided: Project, command: Command) -> None:
    """A source that is not there, and a target that is the source."""
    assert command("db", "copy", "nowhere.db", "moved.db").code == 2
    assert command("db", "copy", "consentgate.db", "consentgate.db").code == 2
    assert not (decided.root / "moved.db").exists()


# --- roles ------------------------------------------------------------------------------------------------------------


def test_roles_are_printed_for_psql_without_a_database(command: Command) -> None:
    """The script alone goes to standard output; names that would have to be quoted are refused."""
    done = command("db", "roles", "--prefix", "gate", "--schema", "terms")

    assert (done.code, done.err) == (0, "")
    assert "GRANT SELECT, INSERT ON terms.consentgate_entry TO gate_sequencer;" in done.out
    assert command("db", "roles", "--prefix", "x; DROP TABLE y").code == 1


def test_a_table_is_written_anew_and_what_may_be_left_is_said(
    published: Project, command: Command, postgres: Callable[[int], Server]
) -> None:
    """An SQLite file has nothing to clear but its log; a server says that its own log keeps copies for a while."""
    done = command("db", "rewrite")
    assert done.code == 0, done.err
    assert "Nothing that was erased is left in its files." in done.out
    assert "write-ahead log" not in done.out
    found = command("db", "rewrite", "--json").json
    assert (found["gone"], [one["where"] for one in found["left"]]) == (True, ["copies"])

    url = postgres(18).fresh()
    assert command("db", "upgrade", "--database", url).code == 0
    done = command("db", "rewrite", "--database", url, "--wait", "5")
    assert done.code == 0, done.err
    assert "the write-ahead log of the server – until its files are used again" in done.out
    assert f"{USER}@" in done.out
    with psycopg.connect(url) as reader:
        reader.execute("LOCK TABLE consentgate_opening IN ACCESS SHARE MODE")
        done = command("db", "rewrite", "--database", url, "--wait", "0.1")
    assert (done.code, "hint:" in done.err) == (1, True)
