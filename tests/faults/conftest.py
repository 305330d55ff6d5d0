"""What the fault tests share: a real ledger on a file, and what must be true of it whatever happened.

Fixtures:
    database   the URL of a ledger with one policy published.
    small_disk a disk of 3 MB, where one may be mounted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store.entries import refs_known
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Policy
from consentgate.testing import SECRET, run


def open_terms(database: str) -> Terms:
    """A handle as every process has it."""
    return Terms(Settings(database=database, secrets=(SECRET.encode(),)))


async def publish_one(database: str) -> None:
    """Something to accept."""
    async with open_terms(database) as terms:
        draft = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")
        await terms.publish([draft], policies=[Policy("terms", (("en", "Terms"),))])


async def check(database: str, acknowledged: set[bytes]) -> tuple[int, list[str]]:
    """How many acknowledged decisions are missing, and what verification finds."""
    async with open_terms(database) as terms:
        known = terms.engine.database.read(lambda connection: refs_known(connection, acknowledged))
        return len(acknowledged - known.keys()), (await terms.verify()).problems


@pytest.fixture(name="database")
def _database(tmp_path: Path) -> str:
    database = f"sqlite:///{tmp_path}/terms.db"
    run(publish_one(database))
    return database


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root may mount a small disk")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small disk here: {done.stderr!r}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)
