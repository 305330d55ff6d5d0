"""`consentgate export` and `receipt`: the record as files."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path

import pytest

from consentgate.cli.export import Decision
from consentgate.cli.files import whole_file
from consentgate.terms.policy import Act
from tests.cli.conftest import Command, Project


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
