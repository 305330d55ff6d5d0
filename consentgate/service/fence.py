"""The fence: what an administrator's request writes, it writes only while its Idempotency-Key is still its own.

Room: service. Every transaction of such a request first says, in itself, that the act is on record. So a claim that
nobody finished tells whether anything was done under it; and a request that took so long that its key was given to a
later one finds the fence closed: whichever of the two commits first, the act is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from consentgate.errors import ConflictError
from consentgate.service.ledger import Pending
from consentgate.store import answers as shelf

T = TypeVar("T")

_RAISED: ContextVar[Fence | None] = ContextVar("consentgate_fence", default=None)


@dataclass(frozen=True, slots=True)
class Fence:
    """What a request holds of its key.

    Args:
        key: of the claim, a digest.
        mark: random, another one for whoever claims the key next.
    """

    key: str
    mark: str

    def around(self, work: Callable[[Connection, Pending], T]) -> Callable[[Connection, Pending], T]:
        """The work of a transaction, which is done only while the key is ours: one statement more.

        A job may run a second time after a commit that seemed to fail; it is let through again.
        """

        def guarded(connection: Connection, pending: Pending) -> T:
            if not shelf.mark_acted(connection, self.key, self.mark):
                raise ConflictError(
                    "this request took so long that its Idempotency-Key was given up; nothing was done by it",
                    hint="ask again: whether a later request with the key did it stands in that one's answer",
                )
            return work(connection, pending)

        return guarded


def raised() -> Fence | None:
    """The fence of the request that is being answered, if it has one."""
    return _RAISED.get()


@contextmanager
def behind(fence: Fence) -> Iterator[None]:
    """Until the end of this block every write of this task stands behind a fence."""
    token = _RAISED.set(fence)
    try:
        yield
    finally:
        _RAISED.reset(token)
