"""What requests with an Idempotency-Key were answered, for a day.

Room: store; called by the service. Keys are digests that name nobody.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from consentgate.store.statements import PreparedInsert
from consentgate.store.tables import ANSWER


class AnswerRow(NamedTuple):
    """A request and its answer; status, media type and body are ``None`` while it is being answered."""

    key: str
    request: str
    at: int
    status: int | None
    media: str | None
    body: bytes | None


_INSERT = PreparedInsert(ANSWER)


def answer(connection: Connection, key: str) -> AnswerRow | None:
    """What is kept under a key, or ``None``."""
    row = connection.execute(select(ANSWER).where(ANSWER.c.key == key)).one_or_none()
    return None if row is None else AnswerRow._make(row)


def insert_answer(connection: Connection, row: AnswerRow) -> None:
    """Keep a request. A key that is taken raises `StoreError`."""
    _INSERT.one(connection, *row)


def complete_answer(connection: Connection, key: str, status: int, media: str, body: bytes) -> None:
    """Keep what a request was answered."""
    connection.execute(update(ANSWER).where(ANSWER.c.key == key).values(status=status, media=media, body=body))


def forget_answer(connection: Connection, key: str) -> None:
    """Forget a request: it may be tried again."""
    connection.execute(delete(ANSWER).where(ANSWER.c.key == key))


def forget_answers(connection: Connection, before: int) -> None:
    """Forget every request from before an instant."""
    connection.execute(delete(ANSWER).where(ANSWER.c.at < before))
