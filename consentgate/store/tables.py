"""What the shelves are called and what fits on them.

Room: store. The classes are SQLModel tables with a registry and metadata of their own, so that a host application
may have models of the same names (``Entry``, ``Policy``, ``Token``) beside ours. Types are explicit because SQLite's
STRICT tables refuse what SQLModel would choose; instants are integers of microseconds, digests lower-case hex.

Rows are moved by SQLAlchemy Core over the ``Table`` objects at the end of this file, never by the ORM.

Five rules the tables keep:

* `Opening` is the only table with personal data, and the only one whose rows are ever deleted;
* its key is ``ref``, never the index in the ledger, so that sequencing never touches personal data;
* `Head` is the only ledger row that is ever updated, by compare-and-swap on ``size``;
* `Queue` rows wait for their places and are deleted when they get them;
* everything else of the ledger is insert-only.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

SCHEMA_VERSION = 2
"""Written to `Meta` when a database is made; a larger number is refused, a smaller one brought up: see `migrations`."""

PREFIX = "consentgate_"

BIG = BigInteger().with_variant(Integer, "sqlite")
SMALL = SmallInteger().with_variant(Integer, "sqlite")
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite does: the order of slugs and languages is the same everywhere."""
_STRICT: dict[str, Any] = {"sqlite_strict": True}
_STRICT_KEYED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}

shelves = registry()
"""Our own registry: host models never meet ours."""

# Hardly any row is a link: the index holds those alone.
_LINKED = text("linked_tag IS NOT NULL")
_WHERE_LINKED: dict[str, Any] = {"sqlite_where": _LINKED, "postgresql_where": _LINKED}


# A decision that was erased has a serial below 1: lists of decisions do not walk over those.
_DECIDED = text("serial > 0")
_WHERE_DECIDED: dict[str, Any] = {"sqlite_where": _DECIDED, "postgresql_where": _DECIDED}


class Shelf(SQLModel, registry=shelves):
    """Base of every table of this room."""


def _column(type_: Any, *parts: Any, null: bool = False, key: bool = False) -> Any:
    """One explicit column; integer keys are given by us, never generated."""
    column: Column[Any] = Column(None, type_, *parts, nullable=null, primary_key=key, autoincrement=False)
    return Field(sa_column=column)


class Entry(Shelf, table=True):
    """One record of the ledger, at its place. Insert-only."""

    __tablename__: ClassVar[str] = PREFIX + "entry"
    __table_args__: ClassVar[Any] = (UniqueConstraint("ref", name=PREFIX + "entry_ref"), _STRICT)

    idx: int = _column(BIG, key=True)
    ref: bytes = _column(LargeBinary)
    leaf_hash: bytes = _column(LargeBinary)
    leaf: bytes = _column(LargeBinary)


class Opening(Shelf, table=True):
    """Salts and values behind an entry's commitments, and what look-ups need. The only erasable table.

    A link (visitor signed in) has ``act = 'link'`` and the visitor's tag in ``linked_tag``: what that visitor decided
    up to ``at`` counts for ``subject_tag``.
    """

    __tablename__: ClassVar[str] = PREFIX + "opening"
    __table_args__: ClassVar[Any] = (
        Index(PREFIX + "opening_subject", "subject_tag", "policy", "at"),
        Index(PREFIX + "opening_serial", "serial", "act", "at"),
        Index(PREFIX + "opening_policy", "policy", "act", "at", **_WHERE_DECIDED),
        Index(PREFIX + "opening_act", "act", "at", **_WHERE_DECIDED),
        Index(PREFIX + "opening_linked", "linked_tag", **_WHERE_LINKED),
        _STRICT,
    )

    ref: bytes = _column(LargeBinary, key=True)
    subject_tag: bytes | None = _column(LargeBinary, null=True)
    subject_kind: str | None = _column(TEXT, null=True)
    linked_tag: bytes | None = _column(LargeBinary, null=True)
    policy: str | None = _column(TEXT, null=True)
    serial: int | None = _column(BIG, null=True)
    act: str | None = _column(TEXT, null=True)
    at: int = _column(BIG)
    expires: int | None = _column(BIG, null=True)
    openings: str = _column(TEXT)


class Queue(Shelf, table=True):
    """Entries that are durable and have no place yet, on PostgreSQL. Rows are deleted as they get one."""

    __tablename__: ClassVar[str] = PREFIX + "queue"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("ref", name=PREFIX + "queue_ref"),
        Index(PREFIX + "queue_at", "at"),
        _STRICT,
    )

    id: int = Field(sa_column=Column(None, BIG, Identity(), primary_key=True, nullable=False))
    ref: bytes = _column(LargeBinary)
    at: int = _column(BIG)
    leaf: bytes = _column(LargeBinary)


class Tile(Shelf, table=True):
    """A full tile of 256 hashes. Insert-only; the part of a tile that is not full yet is read from below."""

    __tablename__: ClassVar[str] = PREFIX + "tile"
    __table_args__: ClassVar[Any] = (_STRICT_KEYED,)

    level: int = _column(SMALL, key=True)
    idx: int = _column(BIG, key=True)
    root: bytes = _column(LargeBinary)
    hashes: bytes = _column(LargeBinary)


class Head(Shelf, table=True):
    """The newest checkpoint: one row, compare-and-swap on ``size``."""

    __tablename__: ClassVar[str] = PREFIX + "head"
    __table_args__: ClassVar[Any] = (CheckConstraint("id = 1", name=PREFIX + "head_is_one_row"), _STRICT)

    id: int = _column(SMALL, key=True)
    size: int = _column(BIG)
    at: int = _column(BIG)
    note: str = _column(TEXT)


class Checkpoint(Shelf, table=True):
    """Sparse history of signed checkpoints. Insert-only."""

    __tablename__: ClassVar[str] = PREFIX + "checkpoint"
    __table_args__: ClassVar[Any] = (_STRICT,)

    size: int = _column(BIG, key=True)
    note: str = _column(TEXT)


class Blob(Shelf, table=True):
    """Bytes under their SHA-256: texts, raw drafts, pages, control wordings, redlines, settings."""

    __tablename__: ClassVar[str] = PREFIX + "blob"
    __table_args__: ClassVar[Any] = (_STRICT,)

    digest: str = _column(TEXT, key=True)
    media: str = _column(TEXT)
    data: bytes = _column(LargeBinary)


class RedlinePlace(Shelf, table=True):
    """Which blob is the redline between two texts, by one version of the algorithm."""

    __tablename__: ClassVar[str] = PREFIX + "redline"
    __table_args__: ClassVar[Any] = (_STRICT_KEYED,)

    old_digest: str = _column(TEXT, key=True)
    new_digest: str = _column(TEXT, key=True)
    algorithm: str = _column(TEXT, key=True)
    digest: str = _column(TEXT, ForeignKey(PREFIX + "blob.digest"))


class PolicyShelf(Shelf, table=True):
    """A policy's settings, as the service writes them."""

    __tablename__: ClassVar[str] = PREFIX + "policy"
    __table_args__: ClassVar[Any] = (_STRICT,)

    slug: str = _column(TEXT, key=True)
    settings: str = _column(TEXT)
    position: int = _column(Integer)


class VersionShelf(Shelf, table=True):
    """A published version."""

    __tablename__: ClassVar[str] = PREFIX + "version"
    __table_args__: ClassVar[Any] = (UniqueConstraint("policy", "label", name=PREFIX + "version_label"), _STRICT)

    serial: int = _column(BIG, key=True)
    policy: str = _column(TEXT, ForeignKey(PREFIX + "policy.slug"))
    label: str = _column(TEXT)
    impact: str = _column(TEXT)
    announced: int = _column(BIG)
    effective: int = _column(BIG)
    enforced: int = _column(BIG)
    prevailing: str = _column(TEXT)
    published: int = _column(BIG)


class TranslationShelf(Shelf, table=True):
    """A version's text in one language, by digest."""

    __tablename__: ClassVar[str] = PREFIX + "translation"
    __table_args__: ClassVar[Any] = (_STRICT,)

    serial: int = _column(BIG, ForeignKey(PREFIX + "version.serial"), key=True)
    language: str = _column(TEXT, key=True)
    title: str = _column(TEXT)
    digest: str = _column(TEXT, ForeignKey(PREFIX + "blob.digest"))
    raw_digest: str = _column(TEXT, ForeignKey(PREFIX + "blob.digest"))
    size: int = _column(BIG)
    summary: str = _column(TEXT)


class Cancellation(Shelf, table=True):
    """A version that was withdrawn before it took effect. Insert-only, as the version itself is."""

    __tablename__: ClassVar[str] = PREFIX + "cancellation"
    __table_args__: ClassVar[Any] = (_STRICT,)

    serial: int = _column(BIG, ForeignKey(PREFIX + "version.serial"), key=True)
    at: int = _column(BIG)


class DraftShelf(Shelf, table=True):
    """A text that is being written: the bytes as the editor sent them, whether or not they can be published."""

    __tablename__: ClassVar[str] = PREFIX + "draft"
    __table_args__: ClassVar[Any] = (_STRICT,)

    policy: str = _column(TEXT, key=True)
    label: str = _column(TEXT, key=True)
    language: str = _column(TEXT, key=True)
    body: bytes = _column(LargeBinary)
    etag: str = _column(TEXT)
    author: str = _column(TEXT)
    updated: int = _column(BIG)


class ProposalShelf(Shelf, table=True):
    """A publication that waits for a second person, or was decided about."""

    __tablename__: ClassVar[str] = PREFIX + "proposal"
    __table_args__: ClassVar[Any] = (Index(PREFIX + "proposal_status", "status", "at"), _STRICT)

    id: str = _column(TEXT, key=True)
    at: int = _column(BIG)
    author: str = _column(TEXT)
    person: str = _column(TEXT)
    content: str = _column(TEXT, ForeignKey(PREFIX + "blob.digest"))
    expected: str = _column(TEXT)
    status: str = _column(TEXT)
    decided: int | None = _column(BIG, null=True)
    decider: str | None = _column(TEXT, null=True)
    reason: str = _column(TEXT)


class AnswerShelf(Shelf, table=True):
    """What a request with an Idempotency-Key was answered: kept for a day. The key is a digest that names nobody."""

    __tablename__: ClassVar[str] = PREFIX + "answer"
    __table_args__: ClassVar[Any] = (Index(PREFIX + "answer_at", "at"), _STRICT)

    key: str = _column(TEXT, key=True)
    request: str = _column(TEXT)
    at: int = _column(BIG)
    status: int | None = _column(Integer, null=True)
    media: str | None = _column(TEXT, null=True)
    body: bytes | None = _column(LargeBinary, null=True)


class Token(Shelf, table=True):
    """An administrator's access token, by its digest."""

    __tablename__: ClassVar[str] = PREFIX + "token"
    __table_args__: ClassVar[Any] = (UniqueConstraint("digest", name=PREFIX + "token_digest"), _STRICT)

    id: str = _column(TEXT, key=True)
    digest: str = _column(TEXT)
    role: str = _column(TEXT)
    label: str = _column(TEXT)
    created: int = _column(BIG)
    expires: int | None = _column(BIG, null=True)
    revoked: int | None = _column(BIG, null=True)
    holder: str | None = _column(TEXT, null=True)


class Meta(Shelf, table=True):
    """Single values: schema version, origin, the publication counter …"""

    __tablename__: ClassVar[str] = PREFIX + "meta"
    __table_args__: ClassVar[Any] = (_STRICT_KEYED,)

    key: str = _column(TEXT, key=True)
    value: str = _column(TEXT)


def _table(model: type[Shelf]) -> Table:
    return cast("Table", model.__table__)  # type: ignore[attr-defined]


METADATA = shelves.metadata
ENTRY = _table(Entry)
OPENING = _table(Opening)
QUEUE = _table(Queue)
TILE = _table(Tile)
HEAD = _table(Head)
CHECKPOINT = _table(Checkpoint)
BLOB = _table(Blob)
REDLINE = _table(RedlinePlace)
POLICY = _table(PolicyShelf)
VERSION = _table(VersionShelf)
TRANSLATION = _table(TranslationShelf)
CANCELLATION = _table(Cancellation)
DRAFT = _table(DraftShelf)
PROPOSAL = _table(ProposalShelf)
ANSWER = _table(AnswerShelf)
TOKEN = _table(Token)
META = _table(Meta)


def _unsampled(table: Table, connection: Connection, **_: Any) -> None:
    """ANALYZE would keep a hundred openings in the planner's statistics, where no erasure reaches them."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ALTER TABLE {table.name} ALTER COLUMN openings SET STATISTICS 0"))


event.listen(OPENING, "after_create", _unsampled)
