"""Verify the whole ledger: what an auditor with access to the database runs.

Room: service. Nothing here trusts a column that can be computed: leaf hashes are hashed again, tiles are built again,
openings are opened, blobs are digested, and the look-up columns are held against the entries they were made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, select

from consentgate.errors import VerificationError
from consentgate.evidence.commitments import Openings, check_openings, format_openings, parse_openings
from consentgate.evidence.entry import (
    AdminEntry,
    DecisionEntry,
    Entry,
    EpochEntry,
    EraseEntry,
    LinkEntry,
    PublishEntry,
    decode,
)
from consentgate.evidence.ledger_file import check_epoch
from consentgate.evidence.tiles import Frontier
from consentgate.evidence.tlog import leaf_hash
from consentgate.service.engine import Engine
from consentgate.service.ledger import Ledger
from consentgate.service.verify_published import Published
from consentgate.store import entries as shelf
from consentgate.store import subjects
from consentgate.store.blobs import get_blob
from consentgate.store.entries import ExportRow, HeadRow
from consentgate.store.tables import BLOB, ENTRY, OPENING, QUEUE, TILE
from consentgate.terms.canonical import digest
from consentgate.terms.instants import Instant
from consentgate.terms.subject import Subject, SubjectKind

PAGE = 2_000
MAX_PROBLEMS = 100
_PUBLISH = b'"type":"publish"'
_CATCH_UPS = 50
"""How often to go on with what others wrote meanwhile, before the last part is judged all the same."""


@dataclass(slots=True)
class Report:
    """What a verification found.

    Args:
        origin: of the ledger.
        size: entries checked.
        key: the verifier key the head was checked with.
        checkpoint: the signed head.
        decisions, publications: how many.
        opened: entries all of whose openings are there and fit.
        erased: entries with openings that are gone, and an erase entry that says so.
        problems: what is wrong, as sentences; empty means the ledger is sound.
    """

    origin: str
    size: int = 0
    key: str = ""
    checkpoint: str = ""
    decisions: int = 0
    publications: int = 0
    opened: int = 0
    erased: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def add(self, problem: str) -> None:
        """Note a problem; beyond a hundred only their number would grow."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def verify_ledger(engine: Engine, progress: Callable[[int, int], None] | None = None) -> Report:
    """Verify everything.

    Args:
        engine: what is open.
        progress: called with (entries done, entries in all).
    """
    ledger = engine.ledger
    report = Report(ledger.origin, key=str(ledger.signer.verifier))
    head = engine.database.read(shelf.head)
    if head is None:
        if engine.database.read(shelf.count):
            report.add("there are entries, but no head")
        return report
    walk = _Walk(engine, report)
    for last_try in (*[False] * _CATCH_UPS, True):
        report.checkpoint = head.note
        _walk_to(walk, engine, head.size, progress)
        newer = engine.database.read(partial(_finish, ledger, walk, head, report, even_if_moved=last_try))
        if newer is None:
            break
        head = newer
    report.size = walk.frontier.size
    return report


def _walk_to(walk: _Walk, engine: Engine, size: int, progress: Callable[[int, int], None] | None) -> None:
    """Go on through the entries up to a size, page by page."""
    while walk.last + 1 < size:
        rows = engine.database.read(
            lambda connection: list(shelf.stream_entries(connection, after=walk.last, stop=size, limit=PAGE))
        )
        if not rows:
            break
        walk.take(rows)
        walk.last = rows[-1].idx
        if progress:
            progress(walk.last + 1, size)


def _finish(
    ledger: Ledger, walk: _Walk, head: HeadRow, report: Report, connection: Connection, *, even_if_moved: bool
) -> HeadRow | None:
    """Check what concerns everything at once, in one picture of the database; or return the head that it has by now,
    where others wrote while we went through the entries."""
    newer = shelf.head(connection)
    if newer is not None and newer.size > head.size and not even_if_moved:
        return newer
    _check_rest(connection, ledger, walk, head, report)
    return None


class _Walk:
    """Goes through the entries in order."""

    def __init__(self, engine: Engine, report: Report) -> None:
        self.frontier = Frontier()
        self.last = -1
        self.at: Instant = 0
        self._engine = engine
        self._report = report
        # Entries with openings that are gone and not accounted for: place, and names of the fields.
        self.unopened: dict[UUID, tuple[int, frozenset[str]]] = {}
        self.past: list[tuple[str, int]] = []
        self.published = Published()
        self.digests: set[str] = set()
        self.roots: dict[int, bytes] = {}

    def take(self, rows: Iterable[ExportRow]) -> None:
        hashes: list[bytes] = []
        for row in rows:
            if row.idx != self.frontier.size + len(hashes):
                self._report.add(f"entry {self.frontier.size + len(hashes)} is missing; the next is {row.idx}")
            try:
                self._entry(row, hashes)
            except VerificationError as error:
                self._report.add(f"entry {row.idx}: {error}")
            hashes.append(leaf_hash(row.leaf))
        self._tiles(hashes)

    def _tiles(self, hashes: list[bytes]) -> None:
        start = self.frontier.size
        self.frontier, tiles = self.frontier.append(hashes)

        def compare(connection: Connection) -> None:
            kept = shelf.leaf_hashes(connection, start, start + len(hashes))
            for place, (ours, theirs) in enumerate(zip(hashes, kept, strict=False)):
                if ours != theirs:
                    self._report.add(f"entry {start + place}: its leaf hash was changed")
            for tile in tiles:
                row = connection.execute(
                    select(TILE.c.root, TILE.c.hashes).where(TILE.c.level == tile.level, TILE.c.idx == tile.index)
                ).one_or_none()
                if row is None or tuple(row) != (tile.root, tile.hashes):
                    what = "is missing" if row is None else "was changed"
                    self._report.add(f"tile {tile.level}/{tile.index} {what}")

        self._engine.database.read(compare)

    def _entry(self, row: ExportRow, before: list[bytes]) -> None:
        entry = decode(row.leaf)
        # Of several hosts one entry may stand before another that is a moment older; the head has the latest instant.
        self.at = max(self.at, entry.at)
        if entry.ref != row.ref:
            self._report.add(f"entry {row.idx}: its key is not the id in it")
        openings = parse_openings(row.opening.openings) if row.opening else {}
        if row.opening and row.opening.openings != format_openings(openings):
            self._report.add(f"entry {row.idx}: its openings are not written as we write them")
        if gone := check_openings(entry.commitments, openings):
            self.unopened[entry.id] = (row.idx, frozenset(gone))
        elif entry.commitments:
            self._report.opened += 1
        if isinstance(entry, EraseEntry) and entry.erases:
            self._erasure(row.idx, entry)
        if isinstance(entry, EpochEntry):
            check_epoch(entry, row.idx, self.frontier.append(before)[0].root)
            self.past.append((entry.origin, entry.size))
        if isinstance(entry, PublishEntry):
            self._report.publications += 1
        if isinstance(entry, PublishEntry | AdminEntry):
            self.digests.update(self.published.take(entry))
        if isinstance(entry, DecisionEntry):
            self._report.decisions += 1
            self.digests.update(
                one for one in (entry.text, entry.redline, entry.page, entry.control, entry.gate) if one
            )
        self._columns(row, entry, openings)

    def _erasure(self, index: int, entry: EraseEntry) -> None:
        """What an erase entry names is accounted for if it is gone, and should be gone."""
        for one in entry.refs:
            place, gone = self.unopened.pop(one, (0, frozenset[str]()))
            left = frozenset() if entry.fields is None else gone - frozenset(entry.fields)
            if left:
                self.unopened[one] = (place, left)
            elif gone:
                self._report.erased += 1
        refs = [one.bytes for one in entry.refs]
        rows = self._engine.database.read(lambda connection: subjects.openings_by_refs(connection, refs))
        for row in rows.values():
            names = parse_openings(row.openings).keys()
            if entry.fields is None or names & set(entry.fields):
                self._report.add(
                    f"entry {index} says that {UUID(bytes=row.ref)} was erased, and it is there: "
                    "run `consentgate erase --reapply`"
                )

    def _columns(self, row: ExportRow, entry: Entry, openings: Openings) -> None:
        """The columns that look-ups use must say what the entry says."""
        opening = row.opening
        if opening is None:
            return
        kind = openings["subject_kind"].value if "subject_kind" in openings else None
        # A kind whose opening was erased stands in its column alone, and cannot be checked any more.
        said_kind = opening.subject_kind if kind is None and "subject_kind" in entry.commitments else kind
        said: tuple[object, ...] = (None, None, None, None, entry.at, None)
        if isinstance(entry, DecisionEntry):
            said = (said_kind, entry.policy, entry.serial, entry.decision, entry.at, entry.expires)
        elif isinstance(entry, LinkEntry):
            said = (said_kind, None, None, "link", entry.at, None)
        elif isinstance(entry, EraseEntry) and not entry.erases:
            said = (said_kind, None, None, entry.mode, entry.at, None)
        if said != (opening.subject_kind, opening.policy, opening.serial, opening.act, opening.at, opening.expires):
            self._report.add(f"entry {row.idx}: its look-up columns do not say what the entry says")
        filed = [
            (opening.subject_tag, openings.get("subject"), kind),
            (opening.linked_tag, openings.get("visitor"), "visitor"),
        ]
        for tag, opened, of_kind in filed:
            expected = None
            if opened is not None and of_kind in set(SubjectKind):
                expected = self._engine.tag(Subject(opened.value, SubjectKind(of_kind)))
            if tag != expected and not (opened is None and openings.keys() != entry.commitments.keys()):
                self._report.add(f"entry {row.idx}: it is filed under another subject than the one it commits to")


def _check_rest(connection: Connection, ledger: Ledger, walk: _Walk, head: HeadRow, report: Report) -> None:
    """Head, checkpoints, erasures, blobs, versions."""
    try:
        signed = ledger.open(head.note.encode()).checkpoint
        if (signed.size, signed.root) != (walk.frontier.size, walk.frontier.root) or signed.size != head.size:
            report.add("the entries do not give the root that was signed")
        if head.at != walk.at:
            report.add("the head does not say when the last entry was made")
    except VerificationError as error:
        report.add(f"the head: {error}")
    beyond = connection.scalar(select(ENTRY.c.idx).where(ENTRY.c.idx >= head.size).limit(1))
    if beyond is not None:
        report.add(f"entry {beyond} lies beyond the signed size {head.size}")
    kept = shelf.checkpoints(connection, limit=1_000_000)
    for size, note in kept:
        _check_kept(connection, ledger, size, note, walk.frontier, report)
    if len(kept) != (counted := shelf.kept(connection)):
        report.add(f"{counted} checkpoints were kept, and {len(kept)} are there")
    for index, names in walk.unopened.values():
        report.add(f"entry {index}: its openings are missing ({', '.join(sorted(names))}), and no erasure says why")
    if walk.past != [(past.origin, past.size) for past in ledger.past]:
        report.add("the names the ledger had before are not those its entries say")
    for wanted in sorted(walk.digests):
        row = get_blob(connection, wanted)
        if row is None:
            report.add(f"the bytes of {wanted} are missing")
        elif digest(row.data) != wanted:
            report.add(f"the bytes of {wanted} were changed")
    _check_strays(connection, walk, report)
    walk.published.check(connection, report.add)


def _check_kept(
    connection: Connection, ledger: Ledger, size: int, note: str, frontier: Frontier, report: Report
) -> None:
    try:
        kept = ledger.open(note.encode()).checkpoint
        if kept.size != size or size > frontier.size:
            report.add(f"the checkpoint kept for {size} is one for {kept.size}")
        elif Frontier.load(size, ledger.reader(connection, size)).root != kept.root:
            report.add(f"the checkpoint kept for {size} is of another history")
    except VerificationError as error:
        report.add(f"the checkpoint kept for {size}: {error}")


def _check_strays(connection: Connection, walk: _Walk, report: Report) -> None:
    """Rows that belong to no entry, and blobs that are not what they are called."""
    statement = (
        select(OPENING.c.ref)
        .join(ENTRY, ENTRY.c.ref == OPENING.c.ref, isouter=True)
        .join(QUEUE, QUEUE.c.ref == OPENING.c.ref, isouter=True)
        .where(ENTRY.c.ref.is_(None), QUEUE.c.ref.is_(None))
    )
    for ref in connection.scalars(statement.limit(10)):
        report.add(f"there is an opening for {_name(ref)}, which is no entry")
    for name, data in connection.execute(select(BLOB.c.digest, BLOB.c.data)):
        if digest(data) != name and name not in walk.digests:
            report.add(f"the bytes of {name} were changed")


def _name(ref: bytes) -> str:
    """How the id of a row is written, where it is one."""
    return str(UUID(bytes=ref)) if len(ref) == 16 else f"the key {ref[:16].hex() or 'without a byte'}"
