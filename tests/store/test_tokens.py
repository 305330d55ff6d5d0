"""Administrators' tokens, on every database."""

from __future__ import annotations

import pytest

from consentgate.errors import StoreError
from consentgate.store import tokens
from consentgate.store.database import Database
from consentgate.store.tokens import TokenRow

ROW = TokenRow("t1", "d" * 64, "auditor", "the yearly audit", 100, 200, None)


def test_a_token_is_found_by_the_digest_of_its_secret(database: Database) -> None:
    """A kept token comes back whole, expired or not; an unknown digest gives nothing."""
    database.write(lambda connection: tokens.insert_token(connection, ROW))

    assert database.read(lambda connection: tokens.token_by_digest(connection, ROW.digest)) == ROW
    assert database.read(lambda connection: tokens.token_by_digest(connection, "e" * 64)) is None


def test_tokens_are_listed_oldest_first(database: Database) -> None:
    """The list is by instant, then by id."""
    rows = [ROW._replace(id=name, digest=name * 64, created=at) for name, at in (("c", 5), ("b", 9), ("a", 9))]
    for row in rows:
        database.write(lambda connection, row=row: tokens.insert_token(connection, row))

    assert [row.id for row in database.read(tokens.tokens)] == ["c", "a", "b"]


def test_a_token_is_revoked_once(database: Database) -> None:
    """The first revocation stays; an unknown token cannot be revoked."""
    database.write(lambda connection: tokens.insert_token(connection, ROW))

    assert database.write(lambda connection: tokens.revoke_token(connection, "t1", 150))
    assert not database.write(lambda connection: tokens.revoke_token(connection, "t1", 160))
    assert not database.write(lambda connection: tokens.revoke_token(connection, "t2", 150))
    assert [ROW._replace(revoked=150)] == database.read(tokens.tokens)


@pytest.mark.parametrize("clash", [ROW._replace(digest="e" * 64), ROW._replace(id="t2")])
def test_an_id_and_a_digest_are_given_once(database: Database, clash: TokenRow) -> None:
    """A second token with the same id or the same secret is refused."""
    database.write(lambda connection: tokens.insert_token(connection, ROW))
    with pytest.raises(StoreError, match=r"(?i)unique"):
        database.write(lambda connection: tokens.insert_token(connection, clash))
