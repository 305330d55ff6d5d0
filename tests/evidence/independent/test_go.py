"""Notes, trees, proofs and tiles against Go's own `sumdb/note` and `sumdb/tlog`, as Debian packages them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
from consentgate.evidence.note import Verifier, open_note
from consentgate.evidence.tiles import TileName
from consentgate.evidence.tlog import prove_consistency, prove_inclusion, root_at

GOPATH = Path("/usr/share/gocode")
SIZES = [1, 2, 3, 6, 255, 256, 257, 511, 700]
TILES = [TileName(0, 0), TileName(0, 1), TileName(0, 2, 188), TileName(0, 2, 7), TileName(1, 0, 2), TileName(1, 0, 1)]


def encoded(items: list[bytes]) -> list[str]:
    """Base64, as Go's JSON has bytes."""
    return [base64.b64encode(item).decode() for item in items]


@pytest.fixture(name="ours", scope="module")
def _ours(published, grown, receipts):
    tree = grown(published.tree.hashes[:700])
    text = Checkpoint(published.log.name, 700, tree.frontier.root).format()
    pairs = [(old, new) for new in SIZES for old in SIZES if old <= new]
    return {
        "SignerKey": published.log.secret(),
        "VerifierKey": str(published.log.verifier),
        "Text": text,
        "Note": encoded([sign_checkpoint(Checkpoint.parse(text), published.log)])[0],
        "Leaves": encoded(published.leaves[:700]),
        "Sizes": SIZES,
        "Roots": encoded([root_at(size, tree.read) for size in SIZES]),
        "Inclusion": [
            {"Size": size, "Index": index, "Proof": encoded(prove_inclusion(size, index, tree.read))}
            for size in SIZES
            for index in sorted({0, 1 % size, size // 3, size - 1})
        ],
        "Consistency": [
            {"Old": old, "New": new, "Proof": encoded(prove_consistency(old, new, tree.read))} for old, new in pairs
        ],
        "ReceiptKey": receipts.key,
        "Receipts": [one.decode() for one in (*receipts.good, *receipts.forged)],
        "Tiles": [
            {"Level": name.level, "Index": name.index, "Width": name.width, "Data": encoded([data])[0]}
            for name, data in zip(TILES, tree.read([name.hashes() for name in TILES]), strict=True)
        ],
    }


@pytest.fixture(name="theirs", scope="module")
def _theirs(ours, need_program, missing):
    go = need_program("go")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        missing("the Debian package golang-golang-x-mod-dev")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": ""}
    program = Path(__file__).with_name("verify.go")
    done = subprocess.run(
        [go, "run", str(program)],
        input=json.dumps(ours).encode(),
        capture_output=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_go_opens_what_we_sign_and_signs_the_same_bytes(ours, theirs):
    """Ed25519 signatures are deterministic: both sides write the same note, with keys in the same spelling."""
    assert theirs["Opened"] == ours["Text"]
    assert theirs["Signed"] == ours["Note"]
    assert open_note(base64.b64decode(theirs["Signed"]), [Verifier.parse(ours["VerifierKey"])]).text == ours["Text"]


def test_go_computes_the_same_roots(ours, theirs):
    """At each of the sizes."""
    assert theirs["Roots"] == ours["Roots"]


def test_go_accepts_and_makes_the_same_inclusion_proofs(ours, theirs):
    """All of them; and refuses each for a root with one bit changed."""
    assert theirs["Inclusion"] == [""] * len(ours["Inclusion"])
    assert all(theirs["ForgedInclusion"])


def test_go_accepts_and_makes_the_same_consistency_proofs(ours, theirs):
    """All of them; and refuses each for a root with one bit changed."""
    assert theirs["Consistency"] == [""] * len(ours["Consistency"])
    assert all(theirs["ForgedConsistency"])


def test_go_has_the_same_tiles(ours, theirs):
    """Full and partial ones, on two levels."""
    assert theirs["Tiles"] == [""] * len(TILES)


def test_go_accepts_our_receipts_and_no_forged_one(theirs, receipts):
    """Read as the page of formats says: signature, path and entry; each forgery fails."""
    assert theirs["Receipts"][: len(receipts.good)] == [""] * len(receipts.good)
    assert all(theirs["Receipts"][len(receipts.good) :])
    assert len(theirs["Receipts"]) == len(receipts.good) + len(receipts.forged)
