"""A new epoch: after a backup was restored the ledger goes on under a new name and with a new key.

Room: service; called by `consentgate.service.upkeep` while no handle has the ledger open, and by the command.

What was signed under the old name after the backup is out in the world: receipts, checkpoints, passes. To go on under
that name would be a second history with the same signature, which is what a forger does. So the name ends where the
backup ends, the entries stay, and the first entry under the new name says: the old name, how many entries of it are
here and their root, and how far it is known to have come. Old receipts and checkpoints stay true, each under its name.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from consentgate.errors import ConfigurationError, InputError, VerificationError
from consentgate.evidence.checkpoint import Checkpoint, open_checkpoint
from consentgate.evidence.commitments import commit_all
from consentgate.evidence.entry import EpochEntry
from consentgate.evidence.note import Signer, Verifier
from consentgate.evidence.tlog import EMPTY_ROOT
from consentgate.service.engine import EPOCHS, ORIGIN, PEPPER, VERIFIERS, anchor_path, past_of
from consentgate.service.keys import key_file, load_signer, next_signer, numbered, take_next
from consentgate.service.ledger import Ledger, Past, Pending, opening_row
from consentgate.service.settings import ORIGIN_FORM, Settings, database_url
from consentgate.store import entries as shelf
from consentgate.store import meta
from consentgate.store.database import Database
from consentgate.store.entries import HeadRow
from consentgate.terms.identifiers import uuid7
from consentgate.terms.instants import Instant

log = logging.getLogger("consentgate")

_NUMBERED = re.compile(r"(.+)/([0-9]+)")


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """What was begun.

    Args:
        origin: the new name.
        key: the new public key; publish it where the old one was.
        before: the old name.
        size: entries of the old name that are here.
        known: how many it is known to have had; ``None`` where nobody knows.
    """

    origin: str
    key: str
    before: str
    size: int
    known: int | None

    @property
    def lost(self) -> int | None:
        """Entries that are lost, as far as anybody knows."""
        return None if self.known is None else max(0, self.known - self.size)


def begin_epoch(
    settings: Settings,
    origin: str | None = None,
    *,
    by: str,
    force: bool = False,
    clock: Callable[[], Instant],
    randomness: Callable[[int], bytes],
) -> NewEpoch:
    """Begin a new epoch.

    Args:
        settings: of which database and key are used. No process may have the ledger open.
        origin: the new name; ``None`` for the old one with ``/2`` behind it, or the next number.
        by: who does it; stands in the ledger as a commitment.
        force: also where nothing seems to be lost.
        clock, randomness: injected.

    Raises:
        ConfigurationError: there is no ledger, no key file, or nothing was lost.
        InputError: not a name, or one the ledger has, or had.
        RewindError: the database itself is damaged; a new name does not heal that.
    """
    file = settings.place
    key = key_file(settings.ledger_key, file)
    if file is None or key is None:
        raise ConfigurationError(
            "a new epoch needs a new key, and "
            + ("a database in memory has no key file" if file is None else "ledger_key= holds the key itself"),
            hint="put the key into a file and set ledger_key= to its path",
        )
    database = Database.open(database_url(settings.database))
    try:
        return _Change(settings, database, file, key, clock, randomness).begin(origin, by, force=force)
    finally:
        database.close()


class _Change:
    """The change of one ledger's name."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        file: Path | None,
        key: Path,
        clock: Callable[[], Instant],
        randomness: Callable[[int], bytes],
    ) -> None:
        self._database, self._key, self._clock, self._randomness = database, key, clock, randomness
        self._anchor = anchor_path(file)
        values = database.read(meta.everything)
        signer = load_signer(settings.ledger_key, file)
        if ORIGIN not in values and signer is None:
            raise ConfigurationError("there is no ledger here to go on from", hint="check the path of the database")
        self._origin = values.get(ORIGIN) or (signer.name if signer else "")
        self._past = past_of(values)
        self._verifiers = [Verifier.parse(text) for text in json.loads(values.get(VERIFIERS, "[]"))]
        if signer is not None and signer.verifier not in self._verifiers:
            self._verifiers.append(signer.verifier)

    def begin(self, origin: str | None, by: str, *, force: bool) -> NewEpoch:
        """Check, sign, and put the files in order."""
        head = self._sound_head()
        known = self._known()
        size = head.size if head else 0
        if not force and (known is None or known.size <= size):
            raise ConfigurationError(
                f"nothing seems to be lost: {'the anchor file is not there' if known is None else 'the anchor file'}"
                f"{'' if known is None else f' remembers {known.size:,} entries, and the database has {size:,}'}",
                hint="receipts, passes or a witness may know better; then say so with force (--force)",
            )
        name = self._name(origin)
        signer = next_signer(name, self._key)
        done = NewEpoch(name, str(signer.verifier), self._origin, size, None if known is None else known.size)
        ledger, pending = self._enter(signer, head, known, by)
        if self._anchor is not None and self._anchor.exists():
            self._anchor.replace(numbered(self._anchor))
        take_next(self._key, name)
        ledger.committed(pending)
        ledger.told(pending)
        log.warning("the ledger %s goes on as %s, from entry %d", self._origin, name, size)
        return done

    def _sound_head(self) -> HeadRow | None:
        """The head, checked against its signature and the rows."""
        nobody = Signer(self._origin, secrets.token_bytes(32))
        ledger = Ledger(nobody, self._verifiers, self._clock, None, self._past)
        self._database.read(ledger.load)
        return self._database.read(shelf.head)

    def _known(self) -> Checkpoint | None:
        """What the anchor file remembers of the old name."""
        if self._anchor is None or not self._anchor.exists():
            return None
        try:
            return open_checkpoint(self._anchor.read_bytes(), self._verifiers, origin=self._origin).checkpoint
        except (VerificationError, OSError) as error:
            log.warning("the anchor file %s is not used: %s", self._anchor, error)
            return None

    def _name(self, origin: str | None) -> str:
        if origin is None:
            numbered_ = _NUMBERED.fullmatch(self._origin) if self._past else None
            origin = f"{numbered_[1]}/{int(numbered_[2]) + 1}" if numbered_ else f"{self._origin}/2"
        if origin in {self._origin, *(past.origin for past in self._past)}:
            raise InputError(f"the ledger is, or was, called {origin} already", hint="a new epoch needs a new name")
        if not ORIGIN_FORM.fullmatch(origin):
            raise InputError(f"{origin[:80]!r} is not a name", hint="a URL without its scheme: example.com/terms/2")
        return origin

    def _enter(self, signer: Signer, head: HeadRow | None, known: Checkpoint | None, by: str) -> tuple[Ledger, Pending]:
        size = head.size if head else 0
        past = [*self._past, Past(self._origin, size, known.size if known else size)]
        ledger = Ledger(signer, [signer.verifier, *self._verifiers], self._clock, self._anchor, past)

        with self._database.transaction() as connection:
            pending = ledger.begin(connection, [])
            if head is not None:
                shelf.insert_checkpoint(connection, size, head.note)
            self._append(pending, ledger, connection, size, known, by)
            ledger.finish(connection, pending, lambda _step: None)
            meta.put(connection, ORIGIN, signer.name)
            meta.put_new(connection, PEPPER, self._randomness(32).hex())
            meta.put(connection, VERIFIERS, json.dumps([str(one) for one in (*self._verifiers, signer.verifier)]))
            meta.put(
                connection,
                EPOCHS,
                json.dumps([{"origin": one.origin, "size": one.size, "known": one.known} for one in past]),
            )
        return ledger, pending

    def _append(
        self, pending: Pending, ledger: Ledger, connection: Connection, size: int, known: Checkpoint | None, by: str
    ) -> None:
        signed = shelf.head(connection)
        root = ledger.open(signed.note.encode()).checkpoint.root if signed else EMPTY_ROOT
        if pending.start != size:
            raise ConfigurationError("somebody else is writing to this ledger", hint="stop every process that uses it")
        commitments, openings = commit_all({"administrator": by}, lambda: self._randomness(32))
        entry = EpochEntry(
            id=uuid7(pending.at, self._randomness(10)),
            at=pending.at,
            commitments=commitments,
            origin=self._origin,
            size=size,
            root=root.hex(),
            known_size=known.size if known else None,
            known_root=known.root.hex() if known else None,
        )
        pending.append(entry, opening_row(entry.id, pending.at, openings))
