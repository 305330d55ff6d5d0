"""Content-addressed bytes and redlines, on every database."""

from __future__ import annotations

from typing import Any

import pytest

from consentgate.store import blobs
from consentgate.store.blobs import BlobRow
from consentgate.store.database import Database

ONE, TWO = BlobRow("1" * 64, "text/markdown", b"one"), BlobRow("2" * 64, "application/json", b"\x00\xff")


def test_bytes_come_back_under_their_digest(database: Database) -> None:
    """Any bytes are kept as they are, with their media type; an unknown digest gives nothing."""
    database.write(lambda connection: blobs.put_blob(connection, *ONE))
    database.write(lambda connection: blobs.put_blobs(connection, [ONE, TWO]))

    assert database.read(lambda connection: blobs.get_blob(connection, TWO.digest)) == TWO
    assert database.read(lambda connection: blobs.get_blob(connection, "3" * 64)) is None
    wanted = [ONE.digest, TWO.digest, "3" * 64]
    assert {ONE.digest: ONE, TWO.digest: TWO} == database.read(lambda connection: blobs.get_blobs(connection, wanted))
    assert {ONE.digest, TWO.digest} == database.read(lambda connection: blobs.blobs_known(connection, wanted))


def test_the_first_bytes_under_a_digest_stay(database: Database) -> None:
    """What lies under a digest is never written over, whatever somebody puts there later."""
    database.write(lambda connection: blobs.put_blob(connection, *ONE))
    database.write(lambda connection: blobs.put_blobs(connection, [ONE._replace(data=b"forged"), TWO]))

    assert database.read(lambda connection: blobs.get_blob(connection, ONE.digest)) == ONE


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_blobs_of_every_size_are_kept(database: Database, size: int) -> None:
    """An empty blob and one of the largest text are kept alike."""
    database.write(lambda connection: blobs.put_blob(connection, "d" * 64, "text/plain", b"x" * size))
    found = database.read(lambda connection: blobs.get_blob(connection, "d" * 64))

    assert found is not None
    assert size == len(found.data)


def test_a_redline_is_found_by_both_texts_and_the_algorithm(database: Database) -> None:
    """Direction and algorithm matter; the first redline of a pair stays."""

    def keep(connection: Any) -> None:
        blobs.put_blobs(connection, [ONE, TWO])
        blobs.put_redline(connection, "old", "new", "1", ONE.digest)
        blobs.put_redlines(connection, [("old", "new", "1", TWO.digest), ("old", "new", "2", TWO.digest)])

    database.write(keep)

    def find(*key: str) -> BlobRow | None:
        return database.read(lambda connection: blobs.get_redline(connection, *key))

    assert find("old", "new", "1") == ONE
    assert find("old", "new", "2") == TWO
    assert find("new", "old", "1") is None
    assert find("old", "new", "3") is None
