"""The tables: strict, explicit, ours alone."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import registry
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Field, Session, SQLModel, select

from consentgate.store import tables
from consentgate.store.blobs import BlobRow
from consentgate.store.database import Database
from consentgate.store.entries import EntryRow, TileRow
from consentgate.store.policies import PolicyRow, TranslationRow, VersionRow
from consentgate.store.schema import SCHEMA
from consentgate.store.subjects import OpeningRow
from consentgate.store.tables import METADATA
from consentgate.store.tokens import TokenRow

ALL = METADATA.sorted_tables


def _raw(database: Database) -> sqlite3.Connection:
    return sqlite3.connect(database.name.removeprefix("sqlite:///"))


def test_every_table_of_a_fresh_database_is_strict(file: Database) -> None:
    """SQLite reports each of our tables as STRICT, and those that are looked up by their whole key as clustered."""
    connection = _raw(file)
    found = {
        name: (clustered, strict)
        for _, name, kind, _, clustered, strict in connection.execute("PRAGMA table_list")
        if kind == "table" and not name.startswith("sqlite_")
    }
    connection.close()

    assert {table.name for table in ALL} | {SCHEMA.name} == set(found)
    assert {strict for _, strict in found.values()} == {1}
    assert {name for name, (clustered, _) in found.items() if clustered} == {
        "consentgate_tile",
        "consentgate_redline",
        "consentgate_meta",
        SCHEMA.name,
    }


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_a_value_of_another_type_is_refused_in_every_column(file: Database, table: Any) -> None:
    """Text for an integer, text for bytes and bytes for text are refused wherever they are put."""
    wrong = {"INTEGER": "many", "BLOB": "text", "TEXT": b"bytes"}
    right = {"INTEGER": 1, "BLOB": b"bytes", "TEXT": "text"}
    connection = _raw(file)
    kinds = {name: kind for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table.name})")}
    sql = f"INSERT INTO {table.name} ({', '.join(kinds)}) VALUES ({', '.join('?' * len(kinds))})"
    for column, kind in kinds.items():
        values = [wrong[kind] if name == column else right[other] for name, other in kinds.items()]
        with pytest.raises(sqlite3.IntegrityError, match=r"cannot store|datatype mismatch"):
            connection.execute(sql, values)
    connection.execute(sql, [right[kind] for kind in kinds.values()])
    connection.close()


def test_everything_we_name_carries_our_prefix() -> None:
    """Tables, indexes and named constraints can be told from the host's."""
    names = [table.name for table in ALL]
    names += [index.name for table in ALL for index in table.indexes]
    names += [str(rule.name) for table in ALL for rule in table.constraints if rule.name]

    assert [name for name in names if not name.startswith("consentgate_")] == []


def test_a_host_may_have_models_and_tables_of_the_same_names(file: Database) -> None:
    """A host's SQLModel classes called like ours, in the default registry, work in the same process and file."""

    class Entry(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str

    class Token(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        entry_id: int = Field(foreign_key="entry.id")

    engine = create_engine(file.name)
    SQLModel.metadata.create_all(engine, tables=[Entry.__table__, Token.__table__])  # type: ignore[attr-defined]
    with Session(engine) as session:
        session.add(Entry(title="the host's"))
        session.commit()
        assert [entry.title for entry in session.exec(select(Entry))] == ["the host's"]
    names = set(inspect(engine).get_table_names())
    engine.dispose()

    assert {"entry", "token", "consentgate_entry", "consentgate_token"} <= names
    assert [name for name in SQLModel.metadata.tables if name.startswith("consentgate")] == []
    assert tables.ENTRY.name == "consentgate_entry"
    SQLModel.metadata.remove(Entry.__table__)  # type: ignore[attr-defined]
    SQLModel.metadata.remove(Token.__table__)  # type: ignore[attr-defined]


def test_our_registry_is_our_own() -> None:
    """Our classes stand in no registry that a host would use."""
    default: registry = SQLModel._sa_registry  # type: ignore[attr-defined]

    assert tables.shelves is not default
    assert METADATA is not SQLModel.metadata
    assert [mapper.class_.__name__ for mapper in default.mappers if issubclass(mapper.class_, tables.Shelf)] == []


@pytest.mark.parametrize(
    ("row", "table"),
    [
        (EntryRow, tables.ENTRY),
        (TileRow, tables.TILE),
        (OpeningRow, tables.OPENING),
        (BlobRow, tables.BLOB),
        (PolicyRow, tables.POLICY),
        (VersionRow, tables.VERSION),
        (TranslationRow, tables.TRANSLATION),
        (TokenRow, tables.TOKEN),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_row_has_the_columns_of_its_table_in_their_order(row: Any, table: Any) -> None:
    """Rows are handed to the driver as they are: their order is the table's."""
    assert tuple(column.name for column in table.columns) == row._fields


def test_the_same_tables_can_be_made_on_postgresql() -> None:
    """Every table and index compiles for PostgreSQL, with types that hold our values."""
    words = "\n".join(str(CreateTable(table).compile(dialect=postgresql.dialect())) for table in ALL)
    words += "\n".join(
        str(CreateIndex(index).compile(dialect=postgresql.dialect())) for table in ALL for index in table.indexes
    )

    assert "idx BIGINT NOT NULL" in words
    assert "hashes BYTEA NOT NULL" in words
    assert "at BIGINT NOT NULL" in words
    assert "STRICT" not in words
    assert "SERIAL" not in words
