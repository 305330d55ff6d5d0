"""The command: it says what is proven, returns the right code, and loads nothing it does not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from consentgate.evidence import receipt
from consentgate.evidence.__main__ import main
from consentgate.evidence.ledger_file import write_ledger
from consentgate.evidence.note import Signer


@pytest.fixture(name="folder", scope="module")
def _folder(sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    (folder / "good.receipt").write_bytes(sample.receipt())
    (folder / "bad.receipt").write_bytes(sample.receipt().replace(b"accept", b"refuse"))
    (folder / "ledger.ndjson").write_bytes(b"".join(write_ledger(sample.header(), sample.rows(), sample.checkpoint)))
    (folder / "checkpoint").write_bytes(sample.checkpoint)
    (folder / "holiday.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40)
    (folder / "empty").write_bytes(b"")
    (folder / "rules.md").write_bytes(b"# Rules\r\n\r\nBring the books back.\r\n")
    return folder


@pytest.fixture(name="key")
def _key(sample) -> str:
    return str(sample.log.verifier)


@pytest.mark.parametrize("name", ["good.receipt", "ledger.ndjson", "checkpoint"])
def test_good_files_verify_with_the_key(folder, key, capsys, name):
    """Exit code 0, the verdict on the first line behind the file's name."""
    assert main([str(folder / name), "--key", key]) == 0
    assert capsys.readouterr().out.startswith(f"{folder / name}: VERIFIED")


@pytest.mark.parametrize("name", ["good.receipt", "ledger.ndjson"])
def test_without_a_key_the_verdict_is_guarded(folder, capsys, name):
    """Exit code 0, but not the word VERIFIED."""
    assert main([str(folder / name)]) == 0

    out = capsys.readouterr().out
    assert ": INTACT" in out
    assert "VERIFIED" not in out
    assert "compare it with the published one" in out


@pytest.mark.parametrize("name", ["bad.receipt", "holiday.jpg", "empty", "rules.md"])
def test_everything_else_is_refused(folder, key, capsys, name):
    """Exit code 1, and nothing but the refusal."""
    assert main([str(folder / name), "--key", key]) == 1

    out = capsys.readouterr().out
    assert ": REFUSED" in out
    assert "Proven\n" not in out
    assert "Nothing in this file is proven" in out


def test_a_checkpoint_needs_a_key(folder, key, capsys):
    """There is none inside; the error says which one it claims."""
    assert main([str(folder / "checkpoint")]) == 1

    out = capsys.readouterr().out
    assert key.rpartition("+")[0] in out
    assert "--key" in out


def test_another_key_is_refused(folder, capsys):
    """A key of the same name is another key."""
    other = str(Signer("example.com/terms", b"\x07" * 32).verifier)
    for name in ("good.receipt", "ledger.ndjson", "checkpoint"):
        assert main([str(folder / name), "--key", other]) == 1
    assert capsys.readouterr().out.count("REFUSED") == 3


def test_one_bad_file_among_good_ones_decides_the_exit_code(folder, key, capsys):
    """Each file is reported; the code is the worst."""
    files = [str(folder / name) for name in ("good.receipt", "bad.receipt", "checkpoint")]

    assert main([*files, "--key", key]) == 1
    out = capsys.readouterr().out
    assert (out.count("VERIFIED"), out.count("REFUSED")) == (2, 1)


def test_wrong_usage_is_told_from_a_refusal(folder, capsys):
    """No file, a file that is not there, a key that is none: exit code 2, and standard output stays empty."""
    for arguments in ([], [str(folder / "good.receipt"), "--key", "x"], ["x", "--compare", str(folder / "none")]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert main([str(folder / "missing")]) == 2
    assert main([str(folder)]) == 2

    streams = capsys.readouterr()
    assert streams.out == ""
    assert "cannot be read" in streams.err


def test_json_is_one_object_a_line(folder, key, capsys):
    """For good files and for refused ones."""
    assert main([str(folder / "good.receipt"), str(folder / "bad.receipt"), "--key", key, "--json"]) == 1

    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert (good["verified"], good["kind"], good["trusted_key"]) == (True, "receipt", True)
    assert (bad["verified"], bad["file"]) == (False, str(folder / "bad.receipt"))
    assert bad["error"]


def test_a_document_can_be_compared(folder, key, capsys):
    """The text in a file is recognised as the one of the receipt; a foreign document is refused."""
    arguments = [str(folder / "good.receipt"), "--key", key, "--compare"]

    assert main([*arguments, str(folder / "rules.md")]) == 0
    assert "is the text of this entry" in capsys.readouterr().out
    assert main([*arguments, str(folder / "holiday.jpg")]) == 1
    assert main([str(folder / "ledger.ndjson"), "--compare", str(folder / "rules.md")]) == 1


@pytest.mark.parametrize("kind", ["ledger.ndjson", "checkpoint", "bundle.zip"])
def test_a_document_that_was_given_is_never_overlooked(folder, key, capsys, kind):
    """Where there is nothing to compare it with, the check does not end well as if it had been compared."""
    (folder / "bundle.zip").write_bytes(b"PK\x03\x04")

    assert main([str(folder / kind), "--key", key, "--compare", str(folder / "rules.md")]) == 1
    assert "compared with a receipt only" in capsys.readouterr().out


def test_a_document_that_does_not_belong_is_told_from_a_receipt_that_does_not_verify(folder, key, capsys):
    """Whoever took the wrong file must not think that the receipt is forged."""
    good = [str(folder / "good.receipt"), "--key", key, "--compare", str(folder / "holiday.jpg")]
    assert main(good) == 1
    out = capsys.readouterr().out
    assert "holiday.jpg does not belong to it" in out
    assert "The receipt itself is intact" in out
    assert "Nothing in this file" not in out
    assert main([*good, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["document"].endswith("holiday.jpg")

    assert main([str(folder / "bad.receipt"), *good[1:]]) == 1
    assert "Nothing in this file is proven" in capsys.readouterr().out


@pytest.mark.parametrize("start", [b"index,type,id,at,policy\r\n0,publish,", b"PAR1\x15\x04"])
def test_a_table_is_refused_with_the_way_to_the_evidence(folder, key, capsys, start):
    """A CSV or Parquet file proves nothing; whoever has one is told which form does."""
    (folder / "ledger.table").write_bytes(start)

    assert main([str(folder / "ledger.table"), "--key", key]) == 1
    out = capsys.readouterr().out
    assert "proves nothing" in out
    assert "consentgate export --output ledger.ndjson" in out


def test_only_roots_can_be_asked_for(folder, key, capsys):
    """The report says what was left out."""
    assert main([str(folder / "ledger.ndjson"), "--key", key, "--roots-only"]) == 0
    assert "you asked for the root only" in capsys.readouterr().out


def test_a_deceiving_value_cannot_play_with_the_terminal(sample, folder, capsys):
    """Escape sequences in a file's name are written out."""
    name = folder / "x\x1b[1mVERIFIED"
    name.write_bytes(b"no")

    assert main([str(name)]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_it_runs_as_a_module_from_standard_input_and_loads_only_what_it_needs(folder, key):
    """In a process of its own: no database, no web framework, no settings are imported."""
    code = (
        "import sys, runpy\n"
        "try:\n    runpy.run_module('consentgate.evidence', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as stop:\n    code = stop.code\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "heavy = names & {'sqlalchemy', 'sqlmodel', 'pydantic', 'fastapi', 'starlette', 'jinja2', 'itsdangerous',"
        " 'typer', 'rich', 'yaml', 'nh3', 'markdown_it', 'diff_match_patch', 'alembic', 'babel'}\n"
        "own = {name for name in sys.modules if name.startswith('consentgate.')} \n"
        "rooms = {name.split('.')[1] for name in own}\n"
        "print('HEAVY', sorted(heavy), 'ROOMS', sorted(rooms), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "-", "--key", key],
        input=(folder / "good.receipt").read_bytes(),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().startswith("-: VERIFIED")
    assert done.stderr.decode().strip() == "HEAVY [] ROOMS ['errors', 'evidence', 'terms']"


def test_a_terminal_without_dashes_is_no_reason_to_crash(folder, key):
    """Where the output can only take ASCII, other characters are written as their codes."""
    done = subprocess.run(
        [sys.executable, "-m", "consentgate.evidence", str(folder / "good.receipt"), "--key", key],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    assert b"accept \\u2014 rules" in done.stdout


def test_a_receipt_with_a_withheld_name_still_tells_the_rest(sample, folder, key, capsys):
    """What is shown to a stranger verifies too."""
    path = folder / "shown.receipt"
    path.write_bytes(receipt.withhold(sample.receipt(), ["subject"]))

    assert main([str(path), "--key", key]) == 0
    out = capsys.readouterr().out
    assert "user:4" not in out
    assert "not opened" in out
