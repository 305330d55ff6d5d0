"""Ledger files: a whole ledger, or a selection, verified in one pass."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence import ledger_file as module
from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
from consentgate.evidence.commitments import format_openings
from consentgate.evidence.ledger_file import (
    LedgerHeader,
    parse_header,
    verify_ledger,
    write_entries,
    write_entry,
    write_header,
    write_ledger,
    write_trailer,
)
from consentgate.evidence.note import Signer
from consentgate.evidence.tlog import EMPTY_ROOT
from consentgate.terms.canonical import canonical_json


def verify(data: bytes, verifiers=None, **options):
    """Verify bytes."""
    return verify_ledger(io.BytesIO(data), verifiers, **options)


def sealed(body: bytes, checkpoint: bytes, entries: int) -> bytes:
    """Close a body with a right digest, as a forger would."""
    return body + write_trailer(checkpoint, entries=entries, digest=hashlib.sha256(body).hexdigest())


@pytest.fixture(name="data", scope="module")
def _data(sample) -> bytes:
    return b"".join(write_ledger(sample.header(), sample.rows(), sample.checkpoint))


@pytest.fixture(name="selection", scope="module")
def _selection(sample) -> bytes:
    header = replace(sample.header(), mode="selection", proofs=True, filter={"policy": "rules", "limit": 2})
    rows = [(*row, sample.proof(row[0])) for row in sample.rows() if row[0] in (1, 4, 6)]
    return b"".join(write_ledger(header, rows, sample.checkpoint))


def test_a_whole_ledger_verifies(sample, data):
    """Counts, root, signature and openings are checked, and the gap is accounted for by the erase entry."""
    ledger = verify(data, [sample.log.verifier])

    assert ledger.trusted
    assert ledger.entries == 7
    assert ledger.header == sample.header()
    assert ledger.summary is not None
    assert ledger.summary.types == {"publish": 1, "decision": 5, "erase": 1}
    assert (ledger.summary.opened, ledger.summary.erased, ledger.summary.missing) == (14, 1, 0)
    assert ledger.summary.decisions == {("rules", "2026-01-01", "accept"): 5}
    assert ledger.summary.unpublished == 0


def test_without_a_key_of_the_reader_it_says_so(sample, data):
    """The keys in the header are used, and the result is not called trusted."""
    assert not verify(data).trusted
    with pytest.raises(VerificationError, match="no known key"):
        verify(data, [Signer(sample.log.name, b"\x09" * 32).verifier])


def test_every_line_is_canonical_json(data):
    """A foreign reader needs nothing but JSON, and every line is in its one spelling."""
    lines = data.splitlines()

    assert [canonical_json(json.loads(line)) for line in lines] == lines
    assert len(lines) == 9


def test_a_selection_proves_each_of_its_entries(sample, selection):
    """With proofs, each entry is checked against the signed root; the filter is told, not proven."""
    ledger = verify(selection, [sample.log.verifier])

    assert ledger.entries == 3
    assert ledger.header.filter == {"policy": "rules", "limit": 2}
    assert ledger.summary is not None
    assert ledger.summary.unpublished is None


def test_forged_entries_above_a_genuine_checkpoint_are_refused_where_no_proof_ties_them_to_it(sample):
    """A selection without proofs could hold anything, so it is not read at all."""
    with pytest.raises(ValueError, match="need proofs"):
        write_header(replace(sample.header(), mode="selection"))
    record = json.loads(write_header(sample.header()))
    leaf = sample.leaves[4].replace(b'"decision":"accept"', b'"decision":"decline"')
    lines = canonical_json({**record, "mode": "selection"}) + b"\n" + write_entry(4, leaf, None)
    forged = lines + write_trailer(sample.checkpoint, entries=1, digest=hashlib.sha256(lines).hexdigest())

    assert leaf != sample.leaves[4]
    with pytest.raises(VerificationError, match="without proofs"):
        verify(forged, [sample.log.verifier])


def test_a_selection_of_nothing_verifies(sample):
    """Nothing matched, which the header says."""
    header = replace(sample.header(), mode="selection", proofs=True)

    assert verify(b"".join(write_ledger(header, [], sample.checkpoint))).entries == 0


def test_an_empty_ledger_verifies(sample):
    """A ledger without entries has the empty root."""
    checkpoint = sign_checkpoint(Checkpoint(sample.log.name, 0, EMPTY_ROOT), sample.log)
    data = b"".join(write_ledger(replace(sample.header(), size=0), [], checkpoint))

    assert verify(data).entries == 0


def test_no_byte_of_a_ledger_file_is_free(data, selection):
    """Any byte changed is refused, in a whole ledger and in a selection with proofs."""
    for whole in (data, selection):
        for at in range(len(whole)):
            broken = whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]
            with pytest.raises(VerificationError):
                verify(broken)


def test_no_byte_is_free_for_a_forger_who_fixes_the_digest(sample, data):
    """Any byte of the entries changed, with the digest made right again: still refused."""
    lines = data.splitlines(keepends=True)
    body = b"".join(lines[:-1])
    for at in range(len(lines[0]), len(body), 3):
        for mask in (0x01, 0x20):
            broken = body[:at] + bytes([body[at] ^ mask]) + body[at + 1 :]
            with pytest.raises(VerificationError):
                verify(sealed(broken, sample.checkpoint, 7))


def test_a_cut_file_is_refused(data):
    """At each line's end and in the middle of lines."""
    for at in {*range(0, len(data), 50), *(at + 1 for at in range(len(data) - 1) if data[at] == 10)}:
        with pytest.raises(VerificationError):
            verify(data[:at])


def test_entries_cannot_be_removed_swapped_doubled_or_slipped_in(sample, data):
    """With a right digest and a right count, each is refused."""
    lines = data.splitlines(keepends=True)[:-1]
    foreign = write_entry(7, sample.leaves[1], None)
    for changed in (
        [*lines[:3], *lines[4:]],
        lines[:-1],
        [lines[0], *lines[2:]],
        [*lines[:3], lines[4], lines[3], *lines[5:]],
        [*lines[:3], lines[2], *lines[3:]],
        [*lines, foreign],
    ):
        body = b"".join(changed)
        with pytest.raises(VerificationError):
            verify(sealed(body, sample.checkpoint, len(changed) - 1))


def test_another_entry_at_the_right_place_is_refused(sample, data):
    """An entry that is right in itself but was never there leads to another root."""
    rows = sample.rows()
    rows[2] = (2, rows[1][1], rows[1][2])
    with pytest.raises(VerificationError, match="another root"):
        verify(b"".join(write_ledger(sample.header(), rows, sample.checkpoint)))
    with pytest.raises(VerificationError, match="another root"):
        verify(b"".join(write_ledger(sample.header(), rows, sample.checkpoint)), roots_only=True)


def test_a_selection_with_a_foreign_entry_is_refused(sample):
    """A proof that leads elsewhere than the others, or than the signed root, is refused."""
    header = replace(sample.header(), mode="selection", proofs=True)
    rows = sample.rows()
    alone = [(2, *rows[1][1:], sample.proof(2))]
    right = (*rows[4], sample.proof(4))
    for chosen in (alone, [(*rows[0], sample.proof(0)), *alone], [*alone, right], [(*rows[3], sample.proof(3)[::-1])]):
        with pytest.raises(VerificationError):
            verify(b"".join(write_ledger(header, chosen, sample.checkpoint)))
    for index in (-1, 7, 8):
        with pytest.raises(VerificationError):
            verify(b"".join(write_ledger(header, [(index, *rows[1][1:], sample.proof(1))], sample.checkpoint)))
    for chosen in ([right, right], [right, (*rows[1], sample.proof(1))]):
        with pytest.raises(VerificationError, match="after entry"):
            verify(b"".join(write_ledger(header, chosen, sample.checkpoint)))


def test_a_selection_checks_its_proofs_even_where_only_roots_are_asked_for(sample, selection):
    """They are what stands in for the root."""
    assert verify(selection, roots_only=True).summary is None
    header = replace(sample.header(), mode="selection", proofs=True)
    foreign = [(2, *sample.rows()[1][1:], sample.proof(2))]
    with pytest.raises(VerificationError, match="another root"):
        verify(b"".join(write_ledger(header, foreign, sample.checkpoint)), roots_only=True)


@pytest.mark.parametrize("proof", ["null", "{}", '"x"', "[1]", '["AAAA"]', "[null]"])
def test_a_proof_must_be_a_list_of_hashes(sample, proof):
    """Anything else in its place is refused."""
    header = write_header(replace(sample.header(), mode="selection", proofs=True))
    line = write_entry(1, sample.leaves[1], None).replace(b"}\n", b',"proof":' + proof.encode() + b"}\n")
    with pytest.raises(VerificationError, match="proof"):
        verify(sealed(header + line, sample.checkpoint, 1))


@pytest.mark.parametrize(
    "line",
    [
        b"null\n", b"[]\n", b"{}\n", b"\n", b'{"i":0}\n', b'{"i":0,"leaf":1,"open":null}\n', b'{"i":0,"leaf":"x"}\n',
        b'{"i":0,"leaf":"x","open":null,"proof":[]}\n', b'{"i":0,"leaf":"\\u0041","open":null}\n',
        b'{"checkpoint":null}\n', b'{"i":0,"leaf":"x","open":{}}\n', b'{"i":0,"leaf":"x"\n',
        b'{"i":0,"leaf":"x","open":{\n',
    ],
)  # fmt: skip
def test_other_lines_are_refused(sample, line):
    """Other JSON, careless escapes, keys that do not belong there."""
    header = write_header(sample.header())
    with pytest.raises(VerificationError, match=r"^line 2: |after the checkpoint"):
        verify(sealed(header + line, sample.checkpoint, 1))
    with pytest.raises(VerificationError):
        verify(line)


def test_an_opening_that_does_not_fit_is_refused_with_its_line(sample):
    """The error names the line; with only roots asked for, openings are not looked at."""
    rows = sample.rows()
    rows[2] = (*rows[2][:2], rows[4][2])
    data = b"".join(write_ledger(sample.header(), rows, sample.checkpoint))
    with pytest.raises(VerificationError, match="line 4") as caught:
        verify(data)

    assert caught.value.data["line"] == 4
    ledger = verify(data, roots_only=True)
    assert ledger.summary is None


def test_without_openings_nothing_is_called_missing(sample):
    """A file that says it has no openings has none; one that says so and has some is refused."""
    header = replace(sample.header(), openings=False)
    bare = [(index, leaf, None) for index, leaf, _ in sample.rows()]
    ledger = verify(b"".join(write_ledger(header, bare, sample.checkpoint)))

    assert ledger.summary is not None
    assert (ledger.summary.opened, ledger.summary.missing, ledger.summary.erased) == (0, 0, 0)
    with pytest.raises(VerificationError):
        verify(b"".join(write_ledger(header, sample.rows(), sample.checkpoint)))


def test_what_was_lost_is_told_from_what_was_erased(sample):
    """Openings gone without an erase entry are counted and named."""
    rows = sample.rows()
    kept = {name: item for name, item in sample.openings[2].items() if name != "subject"}
    rows[2] = (*rows[2][:2], format_openings(kept))
    rows[5] = (*rows[5][:2], None)
    summary = verify(b"".join(write_ledger(sample.header(), rows, sample.checkpoint))).summary

    assert summary is not None
    assert (summary.erased, summary.missing) == (1, 4)
    assert [(gap.id, gap.fields) for gap in summary.gaps] == [
        (str(sample.entries[2].id), ("subject",)),
        (str(sample.entries[5].id), ("ip", "subject", "subject_kind")),
    ]


def test_the_last_line_must_fit(sample, data):
    """Another digest, count, checkpoint or key than that of the file is refused."""
    lines = data.splitlines(keepends=True)
    body, trailer = b"".join(lines[:-1]), json.loads(lines[-1])
    smaller = sign_checkpoint(Checkpoint(sample.log.name, 6, bytes(32)), sample.log)
    other_root = sign_checkpoint(Checkpoint(sample.log.name, 7, bytes(32)), sample.log)
    changes = [
        {"digest": "0" * 64}, {"entries": 6}, {"entries": True}, {"checkpoint": smaller.decode()}, {"extra": 1},
        {"checkpoint": other_root.decode()}, {"checkpoint": sample.cosigned.decode()}, {"checkpoint": ""},
        {"checkpoint": None}, {"digest": None}, {"entries": "7"},
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(VerificationError):
            verify(body + canonical_json({**trailer, **change}) + b"\n")
    for tail in (b"\n", b"x", lines[-1]):
        with pytest.raises(VerificationError, match="after the checkpoint"):
            verify(data + tail)
    with pytest.raises(VerificationError):
        verify(data[:-1])


HEADER = LedgerHeader(origin="example.com/terms", size=5, keys=(Signer("example.com/terms", b"\1" * 32).verifier,))


def test_a_header_gives_back_itself(sample):
    """Reading what was written gives the same header."""
    chosen = replace(HEADER, mode="selection", openings=False, proofs=True, filter={"from": "2026", "test": False})
    for header in (HEADER, chosen, sample.header()):
        assert parse_header(write_header(header)) == header


@pytest.mark.parametrize(
    "change",
    [
        {"format": "consentgate-ledger/2"}, {"mode": "all"}, {"mode": None}, {"openings": 1}, {"proofs": True},
        {"filter": {"a": 1}}, {"filter": None}, {"size": -1}, {"size": True}, {"size": "5"}, {"x": 1},
        {"vkeys": ["x"]}, {"vkeys": [1]}, {"vkeys": {}}, {"origin": None},
    ],
)  # fmt: skip
def test_other_headers_are_refused(change):
    """Another format, keys too many, other types, proofs or a filter in a complete file."""
    record = json.loads(write_header(HEADER))
    with pytest.raises(VerificationError):
        parse_header(canonical_json({**record, **change}) + b"\n")


def test_a_complete_file_has_neither_proofs_nor_filter():
    """Writing one is a programming error."""
    for header in (replace(HEADER, proofs=True), replace(HEADER, filter={"a": 1})):
        with pytest.raises(ValueError):
            write_header(header)


def test_the_header_must_be_that_of_the_checkpoint(sample):
    """Another origin or size in the header than in the checkpoint is refused, also in a selection."""
    rows = sample.rows()
    for change in ({"origin": "other.example"}, {"size": 8}, {"size": 6}):
        for mode in ("complete", "selection"):
            if change == {"size": 6} and mode == "complete":
                continue  # see below
            header = replace(sample.header(), mode=mode, proofs=mode == "selection", **change)
            with pytest.raises(VerificationError, match="the checkpoint is for 7 entries"):
                verify(b"".join(write_ledger(header, [] if mode == "selection" else rows, sample.checkpoint)))


def test_a_complete_file_may_have_grown_since_its_header(sample):
    """Where something was erased during the export, the entry that says so has to be in it."""
    proven = verify(b"".join(write_ledger(replace(sample.header(), size=6), sample.rows(), sample.checkpoint)))

    assert (proven.header.size, proven.entries, proven.checkpoint.checkpoint.size) == (6, 7, 7)


def test_the_quick_way_to_write_entries_writes_the_same(sample):
    """Whatever characters are in them."""
    leaf = canonical_json({"a": 'quotes " and \\ and \\" and \x01 \x7f \u2028 ä 名 \U0001f600'})
    rows = [row[:3] for row in sample.rows()] + [(7, leaf, None), (8, leaf, "{}"), (9, leaf, '{"a":["b","c"]}')]

    assert write_entries(rows) == b"".join(write_entry(*row) for row in rows)


def test_an_escape_that_hides_another_letter_is_refused(sample, data):
    """Without its backslash the letter would be the one that was signed; a reader sees a line break."""
    lines = data.splitlines(keepends=True)[:-1]
    lines[1] = lines[1].replace(b"language", b"la\\nguage", 1)
    forged = b"".join(lines)
    forged += write_trailer(sample.checkpoint, entries=len(lines) - 1, digest=hashlib.sha256(forged).hexdigest())
    for roots_only in (False, True):
        with pytest.raises(VerificationError):
            verify(forged, roots_only=roots_only)


def test_an_incomplete_file_is_called_so(sample):
    """With everything else right, the error says how many entries are missing."""
    with pytest.raises(VerificationError, match="has 7 entries; the file has only 5"):
        verify(b"".join(write_ledger(sample.header(), sample.rows()[:5], sample.checkpoint)))


def test_another_spelling_of_a_right_entry_is_refused(sample, data):
    """A needless escape, an empty object for null: the entries would be the same, the bytes are not."""
    lines = data.splitlines(keepends=True)[:-1]
    assert b'"open":null' in lines[1]
    escaped = lines[1].replace(b"publish", b"p\\u0075blish")
    emptied = lines[1].replace(b'"open":null', b'"open":{}')
    for line, options in ((escaped, {}), (escaped, {"roots_only": True}), (emptied, {})):
        assert line != lines[1]
        with pytest.raises(VerificationError, match="line 2"):
            verify(sealed(b"".join([lines[0], line, *lines[2:]]), sample.checkpoint, 7), **options)


def test_giant_lines_are_refused(sample, monkeypatch):
    """A line is read up to a limit; a longer one is called cut off."""
    monkeypatch.setattr("consentgate.evidence.ledger_file.MAX_LINE_BYTES", 300)
    data = b"".join(write_ledger(sample.header(), sample.rows(), sample.checkpoint))
    with pytest.raises(VerificationError):
        verify(data)


@given(st.binary(max_size=80), st.integers(0, 9000), st.integers(0, 300), st.booleans())
def test_verifying_anything_raises_a_verification_error(sample, noise, start, width, roots_only):
    """Noise, and noise in the middle of a real file, raise `VerificationError` and nothing else."""
    data = b"".join(write_ledger(sample.header(), sample.rows(), sample.checkpoint))
    mixed = data[:start] + noise + data[start + width :]
    if mixed != data:
        with pytest.raises(VerificationError):
            verify(mixed, roots_only=roots_only)
    with pytest.raises(VerificationError):
        verify(noise)


def test_memory_does_not_grow_with_the_file(sample, make_decision):
    """Twenty times the entries do not take twenty times the memory."""
    import tracemalloc

    from consentgate.evidence.entry import encode
    from consentgate.evidence.tlog import RightEdge, leaf_hash

    leaf = encode(make_decision(1, {}))

    def peak(entries: int) -> int:
        edge = RightEdge()
        for _ in range(entries):
            edge.append(leaf_hash(leaf))
        head = sign_checkpoint(Checkpoint(sample.log.name, entries, edge.root()), sample.log)
        header = replace(sample.header(), size=entries)
        lines = iter(write_ledger(header, ((index, leaf, None) for index in range(entries)), head))
        stream = Lines(lines)
        tracemalloc.start()
        try:
            verify_ledger(stream)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(50)  # once before, so that caches are warm
    assert peak(2_000) < 2 * peak(100)


class Lines:
    """A stream that makes its lines as they are asked for."""

    def __init__(self, lines) -> None:
        self._lines = lines

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line."""
        return next(self._lines, b"")

    def read(self, size: int = -1, /) -> bytes:
        """Return what is left: nothing."""
        return next(self._lines, b"")


@pytest.mark.parametrize("block", [1, 7, 300, 1 << 18])
def test_roots_alone_are_read_in_blocks_and_say_the_same(sample, data, monkeypatch, block):
    """Wherever a block ends: the same ledger, and the same refusals with the same line, as line by line."""
    monkeypatch.setattr(module, "_BLOCK", block)
    found = verify(data, roots_only=True)
    assert (found.entries, found.checkpoint) == (len(sample.leaves), verify(data).checkpoint)
    lines = data.splitlines(keepends=True)
    for place in range(1, len(lines) - 1):
        changed = [*lines[:place], lines[place].replace(b'\\"', b'"', 1), *lines[place + 1 :]]
        with pytest.raises(VerificationError):
            verify(b"".join(changed), roots_only=True)
        said = []
        for roots_only in (False, True):
            with pytest.raises(VerificationError) as refused:
                verify(b"".join([*lines[:place], *lines[place + 1 :]]), roots_only=roots_only)
            said.append(refused.value.data.get("line"))
        assert said[0] == said[1]
    for cut in (data[:-1], data[:-40], data[: -len(lines[-1])], data + b"x", data + lines[-1]):
        with pytest.raises(VerificationError):
            verify(cut, roots_only=True)
