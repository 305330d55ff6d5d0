"""What the fault tests share: a real ledger on a file, and what must be true of it whatever happened.

Fixtures:
    database   the URL of a ledger with one policy published.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store.entries import refs_known
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Policy
from consentgate.testing import SECRET, run


def open_terms(database: str, state: Path | None = None) -> Terms:
    """A handle as every process has it."""
    return Terms(Settings(database=database, secrets=(SECRET.encode(),), state=state))


async def publish_one(database: str, state: Path | None = None) -> None:
    """Something to accept."""
    async with open_terms(database, state) as terms:
        draft = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")
        await terms.publish([draft], policies=[Policy("terms", (("en", "Terms"),))])


async def check(database: str, acknowledged: set[bytes], state: Path | None = None) -> tuple[int, list[str]]:
    """How many acknowledged decisions are missing, and what verification finds."""
    async with open_terms(database, state) as terms:
        known = terms.engine.database.read(lambda connection: refs_known(connection, acknowledged))
        return len(acknowledged - known.keys()), (await terms.verify()).problems


@pytest.fixture(name="database")
def _database(tmp_path: Path) -> str:
    database = f"sqlite:///{tmp_path}/terms.db"
    run(publish_one(database))
    return database
