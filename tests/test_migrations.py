"""A host with an Alembic of its own: it autogenerates in the same database, and our tables stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from consentgate.migrations import include_name
from consentgate.store import schema
from consentgate.store.database import Database

ENV = """\
from alembic import context
from sqlalchemy import Column, Integer, MetaData, Table, create_engine
{imported}
HOST = MetaData()
Table("orders", HOST, Column("id", Integer, primary_key=True))

with create_engine("{url}").connect() as connection:
    context.configure(connection=connection, target_metadata=HOST{options})
    with context.begin_transaction():
        context.run_migrations()
"""
TEMPLATE = """\
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
from alembic import op
import sqlalchemy as sa

def upgrade():
    ${upgrades if upgrades else "pass"}
"""


def _autogenerate(folder: Path, database: Database, *, ours: bool) -> tuple[Config, str]:
    """What a host's ``alembic revision --autogenerate`` writes."""
    (folder / "versions").mkdir(parents=True)
    env = ENV.format(
        url=database.name,
        imported="from consentgate.migrations import include_name" if ours else "",
        options=", include_name=include_name" if ours else "",
    )
    (folder / "env.py").write_text(env)
    (folder / "script.py.mako").write_text(TEMPLATE)
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    made = command.revision(config, "orders", autogenerate=True)
    assert made is not None
    assert not isinstance(made, list)
    return config, Path(made.path).read_text()


@pytest.fixture(name="database")
def _database(tmp_path: Path) -> Database:
    database = Database.open(f"sqlite:///{tmp_path / 'shared.db'}")
    database.close()
    return database


def test_a_host_that_autogenerates_does_not_drop_our_tables(tmp_path: Path, database: Database) -> None:
    """With `include_name` its migration makes its own table, names none of ours, and runs beside our version table."""
    config, written = _autogenerate(tmp_path / "alembic", database, ours=True)

    assert "create_table('orders'" in written
    assert "consentgate" not in written
    command.upgrade(config, "head")
    again = Database.open(database.name)
    assert again.read(schema.differences) == []
    assert again.read(lambda c: c.scalar(text("SELECT count(*) FROM consentgate_schema"))) == 1
    assert again.read(lambda c: inspect(c).has_table("orders"))
    again.close()


def test_without_it_they_would_be_dropped(tmp_path: Path, database: Database) -> None:
    """The danger is real: the same host without `include_name` writes migrations that drop the ledger."""
    _, written = _autogenerate(tmp_path / "alembic", database, ours=False)

    assert "drop_table('consentgate_entry')" in written


@pytest.mark.parametrize(
    ("name", "kind", "wanted"),
    [
        ("orders", "table", True),
        ("consentgate_entry", "table", False),
        ("consentgate_schema", "table", False),
        ("consentgated", "table", True),
        ("consentgate_id", "column", True),
        (None, "schema", True),
    ],
)
def test_only_tables_of_ours_are_left_out(name: str | None, kind: str, wanted: bool) -> None:
    """A host's own tables, its columns and its schemas are seen as before."""
    assert include_name(name, kind, {}) is wanted


def test_importing_it_loads_nothing() -> None:
    """A host's ``env.py`` pays nothing for it."""
    program = "import sys, consentgate.migrations; sys.exit(bool({'sqlalchemy', 'alembic'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
