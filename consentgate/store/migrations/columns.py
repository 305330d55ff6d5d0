"""The words in which steps are written: one column, one table.

Room: store; imported by the steps alone. They do not use `consentgate.store.tables`, which says what the tables are
now: a step must build for ever what it built when it was released.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.schema import SchemaItem

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_KINDS: dict[str, Any] = {
    "big": _BIG, "small": _SMALL, "integer": sa.Integer(), "text": _TEXT, "bytes": sa.LargeBinary(),
}  # fmt: skip


def columns(**kinds: str) -> list[sa.Column[Any]]:
    """Columns by name: ``big``, ``small``, ``integer``, ``text`` or ``bytes``, with ``?`` behind it if null may be."""
    return [
        sa.Column(name, _KINDS[kind.removesuffix("?")], nullable=kind.endswith("?"), autoincrement=False)
        for name, kind in kinds.items()
    ]


def table(name: str, key: str, parts: list[sa.Column[Any]], *rules: SchemaItem, rowid: bool = True) -> None:
    """Make a table: STRICT on SQLite, and there WITHOUT ROWID where `rowid` is false.

    Args:
        name: without our prefix.
        key: names of the primary key's columns, separated by spaces.
        parts: its columns.
        *rules: further constraints.
        rowid: on SQLite, whether rows have a number of their own.
    """
    options: dict[str, Any] = {"sqlite_strict": True} if rowid else {"sqlite_strict": True, "sqlite_with_rowid": False}
    op.create_table("consentgate_" + name, *parts, sa.PrimaryKeyConstraint(*key.split()), *rules, **options)


def points(column: str, target: str) -> SchemaItem:
    """A foreign key: ``points("digest", "blob.digest")``."""
    return sa.ForeignKeyConstraint([column], ["consentgate_" + target])
