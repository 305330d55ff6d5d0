"""The lock between processes. Two `LockFile` objects stand for two processes: to the system there is no difference."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from consentgate.store.lockfile import LockFile


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "shelves.db.lock"


def test_only_one_holds_it(path: Path) -> None:
    """Who comes second does not get it, and gets it after the first let go."""
    first, second = LockFile(path), LockFile(path)

    assert first.acquire(0.0)
    assert not second.acquire(0.0)
    assert not second.acquire(0.05)
    first.release()
    assert second.acquire(0.0)
    first.close()
    second.close()


def test_who_waits_gets_it_when_it_is_free(path: Path) -> None:
    """A waiter is woken by the release, not by its time limit."""
    first, second = LockFile(path), LockFile(path)
    assert first.acquire(0.0)
    got: list[bool] = []
    waiter = threading.Thread(target=lambda: got.append(second.acquire(30.0)))
    waiter.start()
    first.release()
    waiter.join()

    assert got == [True]
    first.close()
    second.close()


def test_closing_lets_go(path: Path) -> None:
    """A process that ends without a word leaves nothing locked."""
    first, second = LockFile(path), LockFile(path)
    assert first.acquire(0.0)
    first.close()

    assert second.acquire(0.0)
    second.close()


def test_a_removed_file_is_not_a_lock_any_more(path: Path) -> None:
    """Who holds a file that was removed is not alone; who takes the lock afterwards takes the one everybody sees."""
    old, new, third = LockFile(path), LockFile(path), LockFile(path)
    path.unlink()

    assert new.acquire(0.0)
    assert path.exists()
    assert not third.acquire(0.0)
    assert not old.acquire(0.0)
    for lock in (old, new, third):
        lock.close()


def test_the_file_has_the_permissions_it_is_given(path: Path) -> None:
    """A database shared by a group has a lock shared by the group."""
    before = os.umask(0)
    try:
        LockFile(path, 0o660).close()
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o660
