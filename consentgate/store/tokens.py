"""Administrators' access tokens: their digests, roles and lifetimes. The tokens themselves are never here.

Room: store; called by the service.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select, update

from consentgate.store.statements import PreparedInsert
from consentgate.store.tables import TOKEN


class TokenRow(NamedTuple):
    """A token: public id, digest of the secret (hex), role, label, instants, and whose it is, where that is known."""

    id: str
    digest: str
    role: str
    label: str
    created: int
    expires: int | None
    revoked: int | None
    holder: str | None = None


_INSERT_TOKEN = PreparedInsert(TOKEN)


def insert_token(connection: Connection, row: TokenRow) -> None:
    """Keep a token. An id or a digest that is taken raises `StoreError`."""
    _INSERT_TOKEN.one(connection, *row)


def token_by_digest(connection: Connection, digest: str) -> TokenRow | None:
    """The token with this digest, expired and revoked ones too, or ``None``."""
    row = connection.execute(select(TOKEN).where(TOKEN.c.digest == digest)).one_or_none()
    return None if row is None else TokenRow._make(row)


def token_by_id(connection: Connection, token_id: str) -> TokenRow | None:
    """The token with this public id, expired and revoked ones too, or ``None``."""
    row = connection.execute(select(TOKEN).where(TOKEN.c.id == token_id)).one_or_none()
    return None if row is None else TokenRow._make(row)


def tokens(connection: Connection) -> list[TokenRow]:
    """All tokens, oldest first."""
    rows = connection.execute(select(TOKEN).order_by(TOKEN.c.created, TOKEN.c.id))
    return [TokenRow._make(row) for row in rows]


def revoke_token(connection: Connection, token_id: str, at: int) -> bool:
    """Revoke a token; whether there was one that was not revoked yet."""
    statement = update(TOKEN).where(TOKEN.c.id == token_id, TOKEN.c.revoked.is_(None)).values(revoked=at)
    return connection.execute(statement).rowcount == 1
