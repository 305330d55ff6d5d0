"""A full disk: nothing is acknowledged that is not there, nothing acknowledged is lost, and it goes on with space."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from consentgate.errors import StoreError
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.faults.conftest import check, open_terms, publish_one


async def fill(database: str, start: int) -> tuple[set[bytes], int]:
    """Decide until the disk is full; what was acknowledged, and how many were refused."""
    acknowledged: set[bytes] = set()
    refused = 0
    async with open_terms(database) as terms:
        for number in range(start, start + 4_000, 8):
            subjects = [Subject(f"user-{number + place}") for place in range(8)]
            for answer in await asyncio.gather(
                *(terms.record(subject, "terms") for subject in subjects), return_exceptions=True
            ):
                if isinstance(answer, BaseException):
                    assert isinstance(answer, StoreError), answer
                    refused += 1
                else:
                    acknowledged.add(answer.ref)
            if refused > 20:
                break
        # Whoever accepted goes on being known; only writing stops.
        assert await terms.decisions(Subject(f"user-{start}"))
    return acknowledged, refused


def test_a_full_disk_takes_back_no_decision(small_disk: Path) -> None:
    """Decisions are recorded or refused; after space was freed all go on, and the ledger is sound."""
    database = f"sqlite:///{small_disk}/terms.db"
    run(publish_one(database))
    first, refused = run(fill(database, 0))
    assert refused > 20
    assert len(first) > 100
    subprocess.run(["mount", "-o", "remount,size=12m", small_disk], check=True)
    assert run(check(database, first)) == (0, [])
    subprocess.run(["mount", "-o", "remount,size=7m", small_disk], check=True)
    second, refused = run(fill(database, 10_000))

    assert refused > 20
    assert len(second) > 100
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert run(check(database, first | second)) == (0, [])


def test_on_a_full_disk_what_was_erased_is_erased(small_disk: Path) -> None:
    """Erasing needs little space; where there is none it is refused, and then it has not happened."""
    database = f"sqlite:///{small_disk}/terms.db"
    run(publish_one(database))
    acknowledged, _ = run(fill(database, 0))

    async def erase(number: int) -> bool:
        async with open_terms(database) as terms:
            try:
                await terms.erase(Subject(f"user-{number}"), basis="asked")
            except StoreError:
                return False
            return True

    done = [run(erase(number)) for number in range(3)]
    subprocess.run(["mount", "-o", "remount,size=12m", small_disk], check=True)

    async def left() -> list[bool]:
        async with open_terms(database) as terms:
            return [not await terms.decisions(Subject(f"user-{number}")) for number in range(3)]

    assert run(left()) == done
    assert run(check(database, acknowledged)) == (0, [])
