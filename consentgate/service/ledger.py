"""The ledger: entries join a batch, a batch becomes entries, tiles and one signed checkpoint.

Room: service. The store's writer thread calls `begin` and `finish` around each transaction; jobs add entries through
`Pending` in between. Everything of a batch is committed together or not at all:

    begin     read the head; if another process wrote, hash what is new and compare with its signed root
    jobs      each appends entries (and their openings)
    finish    insert entries, openings and full tiles, sign the checkpoint, swap the head
    commit    only now is anything acknowledged, and only now does our own frontier move

A head that is smaller than ours, or a root that our own hashes contradict, is a rewind or a fork: nothing is written
and `RewindError` says so. We never sign two histories under one name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from consentgate.errors import RewindError, VerificationError
from consentgate.evidence.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, sign_checkpoint
from consentgate.evidence.commitments import Openings, format_openings
from consentgate.evidence.entry import Entry, encode
from consentgate.evidence.note import Signer, Verifier
from consentgate.evidence.tiles import Frontier, Tile, tile_reader
from consentgate.evidence.tlog import TILE_WIDTH, Reader, leaf_hash
from consentgate.service import anchor
from consentgate.store import entries as shelf
from consentgate.store import subjects
from consentgate.store.entries import NO_PLACE, EntryRow, HeadRow, TileRow
from consentgate.store.subjects import OpeningRow
from consentgate.store.writer import Job
from consentgate.terms.instants import SECOND, Instant

log = logging.getLogger("consentgate")

KEEP_CHECKPOINT_EVERY = 3_600 * SECOND
"""A checkpoint is kept in the history at each multiple of 256 entries, and once an hour while there is news."""


_STOOD_STILL = SECOND
"""How long a process may have written nothing and still be sure that no older database was put in place meanwhile."""


@dataclass(frozen=True, slots=True)
class Past:
    """A name the ledger had before: each of its checkpoints is for at most so many entries.

    Args:
        origin: the name.
        size: entries when it got another name, see `consentgate.service.epoch`.
        known: how many entries the ledger of this name is known to have had; more than ``size`` where some were lost.
    """

    origin: str
    size: int
    known: int = 0


@dataclass(slots=True)
class Pending:
    """A batch in the making: what jobs see of the ledger.

    Args:
        at: instant of every entry of this batch. Always after that of the previous batch, whatever the clock does.
        generation: the publication counter inside this transaction.
        known: entries that exist already, of the refs the jobs announced: index by ref.
        start: index of the batch's first entry; ``None`` where entries get their places later, see
            `consentgate.service.queue`.
    """

    at: Instant
    generation: int
    known: dict[bytes, int]
    start: int | None
    entries: list[EntryRow] = field(default_factory=list)
    times: list[Instant] = field(default_factory=list)
    openings: list[OpeningRow] = field(default_factory=list)
    frontier: Frontier | None = None
    note: bytes = b""

    def append(self, entry: Entry, opening: OpeningRow | None = None) -> int:
        """Add an entry, or return the index it has already (`NO_PLACE` while it waits for one).

        Args:
            entry: what happened.
            opening: its row in the erasable table, where it has personal fields.
        """
        if entry.ref in self.known:
            return self.known[entry.ref]
        leaf = encode(entry)
        index = NO_PLACE if self.start is None else self.start + len(self.entries)
        self.entries.append(EntryRow(index, entry.ref, leaf_hash(leaf), leaf))
        self.times.append(entry.at)
        if opening is not None:
            self.openings.append(opening)
        self.known[entry.ref] = index
        self.at += 1  # no two entries have one instant: what a subject decided last is never a matter of chance
        return index


@dataclass(frozen=True, slots=True)
class Head:
    """Where the ledger stands.

    Args:
        size: number of entries.
        at: instant of the last batch.
        note: the signed checkpoint.
    """

    size: int
    at: Instant
    note: bytes


class Ledger:
    """The batch object of the store's writer, and the reader of proofs.

    Args:
        signer: the ledger's key; its name is the origin.
        verifiers: every key that ever signed for this ledger, the present one among them.
        clock: instant now.
        anchor_file: outside the database, remembers the newest checkpoint; or ``None``.
        past: names it had before, oldest first.
    """

    def __init__(
        self,
        signer: Signer,
        verifiers: Sequence[Verifier],
        clock: Callable[[], Instant],
        anchor_file: Path | None,
        past: Sequence[Past] = (),
    ) -> None:
        self.signer = signer
        self.verifiers = tuple(verifiers)
        self.origin = signer.name
        self.past = tuple(past)
        self.behind: Instant = 0
        """How far our clock is behind the last entry, in microseconds, as of the last batch."""
        self.on_batch: Callable[[int], None] = lambda _entries: None
        """Told how many entries each committed batch had."""
        self._clock = clock
        self._anchor = anchor_file
        self._frontier = Frontier()
        self._kept_at: Instant = 0
        self._sure_at: Instant = 0

    # --- the writer's side ---------------------------------------------------------------------------------------

    def begin(self, connection: Connection, jobs: Sequence[Job[Any, Any]]) -> Pending:
        """Open a batch: catch up with other processes, and look up what exists already (two statements)."""
        head, generation = shelf.start(connection)
        self.catch_up(connection, head)
        refs = [ref for job in jobs for ref in job.refs]
        known = shelf.refs_known(connection, refs) if refs else {}
        now = self._clock()
        self.behind = max(0, head.at - now) if head else 0
        # Later than the batch before, not only as late: a subject's decisions are read in the order of their instants,
        # and while a clock stands behind the last entry (set back, or another host's) all of them would have one.
        at = max(now, head.at + 1) if head else now
        return Pending(at, generation, known, self._frontier.size)

    def finish(self, connection: Connection, pending: Pending, step: Callable[[str], None]) -> None:
        """Write the batch: entries, openings, full tiles, checkpoint, head."""
        if not pending.entries:
            return
        step("before-entries")
        frontier, tiles = self._frontier.append(row.leaf_hash for row in pending.entries)
        shelf.insert_entries(connection, pending.entries)
        if pending.openings:
            subjects.insert_openings(connection, pending.openings)
        if tiles:
            shelf.insert_tiles(connection, [_tile_row(tile) for tile in tiles])
        note = sign_checkpoint(Checkpoint(self.origin, frontier.size, frontier.root), self.signer)
        if self._worth_keeping(self._frontier.size, frontier.size, pending.at):
            shelf.insert_checkpoint(connection, frontier.size, note.decode())
        step("before-head")
        expected = self._frontier.size or None
        shelf.set_head(connection, HeadRow(frontier.size, pending.at - 1, note.decode()), expected=expected)
        pending.frontier, pending.note = frontier, note

    def committed(self, pending: Pending) -> None:
        """The batch is durable: move our own edge."""
        if pending.frontier is None:
            return
        if self._worth_keeping(self._frontier.size, pending.frontier.size, pending.at):
            self._kept_at = pending.at
        self._frontier = pending.frontier
        self.on_batch(len(pending.entries))

    def told(self, pending: Pending) -> None:
        """Remember the checkpoint outside the database."""
        if self._anchor is not None and pending.note:
            anchor.remember(self._anchor, pending.note)

    def rolled_back(self) -> None:
        """Nothing happened: the frontier is immutable and was not moved."""

    def _worth_keeping(self, old: int, new: int, now: Instant) -> bool:
        return old // TILE_WIDTH != new // TILE_WIDTH or now - self._kept_at >= KEEP_CHECKPOINT_EVERY

    # --- rewind and fork -----------------------------------------------------------------------------------------

    def catch_up(self, connection: Connection, head: HeadRow | None) -> None:
        """Hash what other processes appended, and hold the result against the root they signed.

        Whoever stood still looks at the anchor file, too: what others of this host have added since and signed, and
        what an older database in its place has not, this process has never seen.

        Raises:
            RewindError: the ledger is older than this process or this host has seen, or another one.
        """
        self._follow(connection, head)
        now = self._clock()
        stood_still, self._sure_at = abs(now - self._sure_at) >= _STOOD_STILL, now
        if stood_still and (known := self._remembered()) is not None:
            self._check_anchor(connection, known)

    def _follow(self, connection: Connection, head: HeadRow | None) -> None:
        size = head.size if head else 0
        if size == self._frontier.size:
            return
        if size < self._frontier.size:
            raise RewindError(
                f"the ledger has {size:,} entries; this process has seen {self._frontier.size:,}",
                hint="an older database was put in place while we ran: stop, and run `consentgate doctor`",
                size=size,
                seen=self._frontier.size,
            )
        if self._frontier.size == 0:
            frontier = self._load(connection, size)
        else:
            frontier, _ = self._frontier.append(shelf.leaf_hashes(connection, self._frontier.size, size))
        assert head is not None  # noqa: S101  (size > 0)
        self._check_root(frontier, head.note.encode())
        self._frontier = frontier

    def _load(self, connection: Connection, size: int) -> Frontier:
        try:
            return Frontier.load(size, self.reader(connection, size))
        except VerificationError as error:
            raise RewindError(
                f"the tree of {size:,} entries cannot be read: {error}",
                hint="rows were lost or removed: run `consentgate verify`",
                size=size,
            ) from error

    def _check_root(self, frontier: Frontier, note: bytes) -> None:
        try:
            signed = self.open(note)
        except VerificationError as error:
            raise RewindError(
                f"the ledger's head is not signed by its key: {error}", hint="is this the key of this database?"
            ) from error
        if signed.checkpoint.root != frontier.root or signed.checkpoint.size != frontier.size:
            raise RewindError(
                f"the entries do not give the root that was signed at {frontier.size:,}",
                hint="the database was changed behind our back, or forked: run `consentgate verify`",
                size=frontier.size,
            )

    def load(self, connection: Connection) -> Head | None:
        """Read the head at start-up and check it against the signature, the rows and the anchor file.

        Raises:
            RewindError: the database is older than the anchor file remembers, or was changed.
        """
        # The file first: between the two another process may add entries, and the file would seem to know too much.
        known = self._remembered()
        head = shelf.head(connection)
        self._follow(connection, head)
        if known is not None:
            self._check_anchor(connection, known)
        return None if head is None else Head(head.size, head.at, head.note.encode())

    def _remembered(self) -> Checkpoint | None:
        """What the anchor file says, if there is one that is ours."""
        if self._anchor is None:
            return None
        try:
            return anchor.remembered(self._anchor, lambda note: self.open(note).checkpoint)
        except (VerificationError, OSError):
            log.warning("the anchor file %s is damaged or of another ledger; it is not used", self._anchor)
            return None

    def _check_anchor(self, connection: Connection, known: Checkpoint) -> None:
        hint = (
            "a backup was restored? look for a newer copy; `consentgate doctor` says what is missing, "
            "and `consentgate epoch` goes on without it, under a new name"
        )
        if known.size > self._frontier.size:
            raise RewindError(
                f"the database has {self._frontier.size:,} entries; the anchor file remembers {known.size:,}",
                hint=hint,
                size=self._frontier.size,
                seen=known.size,
            )
        here = self._frontier if known.size == self._frontier.size else self._load(connection, known.size)
        if known.size and here.root != known.root:
            raise RewindError(
                f"the first {known.size:,} entries are not those the anchor file remembers",
                hint="this is another database, or it was changed: see `consentgate doctor`, and find the right one",
                size=known.size,
            )

    # --- the reader's side ---------------------------------------------------------------------------------------

    def open(self, note: bytes) -> SignedCheckpoint:
        """Check a checkpoint of this ledger.

        Raises:
            VerificationError: not ours.
        """
        signed = open_checkpoint(note, self.verifiers)
        head = signed.checkpoint
        if head.origin != self.origin_at(head.size):
            raise VerificationError(f"this is a checkpoint of {head.origin}, not of {self.origin_at(head.size)}")
        return signed

    @property
    def size(self) -> int:
        """Entries, as far as this process has seen."""
        return self._frontier.size

    def root(self, connection: Connection, size: int) -> bytes:
        """The root over the first so many entries, at least one."""
        return Frontier.load(size, self.reader(connection, size)).root

    def origin_at(self, size: int) -> str:
        """The name that signs, or signed, for a tree of this size."""
        return next((past.origin for past in self.past if size <= past.size), self.origin)

    def reader(self, connection: Connection, size: int) -> Reader:
        """A reader of tree hashes over the rows, for proofs."""
        return tile_reader(
            size,
            full_tile=lambda level, index: shelf.tile_hashes(connection, level, index) or b"",
            leaf_hashes=lambda start, stop: b"".join(shelf.leaf_hashes(connection, start, stop)),
            tile_roots=lambda level, start, stop: b"".join(shelf.tile_roots(connection, level, start, stop)),
        )


def _tile_row(tile: Tile) -> TileRow:
    return TileRow(tile.level, tile.index, tile.root, tile.hashes)


def opening_row(  # the one place where the erasable row is laid out
    entry_id: UUID,
    at: Instant,
    openings: Openings,
    *,
    subject_tag: bytes | None = None,
    subject_kind: str | None = None,
    linked_tag: bytes | None = None,
    policy: str | None = None,
    serial: int | None = None,
    act: str | None = None,
    expires: Instant | None = None,
) -> OpeningRow:
    """Lay out the erasable row of an entry."""
    return OpeningRow(
        ref=entry_id.bytes,
        subject_tag=subject_tag,
        subject_kind=subject_kind,
        linked_tag=linked_tag,
        policy=policy,
        serial=serial,
        act=act,
        at=at,
        expires=expires,
        openings=format_openings(openings),
    )
