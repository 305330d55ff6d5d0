"""Who waits in line for the writer, and how each is told what came of it.

Room: store; used by `consentgate.store.writer` alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from consentgate.store.writer import Job

C = TypeVar("C")


@dataclass(slots=True, eq=False)
class Item(Generic[C]):
    """A job in line, and where its result goes: a future of a thread, or one of an event loop."""

    job: Job[C, Any]
    future: Future[Any] | asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop | None
    kept: bool = False
    error: BaseException | None = None
    since: float = field(default_factory=time.monotonic)

    def start(self) -> bool:
        """Whether it is still wanted. A thread's future cannot be cancelled from now on."""
        if isinstance(self.future, Future):
            return self.future.set_running_or_notify_cancel()
        return self.kept or not self.future.cancelled()

    def settle(self, result: Any) -> None:
        """Set the result or the error; in the loop's own thread where the future belongs to a loop."""
        if self.loop is not None and self.future.cancelled():
            return
        if self.error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(self.error)


def running(items: Sequence[Item[C]]) -> list[Item[C]]:
    """Those that are still wanted."""
    return [item for item in items if item.start()]


def fail(items: Sequence[Item[C]], error: BaseException) -> None:
    for item in items:
        item.error = error
    settle([(item, None) for item in items])


def settle(answers: Sequence[tuple[Item[C], Any]]) -> None:
    """Tell everybody: threads at once, each event loop with one call for all that wait in it."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Item[C], Any]]] = {}
    for item, result in answers:
        if item.loop is None:
            item.settle(result)
        else:
            loops.setdefault(item.loop, []).append((item, result))
    for loop, waiting in loops.items():
        # The loop may be closed: its tasks are gone, and with them whoever wanted to know.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_deliver, waiting)


def _deliver(answers: Sequence[tuple[Item[C], Any]]) -> None:
    for item, result in answers:
        item.settle(result)
