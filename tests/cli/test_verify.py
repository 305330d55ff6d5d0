"""`consentgate verify`: the ledger where it lies, whatever state it is in, and files that left it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Project

_LEAF = "CAST(replace(CAST(leaf AS TEXT), 'accept', 'refuse') AS BLOB)"
_TEXT = "CAST(replace(CAST(data AS TEXT), 'kind', 'cruel') AS BLOB)"
TAMPERING = {
    "an entry": (f"UPDATE consentgate_entry SET leaf = {_LEAF} WHERE idx = 1", "entry 1: its leaf hash was changed"),
    "a text": (f"UPDATE consentgate_blob SET data = {_TEXT} WHERE CAST(data AS TEXT) LIKE '# Terms%'", "were changed"),
    "an opening": (
        "UPDATE consentgate_opening SET openings = replace(openings, 'ada', 'eve')",
        "entry 1: the value given for subject",
    ),
    "an opening gone": ("DELETE FROM consentgate_opening WHERE act = 'decline'", "no erasure says why"),
    "an entry gone": ("DELETE FROM consentgate_entry WHERE idx = 2", "entry 2 is missing"),
    "the end gone": ("DELETE FROM consentgate_entry WHERE idx = 5", "the entries do not give the root"),
    "a date": ("UPDATE consentgate_version SET enforced = enforced + 1", "is not what was published"),
}  # fmt: skip


def tamper(project: Project, statement: str) -> None:
    """Change the database past the program, as somebody with the file could."""
    connection = sqlite3.connect(project.database)
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


def test_a_sound_ledger_is_said_to_be_sound_and_what_that_proves(decided: Project, command: Command) -> None:
    """Counts, the key it was checked with, what is proven and what is not; exit code 0."""
    done = command("verify")

    assert done.code == 0
    assert done.out.startswith("example.com/terms: sound\n")
    assert "entries   6\n            4 decisions, 2 publications, 0 other\n" in done.out
    assert command("key", "show").out.strip() in done.out
    assert "Proven, if the key above is the one you publish\n" in done.out
    assert "Not proven\n" in done.out


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found_and_named(what: str, decided: Project, command: Command) -> None:
    """Each problem is a sentence; the exit code is 1; nothing is said to be proven."""
    statement, said = TAMPERING[what]
    tamper(decided, statement)

    done = command("verify")

    assert done.code == 1
    assert done.out.startswith("example.com/terms: NOT SOUND\n")
    assert said in done.out.partition("Problems (entries are counted from 0)\n")[2]
    assert "Proven" not in done.out
    assert command("verify", "--json").json["sound"] is False


def test_verifying_writes_nothing_and_needs_no_key(decided: Project, command: Command) -> None:
    """A copy of the database alone is enough, and stays as it is."""
    auditor = decided.root / "auditor"
    auditor.mkdir()
    shutil.copy(decided.database, auditor / "copy.db")
    before = (auditor / "copy.db").read_bytes()

    done = command("verify", "--database", auditor / "copy.db")

    assert done.code == 0
    assert (auditor / "copy.db").read_bytes() == before
    assert not (auditor / "copy.db.key").exists()


def test_a_key_that_is_named_is_the_only_one_trusted(decided: Project, command: Command) -> None:
    """Whoever replaced key, signatures and all in the database is caught by the key that was published."""
    other = decided.root / "other"
    other.mkdir()
    command("publish", "--database", other / "other.db")
    ours, theirs = (
        command("key", "show").out.strip(),
        command("key", "show", "--database", other / "other.db").out.strip(),
    )

    good, bad = command("verify", "--key", ours), command("verify", "--key", theirs)

    assert good.code == 0
    assert "\nProven\n" in good.out
    assert bad.code == 1
    assert command("verify", "--key", "nonsense").code == 2


def test_an_older_database_than_is_remembered_is_a_problem(decided: Project, command: Command) -> None:
    """A backup that was put in place is noticed by the anchor file."""
    shutil.copy(decided.database, "backup.db")
    command("token", "new", "--role", "owner", "--label", "me")
    for name in ("-wal", "-shm"):
        Path(f"{decided.database}{name}").unlink(missing_ok=True)
    shutil.copy("backup.db", decided.database)

    done = command("verify")

    assert done.code == 1
    assert "the anchor file remembers 7" in done.out


def test_files_are_handed_to_the_auditor(decided: Project, command: Command) -> None:
    """Receipts and exports are checked like by `python -m consentgate.evidence`, with its exit codes."""
    receipt_id = command("status", "--subject", "ada", "--json").json["policies"][0]["receipt"]
    command("receipt", receipt_id, "-o", "ada.receipt")
    command("export", "-o", "all.ndjson")
    command("export", "-o", "some.ndjson", "--decision", "decline")
    key = command("key", "show").out.strip()

    for name in ("ada.receipt", "all.ndjson", "some.ndjson"):
        assert command("verify", name, "--key", key).code == 0

    Path("all.ndjson").write_bytes(Path("all.ndjson").read_bytes().replace(b"decline", b"dec1ine"))
    done = command("verify", "all.ndjson", "ada.receipt", "--json")
    assert done.code == 1
    assert len(done.out.splitlines()) == 2

    assert command("verify", "nowhere.receipt").code == 2
    assert command("verify", "ada.receipt", "--key", "nonsense").code == 2


def test_a_text_is_compared_with_a_receipt(decided: Project, command: Command) -> None:
    """`--compare` says which document of the receipt a file is."""
    receipt_id = command("status", "--subject", "ada", "--json").json["policies"][0]["receipt"]
    command("receipt", receipt_id, "-o", "ada.receipt")
    text = (decided.policy / "1.0.en.md").read_text().split("---\n")[2]
    Path("terms.md").write_text(text)

    assert "terms.md" in command("verify", "ada.receipt", "--compare", "terms.md").out
    assert command("verify", "--compare", "terms.md").code == 2


def test_an_empty_file_is_no_ledger(tmp_path: Path, command: Command) -> None:
    """A database without our tables is said to be none, and gets none."""
    Path("empty.db").touch()

    assert command("verify", "--database", "empty.db").code == 2
    assert Path("empty.db").stat().st_size == 0
