"""The export of a ledger as a file: one JSON line for each entry, closed by the checkpoint and a digest.

Room: evidence (pure). Written, line by line, by the export service; verified by anybody, in one pass and in constant
memory. Format ``consentgate-ledger/1``, each line in canonical JSON::

    {"filter":{},"format":"consentgate-ledger/1","mode":"complete","openings":true,"origin":…,"proofs":false,…}
    {"i":0,"leaf":"{\\"at\\":…}","open":{"subject":["salt","value"]}}
    {"i":1,"leaf":"{\\"at\\":…}","open":null}
    {"checkpoint":"example.com/terms\\n2\\n…","digest":"…","entries":2}

A *complete* file has every entry, so whoever reads it computes the root himself and compares it with the signed one.
A *selection* has some entries. Each brings its inclusion proof (``proofs`` is true), and is as good as a receipt; but
no signature says that the selection has all it should have. A selection without proofs is refused: nothing would tie
its entries to the checkpoint, and anybody could put other ones above a genuine signature.

The digest is over all bytes before the last line: it finds damage. Forgery is found by the checkpoint's signature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from consentgate.errors import CanonicalError, VerificationError
from consentgate.evidence.account import Account, Summary
from consentgate.evidence.checkpoint import SignedCheckpoint, open_with_keys
from consentgate.evidence.commitments import check_openings, openings_from_record
from consentgate.evidence.encoding import parse_hash, parse_utf8
from consentgate.evidence.entry import Entry, EpochEntry, decode
from consentgate.evidence.ledger_lines import (
    FORMAT,
    LedgerHeader,
    header_record,
    quote,
    write_entries,
    write_entry,
    write_header,
    write_ledger,
    write_trailer,
)
from consentgate.evidence.note import Verifier
from consentgate.evidence.tlog import MAX_SIZE, TILE_WIDTH, RightEdge, inclusion_root, leaf_hash
from consentgate.terms.canonical import parse_canonical_json

__all__ = [
    "FORMAT", "MAX_LINE_BYTES", "ByteStream", "LedgerHeader", "VerifiedLedger", "check_epoch", "parse_header",
    "verify_ledger", "write_entries", "write_entry", "write_header", "write_ledger", "write_trailer",
]  # fmt: skip

MAX_LINE_BYTES = 4_000_000
"""Longest line: an entry and openings of the largest size, escaped, stay below."""

_START = re.compile(rb'\{"i":(0|[1-9][0-9]{0,18}),"leaf":(?=")')
_AFTER_LEAF = b'","open":'
_TRAILER = b'{"checkpoint":'
_BLOCK = 1 << 17  # bytes that are read at a time where only roots are checked: they stay in the processor's cache
_EPOCH = b'"type":"epoch"'
_BEHIND = "there is something after the checkpoint, which must be the last line"
_decode_at = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class VerifiedLedger:
    """What a ledger file proves.

    Args:
        header: its first line.
        entries: how many it has.
        checkpoint: the closing checkpoint, with the signatures that were verified.
        trusted: whether the caller's own keys were used, as in a receipt.
        summary: what the entries add up to; ``None`` where only the root was checked.
    """

    header: LedgerHeader
    entries: int
    checkpoint: SignedCheckpoint
    trusted: bool
    summary: Summary | None


class ByteStream(Protocol):
    """What is read: a file opened as ``rb``, or anything with its two methods."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line with its newline, at most *size* bytes."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, empty at the end."""
        ...


# --- Verifying ---------------------------------------------------------------------------------------------------


def verify_ledger(
    stream: ByteStream, verifiers: Iterable[Verifier] | None = None, *, roots_only: bool = False
) -> VerifiedLedger:
    """Check a ledger file, offline, in one pass.

    Memory does not grow with the file, but for 100 bytes for each entry whose openings are gone and not yet accounted
    for by an ``erase`` entry.

    Args:
        stream: the file, from its beginning to its end.
        verifiers: public keys the caller trusts. Without them those in the header are used, see `VerifiedLedger`.
        roots_only: check digest, root and signature, but neither the form of each entry nor the openings.

    Raises:
        VerificationError: it is not what it says it is. Nothing of it should then be believed.
    """
    line = stream.readline(MAX_LINE_BYTES)
    header, digest, lines = parse_header(line), sha256(line), 1
    reader = _EntryReader(header, None if roots_only else Account(complete=header.mode == "complete"))
    rest = b""
    if roots_only and header.mode == "complete":
        line, rest = _read_roots(stream, reader, digest.update)
        lines = reader.entries + 2
    else:
        while line := stream.readline(MAX_LINE_BYTES):
            lines += 1
            if line.startswith(_TRAILER):
                break
            reader.take_line(line, lines)
            digest.update(line)
        else:
            raise VerificationError("the file is cut off: its last line must be the checkpoint", line=lines)
    if rest or stream.read(1):
        raise VerificationError(_BEHIND, line=lines)
    signed, trusted = _check_trailer(line, digest.hexdigest(), reader, verifiers)
    summary = None if reader.account is None else reader.account.summary()
    return VerifiedLedger(header, reader.entries, signed, trusted, summary)


def parse_header(line: bytes) -> LedgerHeader:
    """Read the first line.

    Raises:
        VerificationError: any other line than `write_header` writes.
    """
    record = _record(line, "the first line")
    match record:
        case {
            "filter": dict(chosen),
            "format": str(),
            "mode": ("complete" | "selection") as mode,
            "openings": bool(openings),
            "origin": str(origin),
            "proofs": bool(proofs),
            "size": int(size),
            "vkeys": [*vkeys],
        } if all(isinstance(key, str) for key in vkeys) and not isinstance(size, bool) and 0 <= size <= MAX_SIZE:
            keys = tuple(Verifier.parse(key) for key in vkeys)
        case _:
            raise VerificationError(f"not a ledger file: its first line must be the header of {FORMAT}")
    header = LedgerHeader(
        origin=origin, size=size, keys=keys, mode=mode, openings=openings, proofs=proofs, filter=chosen
    )
    if header_record(header) != record or (mode == "complete" and (proofs or chosen)):
        raise VerificationError(f"the header has something that does not belong into {FORMAT}")
    if mode == "selection" and not proofs:
        raise VerificationError(
            "a selection without proofs proves nothing: its entries may be anybody's",
            hint="ask for a complete export, or for one whose entries bring their proofs",
        )
    return header


def check_epoch(entry: EpochEntry, index: int, root_before: bytes) -> None:
    """Check that what an epoch entry says of the ledger before it is what stands before it.

    Args:
        entry: the epoch entry.
        index: its place.
        root_before: root over all entries before it.

    Raises:
        VerificationError: it speaks of another history.
    """
    if entry.size != index or entry.root != root_before.hex():
        raise VerificationError(f"it says that {entry.origin} had other entries than those that stand before it")


class _EntryReader:
    """Takes the lines of the entries, one after the other."""

    __slots__ = ("account", "entries", "hashes", "header", "last", "root", "tree")

    def __init__(self, header: LedgerHeader, account: Account | None) -> None:
        self.header = header
        self.account = account
        self.entries = 0
        self.last = -1
        self.tree = RightEdge()
        self.hashes: list[bytes] = []
        # In a selection: the root all proofs so far lead to. It is compared with the signed one at the end.
        self.root: bytes | None = None

    def take_line(self, line: bytes, number: int) -> None:
        """`take`, with the number of the line in the error."""
        try:
            self.take(line)
        except VerificationError as error:
            raise VerificationError(f"line {number}: {error}", line=number, **error.data) from error

    def take_roots(self, lines: Sequence[bytes]) -> None:
        """Take lines (without their newlines) of a complete file of which only the root is wanted."""
        leaves = self._plain_leaves(lines)
        if leaves is None:
            self.settle()
            for line in lines:
                if line.startswith(_TRAILER):
                    raise VerificationError(_BEHIND, line=self.entries + 2)
                self.take_line(line + b"\n", self.entries + 2)
            return
        self.hashes += [sha256(b"\x00" + leaf).digest() for leaf in leaves]
        whole = len(self.hashes) - len(self.hashes) % TILE_WIDTH
        self.tree.extend(self.hashes[:whole])
        del self.hashes[:whole]
        self.entries += len(leaves)
        self.last = self.entries - 1

    def settle(self) -> None:
        """Add what waits for a tile of its own to the tree."""
        self.tree.extend(self.hashes)
        self.hashes.clear()

    def _plain_leaves(self, lines: Sequence[bytes]) -> list[bytes] | None:
        """The leaves of all these lines at once, or ``None`` where one of them has to go the long way.

        What `_leaf_at` says of quotation marks and backslashes holds here too. The last ``","open":`` of a line is
        its first, or there are quotation marks before it that nothing escapes.
        """
        found = []
        for index, line in enumerate(lines, self.entries):
            start = b'{"i":%d,"leaf":"' % index
            begin, end = len(start), line.rfind(_AFTER_LEAF)
            if end < begin or not line.startswith(start):
                return None
            found.append(line[begin:end])
        leaves = [one.translate(None, b"\\") for one in found]
        escaped, plain = b"\n".join(found), b"\n".join(leaves)  # so that no line lends another a quotation mark
        return leaves if escaped.count(b'\\"') == len(escaped) - len(plain) == plain.count(b'"') else None

    def take(self, line: bytes) -> None:
        """Check one line and count it."""
        header = self.header
        start = _START.match(line)
        if not start:
            raise VerificationError("not an entry")
        index = int(start[1])
        leaf, at = _leaf_at(line, start.end())
        before = b""
        if header.mode == "complete":
            if index != self.entries:
                raise VerificationError(f"entry {self.entries} is missing; this is entry {index}")
            if _EPOCH in leaf:
                before = self.tree.root()
            self.tree.append(leaf_hash(leaf))
        elif not self.last < index < header.size:
            raise VerificationError(f"entry {index} after entry {self.last} in a ledger of {header.size}")
        if header.proofs or self.account is not None:
            entry = self._check_rest(line[at:], index, leaf)
            if before and isinstance(entry, EpochEntry):
                check_epoch(entry, index, before)
        self.last = index
        self.entries += 1

    def _check_rest(self, rest: bytes, index: int, leaf: bytes) -> Entry | None:
        """Check what follows the leaf: openings, proof, end of line."""
        record = _record(b"{" + rest[1:], "the openings")
        wanted = {"open", "proof"} if self.header.proofs else {"open"}
        if not rest.startswith(b',"open":') or record.keys() != wanted:
            raise VerificationError("an entry has an index, a leaf, openings, and a proof if the header says so")
        if self.header.proofs:
            self._check_proof(record["proof"], index, leaf)
        if self.account is None:
            return None
        if (record["open"] is not None and not self.header.openings) or record["open"] == {}:
            raise VerificationError("openings where there should be none, or none where there should be some")
        openings = {} if record["open"] is None else openings_from_record(record["open"])
        entry = decode(leaf)
        unopened = check_openings(entry.commitments, openings)
        self.account.add(entry, opened=len(openings), unopened=unopened if self.header.openings else ())
        return entry

    def _check_proof(self, proof: Any, index: int, leaf: bytes) -> None:
        if not isinstance(proof, list) or not all(isinstance(item, str) for item in proof):
            raise VerificationError("the proof is not a list of hashes")
        hashes = [parse_hash(item, "a hash in the proof") for item in proof]
        root = inclusion_root(hashes, self.header.size, index, leaf_hash(leaf))
        if self.root is not None and root != self.root:
            raise VerificationError(f"entry {index} is proven for another tree than the entries before it")
        self.root = root


def _read_roots(stream: ByteStream, reader: _EntryReader, digest: Callable[[bytes], object]) -> tuple[bytes, bytes]:
    """Take all entries, in large blocks; return the last line, and what was read behind it.

    Raises:
        VerificationError: an entry that is none, or no last line.
    """
    rest = b""
    while block := stream.read(_BLOCK):
        block = rest + block
        lines = block.split(b"\n")
        rest = lines.pop()
        # The checkpoint is looked for where it should be, at the end; anywhere else it is no entry.
        last = lines.pop() + b"\n" if lines and lines[-1].startswith(_TRAILER) else b""
        digest(block[: len(block) - len(last) - len(rest)])
        reader.take_roots(lines)
        if last:
            reader.settle()
            return last, rest
        if len(rest) > MAX_LINE_BYTES:
            reader.take_line(rest, reader.entries + 2)
    if not rest.startswith(_TRAILER):
        raise VerificationError("the file is cut off: its last line must be the checkpoint", line=reader.entries + 2)
    reader.settle()
    return rest, b""


def _check_trailer(
    line: bytes, digest: str, reader: _EntryReader, verifiers: Iterable[Verifier] | None
) -> tuple[SignedCheckpoint, bool]:
    header = reader.header
    match _record(line, "the last line"):
        case {"checkpoint": str(note), "digest": str(stated), "entries": int(count), **rest} if not rest:
            pass
        case _:
            raise VerificationError("the last line must have the checkpoint, the digest and the number of entries")
    if stated != digest:
        raise VerificationError("the digest in the last line is another: the file was damaged or changed")
    if count != reader.entries or isinstance(count, bool):
        raise VerificationError(f"the last line speaks of {count} entries; there are {reader.entries}")
    signed, trusted = open_with_keys(note.encode(), header.keys, verifiers)
    head = signed.checkpoint
    grown = header.mode == "complete" and head.size > header.size
    if head.origin != header.origin or not (head.size == header.size or grown):
        raise VerificationError(
            f"the checkpoint is for {head.size} entries of {head.origin}, the file for {header.size} of {header.origin}"
        )
    if header.mode == "complete":
        if reader.entries != head.size:
            raise VerificationError(f"the ledger has {head.size} entries; the file has only {reader.entries}")
        root = reader.tree.root()
    else:
        root = head.root if reader.root is None else reader.root
    if root != head.root:
        raise VerificationError("the entries are not those the ledger signed: they lead to another root")
    return signed, trusted


def _record(line: bytes, what: str) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise VerificationError(f"{what} is cut off, or longer than {MAX_LINE_BYTES:,} bytes")
    try:
        record = parse_canonical_json(line[:-1])
    except CanonicalError as error:
        raise VerificationError(f"{what}: {error}") from error
    if not isinstance(record, dict):
        raise VerificationError(f"{what} is not a JSON object")
    return record


def _leaf_at(line: bytes, at: int) -> tuple[bytes, int]:
    """Read the JSON string that begins here, in its canonical spelling; return its bytes and the place after it.

    An entry is canonical JSON itself, and of its characters only quotation marks are escaped, but for rare
    backslashes. So what stands between is taken as it is where each backslash has a quotation mark behind it, and each
    quotation mark a backslash before it. Everything else goes the long way. (That the bytes are UTF-8 without control
    characters is checked with the entry; where only roots are, the signed root stands for it.)
    """
    end = line.find(_AFTER_LEAF, at)
    escaped = line[at + 1 : end]
    leaf = escaped.translate(None, b"\\")
    pairs = len(escaped) - len(leaf)
    if end > at and escaped.count(b'\\"') == pairs == leaf.count(b'"'):
        return leaf, end + 1
    text = parse_utf8(line, "the line")
    # Before the string stand ASCII characters alone, so it begins at the same place in text and bytes.
    value, stop = _string_at(text, at)
    return value.encode(), at + len(text[at:stop].encode())


def _string_at(text: str, at: int) -> tuple[str, int]:
    """Read the JSON string that begins here, in its canonical spelling; return it and the place after it."""
    try:
        value, end = _decode_at(text, at)
    except (ValueError, RecursionError) as error:
        raise VerificationError("the leaf is not a JSON string") from error
    if not isinstance(value, str) or quote(value) != text[at:end]:
        raise VerificationError("the leaf is not a canonical JSON string")
    return value, end
