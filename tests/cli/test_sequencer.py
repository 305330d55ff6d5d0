"""Laws of `consentgate sequencer`: it holds the key, the workers do not."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Policy
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run
from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]


def command(folder: Path, *words: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from consentgate.cli.main import main; main()",
        "sequencer",
        "--config",
        str(folder / "consentgate.toml"),
        *words,
    ]


@pytest.fixture(name="settings")
def _settings(postgres: Callable[[int], Server], tmp_path: Path) -> Settings:
    url = postgres(15).emptied()
    (tmp_path / "consentgate.toml").write_text(f'database = "{url}"\norigin = "localhost/tests"\nledger_key = "none"\n')
    return Settings(url, (SECRET.encode(),), state=tmp_path / "worker", ledger_key="none")


async def decide(settings: Settings) -> None:
    """Publish and accept, without a key."""
    async with Terms(settings) as terms:
        draft = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")
        await terms.publish([draft], policies=[Policy("terms", (("en", "Terms"),))])
        await terms.record(Subject("alice"), "terms")


async def size(settings: Settings) -> int:
    async with Terms(settings) as terms:
        head = await terms.head()
        assert (await terms.verify()).problems == []
        return head.size if head else 0


def test_it_signs_what_workers_without_a_key_record(settings: Settings, tmp_path: Path) -> None:
    """It begins the ledger, works until it is told to end, and ends well."""
    refused = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False, cwd=ROOT)
    assert refused.returncode == 2
    assert "--key" in refused.stderr
    (tmp_path / "consentgate.toml").write_text((tmp_path / "consentgate.toml").read_text().replace(
        'ledger_key = "none"\n', 'state = "signing"\n'))  # fmt: skip
    process = subprocess.Popen(command(tmp_path), stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stderr is not None
    assert "Sequencing localhost/tests" in process.stderr.readline()
    run(decide(settings))

    try:
        assert run(size(settings)) == 2
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process.stderr.close()


def test_once_it_ends_when_nothing_waits(settings: Settings, tmp_path: Path) -> None:
    """For a job that runs now and then, with the key where the web workers cannot read it."""
    path = tmp_path / "consentgate.toml"
    path.write_text(path.read_text().replace('ledger_key = "none"\n', 'state = "signing"\n'))
    assert subprocess.run(command(tmp_path, "--once"), check=False, cwd=ROOT).returncode == 0
    run(decide(settings))
    (key,) = (tmp_path / "signing").glob("*.key")
    path.write_text(path.read_text() + 'ledger_key = "none"\n')
    assert subprocess.run(command(tmp_path, "--once", "--key", str(key)), check=False, cwd=ROOT).returncode == 0

    assert run(size(settings)) == 2


def test_on_sqlite_there_is_nothing_to_do(tmp_path: Path) -> None:
    """It says what it is for."""
    (tmp_path / "consentgate.toml").write_text('database = "terms.db"\n')
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 2
    assert "PostgreSQL" in done.stderr
