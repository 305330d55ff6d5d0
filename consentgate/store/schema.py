"""Which tables a database has: made at once where it is fresh, brought up step by step where it is older.

Room: store; called by `consentgate.store.database` and, for ``consentgate db``, by the service. Start-up looks at one
integer in `Meta` and imports Alembic only where there is something to do.

What was made is entered twice in the same transaction: as that integer, and as the revision in a version table of our
own, ``consentgate_schema``, so that our steps and those of a host's own Alembic never meet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Identity, MetaData, Table, Text, inspect, select, text

from consentgate.store import meta
from consentgate.store.statements import upsert
from consentgate.store.tables import META, METADATA, PREFIX, SCHEMA_VERSION

COPYING = "copying"
"""Stands for the version in a database that is being copied into: nobody may open it before it is complete."""

STEPS = Path(__file__).parent / "migrations"

SCHEMA = Table(
    PREFIX + "schema",
    MetaData(),  # not among our tables: whoever compares those with a database must not find it
    Column("version_num", Text, primary_key=True, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Alembic's own table, under a name of ours. It looks for exactly this column."""

_ONE_AT_A_TIME = 0x636F6E73656E7467
"""Key of the lock on PostgreSQL that those take in turn who make tables; it ends with the transaction, so poolers that
hand out connections for one transaction do not mind."""


def version(connection: Connection) -> str | None:
    """The schema version as it stands in the database, or ``None`` where there are no tables of ours."""
    if not inspect(connection).has_table(META.name):
        return None
    return meta.get(connection, meta.SCHEMA) or ""


def make(connection: Connection) -> bool:
    """Make the tables of a fresh database; whether there were none. In a write transaction."""
    _take_turns(connection)
    if version(connection) is not None:
        return False
    METADATA.create_all(connection)
    meta.put(connection, meta.GENERATION, "0")
    write_down(connection, SCHEMA_VERSION)
    _stamp(connection, SCHEMA_VERSION)
    return True


def upgrade(connection: Connection, to: int = SCHEMA_VERSION) -> tuple[int, int]:
    """Bring the tables up to those of this release. In a write transaction: all of it happens, or nothing.

    Returns:
        The versions before and after; the same where somebody else was quicker.
    """
    from alembic import command
    from alembic.config import Config

    _take_turns(connection)
    before = int(version(connection) or 0)
    if before < to:
        if before:
            _stamp(connection, before)  # the first release had no version table
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
        command.upgrade(config, f"{to:04d}")
    return before, int(version(connection) or 0)


def differences(connection: Connection) -> list[str]:
    """How the tables differ from those this release expects; none where all is as it should be.

    Each is a line that begins with ``missing``, ``different``, or ``unexpected`` (harmless, such as an index of the
    operator's own).
    """
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(connection, opts=ALEMBIC)
    return sorted(_line(one) for one in compare_metadata(context, METADATA) if not _as_sqlite_has_it(connection, one))


def _as_sqlite_has_it(connection: Connection, found: Any) -> bool:
    """SQLite numbers the rows of a table whose key is one integer; it knows no other word for that."""
    changes = found if isinstance(found, list) else []
    return connection.dialect.name == "sqlite" and any(isinstance(part, Identity) for one in changes for part in one)


ALEMBIC: dict[str, Any] = {
    "target_metadata": METADATA,
    "version_table": SCHEMA.name,
    "include_name": lambda name, kind, _: kind != "table" or (name or "").startswith(PREFIX),
    "compare_type": True,
    "compare_server_default": True,
}
"""How Alembic is to look at a database of ours: our tables alone, their types too."""


def write_down(connection: Connection, number: int) -> None:
    """Enter the schema version where start-up looks for it."""
    meta.put(connection, meta.SCHEMA, str(number))


def _stamp(connection: Connection, number: int) -> None:
    """Enter the revision where Alembic looks for it, unless one is there."""
    SCHEMA.create(connection, checkfirst=True)
    if connection.scalar(select(SCHEMA.c.version_num)) is None:
        statement = upsert(SCHEMA, connection.dialect.name).values(version_num=f"{number:04d}")
        connection.execute(statement.on_conflict_do_nothing())


def _take_turns(connection: Connection) -> None:
    """Keep others from making tables until this transaction ends. On SQLite the write transaction does that."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})


_VERBS = {"add": "missing", "remove": "unexpected", "modify": "different"}


def _line(found: Any) -> str:
    """One difference as Alembic says it: a verb and what it is about; several, where they are about one column."""
    if isinstance(found, list):
        return "; ".join(map(_line, found))
    did, *parts = found
    verb, _, thing = did.partition("_")
    names = [part if isinstance(part, str) else getattr(part, "name", None) for part in parts]
    return f"{_VERBS[verb]}: {thing} {' '.join(name for name in names if isinstance(name, str))}"
