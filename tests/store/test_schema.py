"""Tables: made at once, brought up step by step, the same either way."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from consentgate.errors import ConfigurationError, ConsentGateError
from consentgate.store import meta, schema
from consentgate.store.database import Database
from consentgate.store.tables import METADATA, SCHEMA_VERSION

Child = Callable[..., "subprocess.Popen[str]"]


def _first_release(connection: Connection) -> None:
    """The tables as the first release made them: no version table of Alembic's."""
    schema.upgrade(connection, 1)
    connection.execute(text(f"DROP TABLE {schema.SCHEMA.name}"))
    meta.put(connection, meta.GENERATION, "0")


def _older(url: str) -> None:
    database = Database.bare(url, create=True)
    database.write(_first_release)
    database.close()


def _shape(file: Path) -> dict[str, Any]:
    """What SQLite itself says of each table of ours: strict, with or without rowid, columns, indexes."""
    with sqlite3.connect(file) as connection:
        shape = {}
        for _, name, _, _, without_rowid, strict in connection.execute("PRAGMA table_list").fetchall():
            if name.startswith("consentgate_"):
                columns = connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
                indexes = connection.execute(f"PRAGMA index_list({name})").fetchall()
                keys = connection.execute(f"PRAGMA foreign_key_list({name})").fetchall()
                shape[name] = (
                    without_rowid, strict, sorted(column[1:] for column in columns), sorted(one[1:] for one in indexes),
                    sorted(key[2:] for key in keys),
                )  # fmt: skip
    connection.close()
    return shape


def test_the_steps_build_exactly_what_a_fresh_database_gets(tmp_path: Path) -> None:
    """Tables of the first release, brought up, are those of a fresh file: strict, keyed, column by column."""
    fresh, older = tmp_path / "fresh.db", tmp_path / "older.db"
    Database.open(f"sqlite:///{fresh}").close()
    _older(f"sqlite:///{older}")

    Database.open(f"sqlite:///{older}").close()

    assert _shape(older) == _shape(fresh)


def test_the_steps_build_what_the_tables_say(url: str) -> None:
    """Alembic, asked to compare, finds nothing to do after the last step. If it does: the newest step lacks something
    that was added to `consentgate.store.tables`."""
    database = Database.bare(url, create=True)
    try:
        assert database.write(schema.upgrade) == (0, SCHEMA_VERSION)
        assert database.read(schema.differences) == []
    finally:
        database.close()


_COLUMNS = """
    SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, column_name
"""


@pytest.mark.parametrize("version", [15, 18])
def test_the_steps_build_the_very_columns_of_a_fresh_server(postgres: Any, version: int) -> None:
    """Collations and defaults too, which Alembic's comparison overlooks, as the server itself reports them."""
    stepped, fresh = (Database.bare(postgres(version).fresh()) for _ in range(2))
    try:
        stepped.write(schema.upgrade)
        fresh.write(schema.make)
        found = [one.read(lambda c: list(map(tuple, c.execute(text(_COLUMNS))))) for one in (stepped, fresh)]
    finally:
        stepped.close()
        fresh.close()

    ours = [[column for column in one if column[0] != schema.SCHEMA.name] for one in found]
    assert ours[0] == ours[1]


def test_a_fresh_database_is_as_the_tables_say(database: Database) -> None:
    """Alembic, asked to compare a fresh database with the tables, finds nothing to do, and is stamped with the last."""
    assert database.read(schema.differences) == []
    assert database.read(lambda connection: connection.scalar(text("SELECT version_num FROM consentgate_schema"))) == (
        f"{SCHEMA_VERSION:04d}"
    )


def test_what_is_missing_different_or_unexpected_is_told(database: Database) -> None:
    """A lost index, an added column: each is one line."""
    with database.transaction() as connection:
        connection.execute(text("DROP INDEX consentgate_opening_serial"))
        connection.execute(text("ALTER TABLE consentgate_token ADD COLUMN mood INTEGER"))

    assert database.read(schema.differences) == [
        "missing: index consentgate_opening_serial",
        "unexpected: column consentgate_token mood",
    ]


def test_there_is_one_step_for_each_schema_version() -> None:
    """The steps are 0001, 0002 … in one line, and the last is the version that start-up asks for."""
    config = Config()
    config.set_main_option("script_location", str(schema.STEPS))
    steps = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]

    assert steps == [f"{number:04d}" for number in range(SCHEMA_VERSION, 0, -1)]


def test_the_steps_only_add() -> None:
    """No step drops, alters or renames anything, or copies a table as Alembic's batch mode does."""
    forbidden = ("drop_", "alter_", "rename_", "batch_", "DELETE", "DROP")
    for step in (schema.STEPS / "versions").glob("*.py"):
        assert not [word for word in forbidden if word in step.read_text(encoding="utf-8")], step.name


def test_an_older_file_is_brought_up_when_it_is_opened(tmp_path: Path) -> None:
    """What stood in it is there afterwards."""
    url = f"sqlite:///{tmp_path / 'older.db'}"
    _older(url)
    with sqlite3.connect(tmp_path / "older.db") as connection:
        connection.execute("INSERT INTO consentgate_blob VALUES ('d', 'text/plain', x'00')")
    connection.close()

    database = Database.open(url)

    assert database.schema_version() == str(SCHEMA_VERSION)
    assert database.read(lambda c: c.scalar(text("SELECT count(*) FROM consentgate_blob"))) == 1
    database.close()


def test_many_may_open_an_older_file_at_the_same_time(tmp_path: Path, child: Child) -> None:
    """Several processes start on it at once: one brings it up, all of them work."""
    url = f"sqlite:///{tmp_path / 'older.db'}"
    _older(url)

    started = [child("start", url) for _ in range(4)]

    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    database = Database.open(url)
    assert database.read(schema.differences) == []
    database.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything a step did is rolled back, and the next start tries again."""
    file = tmp_path / "older.db"
    _older(f"sqlite:///{file}")
    before = _shape(file)

    def broken(connection: Connection) -> tuple[int, int]:
        connection.execute(text("CREATE TABLE consentgate_half (id INTEGER PRIMARY KEY) STRICT"))
        raise ConsentGateError("the power failed")

    with monkeypatch.context() as patch:
        patch.setattr("consentgate.store.tables.SCHEMA_VERSION", SCHEMA_VERSION + 1)
        patch.setattr("consentgate.store.database.SCHEMA_VERSION", SCHEMA_VERSION + 1)
        patch.setattr(schema, "upgrade", broken)
        with pytest.raises(ConsentGateError, match="the power failed"):
            Database.open(f"sqlite:///{file}")

    assert _shape(file) == before
    Database.open(f"sqlite:///{file}").close()


def test_an_older_file_that_may_not_be_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only wants to look changes no tables; the hint names the command that does."""
    url = f"sqlite:///{tmp_path / 'older.db'}"
    Database.open(url).close()
    monkeypatch.setattr("consentgate.store.database.SCHEMA_VERSION", SCHEMA_VERSION + 1)

    with pytest.raises(ConfigurationError, match="schema version") as refused:
        Database.open(url, create=False)

    assert "consentgate db upgrade" in refused.value.hint


def test_an_up_to_date_database_is_opened_without_alembic(tmp_path: Path) -> None:
    """Neither a fresh file nor one that is as it should be loads Alembic at start-up."""
    program = (
        "import sys; from consentgate.store.database import Database; "
        f"[Database.open('sqlite:///{tmp_path / 'one.db'}').close() for _ in range(2)]; "
        "sys.exit('alembic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_our_tables_are_compared_and_no_others(database: Database) -> None:
    """A host's tables beside ours are nobody's difference."""
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))

    assert database.read(schema.differences) == []
    assert schema.SCHEMA.name not in METADATA.tables
