"""How the lines of a ledger file are written; `consentgate.evidence.ledger_file` explains and verifies them.

Room: evidence (pure). Called by the export service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from json.encoder import encode_basestring
from typing import Any, Literal

from consentgate.evidence.encoding import format_base64
from consentgate.evidence.note import Verifier
from consentgate.terms.canonical import canonical_json

FORMAT = "consentgate-ledger/1"
Mode = Literal["complete", "selection"]

_TIGHT = (",", ":")
quote: Callable[[str], str] = encode_basestring
"""A JSON string in its canonical spelling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHeader:
    """First line of the file.

    Args:
        origin: name of the ledger.
        size: entries the ledger had when the export began. The closing checkpoint is for this size, or for a larger
            one in a complete file during whose export something was erased: it has the entry that says so, too.
        keys: the public keys whose signatures the closing checkpoint has, in this order.
        mode: ``complete`` or ``selection``.
        openings: whether personal fields are opened where they still can be. If not, none is.
        proofs: whether each entry has its inclusion proof: always in a selection, and only there.
        filter: how the selection was made, for people; nothing proves it.
    """

    origin: str
    size: int
    keys: tuple[Verifier, ...]
    mode: Mode = "complete"
    openings: bool = True
    proofs: bool = False
    filter: Mapping[str, str | int | bool | None] = field(default_factory=dict)


def write_header(header: LedgerHeader) -> bytes:
    """Write the first line.

    Raises:
        ValueError: proofs or a filter in a complete file, or a selection without proofs.
    """
    if header.mode == "complete" and (header.proofs or header.filter):
        raise ValueError("a complete file needs no proofs and has no filter")
    if header.mode == "selection" and not header.proofs:
        raise ValueError("the entries of a selection need proofs")
    return _line(header_record(header))


def write_entry(index: int, leaf: bytes, openings: str | None, proof: Sequence[bytes] | None = None) -> bytes:
    """Write the line of one entry.

    Args:
        index: of the entry.
        leaf: its bytes.
        openings: as `consentgate.evidence.commitments.format_openings` wrote them; ``None`` where there are none.
        proof: inclusion proof for the size in the header, where it announces proofs.
    """
    proven = (
        "" if proof is None else ',"proof":' + json.dumps([format_base64(item) for item in proof], separators=_TIGHT)
    )
    return f'{{"i":{index},"leaf":{quote(leaf.decode())},"open":{_opened(openings)}{proven}}}\n'.encode()


def write_entries(rows: Iterable[tuple[int, bytes, str | None]]) -> bytes:
    """Write the lines of many entries without proofs, each as `write_entry` does, in a quarter of the time.

    An entry is canonical JSON: of what a JSON string must escape it has quotation marks and backslashes alone.
    """
    return b"".join(
        [
            b'{"i":%d,"leaf":"%b","open":%b}\n'
            % (
                index,
                leaf.replace(b"\\", b"\\\\").replace(b'"', b'\\"'),
                b"null" if openings is None or openings == "{}" else openings.encode(),
            )
            for index, leaf, openings in rows
        ]
    )


def _opened(openings: str | None) -> str:
    return "null" if openings is None or openings == "{}" else openings


def write_trailer(checkpoint: bytes, *, entries: int, digest: str) -> bytes:
    """Write the last line.

    Args:
        checkpoint: the signed note, with exactly the signatures of the header's keys.
        entries: how many lines stand between header and trailer.
        digest: SHA-256 over all bytes before this line, lower-case hexadecimal.
    """
    return _line({"checkpoint": checkpoint.decode(), "digest": digest, "entries": entries})


def write_ledger(
    header: LedgerHeader,
    rows: Iterable[tuple[int, bytes, str | None] | tuple[int, bytes, str | None, Sequence[bytes]]],
    checkpoint: bytes,
) -> Iterator[bytes]:
    """Write a whole file, line by line, counting and digesting on the way.

    Args:
        header: its first line.
        rows: arguments of `write_entry`, by rising index.
        checkpoint: as in `write_trailer`.
    """
    line = write_header(header)
    digest, entries = sha256(line), 0
    yield line
    for row in rows:
        line = write_entry(*row)
        digest.update(line)
        entries += 1
        yield line
    yield write_trailer(checkpoint, entries=entries, digest=digest.hexdigest())


def _line(record: Mapping[str, Any]) -> bytes:
    return canonical_json(record) + b"\n"


def header_record(header: LedgerHeader) -> dict[str, Any]:
    """The header as JSON values."""
    return {
        "filter": dict(header.filter),
        "format": FORMAT,
        "mode": header.mode,
        "openings": header.openings,
        "origin": header.origin,
        "proofs": header.proofs,
        "size": header.size,
        "vkeys": [str(key) for key in header.keys],
    }
