"""`consentgate export` and `receipt`: the record as files."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consentgate.cli.export import Decision
from consentgate.cli.files import whole_file
from consentgate.terms.policy import Act
from tests.cli.conftest import Command, Project
from tests.postgres import Server


def entries(text: str) -> list[dict[str, object]]:
    """The entries of an NDJSON export."""
    return [json.loads(line["leaf"]) for line in map(json.loads, text.splitlines()) if "leaf" in line]


def test_a_file_and_a_pipe_get_the_same_bytes(decided: Project, command: Command) -> None:
    """`--output` changes where the export goes, and nothing else."""
    done = command("export", "-o", "all.ndjson")

    assert (done.code, done.out) == (0, "")
    assert "consentgate verify all.ndjson" in done.err
    assert Path("all.ndjson").read_text() == command("export").out
    assert len(entries(command("export").out)) == 6


def test_an_export_can_be_narrowed(decided: Project, command: Command) -> None:
    """By policy, by decision and by time, in any combination."""
    assert {one["decision"] for one in entries(command("export", "--decision", "decline").out)} == {"decline"}
    assert len(entries(command("export", "--decision", "decline", "--decision", "accept").out)) == 4
    assert entries(command("export", "--until", "2026-01-01").out) == []
    assert len(entries(command("export", "--since", "2026-01-01", "--policy", "terms").out)) == 6


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_interrupted_export_goes_on_where_it_stopped(form: str, decided: Project, command: Command) -> None:
    """Cut at any place, even inside a line, the file becomes what it would have been."""
    command("export", "--format", form, "-o", "all")
    whole = Path("all").read_bytes()
    for length in range(0, len(whole), 331):
        Path("all.part").write_bytes(whole[:length])

        done = command("export", "--format", form, "--resume", "-o", "all", "--json")

        assert (done.code, done.json["bytes"], done.json["lines"]) == (0, len(whole), whole.count(b"\n")), length
        assert Path("all").read_bytes() == whole
        assert not Path("all.part").exists()


def test_another_selection_is_not_continued(decided: Project, command: Command) -> None:
    """The two halves would not be one file. What is there stays there."""
    command("export", "-o", "all")
    Path("all").rename("all.part")

    done = command("export", "--resume", "--decision", "decline", "-o", "all")

    assert done.code == 1
    assert "cannot be continued" in done.err
    assert Path("all.part").exists()
    assert command("export", "--resume", "-o", "other").code == 2


def test_a_full_disk_leaves_what_can_be_continued(decided: Project, command: Command, monkeypatch: Any) -> None:
    """And says how."""

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        done = command("export", "-o", "all.ndjson")

    assert done.code == 1
    assert "all.ndjson.part" in done.err
    assert "--resume" in done.err
    assert not Path("all.ndjson").exists()
    assert command("export", "--resume", "-o", "all.ndjson").code == 0
    assert command("verify", "all.ndjson").code == 0


def test_the_rest_after_a_cursor_goes_to_a_pipe(decided: Project, command: Command) -> None:
    """The rule of the reference: size, last whole entry, digest of what is there."""
    whole = command("export").out
    lines = whole.splitlines(keepends=True)
    first = "".join(lines[:4])
    size = json.loads(lines[0])["size"]
    cursor = f"{size}.{json.loads(lines[3])['i']}.{sha256(first.encode()).hexdigest()}"

    assert first + command("export", "--after", cursor).out == whole
    assert command("export", "--after", "1.2.3").code == 1


def test_an_export_is_narrowed_by_version_language_and_subject(decided: Project, command: Command) -> None:
    """Each on its own, and with the others."""
    ada = entries(command("export", "--subject", "ada").out)

    assert [one["type"] for one in ada] == ["decision"]
    assert entries(command("export", "--subject", "ada", "--decision", "decline").out) == []
    assert {one["version"] for one in entries(command("export", "--version", "1").out)} <= {"1"}
    assert entries(command("export", "--language", "fr", "--decision", "accept").out) == []
    assert len(entries(command("export", "--language", "en", "--decision", "accept").out)) == 3


def test_the_command_reads_a_file_without_sqlalchemy(decided: Project) -> None:
    """A million decisions in 40 MB: what is not needed is not loaded."""
    code = "import sys; from consentgate.cli.main import app; app(['export'], standalone_mode=False); "
    code += "assert not {'sqlalchemy', 'sqlmodel', 'fastapi', 'jinja2'} & sys.modules.keys(), 'heavy'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 8


def test_the_command_reads_a_server_without_sqlalchemy(
    decided: Project, command: Command, postgres: Callable[[int], Server]
) -> None:
    """With psycopg alone, and to the same bytes."""
    url = postgres(15).fresh()
    assert command("db", "copy", "consentgate.db", url).code == 0
    code = f"import sys; from consentgate.cli.main import app; app(['export', '--database', {url!r}],"
    code += " standalone_mode=False); assert not {'sqlalchemy', 'sqlmodel', 'jinja2'} & sys.modules.keys(), 'heavy'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == command("export").out


def test_a_parquet_file_is_named_with_its_digest(decided: Project, command: Command) -> None:
    """It cannot end with one of its own; nor can it be continued."""
    pytest.importorskip("pyarrow")
    done = command("export", "--format", "parquet", "-o", "all.parquet", "--json")

    assert done.json["sha256"] == sha256(Path("all.parquet").read_bytes()).hexdigest()
    assert command("export", "--format", "parquet", "--resume", "-o", "all.parquet").code == 2


def test_a_policy_that_does_not_exist_is_no_empty_export(decided: Project, command: Command) -> None:
    """An export without entries would look like a record without decisions; nothing is written."""
    done = command("export", "--policy", "term", "-o", "all.ndjson")

    assert (done.code, done.out) == (1, "")
    assert "there is no policy term" in done.err
    assert "published: terms" in done.err
    assert not Path("all.ndjson").exists()


def test_without_openings_nobody_is_named(decided: Project, command: Command) -> None:
    """The proofs hold, and the personal values are not in the file."""
    whole, bare = command("export").out, command("export", "--no-openings").out

    assert '"ada"' in whole.replace("\\", "")
    assert '"ada"' not in bare.replace("\\", "")


def test_csv_opens_as_a_table(decided: Project, command: Command) -> None:
    """One row for each decision and publication."""
    command("export", "--format", "csv", "-o", "all.csv")

    with Path("all.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["index"].startswith("#")]

    assert [row["subject"] for row in rows if row["type"] == "decision"] == ["ada", "ben", "ben", "cy"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
def test_a_file_is_readable_by_its_owner_alone(decided: Project, command: Command) -> None:
    """Exports and receipts name people."""
    command("export", "-o", "all.ndjson")

    assert stat.S_IMODE(Path("all.ndjson").stat().st_mode) == 0o600


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """When writing fails half way, the old file is there, and nothing else."""
    target = tmp_path / "all.ndjson"
    target.write_bytes(b"old")

    with pytest.raises(RuntimeError), whole_file(target) as file:
        file.write(b"half")
        raise RuntimeError

    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("date", ["soon", "2026-13-01", "2026-01-01T10:00", "9999999999"])
def test_what_is_no_date_is_refused(date: str, decided: Project, command: Command) -> None:
    """A time without a zone is none either: guessing one would move the boundary."""
    done = command("export", "--since", date)

    assert done.code == 2
    assert done.err.startswith("error: --since: ")


def test_json_describes_the_file(decided: Project, command: Command) -> None:
    """For programs: what was written where. Without a file the export itself is the output."""
    record = command("export", "-o", "all.ndjson", "--json").json

    assert record == {"file": "all.ndjson", "format": "ndjson", "lines": 8, "bytes": Path("all.ndjson").stat().st_size}
    assert command("export", "--json").code == 2


def test_the_decisions_that_can_be_asked_for_are_those_there_are() -> None:
    """The option, which may not import the heavy rooms, lists the acts."""
    assert {one.value for one in Decision} == {act.value for act in Act}


def test_a_receipt_is_printed_or_written(decided: Project, command: Command) -> None:
    """Both are the same bytes."""
    found = command("status", "--subject", "ada", "--json").json["policies"][0]["receipt"]

    printed, written = command("receipt", found), command("receipt", found, "-o", "ada.receipt")

    assert printed.out == Path("ada.receipt").read_text()
    assert "consentgate verify ada.receipt" in written.err
    assert command("receipt", found, "--json").json["receipt"] == printed.out


@pytest.mark.parametrize("name", ["nonsense", "01900000-0000-7000-8000-000000000000"])
def test_a_receipt_that_does_not_exist_is_an_error(name: str, decided: Project, command: Command) -> None:
    """A mistyped id writes no file."""
    done = command("receipt", name, "-o", "none.receipt")

    assert (done.code, done.err.splitlines()[0]) == (1, "error: there is no such receipt")
    assert not Path("none.receipt").exists()


def test_a_bundle_is_written_whole_and_verifies(decided: Project, command: Command) -> None:
    """Of a subject or of one decision, and readable by its owner alone."""
    found = command("status", "--subject", "ada", "--json").json["policies"][0]["receipt"]
    for ask in (("--subject", "ada"), (found,)):
        done = command("bundle", *ask, "-o", "ada.zip", "--json")

        assert (done.json["decisions"], done.json["missing"]) == (1, [])
        assert Path("ada.zip").stat().st_mode & 0o077 == 0
        assert "INTACT" in command("verify", "ada.zip").out


@pytest.mark.parametrize("ask", [(), ("nonsense",), ("--subject", "nobody"), ("x", "--subject", "ada")])
def test_a_bundle_of_nothing_is_an_error(ask: tuple[str, ...], decided: Project, command: Command) -> None:
    """And writes no file."""
    assert command("bundle", *ask).code == 1
    assert not Path("bundle.zip").exists()
