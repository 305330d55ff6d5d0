"""A few single values of the database, and the counter that grows with each publication.

Room: store; called by the service. The values are text; what they mean is the service's business, except for the
schema version, which `consentgate.store.database` checks.
"""

from __future__ import annotations

from sqlalchemy import Connection, Text, cast, literal_column, select, text, update

from consentgate.store.statements import Prepared, upsert
from consentgate.store.tables import BIG, META

SCHEMA = "schema_version"
GENERATION = "generation"
CHANNEL = "consentgate"
"""Where PostgreSQL tells that the counter has moved."""

_GENERATION = Prepared(lambda _: select(META.c.value).where(META.c.key == literal_column(f"'{GENERATION}'")), ())


def get(connection: Connection, key: str) -> str | None:
    """The value under a key, or ``None``."""
    return connection.scalar(select(META.c.value).where(META.c.key == key))


def put(connection: Connection, key: str, value: str) -> None:
    """Write a value, whether or not there was one."""
    statement = upsert(META, connection.dialect.name).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def put_new(connection: Connection, key: str, value: str) -> str:
    """Write a value unless there is one; return the one that is there now. For what is chosen once (origin, pepper)."""
    connection.execute(upsert(META, connection.dialect.name).values(key=key, value=value).on_conflict_do_nothing())
    kept = get(connection, key)
    return value if kept is None else kept


def everything(connection: Connection) -> dict[str, str]:
    """All values by key."""
    rows = connection.execute(select(META.c.key, META.c.value))
    return {row.key: row.value for row in rows}


def under(connection: Connection, prefix: str) -> dict[str, str]:
    """The values whose keys begin with a prefix, by the rest of the key."""
    rows = connection.execute(select(META.c.key, META.c.value).where(META.c.key.startswith(prefix, autoescape=True)))
    return {row.key.removeprefix(prefix): row.value for row in rows}


def generation(connection: Connection) -> int:
    """How often something was published."""
    row = _GENERATION.one(connection)
    return int(row[0]) if row else 0


def lock_generation(connection: Connection) -> int:
    """`generation`, and until the transaction ends nobody else publishes, erases or holds anything.

    On SQLite a write transaction is alone anyway.
    """
    if connection.dialect.name == "sqlite":
        return generation(connection)
    found = connection.scalar(select(META.c.value).where(META.c.key == GENERATION).with_for_update())
    return int(found or 0)


def bump_generation(connection: Connection) -> int:
    """Count one publication; return the new value. Within the transaction that publishes."""
    counted = cast(cast(META.c.value, BIG) + 1, Text)
    statement = update(META).where(META.c.key == GENERATION).values(value=counted).returning(META.c.value)
    value = int(connection.execute(statement).scalar_one())
    _notify(connection)
    return value


def advance_generation(connection: Connection, expected: int) -> int | None:
    """`lock_generation`, compare and `bump_generation` in one statement.

    Returns:
        The new value; ``None`` where it was not the expected one, and nothing was counted.
    """
    counted = update(META).where(META.c.key == GENERATION, META.c.value == str(expected))
    if connection.execute(counted.values(value=str(expected + 1))).rowcount == 0:
        return None
    _notify(connection)
    return expected + 1


def _notify(connection: Connection) -> None:
    if connection.info.get("notifies"):
        connection.execute(text(f"NOTIFY {CHANNEL}"))
