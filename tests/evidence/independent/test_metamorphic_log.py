"""Proofs and signed notes against the package `metamorphic-log`, which is written in Rust."""

from __future__ import annotations

import base64

import pytest

from consentgate.evidence.tlog import leaf_hash, prove_consistency, prove_inclusion, root_at


@pytest.fixture(name="rust")
def _rust(foreign):
    return foreign("metamorphic_log")


def test_it_verifies_our_inclusion_proofs(published, rust, sizes):
    """Accepted where we prove, refused with a hash turned round."""
    for size in sizes:
        top = root_at(size, published.tree.read)
        for index in {0, size // 2, size - 1}:
            proof = prove_inclusion(size, index, published.tree.read)
            leaf = published.tree.hashes[index]
            rust.verify_inclusion(index, size, leaf, proof, top)
            with pytest.raises(rust.VerifyError):
                rust.verify_inclusion(index, size, leaf[::-1], proof, top)


def test_it_verifies_our_consistency_proofs(published, rust, sizes):
    """Accepted where we prove, refused with another root."""
    roots = {size: root_at(size, published.tree.read) for size in sizes}
    for new in sizes:
        for old in (size for size in sizes if size < new):
            proof = prove_consistency(old, new, published.tree.read)
            rust.verify_consistency(old, new, proof, roots[old], roots[new])
            with pytest.raises(rust.VerifyError):
                rust.verify_consistency(old, new, proof, roots[old][::-1], roots[new])


def test_it_verifies_our_signed_note(published, rust):
    """With the ledger's verifier key in our spelling; not with a changed text."""
    note, key = published.note.decode(), str(published.log.verifier)

    assert rust.verify_signed_note(note, [key]) == 1
    with pytest.raises(rust.VerifyError):
        rust.verify_signed_note(note.replace("66000", "66001"), [key])


def verify_receipt(rust, data: bytes, key: str) -> None:
    """Read a receipt as the page of formats says, and let the package check signature and path."""
    head, _, proof = data.decode().partition("\n\n")
    path, _, note = proof.partition("\n\n")
    assert rust.verify_signed_note(note, [key]) == 1
    _, size, root = note.split("\n")[:3]
    _, index, *hashes = path.split("\n")
    leaf = leaf_hash(head.split("\n")[1].removeprefix("entry ").encode())
    proof = [base64.b64decode(one) for one in hashes]
    rust.verify_inclusion(int(index.removeprefix("index ")), int(size), leaf, proof, base64.b64decode(root))


def test_it_verifies_our_receipts_and_no_forged_one(receipts, rust):
    """With the published key; a changed entry, place, path, size or root is refused."""
    for data in receipts.good:
        verify_receipt(rust, data, receipts.key)
    for data in receipts.forged:
        with pytest.raises(rust.VerifyError):
            verify_receipt(rust, data, receipts.key)
