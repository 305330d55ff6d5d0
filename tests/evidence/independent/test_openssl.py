"""Signatures against the `openssl` command: a checkpoint needs nothing but it, as the documentation shows."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from consentgate.evidence.note import Signer

# RFC 8410: the DER of an Ed25519 public key is this, followed by its 32 bytes.
DER_PREFIX = bytes.fromhex("302a300506032b6570032100")


def verifies(openssl: str, folder: Path, signer: Signer, message: bytes, signature: bytes) -> bool:
    """Ask openssl."""
    (folder / "key.der").write_bytes(DER_PREFIX + signer.verifier.public_key)
    (folder / "message").write_bytes(message)
    (folder / "signature").write_bytes(signature)
    done = subprocess.run(
        [openssl, "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", folder / "key.der",
         "-in", folder / "message", "-sigfile", folder / "signature"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() in (b"Signature Verified Successfully", b"Signature Verification Failure"), done.stderr
    return done.returncode == 0


def test_openssl_verifies_a_checkpoint_and_its_cosignature(published, need_program, tmp_path):
    """The text before the blank line, and the base64 after the key id; a changed size is refused."""
    openssl = need_program("openssl")
    text, _, block = published.note.partition(b"\n\n")
    text += b"\n"
    raws = [base64.b64decode(line.rpartition(b" ")[2]) for line in block.splitlines()]
    own, witnessed = raws
    cosigned = b"cosignature/v1\ntime %d\n" % int.from_bytes(witnessed[4:12], "big") + text

    assert verifies(openssl, tmp_path, published.log, text, own[4:])
    assert verifies(openssl, tmp_path, published.witness, cosigned, witnessed[12:])
    assert not verifies(openssl, tmp_path, published.log, text.replace(b"66000", b"66001"), own[4:])
