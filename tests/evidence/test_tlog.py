"""The Merkle tree: roots, proofs, and that nothing but the right proof is accepted."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence.tlog import (
    EMPTY_ROOT,
    HASH_SIZE,
    MAX_SIZE,
    TILE_WIDTH,
    HashRange,
    RightEdge,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root,
    root_at,
)

# The reference tree of RFC 6962's first implementation: eight leaves and the roots of its first eight sizes.
REFERENCE = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [leaf_hash(b"leaf %d" % number) for number in range(100)]
# Rows of one tile: enough for trees up to 256 leaves.
ROOT_OF = [EMPTY_ROOT, *(root(HASHES[:size]) for size in range(1, 101))]

hashes = st.binary(min_size=HASH_SIZE, max_size=HASH_SIZE)
sizes = st.integers(-1, 20) | st.integers(0, MAX_SIZE + 1)


def read(ranges):
    """Answer from the leaf hashes: no tree here is large enough for a second level."""
    assert all(item.level == 0 for item in ranges)
    return [b"".join(HASHES[item.start : item.stop]) for item in ranges]


def flipped(data: bytes) -> bytes:
    """The same bytes with one bit changed."""
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_tree(size):
    """RFC 6962's reference leaves give the published roots."""
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in REFERENCE[:size]]

    assert ROOTS[size - 1] == root(leaves).hex()


def test_the_empty_tree_has_the_digest_of_nothing_as_root():
    """The root of no leaves is SHA-256 of the empty string, by every way to compute it."""
    assert sha256(b"").digest() == EMPTY_ROOT == root([]) == RightEdge().root() == root_at(0, read)


def test_leaf_and_node_cannot_be_mistaken_for_one_another():
    """A leaf whose bytes are those of two hashes has another hash than the node over them."""
    left, right = HASHES[:2]

    assert leaf_hash(left + right) != node_hash(left, right)


def test_a_right_edge_grows_to_the_root_of_the_whole_tree():
    """Appending leaf by leaf gives at each size the root computed in one go."""
    edge = RightEdge()
    for size, leaf in enumerate(HASHES, start=1):
        edge.append(leaf)

        assert (size, ROOT_OF[size]) == (edge.size, edge.root())


def test_every_inclusion_proof_up_to_100_leaves_holds_and_none_with_a_changed_bit():
    """For every tree up to 100 and every leaf the proof checks; with any of its hashes changed it does not."""
    for size in range(1, 101):
        for index in range(size):
            proof = prove_inclusion(size, index, read)
            check_inclusion(proof, size, ROOT_OF[size], index, HASHES[index])
            for place, item in enumerate(proof):
                broken = [*proof[:place], flipped(item), *proof[place + 1 :]]
                with pytest.raises(VerificationError):
                    check_inclusion(broken, size, ROOT_OF[size], index, HASHES[index])


def test_every_consistency_proof_up_to_100_leaves_holds_and_none_with_a_changed_bit():
    """For every pair of sizes up to 100 the proof checks; with any of its hashes changed it does not."""
    for new in range(1, 101):
        for old in range(1, new + 1):
            proof = prove_consistency(old, new, read)
            check_consistency(proof, old, ROOT_OF[old], new, ROOT_OF[new])
            for place, item in enumerate(proof):
                broken = [*proof[:place], flipped(item), *proof[place + 1 :]]
                with pytest.raises(VerificationError):
                    check_consistency(broken, old, ROOT_OF[old], new, ROOT_OF[new])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 33])
def test_an_inclusion_proof_holds_for_nothing_else(size):
    """Another index, leaf, root or size, a hash more or fewer: each is refused."""
    for index in range(size):
        proof, leaf = prove_inclusion(size, index, read), HASHES[index]
        others = [(proof, size, ROOT_OF[size], other, leaf) for other in range(-1, size + 2) if other != index]
        others += [
            (proof, size, ROOT_OF[size], index, flipped(leaf)),
            (proof, size, flipped(ROOT_OF[size]), index, leaf),
        ]
        others += [
            ([*proof, leaf], size, ROOT_OF[size], index, leaf),
            ([leaf, *proof], size, ROOT_OF[size], index, leaf),
        ]
        others += [(proof[:-1], size, ROOT_OF[size], index, leaf)] if proof else []
        others += [(proof, size, ROOT_OF[size][:-1], index, leaf), (proof, size, ROOT_OF[size], index, leaf + b"\0")]
        for arguments in others:
            with pytest.raises(VerificationError):
                check_inclusion(*arguments)


@pytest.mark.parametrize(("old", "new"), [(1, 1), (1, 2), (3, 7), (4, 8), (6, 8), (8, 33), (31, 32)])
def test_a_consistency_proof_holds_for_nothing_else(old, new):
    """Exchanged or changed roots, other sizes, a hash more or fewer: each is refused."""
    proof, before, after = prove_consistency(old, new, read), ROOT_OF[old], ROOT_OF[new]
    others = [
        (proof, old, flipped(before), new, after),
        (proof, old, before, new, flipped(after)),
        ([*proof, before], old, before, new, after),
        ([before, *proof], old, before, new, after),
        (proof, 0, EMPTY_ROOT, new, after),
        (proof, new + 1, before, new, after),
        (proof, old, before[:-1], new, after),
        (proof, old, before, MAX_SIZE + 1, after),
    ]
    others += [(proof[:-1], old, before, new, after), (proof, old, after, new, before)] if old != new else []
    for arguments in others:
        with pytest.raises(VerificationError):
            check_consistency(*arguments)


def test_a_hash_too_many_is_refused_even_where_the_root_would_fit():
    """Whoever could choose the root could hang a level on top of the tree: the length of the proof forbids it."""
    one, two, extra = HASHES[:3]
    with pytest.raises(VerificationError, match="more hashes"):
        check_inclusion([extra], 1, node_hash(extra, one), 0, one)
    with pytest.raises(VerificationError, match="more hashes"):
        check_inclusion([two, extra], 2, node_hash(extra, node_hash(one, two)), 0, one)
    proof = prove_consistency(3, 4, read)
    check_consistency(proof, 3, ROOT_OF[3], 4, ROOT_OF[4])
    with pytest.raises(VerificationError, match="more hashes"):
        check_consistency([*proof, extra], 3, node_hash(extra, ROOT_OF[3]), 4, node_hash(extra, ROOT_OF[4]))


def test_hashes_of_another_length_are_refused_even_where_the_bytes_would_fit():
    """Moving the border between two hashes gives the same bytes under the root, and must not give a proof."""
    one, two = HASHES[:2]
    with pytest.raises(VerificationError, match="32 bytes"):
        check_inclusion([one + two[:1]], 2, ROOT_OF[2], 1, two[1:])
    proof = prove_consistency(3, 4, read)
    assert proof[0] == HASHES[2]
    moved = [proof[0] + proof[1][:1], proof[1][1:], proof[2]]
    with pytest.raises(VerificationError, match="32 bytes"):
        check_consistency(moved, 3, ROOT_OF[3], 4, ROOT_OF[4])


@given(st.lists(hashes, max_size=8), sizes, hashes, sizes, hashes)
def test_checking_garbage_raises_a_verification_error(proof, first, one, second, two):
    """Whatever numbers and hashes are given, the checks return or raise `VerificationError`, nothing else."""
    for call in (
        lambda: check_inclusion(proof, first, one, second, two),
        lambda: check_consistency(proof, first, one, second, two),
    ):
        try:
            call()
        except VerificationError as error:
            assert str(error)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 70_000])
def test_proving_reads_once_and_at_most_two_tiles_a_level(grown, size):
    """A proof asks its reader one question, of at most two tiles a level and 256 hashes a tile."""
    tree = grown([sha256(b"%d" % number).digest() for number in range(size)])
    top = tree.frontier.root
    for index in {0, size // 3, size // 2, size - 1}:
        tree.calls.clear()
        check_inclusion(prove_inclusion(size, index, tree.read), size, top, index, tree.hashes[index])
        old = index + 1
        proof = prove_consistency(old, size, tree.read)
        check_consistency(proof, old, root_at(old, tree.rows), size, top)

        assert len(tree.calls) <= 2
        for call in tree.calls:
            levels = [item.level for item in call]
            assert all(levels.count(level) <= 2 for level in levels)
            assert all(0 < item.stop - item.start <= TILE_WIDTH for item in call)
            assert all(item.start // TILE_WIDTH == (item.stop - 1) // TILE_WIDTH == item.tile for item in call)


def test_old_roots_can_be_computed_from_the_tiles_of_a_later_tree(grown):
    """`root_at` gives the root of every earlier size."""
    tree = grown([sha256(b"%d" % number).digest() for number in range(1_000)])
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 999, 1_000):
        assert root(tree.hashes[:size]) == root_at(size, tree.rows)


@pytest.mark.parametrize("answers", [[], [b""], [b"\0" * 31], [b"\0" * 64, b""]])
def test_missing_hashes_are_noticed_when_proving(answers):
    """A reader that returns too little, too much or nothing is a lost row, and is called so."""
    with pytest.raises(VerificationError, match="hashes"):
        prove_inclusion(2, 0, lambda _: answers)


@pytest.mark.parametrize(
    "call",
    [
        lambda: prove_inclusion(3, 3, read),
        lambda: prove_inclusion(3, -1, read),
        lambda: prove_inclusion(MAX_SIZE + 1, 0, read),
        lambda: prove_consistency(0, 3, read),
        lambda: prove_consistency(4, 3, read),
        lambda: root_at(-1, read),
    ],
)
def test_asking_for_an_impossible_proof_is_a_programming_error(call):
    """Sizes and indexes that cannot be are a `ValueError` of the caller."""
    with pytest.raises(ValueError):
        call()


def test_a_range_knows_its_tile_and_whether_it_is_stored():
    """A tile is stored as soon as it is full, and not before."""
    item = HashRange(1, 256, 300)

    assert item.tile == 1
    assert not item.is_stored(2 * 256 * 256 - 1)
    assert item.is_stored(2 * 256 * 256)


def probes(folder):
    """All JSON files below a folder, with their name."""
    return [(path.relative_to(folder).as_posix(), json.loads(path.read_text())) for path in folder.rglob("*.json")]


def decoded(text: str | None) -> bytes:
    """Base64 as the probes have it."""
    return base64.b64decode(text or "")


def test_foreign_inclusion_probes_come_out_as_they_say(vectors):
    """Each inclusion probe of transparency-dev/merkle is accepted or refused as it names."""
    found = probes(vectors / "rfc6962" / "inclusion")
    assert len(found) == 98
    for name, probe in found:
        proof = [decoded(item) for item in probe["proof"] or []]
        arguments = (proof, probe["treeSize"], decoded(probe["root"]), probe["leafIdx"], decoded(probe["leafHash"]))
        assert probe["wantErr"] == refuses(check_inclusion, arguments), name


def test_foreign_consistency_probes_come_out_as_they_say(vectors):
    """Each consistency probe of transparency-dev/merkle is accepted or refused as it names."""
    found = probes(vectors / "rfc6962" / "consistency")
    assert len(found) == 98
    for name, probe in found:
        proof = [decoded(item) for item in probe["proof"] or []]
        roots = decoded(probe["root1"]), decoded(probe["root2"])
        if name == "additional/sizes-are-equal-one-and-proof-is-empty.json":
            # Its root is a stand-in of 12 bytes; we refuse what is not a hash, and accept the same with a real one.
            assert refuses(check_consistency, ([], 1, roots[0], 1, roots[1]))
            roots = HASHES[0], HASHES[0]
        arguments = (proof, probe["size1"], roots[0], probe["size2"], roots[1])
        assert probe["wantErr"] == refuses(check_consistency, arguments), name


def refuses(check, arguments) -> bool:
    """Whether a check refuses its arguments."""
    try:
        check(*arguments)
    except VerificationError:
        return True
    return False


@given(st.lists(st.integers(0, 700), max_size=4))
def test_leaves_that_are_added_by_tiles_give_the_same_tree(parts: list[int]) -> None:
    """In any portions: whole tiles at once, or one leaf after the other."""
    leaves = [leaf_hash(b"%d" % number) for number in range(sum(parts))]
    single, many, at = RightEdge(), RightEdge(), 0
    for leaf in leaves:
        single.append(leaf)
    for part in parts:
        many.extend(leaves[at : at + part])
        at += part
    assert (many.size, many.root()) == (single.size, single.root())
