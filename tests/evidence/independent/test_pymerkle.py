"""Roots and paths against the package `pymerkle`, whose tree is RFC 9162's."""

from __future__ import annotations

import pytest

from consentgate.evidence.tlog import leaf_hash, prove_inclusion, root


def test_its_roots_and_paths_are_ours(foreign):
    """For every size up to 70: the root, and the path of every leaf."""
    tree = foreign("pymerkle").InmemoryTree(algorithm="sha256")
    leaves = [b"entry %d" % number for number in range(70)]
    hashes = [leaf_hash(leaf) for leaf in leaves]

    def read(ranges):
        return [b"".join(hashes[item.start : item.stop]) for item in ranges]

    root_of = getattr(tree, "get_root", None) or tree.get_state  # renamed in version 7
    for size, leaf in enumerate(leaves, start=1):
        tree.append_entry(leaf)
        assert root_of(size) == root(hashes[:size])
        for index in range(size):
            path = tree.prove_inclusion(index + 1, size).path
            assert path == [hashes[index], *prove_inclusion(size, index, read)]


def test_it_verifies_what_it_proves_for_our_root(foreign):
    """Its own proof holds for the root we computed, and not for another."""
    pymerkle = foreign("pymerkle")
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    leaves = [b"entry %d" % number for number in range(21)]
    for leaf in leaves:
        tree.append_entry(leaf)
    top = root([leaf_hash(leaf) for leaf in leaves])
    proof = tree.prove_inclusion(8, 21)
    pymerkle.verify_inclusion(leaf_hash(leaves[7]), top, proof, index=8, size=21)
    with pytest.raises(pymerkle.InvalidProof):
        pymerkle.verify_inclusion(leaf_hash(leaves[7]), top[::-1], proof, index=8, size=21)
