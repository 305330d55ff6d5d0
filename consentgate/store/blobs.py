"""Content-addressed bytes, and which of them is the redline between two texts.

Room: store; called by the service. The digest is given, never computed here: who keeps bytes must not be the one who
says what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from consentgate.store.statements import PreparedInsert, chunks
from consentgate.store.tables import BLOB, REDLINE


class BlobRow(NamedTuple):
    """Bytes under their SHA-256 (lower-case hex), with their media type."""

    digest: str
    media: str
    data: bytes


_INSERT_BLOB = PreparedInsert(BLOB, ignore=True)
_INSERT_REDLINE = PreparedInsert(REDLINE, ignore=True)


def put_blob(connection: Connection, digest: str, media: str, data: bytes) -> None:
    """Keep bytes; the same bytes again change nothing."""
    _INSERT_BLOB.one(connection, digest, media, data)


def put_blobs(connection: Connection, rows: Sequence[BlobRow]) -> None:
    """Keep several."""
    _INSERT_BLOB.many(connection, rows)


def get_blob(connection: Connection, digest: str) -> BlobRow | None:
    """The bytes under a digest, or ``None``."""
    row = connection.execute(select(BLOB).where(BLOB.c.digest == digest)).one_or_none()
    return None if row is None else BlobRow._make(row)


def get_blobs(connection: Connection, digests: Iterable[str]) -> dict[str, BlobRow]:
    """Those of these blobs that are here, by digest."""
    found: dict[str, BlobRow] = {}
    for some in chunks(digests):
        rows = connection.execute(select(BLOB).where(BLOB.c.digest.in_(some)))
        found.update((row.digest, BlobRow._make(row)) for row in rows)
    return found


def blobs_known(connection: Connection, digests: Iterable[str]) -> frozenset[str]:
    """Which of these digests are here, without reading the bytes."""
    known: set[str] = set()
    for some in chunks(digests):
        known.update(connection.scalars(select(BLOB.c.digest).where(BLOB.c.digest.in_(some))))
    return frozenset(known)


def put_redline(connection: Connection, old_digest: str, new_digest: str, algorithm: str, digest: str) -> None:
    """Say which blob is the redline from one text to another; what was said first stays."""
    _INSERT_REDLINE.one(connection, old_digest, new_digest, algorithm, digest)


def put_redlines(connection: Connection, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Say it of several: (old digest, new digest, algorithm, digest of the blob)."""
    _INSERT_REDLINE.many(connection, rows)


def get_redline(connection: Connection, old_digest: str, new_digest: str, algorithm: str) -> BlobRow | None:
    """The redline from one text to another, or ``None`` where it was not computed by this algorithm."""
    statement = (
        select(BLOB)
        .join(REDLINE, REDLINE.c.digest == BLOB.c.digest)
        .where(REDLINE.c.old_digest == old_digest, REDLINE.c.new_digest == new_digest, REDLINE.c.algorithm == algorithm)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else BlobRow._make(row)
