"""The tiles, checkpoints and proofs against the package `tlog-scales`, which reads C2SP logs."""

from __future__ import annotations

import shutil

import pytest

from consentgate.evidence.tlog import (
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
    root_at,
)


@pytest.fixture(name="reader")
def _reader(foreign, published):
    reader = foreign("tlog_scales.reader").TilesReader(foreign("tlog_scales.backend").LocalBackend(published.folder))
    reader.get_checkpoint()
    return reader


def test_it_computes_our_root_from_our_tiles_and_verifies_our_signatures(foreign, published, reader):
    """From the served files alone: the root, the ledger's signature, the witness's."""
    signing = foreign("tlog_scales.signing")
    checkpoint = reader.get_checkpoint()

    assert reader.calculate_root_hash() == checkpoint.root_hash == published.tree.frontier.root
    for signer in (published.log, published.witness):
        checkpoint.verify(signing.Vkey.from_string(str(signer.verifier)))
        assert signing.Vkey.from_string(str(signer.verifier)).serialize() == str(signer.verifier)
    assert checkpoint.serialize().encode() == published.note


def test_it_makes_the_proofs_we_make_and_checks_them(foreign, published, reader, sizes):
    """Both from the same tiles: the proofs are equal, each side accepts them."""
    tlog = foreign("tlog_scales.tlog")
    for size in sizes:
        top = root_at(size, published.tree.read)
        assert top == reader.mth(0, size)
        for index in {0, size // 3, size - 1}:
            ours = prove_inclusion(size, index, published.tree.read)
            theirs = reader.get_inclusion_proof(index, size)
            leaf = published.tree.hashes[index]

            assert ours == theirs.node_hashes
            check_inclusion(theirs.node_hashes, size, top, index, leaf)
            tlog.InclusionProof(index, size, ours).check(leaf, top)
            with pytest.raises(tlog.InclusionProofInvalid):
                tlog.InclusionProof(index, size, ours).check(leaf[::-1], top)


def test_it_makes_the_consistency_proofs_we_make_and_checks_them(foreign, published, reader, sizes):
    """Over all pairs of the chosen sizes."""
    tlog = foreign("tlog_scales.tlog")
    roots = {size: root_at(size, published.tree.read) for size in sizes}
    for new in sizes:
        for old in (size for size in sizes if size < new):
            ours = prove_consistency(old, new, published.tree.read)
            theirs = reader.get_consistency_proof(old, new)

            assert ours == theirs.node_hashes
            check_consistency(theirs.node_hashes, old, roots[old], new, roots[new])
            tlog.ConsistencyProof(old, new, ours).check(roots[old], roots[new])


def test_it_reads_our_entries(published, reader):
    """Entry bundles give back the leaves."""
    for index in (0, 255, 256, 65_535, 65_999):
        assert reader.get_entry(index) == published.leaves[index]


@pytest.mark.parametrize(("path", "index"), [("tile/0/000", 0), ("tile/1/000", 0), ("tile/0/257.p/208", 65_800)])
def test_it_refuses_a_forged_tile(foreign, published, tmp_path, path, index):
    """One bit of a tile, full or partial, low or high: no proof that passes it leads to the signed root."""
    folder = tmp_path / "log"
    shutil.copytree(published.folder, folder)
    data = bytearray((folder / path).read_bytes())
    data[-1] ^= 1
    (folder / path).write_bytes(data)
    reader = foreign("tlog_scales.reader").TilesReader(foreign("tlog_scales.backend").LocalBackend(folder))
    root = reader.get_checkpoint().root_hash
    proof = reader.get_inclusion_proof(index, len(published.leaves))

    with pytest.raises(foreign("tlog_scales.tlog").InclusionProofInvalid):
        proof.check(published.tree.hashes[index], root)
