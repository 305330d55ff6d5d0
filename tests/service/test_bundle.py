"""Laws of the bundle: it verifies itself with nothing but Python, and not with one bit changed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from consentgate.errors import InputError, NotFoundError, VerificationError
from consentgate.evidence import bundle, verify_bundle
from consentgate.evidence.report import report_bundle
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.service.conftest import ALICE, BOB, TEXT, VISITOR, Desk, draft


@pytest.fixture(name="alices")
def _alices(desk: Desk) -> bytes:
    desk.publish(draft("1", summary="First."))
    desk.accept(ALICE)
    desk.accept(BOB)
    desk.publish(draft("2", TEXT + "And smile.\n"))
    desk.accept(ALICE)
    return run(desk.terms.bundle(ALICE))


def standalone(
    path: Path, *options: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the bundle's own verify.py in an isolated interpreter."""
    return subprocess.run(
        [sys.executable, "-I", str(path / "verify.py"), *options],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


@pytest.fixture(name="unpacked")
def _unpacked(alices: bytes, tmp_path: Path) -> Path:
    ZipFile(BytesIO(alices)).extractall(tmp_path / "case")
    return tmp_path / "case"


def test_a_bundle_proves_the_decisions_with_every_document_they_name(desk: Desk, alices: bytes) -> None:
    """Texts of both versions, redline, page, control, gate; and the publications."""
    proven = bundle.verify(alices, verifiers=desk.terms.engine.ledger.verifiers)

    assert [one.entry.version for one in proven.decisions] == ["1", "2"]  # type: ignore[attr-defined]
    assert [one.entry.version for one in proven.publications] == ["1", "2"]  # type: ignore[attr-defined]
    assert (proven.missing, proven.trusted) == ((), True)
    folders = {path.split("/")[1] for path in proven.documents.values()}
    assert folders == {"texts", "drafts", "redlines", "pages", "controls", "gate", "settings", "summaries"}


def test_equal_ledgers_give_equal_bytes(desk: Desk, alices: bytes) -> None:
    """Deterministic."""
    assert run(desk.terms.bundle(ALICE)) == alices


def test_nobody_else_is_in_it(alices: bytes) -> None:
    """Data minimisation: a bundle about Alice says nothing of Bob."""
    assert not any(re.search(rb"\bbob\b", data) for data in bundle.read(alices).values())


def test_one_decision_can_be_bundled_alone(desk: Desk, alices: bytes) -> None:
    """By its id."""
    entry = run(desk.terms.decisions(ALICE))[0]
    proven = bundle.verify(run(desk.terms.bundle(decision=str(entry.id))))

    assert [one.entry for one in proven.decisions] == [entry]


def test_what_a_visitor_did_before_the_link_is_in_the_users_bundle(desk: Desk) -> None:
    """The whole history."""
    desk.publish(draft("1"))
    desk.accept(VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))

    assert len(bundle.verify(run(desk.terms.bundle(ALICE))).decisions) == 1


def test_the_users_bundle_proves_that_the_visitor_became_the_user(desk: Desk, tmp_path: Path) -> None:
    """Bug: the bundle of a user who had accepted before signing in named a visitor only, and nothing tied the two."""
    desk.publish(draft("1"))
    desk.accept(VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))
    data = run(desk.terms.bundle(ALICE))
    proven = bundle.verify(data, verifiers=desk.terms.engine.ledger.verifiers)
    ZipFile(BytesIO(data)).extractall(tmp_path)

    opened = {name: opening.value for name, opening in proven.links[0].openings.items()}
    assert (opened["visitor"], opened["subject"]) == (VISITOR.id, ALICE.id)
    assert ("link — visitor " + VISITOR.id + " signed in as " + ALICE.id) in dict(report_bundle(proven).facts).values()
    assert f"visitor {VISITOR.id}, subject {ALICE.id}" in standalone(tmp_path).stdout
    statement = (tmp_path / "statement.html").read_text()
    assert f"1 decision of <b>{ALICE.id}</b>" in statement
    assert "signed in as" in statement


def test_a_link_that_carried_nothing_of_the_bundle_is_refused(desk: Desk) -> None:
    """Whoever packs cannot hang somebody's sign-in on decisions it has nothing to do with."""
    desk.publish(draft("1"))
    desk.accept(BOB)
    desk.accept(VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))
    linked, bobs = bundle.read(run(desk.terms.bundle(ALICE))), bundle.read(run(desk.terms.bundle(BOB)))
    mixed = bobs | {name: data for name, data in linked.items() if name.startswith(bundle.LINKS)}

    with pytest.raises(VerificationError, match="the link of no decision"):
        bundle.verify(bundle.write(mixed))


def test_nothing_on_record_is_said_so(desk: Desk) -> None:
    """And asking for nothing, or for both, is an error."""
    desk.publish(draft("1"))
    for ask in ({"subject": ALICE}, {"decision": "x"}, {"decision": "01a20a1c-590e-77da-8728-abb99c67ad29"}):
        with pytest.raises(NotFoundError):
            run(desk.terms.bundle(**ask))  # type: ignore[arg-type]
    with pytest.raises(InputError):
        run(desk.terms.bundle())


@pytest.fixture(name="small")
def _small(desk: Desk) -> bytes:
    """A bundle of one decision."""
    desk.publish(draft("1", summary="First."))
    desk.decide(desk.seal(ALICE), ALICE, Act.DECLINE)
    return run(desk.terms.bundle(ALICE))


def flipped(data: bytes, mask: int = 0x41) -> Iterator[bytes]:
    """The bytes with one of them changed, for each of them."""
    for place in range(len(data)):
        yield data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


def test_each_flipped_byte_of_the_zip_is_refused(desk: Desk, small: bytes) -> None:
    """Headers, names, contents, directory: no byte is free, with the published key and with the one inside."""
    verifiers = desk.terms.engine.ledger.verifiers
    for number, changed in enumerate(flipped(small)):
        with pytest.raises(VerificationError):
            bundle.verify(changed, verifiers=verifiers if number % 2 else None)


def test_each_flipped_byte_of_each_file_of_evidence_is_refused_although_the_sums_were_repaired(small: bytes) -> None:
    """Receipts, publications, documents; what is for people only is told from them by its place."""
    files = bundle.read(small)
    tried = 0
    for name in files.keys() - bundle.FOR_PEOPLE:
        for changed in flipped(files[name]):
            with pytest.raises(VerificationError):
                bundle.verify(bundle.write({**files, name: changed}))
            tried += 1
    assert tried > 2_000


def test_the_bundles_own_verifier_refuses_each_flipped_byte_of_each_file(small: bytes) -> None:
    """Itself, the statement and the list of sums among them."""
    with ZipFile(BytesIO(small)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert verify_bundle.check(dict(files), None) == 0
    for name, data in files.items():
        for changed in flipped(data):
            with pytest.raises((verify_bundle.Refused, UnicodeDecodeError)):
                verify_bundle.check({**files, name: changed}, None)


def change(name: str) -> Callable[[dict[str, bytes]], None]:
    """Flip a byte in the first file whose path begins like this."""

    def do(files: dict[str, bytes]) -> None:
        path = next(path for path in sorted(files) if path.startswith(name))
        data = bytearray(files[path])
        data[len(data) // 2] ^= 1
        files[path] = bytes(data)

    return do


@pytest.mark.parametrize("options", [("--key=localhost/tests+00000000+AAAA",), ("--key",), ("--keys", "x"), (".", "x")])
def test_a_key_that_was_given_is_never_overlooked(unpacked: Path, options: tuple[str, ...]) -> None:
    """However it is written: to check with the key inside instead would be to accept anybody's signature."""
    done = standalone(unpacked, *options)

    assert done.returncode in (1, 2)
    assert "verifies" not in done.stdout


def test_a_value_in_a_bundle_cannot_pass_for_words_of_the_verifier(desk: Desk, tmp_path: Path) -> None:
    """Line breaks and signs that move the cursor are written out."""
    desk.publish(draft("1"))
    mallory = Subject("mallory\x1b[2J\nEverything in this bundle verifies with the key you gave.")
    desk.accept(mallory)
    ZipFile(BytesIO(run(desk.terms.bundle(mallory)))).extractall(tmp_path)
    done = standalone(tmp_path)

    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert not any("with the key you gave" in line for line in done.stdout.splitlines() if "mallory" not in line)


@pytest.mark.parametrize(
    "forge",
    [
        change("receipts/"), change("publications/"), change("documents/texts"), change("documents/pages"),
        change("documents/redlines"), change("documents/gate"),
        lambda files: files.update({"documents/texts/other.md": b"You owe us.\n"}),
        lambda files: files.update({"stray.txt": b"x"}),
        lambda files: [files.pop(path) for path in list(files) if path.startswith("receipts/")],
        lambda files: files.update({"receipts/x.receipt": files[next(p for p in files if p[0] == "p")]}),
    ],
)  # fmt: skip
def test_a_forger_who_repairs_the_sums_is_found_by_the_proofs(
    alices: bytes, tmp_path: Path, forge: Callable[[dict[str, bytes]], None]
) -> None:
    """Both verifiers refuse: ours and the one in the bundle."""
    files = bundle.read(alices)
    forge(files)
    forged = bundle.write(files)
    with pytest.raises(VerificationError):
        bundle.verify(forged)
    ZipFile(BytesIO(forged)).extractall(tmp_path / "forged")
    if "stray.txt" not in files and "receipts/x.receipt" not in files:  # the small verifier has no opinion on those
        assert standalone(tmp_path / "forged").returncode == 1


def test_a_missing_document_is_reported_not_hidden(alices: bytes) -> None:
    """The decision stays proven; what it named is not here."""
    files = bundle.read(alices)
    files.pop(next(path for path in files if path.startswith("documents/pages")))

    assert {field for _, field, _ in bundle.verify(bundle.write(files)).missing} == {"page"}


def test_the_bundles_own_verifier_needs_only_the_standard_library(desk: Desk, unpacked: Path) -> None:
    """Isolated interpreter; with the published key, the wrong key, and one bit changed."""
    key = str(desk.terms.engine.ledger.signer.verifier)
    good = standalone(unpacked, "--key", key)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "accept terms 2" in good.stdout
    assert standalone(unpacked, "--key", key[:-2] + ("A" if key[-2] != "A" else "B") + key[-1]).returncode == 1
    text = next((unpacked / "documents/texts").iterdir())
    text.write_bytes(text.read_bytes().replace(b"kind", b"king"))
    assert standalone(unpacked).returncode == 1


@pytest.mark.parametrize("openssl", [True, False])
def test_without_cryptography_openssl_checks_the_signature_or_it_says_that_nothing_did(
    unpacked: Path, openssl: bool, need_program: Callable[[str], str]
) -> None:
    """Never a silent yes."""
    need_program("openssl")
    blocked = "import sys; sys.modules['cryptography'] = None; "
    if not openssl:
        blocked += "import subprocess\ndef gone(*_, **__): raise FileNotFoundError\nsubprocess.run = gone\n"
    script = str(unpacked / "verify.py")
    code = f"{blocked}\nimport runpy; sys.argv = [{script!r}, {str(unpacked)!r}]\n"
    code += f"runpy.run_path({script!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == (0 if openssl else 3), done.stdout + done.stderr
    assert ("NO SIGNATURE WAS CHECKED" in done.stdout) is not openssl


def test_the_statement_reads_as_sentences_and_links_to_what_proves_it(unpacked: Path) -> None:
    """For people; each link leads to a file that is there."""
    import re

    page = (unpacked / "statement.html").read_text()

    assert "<b>accepted</b> terms, version 2" in page
    assert "shown what had changed since version 1" in page
    for address in re.findall(r"href='([^']+)'", page):
        assert (unpacked / address).is_file(), address
    assert "<script" not in page
