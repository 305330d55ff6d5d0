"""What the tests of the evidence share: a small ledger with keys, entries, openings and proofs, made the same each run.

Fixtures:
    sample      a `Sample`: a ledger of 7 entries, and everything around it.
    grown       a function: leaf hashes -> a `Grown` tree with stored tiles and a reader that records what is read.
    vectors     the folder with the foreign vectors, or a skip.
    foreign     a function: imports an independent implementation by name, or says loudly that it is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from consentgate.evidence import receipt
from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
from consentgate.evidence.commitments import Opening, commit_all, format_openings
from consentgate.evidence.entry import DecisionEntry, Entry, EraseEntry, PublishedText, PublishEntry, encode
from consentgate.evidence.ledger_file import LedgerHeader
from consentgate.evidence.note import COSIGNATURE, Signer, cosign_note
from consentgate.evidence.tiles import Frontier, Tile, tile_reader
from consentgate.evidence.tlog import HashRange, leaf_hash, prove_inclusion, root
from consentgate.terms.identifiers import uuid7

ORIGIN = "example.com/terms"
START = 1_767_225_600_000_000
TEXT = "# Rules\n\nBring the books back.\n"
TEXT_DIGEST = sha256(TEXT.encode()).hexdigest()


@dataclass
class Grown:
    """A tree with its stored rows: leaf hashes and full tiles."""

    hashes: list[bytes]
    tiles: dict[tuple[int, int], Tile]
    frontier: Frontier
    calls: list[list[HashRange]] = field(default_factory=list)

    def read(self, ranges: Sequence[HashRange]) -> list[bytes]:
        """Answer from the rows a database would have, and remember the call."""
        self.calls.append(list(ranges))
        return self.rows(ranges)

    @property
    def rows(self) -> Callable[[Sequence[HashRange]], Sequence[bytes]]:
        """The reader over the rows."""
        return tile_reader(
            len(self.hashes),
            full_tile=lambda level, index: self.tiles[level, index].hashes,
            leaf_hashes=lambda start, stop: b"".join(self.hashes[start:stop]),
            tile_roots=lambda level, start, stop: b"".join(self.tiles[level, at].root for at in range(start, stop)),
        )


def grow(hashes: Sequence[bytes]) -> Grown:
    """Grow a tree in one go."""
    frontier, tiles = Frontier().append(hashes)
    return Grown(list(hashes), {(tile.level, tile.index): tile for tile in tiles}, frontier)


class Salts:
    """Salts that are the same in each run."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> bytes:
        self._count += 1
        return sha256(b"salt %d" % self._count).digest()


@dataclass(frozen=True)
class Sample:
    """A ledger of seven entries: one publication, five decisions, one erasure of the third one's address."""

    log: Signer
    witness: Signer
    entries: tuple[Entry, ...]
    leaves: tuple[bytes, ...]
    openings: tuple[dict[str, Opening], ...]
    checkpoint: bytes
    cosigned: bytes

    @property
    def hashes(self) -> list[bytes]:
        """Leaf hashes."""
        return [leaf_hash(leaf) for leaf in self.leaves]

    def proof(self, index: int) -> list[bytes]:
        """Inclusion proof of an entry."""
        return prove_inclusion(len(self.leaves), index, grow(self.hashes).read)

    def receipt(self, index: int = 4) -> bytes:
        """Receipt of an entry, with the witness."""
        return receipt.write(
            self.leaves[index],
            self.openings[index],
            index=index,
            proof=self.proof(index),
            checkpoint=self.cosigned,
            keys=[self.log.verifier, self.witness.verifier],
        )

    def header(self) -> LedgerHeader:
        """Header of a complete export."""
        return LedgerHeader(origin=ORIGIN, size=len(self.leaves), keys=(self.log.verifier,))

    def rows(self) -> list[tuple[int, bytes, str | None]]:
        """Rows of a complete export."""
        pairs = enumerate(zip(self.leaves, self.openings, strict=True))
        return [(index, leaf, format_openings(openings)) for index, (leaf, openings) in pairs]


def identifier(number: int):
    """Return an identifier that is the same in each run."""
    return uuid7(START + number * 1000, sha256(b"id %d" % number).digest()[:10])


def publication() -> PublishEntry:
    """Return the entry of the sample's one publication."""
    return PublishEntry(
        id=identifier(0), at=START, commitments={}, policy="rules", kind="contract", version="2026-01-01", serial=1,
        impact="material", announced=START, effective=START, enforced=START, prevailing="en",
        texts=(PublishedText(language="en", title="Rules", text=TEXT_DIGEST, raw="b" * 64, summary="c" * 64),),
        policy_digest="d" * 64,
    )  # fmt: skip


def decision(number: int, commitments: dict[str, str], **changes: object) -> DecisionEntry:
    """Return an acceptance of the sample's publication."""
    facts: dict[str, object] = {
        "id": identifier(number), "at": START + number, "commitments": commitments, "policy": "rules",
        "kind": "contract", "version": "2026-01-01", "serial": 1, "language": "en", "text": TEXT_DIGEST,
        "page": "e" * 64, "control": "f" * 64, "decision": "accept", "method": "checkbox-button",
    }  # fmt: skip
    return DecisionEntry(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture(name="sample", scope="session")
def _sample() -> Sample:
    log = Signer(ORIGIN, sha256(b"log").digest())
    witness = Signer("witness.example/w", sha256(b"witness").digest(), COSIGNATURE)
    salts = Salts()
    entries: list[Entry] = [publication()]
    openings: list[dict[str, Opening]] = [{}]
    for number in range(1, 6):
        commitments, opened = commit_all(
            {"subject": f"user:{number}", "subject_kind": "user", "ip": "192.0.2.0", "authority": None}, salts
        )
        entries.append(decision(number, commitments))
        openings.append(opened)
    entries.append(
        EraseEntry(
            id=identifier(6), at=START + 6, commitments={}, refs=(identifier(3),), fields=("ip",),
            mode="pseudonymise", basis="asked for by the subject",
        )
    )  # fmt: skip
    openings.append({})
    del openings[3]["ip"]
    leaves = tuple(map(encode, entries))
    head = Checkpoint(ORIGIN, len(leaves), root([leaf_hash(leaf) for leaf in leaves]))
    checkpoint = sign_checkpoint(head, log)
    cosigned = cosign_note(checkpoint, witness, START // 1_000_000 + 60)
    return Sample(log, witness, tuple(entries), leaves, tuple(openings), checkpoint, cosigned)


@pytest.fixture(name="grown", scope="session")
def _grown() -> Callable[[Sequence[bytes]], Grown]:
    return grow


@pytest.fixture(name="make_decision", scope="session")
def _make_decision() -> Callable[..., DecisionEntry]:
    return decision


@pytest.fixture(name="publication", scope="session")
def _publication() -> PublishEntry:
    return publication()


@pytest.fixture(name="vectors", scope="session")
def _vectors(shared: Path) -> Path:
    return shared / "vectors"


@pytest.fixture(name="foreign", scope="session")
def _foreign(missing: Callable[[str], NoReturn]) -> Callable[[str], ModuleType]:
    def load(name: str) -> ModuleType:
        if find_spec(name.partition(".")[0]) is None:
            missing(f"the Python package {name.partition('.')[0]}")
        return import_module(name)

    return load
