"""Exports as processes of their own: ours, and the ``sqlite3`` command's; what each costs.

The command's query yields the same columns of the same rows. For NDJSON that is place, entry and openings, as they lie
in the tables. CSV and Parquet have a column for each fact, so there SQLite has to look into the JSON, as we do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from consentgate.service.export_forms import COLUMNS

_ROWS = (
    "SELECT e.idx AS place, CAST(e.leaf AS TEXT) AS leaf, o.openings AS opened FROM consentgate_entry e"
    " LEFT JOIN consentgate_opening o ON o.ref = e.ref ORDER BY e.idx"
)
_LAUNCH = Path(__file__).with_name("_ledger_launch.py")
_OPENED = ("subject", "subject_kind")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process cost.

    Args:
        cpu: seconds, of user and system.
        peak: most memory resident, in MB.
    """

    cpu: float
    peak: float


def json_columns() -> list[str]:
    """The columns of our CSV, as SQLite finds them."""
    found = ["place", *(f"leaf ->> '$.{name}'" for name in COLUMNS[1:] if name not in _OPENED)]
    return [*found, *(f"opened ->> '$.{name}[1]'" for name in _OPENED)]


SQLITE = shutil.which("sqlite3")
BASELINE = "sqlite3 -csv" if SQLITE else "Python's sqlite3 and csv (there is no sqlite3 command)"
_STAND_IN = """import csv, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute(sys.argv[2])
csv.writer(sys.stdout, lineterminator="\\n").writerows(rows)
"""


def sqlite_command(path: Path, form: str) -> list[str]:
    """The ``sqlite3`` command that exports the same columns; where it is not installed, the same by Python."""
    query = _ROWS if form == "ndjson" else f"SELECT {', '.join(json_columns())} FROM ({_ROWS})"
    if SQLITE is None:
        return [sys.executable, "-c", _STAND_IN, str(path), query]
    return [SQLITE, "-readonly", "-csv", str(path), query]


def export_command(path: Path | str, form: str) -> list[str]:
    """Our command."""
    program = "import sys; from consentgate.cli.main import main; sys.exit(main())"
    return [sys.executable, "-c", program, "export", "--format", form, "--database", str(path)]


def cost_of(command: list[str], output: Path | None = None) -> Cost:
    """Run a command and read all it writes.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder, (output or Path(os.devnull)).open("wb") as sink:
        note = Path(folder, "cost")
        launch = [sys.executable, "-I", "-S", str(_LAUNCH), str(note), *command]
        # In a folder where no settings file is found.
        with subprocess.Popen(launch, stdout=subprocess.PIPE, cwd=folder) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(1 << 20):
                sink.write(chunk)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        cpu, peak = note.read_text().split()
    return Cost(float(cpu), int(peak) / (1024**2 if sys.platform == "darwin" else 1024))
