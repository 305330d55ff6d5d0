"""What requests with an Idempotency-Key were answered, for a day.

Room: store; called by the service. Keys are digests that name nobody.

While a request is being answered, `media` holds its mark, and `status` is ``None``, or `ACTED` from the transaction on
in which it did what it asks for. Whoever changes a row names the mark, so that of two who believe a key to be theirs
one is refused.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from consentgate.store.statements import PreparedInsert
from consentgate.store.tables import ANSWER

ACTED = 0
"""Status of a request whose act is on record and whose answer is not known."""


class AnswerRow(NamedTuple):
    """A request and its answer; without a body while it is being answered, see the module."""

    key: str
    request: str
    at: int
    status: int | None
    media: str | None
    body: bytes | None

    @property
    def finished(self) -> bool:
        """Whether it has its answer."""
        return self.status is not None and self.status != ACTED


_INSERT = PreparedInsert(ANSWER, ignore=True)


def answer(connection: Connection, key: str) -> AnswerRow | None:
    """What is kept under a key, or ``None``."""
    row = connection.execute(select(ANSWER).where(ANSWER.c.key == key)).one_or_none()
    return None if row is None else AnswerRow._make(row)


def insert_answer(connection: Connection, row: AnswerRow) -> bool:
    """Keep a request; whether the key was free."""
    return _INSERT.one(connection, *row) == 1


def take_over(connection: Connection, row: AnswerRow, mark: str | None) -> bool:
    """Claim a key whose claim, with this mark, came to nothing; whether it still was so."""
    values = {"request": row.request, "at": row.at, "media": row.media}
    statement = update(ANSWER).where(_claimed(row.key, mark), ANSWER.c.status.is_(None))
    return connection.execute(statement.values(**values)).rowcount == 1


def mark_acted(connection: Connection, key: str, mark: str) -> bool:
    """Say that this transaction does what the request asks for; whether the key is still that request's."""
    statement = update(ANSWER).where(_claimed(key, mark), or_(ANSWER.c.status.is_(None), ANSWER.c.status == ACTED))
    return connection.execute(statement.values(status=ACTED)).rowcount == 1


def complete_answer(connection: Connection, key: str, mark: str, status: int, media: str, body: bytes) -> None:
    """Keep what a request was answered, unless its key is another's by now."""
    values = {"status": status, "media": media, "body": body}
    connection.execute(update(ANSWER).where(_claimed(key, mark), ANSWER.c.body.is_(None)).values(**values))


def forget_answer(connection: Connection, key: str, mark: str) -> None:
    """Forget a request under whose key nothing was done: it may be tried again."""
    connection.execute(delete(ANSWER).where(_claimed(key, mark), ANSWER.c.status.is_(None)))


def forget_answers(connection: Connection, before: int) -> None:
    """Forget every request from before an instant."""
    connection.execute(delete(ANSWER).where(ANSWER.c.at < before))


def _claimed(key: str, mark: str | None) -> ColumnElement[bool]:
    return and_(ANSWER.c.key == key, ANSWER.c.media == mark)
