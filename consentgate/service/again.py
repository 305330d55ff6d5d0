"""The same request again: an administrator's write with an Idempotency-Key is done once.

Room: service. A key belongs to who sent it and lives for a day. It is claimed before anything is done: of two
requests at once one is told to wait, and a request whose answer was lost gets that answer, never a second act.

A process may die in between. What it did is on record together with the word that it was done
(`consentgate.service.fence`), and whoever asks again is told so. Where nothing was done, the key is free a minute
later; should the first request still be on its way, the fence stops it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from sqlalchemy import Connection

from consentgate.errors import ConflictError, InputError
from consentgate.service.administrators import Administrator
from consentgate.service.fence import Fence
from consentgate.service.ledger import Pending
from consentgate.service.terms import Terms
from consentgate.store import answers as shelf
from consentgate.store.answers import AnswerRow
from consentgate.terms.instants import DAY, SECOND

KEPT = DAY
LEASE = 60 * SECOND
"""How long a request has a key without having done anything: after that it is as good as dead."""

_FORM = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered."""

    status: int
    media: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that was claimed: do what is asked for behind its `fence`, then `complete` or `release` it."""

    terms: Terms
    fence: Fence

    async def complete(self, answer: Answer) -> None:
        """Keep the answer for whoever asks again."""
        key, mark = self.fence.key, self.fence.mark
        await self.terms._write(
            lambda connection, _: shelf.complete_answer(connection, key, mark, answer.status, answer.media, answer.body)
        )

    async def release(self) -> None:
        """There is no answer to keep. Where nothing was done the request may be tried again; else the key stays."""
        await self.terms._write(lambda connection, _: shelf.forget_answer(connection, self.fence.key, self.fence.mark))


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
    mark = terms._randomness(16).hex()
    mine = AnswerRow(name, fingerprint, terms.clock(), None, mark, None)
    found = await terms._write(partial(_claim, mine))
    if found is None:
        return Claim(terms, Fence(name, mark))
    if found.request != fingerprint:
        raise InputError(
            "this Idempotency-Key was sent with another request",
            hint="a key is for one request: send a fresh one",
            field="Idempotency-Key",
        )
    if not found.finished:
        raise _unfinished(found)
    return Answer(found.status or 0, found.media or "", found.body or b"")


def _unfinished(found: AnswerRow) -> ConflictError:
    if found.status is None:
        return ConflictError(
            "the first request with this Idempotency-Key has no answer yet",
            hint="wait a moment and send it again; if it was lost, its key is free after a minute",
        )
    return ConflictError(
        "this was done, or begun, and its answer is not there: it is on its way, or it was lost",
        hint="wait a moment and send it again; if this comes again, look at what is there before you send a fresh key",
        done=True,
    )


def _claim(mine: AnswerRow, connection: Connection, _pending: Pending) -> AnswerRow | None:
    shelf.forget_answers(connection, mine.at - KEPT)
    if shelf.insert_answer(connection, mine):
        return None
    found = shelf.answer(connection, mine.key)
    if found is not None and found.media == mine.media:
        return None  # ours: this job ran before, and its commit only seemed to fail
    dead = found is not None and found.status is None and found.at <= mine.at - LEASE
    if dead and found is not None and shelf.take_over(connection, mine, found.media):
        return None
    return found or mine
