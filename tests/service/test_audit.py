"""Checking a database that may be anything: nothing is written, no key is needed, every problem is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consentgate.errors import ConfigurationError, ConsentGateError
from consentgate.service.audit import audit
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.testing import SECRET, run
from tests.service.conftest import ALICE, TERMS, draft


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    """A database with a publication and a decision, closed."""
    path = tmp_path / "terms.db"

    async def fill() -> None:
        async with Terms(settings(path)) as terms:
            await terms.publish([draft("1.0")], policies=(TERMS,))
            await terms.record(ALICE, "terms")

    run(fill())
    return path


def settings(path: Path) -> Settings:
    """Settings for a database file."""
    return Settings(f"sqlite:///{path}", (SECRET.encode(),), origin="example.com/terms")


def test_a_lone_copy_is_enough(file: Path, tmp_path: Path) -> None:
    """Without key, anchor or counter, and without leaving any of them behind."""
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(file, alone / "copy.db")
    before = (alone / "copy.db").read_bytes()
    seen: list[tuple[int, int]] = []

    report = audit(settings(alone / "copy.db"), progress=lambda done, total: seen.append((done, total)))

    assert report.sound
    assert (report.size, report.decisions, report.publications) == (2, 1, 1)
    assert report.key.startswith("example.com/terms+")
    assert seen == [(2, 2)]
    assert (alone / "copy.db").read_bytes() == before
    assert {path.name for path in alone.iterdir()} <= {"copy.db", "copy.db-wal", "copy.db-shm", "copy.db.lock"}


def test_it_may_run_beside_a_server(file: Path) -> None:
    """The database is open elsewhere, and stays usable."""

    async def both() -> tuple[bool, int]:
        async with Terms(settings(file)) as terms:
            sound = audit(settings(file)).sound
            await terms.record(ALICE, "terms")
            return sound, audit(settings(file)).size

    assert run(both()) == (True, 3)


def test_only_the_keys_that_are_named_are_trusted(file: Path, tmp_path: Path) -> None:
    """A key of another ledger makes every signature a problem, never an error."""
    other = tmp_path / "other.db"

    async def vkey(path: Path) -> str:
        async with Terms(settings(path)) as terms:
            return str(terms.engine.ledger.signer.verifier)

    ours, theirs = run(vkey(file)), run(vkey(other))

    assert audit(settings(file), keys=[ours]).key == ours
    wrong = audit(settings(file), keys=[theirs])
    assert not wrong.sound
    assert wrong.key == ""


def test_a_ledger_that_went_back_in_time_is_a_problem_told_once(file: Path) -> None:
    """The anchor file remembers more than the database has."""
    older = file.read_bytes()

    async def more() -> None:
        async with Terms(settings(file)) as terms:
            await terms.record(ALICE, "terms")

    run(more())
    for name in ("-wal", "-shm"):
        Path(f"{file}{name}").unlink(missing_ok=True)
    file.write_bytes(older)

    assert audit(settings(file)).problems == ["the database has 2 entries; the anchor file remembers 3"]


@pytest.mark.parametrize("content", [None, b"", b"not a database, whatever its name says" * 50])
def test_what_is_no_ledger_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    """A missing, an empty and a foreign file; none is made into a ledger."""
    path = tmp_path / "terms.db"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConsentGateError):
        audit(settings(path))

    assert (path.read_bytes() if path.exists() else None) == content


def test_what_is_no_key_is_an_error(file: Path) -> None:
    """Said before anything is verified."""
    with pytest.raises(ConfigurationError, match="not a public key"):
        audit(settings(file), keys=["nonsense"])
