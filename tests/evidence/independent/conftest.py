"""A log of 66,000 leaves, written to a folder as C2SP tiles, for programs that are not ours to check.

Nothing here compares our code with itself: each test hands bytes to a verifier that others wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
from consentgate.evidence.note import COSIGNATURE, Signer, cosign_note
from consentgate.evidence.tiles import TileName, format_entry_bundle, tile_path
from consentgate.evidence.tlog import TILE_WIDTH, leaf_hash

SIZE = 66_000
# Sizes around the edges of tiles, and some in between.
SIZES = [1, 2, 3, 5, 8, 255, 256, 257, 300, 511, 512, 65_535, 65_536, 65_537, SIZE]


@dataclass(frozen=True)
class PublishedLog:
    """A log as strangers see it, and what they compare it with."""

    folder: Path
    tree: Any
    log: Signer
    witness: Signer
    note: bytes
    leaves: list[bytes]


@pytest.fixture(name="published", scope="session")
def _published(grown, tmp_path_factory) -> PublishedLog:
    leaves = [b'{"entry":%d}' % number for number in range(SIZE)]
    tree = grown([leaf_hash(leaf) for leaf in leaves])
    folder = tmp_path_factory.mktemp("log")
    level, count = 0, SIZE
    while count:
        for index in range((count + TILE_WIDTH - 1) // TILE_WIDTH):
            width = min(TILE_WIDTH, count - index * TILE_WIDTH)
            _write(folder, tile_path(level, index, width), tree.read([TileName(level, index, width).hashes()])[0])
            if level == 0:
                bundle = format_entry_bundle(leaves[index * TILE_WIDTH : index * TILE_WIDTH + width])
                _write(folder, tile_path(None, index, width), bundle)
        level, count = level + 1, count // TILE_WIDTH
    log = Signer("log.example/terms", b"\x31" * 32)
    witness = Signer("witness.example", b"\x32" * 32, COSIGNATURE)
    signed = sign_checkpoint(Checkpoint(log.name, SIZE, tree.frontier.root), log)
    note = cosign_note(signed, witness, 1_767_225_600)
    _write(folder, "checkpoint", note)
    return PublishedLog(folder, tree, log, witness, note, leaves)


@dataclass(frozen=True)
class Receipts:
    """Receipts of one ledger, genuine and forged, and the key it is published under."""

    key: str
    good: list[bytes]
    forged: list[bytes]


@pytest.fixture(name="receipts", scope="session")
def _receipts(sample) -> Receipts:
    good = [sample.receipt(index) for index in range(len(sample.leaves))]
    data, other = sample.receipt(4), sample.receipt(5)
    paths = [one.partition(b"\n\n")[2].partition(b"\n\n")[0] for one in (data, other)]
    root = sample.checkpoint.split(b"\n")[2]
    forged = [
        data.replace(b'"accept"', b'"refuse"'),
        data.replace(b"index 4", b"index 5"),
        data.replace(paths[0], paths[1]),
        data.replace(b"\n7\n", b"\n6\n"),
        data.replace(root, root[::-1][1:] + b"="),
        data.replace(data.splitlines()[1], other.splitlines()[1]),
    ]
    assert data not in forged
    return Receipts(str(sample.log.verifier), good, forged)


@pytest.fixture(name="sizes", scope="session")
def _sizes() -> list[int]:
    return SIZES


def _write(folder: Path, path: str, data: bytes) -> None:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
