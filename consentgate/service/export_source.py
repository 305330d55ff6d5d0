"""Where an export reads from: what is open already, or a database that nothing but the export needs.

Room: service. Called by `consentgate.service.export`. `OfEngine` is for a process that has the ledger open; `OfDriver`
opens a database for reading alone, without SQLAlchemy and without the signing key, for the command line.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from consentgate.errors import NotFoundError, RewindError, StoreError, VerificationError
from consentgate.evidence.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from consentgate.evidence.note import Verifier
from consentgate.evidence.tiles import tile_reader
from consentgate.evidence.tlog import EMPTY_ROOT, Reader, root_at
from consentgate.service.settings import Settings, sqlite_path
from consentgate.store.lines import SCHEMA, LedgerFile, Lines
from consentgate.terms.subject import Subject

if TYPE_CHECKING:
    from consentgate.service.engine import Engine

T = TypeVar("T")


class Source(Protocol):
    """What an export needs."""

    @property
    def origin(self) -> str:
        """Name of the ledger."""

    def read(self, work: Callable[[Lines], T]) -> T:
        """Run work in one short read-only transaction."""

    def keys(self, note: str) -> tuple[Verifier, ...]:
        """The ledger's keys that signed a checkpoint."""

    def sign(self, size: int, root: bytes) -> str:
        """A checkpoint for a tree of this size."""

    def tag(self, subject: Subject) -> bytes:
        """What a subject is looked up by."""


class Driven(Protocol):
    """A database that was opened with nothing but its driver."""

    @property
    def replica(self) -> bool:
        """Whether it only follows another one, and may be behind what the anchor file knows."""

    def read(self, work: Callable[[Lines], T]) -> T:
        """Run work in one short read-only transaction."""

    def close(self) -> None:
        """Let go of it."""


class OfEngine:
    """Reads what is open.

    Args:
        engine: the open resources.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.origin = engine.ledger.origin

    def read(self, work: Callable[[Lines], T]) -> T:
        """Run work in one short read-only transaction."""
        return self._engine.database.read(lambda connection: work(Lines.of(connection)))

    def keys(self, note: str) -> tuple[Verifier, ...]:
        """The ledger's keys that signed a checkpoint."""
        from consentgate.service.receipts import signing_keys

        return signing_keys(self._engine.ledger, note.encode())

    def sign(self, size: int, root: bytes) -> str:
        """A checkpoint for a tree of this size: Ed25519 has no chance in it, so it is the one that was signed then."""
        ledger = self._engine.ledger
        if size and ledger.origin_at(size) != ledger.origin:
            raise StoreError(
                f"the ledger had another name when it had {size:,} entries", hint="begin the export anew"
            )  # its key is not ours to use
        if ledger.signer.verifier not in ledger.verifiers:
            raise StoreError(
                f"this process holds no signing key, and no checkpoint for {size:,} entries is kept",
                hint="begin the export anew, or export where the key is",
            )
        return sign_checkpoint(Checkpoint(ledger.origin, size, root), ledger.signer).decode()

    def tag(self, subject: Subject) -> bytes:
        """What a subject is looked up by."""
        return self._engine.tag(subject)


class OfDriver:
    """Reads a database with nothing but its driver. Make it with `open`; close it.

    Args:
        database: open for reading.
        origin: name of the ledger.
        verifiers: its keys.
        pepper: key of the subjects' tags.
    """

    def __init__(self, database: Driven, origin: str, verifiers: tuple[Verifier, ...], pepper: bytes) -> None:
        self._database = database
        self.origin = origin
        self._verifiers = verifiers
        self._pepper = pepper

    @classmethod
    def open(cls, settings: Settings) -> OfDriver | None:
        """Open a database and hold its head against signature, tree and anchor file, as the engine does.

        Returns:
            The source; ``None`` where there is nothing to read that way: no entry yet, another schema, the ledger is
            being renamed, or the URL is one for SQLAlchemy.

        Raises:
            RewindError: the database is older than the anchor file remembers, or was changed.
            StoreError: it cannot be read.
        """
        database = _driven(settings)
        if database is None:
            return None
        place = settings.place
        anchor = None if place is None or database.replica else place.with_name(place.name + ".anchor")
        # The file first: between the two another process may add entries, and the file would seem to know too much.
        remembered = anchor.read_bytes() if anchor is not None and anchor.exists() else None
        try:
            source = database.read(lambda lines: cls._read(database, lines, remembered))
        except BaseException:
            database.close()
            raise
        if source is None:
            database.close()
        return source

    @classmethod
    def _read(cls, database: Driven, lines: Lines, remembered: bytes | None) -> OfDriver | None:
        head, values = lines.head(), lines.meta()
        if head is None or not {"origin", "pepper", "verifiers"} <= values.keys():
            return None
        if values.get("schema_version") != SCHEMA:
            return None  # opening it in full says what to do
        verifiers = tuple(Verifier.parse(text) for text in json.loads(values["verifiers"]))
        try:
            signed = open_checkpoint(head.note.encode(), verifiers).checkpoint
            if signed.origin != values["origin"]:
                return None
            if root_at(head.size, reader(lines, head.size)) != signed.root or signed.size != head.size:
                raise VerificationError(f"the entries do not give the root that was signed at {head.size:,}")
        except VerificationError as error:
            raise RewindError(str(error), hint="run `consentgate verify`", size=head.size) from error
        _check_anchor(lines, head.size, verifiers, remembered)
        return cls(database, values["origin"], verifiers, bytes.fromhex(values["pepper"]))

    def read(self, work: Callable[[Lines], T]) -> T:
        """Run work in one short read-only transaction."""
        return self._database.read(work)

    def keys(self, note: str) -> tuple[Verifier, ...]:
        """The ledger's keys that signed a checkpoint."""
        signed = {one.key_id for one in open_checkpoint(note.encode(), self._verifiers).note.signatures}
        return tuple(verifier for verifier in self._verifiers if verifier.id in signed)

    def sign(self, size: int, root: bytes) -> str:  # noqa: ARG002 - the same signature for all
        """Refuse: there is no key here."""
        raise StoreError(f"there is no checkpoint for {size:,} entries any more", hint="begin the export anew")

    def tag(self, subject: Subject) -> bytes:
        """What a subject is looked up by."""
        return hmac.digest(self._pepper, subject.key.encode(), "sha256")[:16]

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()


def _driven(settings: Settings) -> Driven | None:
    """Open a database with its driver alone, where that can be done."""
    if (file := sqlite_path(settings.database)) is not None:
        return LedgerFile(file)
    if not settings.database.startswith("postgres"):
        return None
    from consentgate.store.lines_server import LedgerServer  # psycopg is an extra

    return LedgerServer.open(settings.database)


def reader(lines: Lines, size: int) -> Reader:
    """A reader of tree hashes over the rows, for proofs."""
    return tile_reader(size, full_tile=lines.tile, leaf_hashes=lines.leaf_hashes, tile_roots=lines.tile_roots)


def note_at(source: Source, lines: Lines, size: int | None) -> tuple[int, str]:
    """The checkpoint for a tree of this size (``None``: the newest there is), and its size.

    Raises:
        NotFoundError: the ledger has not so many entries.
    """
    head = lines.head()
    have = head.size if head else 0
    wanted = have if size is None else size
    if wanted > have:
        raise NotFoundError(
            f"the ledger has {have:,} entries, not {wanted:,}", hint="is this a cursor of another ledger?"
        )
    if head and wanted and wanted == have:  # an empty ledger may have a head that nobody signed yet
        return have, head.note
    kept = lines.kept(wanted) if wanted else None
    return wanted, kept or source.sign(wanted, root_at(wanted, reader(lines, wanted)) if wanted else EMPTY_ROOT)


def check_policies(known: list[str], asked: tuple[str, ...]) -> None:
    """Refuse policies that do not exist: an export without entries would look like a record without decisions.

    Raises:
        NotFoundError: it names the first of them.
    """
    for slug in asked:
        if slug not in known:
            hint = f"published: {', '.join(known) or 'none'}"
            raise NotFoundError(f"there is no policy {slug[:200]}", hint=hint, policy=slug[:200])


def _check_anchor(lines: Lines, size: int, verifiers: tuple[Verifier, ...], remembered: bytes | None) -> None:
    try:
        known = open_checkpoint(remembered or b"", verifiers).checkpoint
    except VerificationError:
        return  # none, damaged, or of another ledger: `consentgate doctor` says so
    if known.size > size:
        raise RewindError(
            f"the database has {size:,} entries; the anchor file remembers {known.size:,}",
            hint="a backup was restored? run `consentgate doctor`",
            size=size,
            seen=known.size,
        )
    if known.size and root_at(known.size, reader(lines, known.size)) != known.root:
        raise RewindError(
            f"the first {known.size:,} entries are not those the anchor file remembers",
            hint="run `consentgate doctor`",
            size=known.size,
        )
