"""The same request again: an administrator's write with an Idempotency-Key is done once.

Room: service. A key belongs to who sent it and lives for a day. It is claimed before anything is done: of two
requests at once one is told to wait, and a request whose answer was lost gets that answer, never a second act.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from sqlalchemy import Connection

from consentgate.errors import ConflictError, InputError
from consentgate.service.administrators import Administrator
from consentgate.service.ledger import Pending
from consentgate.service.terms import Terms
from consentgate.store import answers as shelf
from consentgate.store.answers import AnswerRow
from consentgate.terms.instants import DAY, Instant

KEPT = DAY
_FORM = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered."""

    status: int
    media: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that was claimed; `complete` or `release` it."""

    terms: Terms
    key: str

    async def complete(self, answer: Answer) -> None:
        """Keep the answer for whoever asks again."""
        await self.terms._write(
            lambda connection, _: shelf.complete_answer(connection, self.key, answer.status, answer.media, answer.body)
        )

    async def release(self) -> None:
        """Nothing was done: the request may be tried again."""
        await self.terms._write(lambda connection, _: shelf.forget_answer(connection, self.key))


async def claim(terms: Terms, by: Administrator, key: str, request: bytes) -> Claim | Answer:
    """Claim a key for a request, or get the answer that the same request had.

    Args:
        terms: started.
        by: whose key.
        key: as it was sent.
        request: everything that tells one request from another.

    Raises:
        InputError: no key of ours, or one that belonged to another request.
        ConflictError: the first request with it is still being answered.
    """
    if not _FORM.fullmatch(key):
        raise InputError(
            "an Idempotency-Key has 1 to 200 visible ASCII characters",
            hint="send a fresh UUID",
            field="Idempotency-Key",
        )
    name = sha256(f"{by.id}\0{key}".encode()).hexdigest()
    fingerprint = sha256(request).hexdigest()
    found = await terms._write(partial(_claim, name, fingerprint, terms.clock()))
    if found is None:
        return Claim(terms, name)
    if found.request != fingerprint:
        raise InputError(
            "this Idempotency-Key was sent with another request",
            hint="a key is for one request: send a fresh one",
            field="Idempotency-Key",
        )
    if found.status is None:
        raise ConflictError(
            "the first request with this Idempotency-Key has no answer yet",
            hint="wait a moment; if it never gets one, look whether it was done before you send a fresh key",
        )
    return Answer(found.status, found.media or "", found.body or b"")


def _claim(name: str, fingerprint: str, now: Instant, connection: Connection, _pending: Pending) -> AnswerRow | None:
    shelf.forget_answers(connection, now - KEPT)
    found = shelf.answer(connection, name)
    if found is None:
        shelf.insert_answer(connection, AnswerRow(name, fingerprint, now, None, None, None))
    return found
