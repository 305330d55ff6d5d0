"""What the tests of every room share: hypothesis profiles, the folder of foreign data, and skips that are loud.

Fixtures:
    shared         the folder with the corpus and the foreign vectors, or a quiet skip: it is not in the repository.
    missing        a function that skips the test and says so at the end of the run; in CI it fails the test.
    postgres       a function: 15 or 18 -> a running server (`tests.postgres.Server`) of the whole run, or `missing`.
    need_program   the path of a program by name, or `missing`.
    chromium       the path of a Chromium to drive, or `missing`.
    axe_script     the source of axe-core, or `missing`.
    small_disk     a disk of 3 MB, where one may be mounted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from tests.postgres import Server, programs

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_ON_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
AXE = ROOT / ".cache" / "axe-core" / "axe.min.js"

# No deadline anywhere: the machines are slow and shared, and no test of ours is about time. In CI every run draws the
# same examples, so that a red run is about the change; at home each run looks somewhere new.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("home", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "home"))

OF_TESTS = ("CONSENTGATE_SHARED", "CONSENTGATE_CHROMIUM", "CONSENTGATE_TEST")

_MISSING = " is missing on this machine"


def pytest_configure() -> None:
    """Keep the developer's own settings out: a test that read them could write into a real ledger."""
    for variable in [one for one in os.environ if one.startswith("CONSENTGATE_") and not one.startswith(OF_TESTS)]:
        del os.environ[variable]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what this machine lacks, where a skip among thousands of dots would be overlooked."""
    # From the reports, not from a variable of this module: the tests run in processes of their own.
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ()) if report.longrepr}
    missing = sorted(reason.removeprefix("Skipped: ") for reason in reasons if reason.endswith(_MISSING))
    if missing:
        terminalreporter.section("tests were skipped", yellow=True, bold=True)
        for what in missing:
            terminalreporter.line(f"  {what}", yellow=True)
        terminalreporter.line("  tools/install-system installs it (as root on Debian or Ubuntu)", yellow=True)


def _missing_thing(what: str) -> NoReturn:
    if IN_CI:
        pytest.fail(f"{what} is missing, and in CI nothing may be missing", pytrace=False)
    pytest.skip(what + _MISSING)


@pytest.fixture(name="missing", scope="session")
def _missing_fixture() -> Callable[[str], NoReturn]:
    return _missing_thing


@pytest.fixture(name="need_program", scope="session")
def _need_program() -> Callable[[str], str]:
    return lambda name: shutil.which(name) or _missing_thing(f"the program {name}")


@pytest.fixture(name="postgres", scope="session")
def _postgres() -> Iterator[Callable[[int], Server]]:
    """Servers by version, each started once, when the first test asks for it."""
    servers: dict[int, Server] = {}

    def server(version: int) -> Server:
        if programs(version) is None:
            _missing_thing(f"PostgreSQL {version}")
        if version not in servers:
            servers[version] = Server(version)
        return servers[version]

    yield server
    for one in servers.values():
        one.close()


@pytest.fixture(name="shared", scope="session")
def _shared() -> Path:
    folder = Path(os.environ.get("CONSENTGATE_SHARED") or ROOT.parent / "shared")
    if not (folder / "vectors").is_dir():
        pytest.skip(f"no shared test data at {folder} (set CONSENTGATE_SHARED)")
    return folder


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


@pytest.fixture(name="chromium", scope="session")
def _chromium() -> str:
    named = os.environ.get("CONSENTGATE_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, (*BROWSERS, BROWSER_ON_MACOS))), None)
    return found or _missing_thing("a Chromium browser")


@pytest.fixture(name="axe_script", scope="session")
def _axe_script() -> str:
    return AXE.read_text(encoding="utf-8") if AXE.is_file() else _missing_thing("axe-core")
