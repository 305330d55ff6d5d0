"""What is open while we run: database, ledger, writer, seals, the publication counter.

Room: service. `Engine.open` is the start-up of every process that uses the ledger: web worker, command line, tests.
Everything here blocks; `consentgate.service.terms.Terms` calls it from threads.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from consentgate.errors import ConfigurationError, NotFoundError, VerificationError
from consentgate.evidence.note import Signer, Verifier
from consentgate.gate.generation import Generation
from consentgate.gate.passes import PassSealer
from consentgate.gate.seals import Seals
from consentgate.service.catalog import load_calendar
from consentgate.service.erasure_log import ErasureLog
from consentgate.service.keyring import Keyring
from consentgate.service.keys import create_signer, key_file, load_signer, take_next
from consentgate.service.ledger import Ledger, Past, Pending
from consentgate.service.publish import JSON
from consentgate.service.queue import Queue
from consentgate.service.revoked import Revocations, digest_of
from consentgate.service.sequencer import Sequencer
from consentgate.service.settings import NO_KEY, Settings, database_url, server_database
from consentgate.store import blobs, erasing, meta
from consentgate.store import entries as shelf
from consentgate.store import queue as line
from consentgate.store.blobs import BlobRow
from consentgate.store.database import Database
from consentgate.store.writer import Job, Step, Writer
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import digest
from consentgate.terms.instants import Instant
from consentgate.terms.subject import Subject

log = logging.getLogger("consentgate")

T = TypeVar("T")
Clock = Callable[[], Instant]
Randomness = Callable[[int], bytes]

ORIGIN = "origin"
PEPPER = "pepper"
VERIFIERS = "verifiers"
WRITERS = 2
"""Threads that write on PostgreSQL: while one waits for the disk the other gathers and sends what came meanwhile."""

SETTLED = 2.0
"""Seconds to wait for a place in the ledger, before the reader is told to ask again."""

EPOCHS = "epochs"
"""Key of the names the ledger had before, as JSON."""


def now() -> Instant:
    """The wall clock."""
    return time.time_ns() // 1_000


@dataclass
class Engine:
    """Open resources. Make it with `open`; `close` it.

    Args:
        settings: as configured.
        clock, randomness: injected.
        database: the shelves.
        ledger: the batch object and the reader of proofs.
        writer: the one thread that writes.
        seals: for offers and return addresses.
        sealer: for passes.
        generation: publication counter of this host.
        gate_digest: digest of the gate's configuration, which each decision names.
        queue: on PostgreSQL, the batch object of the writer; on SQLite the ledger is.
        sequencer: on PostgreSQL, where this process holds the signing key.
        keyring: where the sealing keys come from; ``None`` where nothing is sealed.
    """

    settings: Settings
    clock: Clock
    randomness: Randomness
    database: Database
    ledger: Ledger
    writer: Writer[Pending]
    seals: Seals
    sealer: PassSealer
    generation: Generation
    gate_digest: str
    _pepper: bytes
    queue: Queue | None = None
    sequencer: Sequencer | None = None
    keyring: Keyring | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        generation: Generation,
        *,
        clock: Clock = now,
        randomness: Randomness = secrets.token_bytes,
        on_step: Step | None = None,
    ) -> Engine:
        """Open everything and check it: schema, signing key, head against rows, head against the anchor file.

        Raises:
            ConfigurationError, StoreError, RewindError: start-up is refused; the hint says what to do.
        """
        file = settings.place
        make_state(settings)
        database = Database.open(database_url(settings.database))
        try:
            values, signer = _identify(database, settings, file, randomness)
            verifiers = _verifiers(values, signer)
            ledger = Ledger(signer, verifiers, clock, anchor_path(file), past_of(values))
            database.read(ledger.load)
            gate = settings.gate_record
            database.write(lambda connection: blobs.put_blobs(connection, [BlobRow(digest(gate), JSON, gate)]))
            sequencer = queue = None
            if database.queues:
                if settings.ledger_key != NO_KEY:
                    sequencer = Sequencer(database, ledger, on_step=on_step)
                    sequencer.start()
                queue = Queue(clock, sequencer.wake if sequencer else lambda: None, database.most_waiting)
            keyring = Keyring(settings.secrets, settings.secret_file)
            writer: Writer[Pending] = Writer(
                database, queue or ledger, threads=WRITERS if queue else 1, on_step=on_step
            )
            return cls(
                settings, clock, randomness, database, ledger, writer, keyring.seals, PassSealer(keyring.seals),
                generation, digest(gate), bytes.fromhex(values[PEPPER]), queue, sequencer, keyring,
            )  # fmt: skip
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Finish what was accepted, then close."""
        self.writer.close()
        if self.sequencer is not None:
            self.sequencer.close()
        self.database.close()

    def look_at_keys(self) -> bool:
        """Use the sealing keys as they are in their file now; whether they have changed."""
        seals = self.keyring.look() if self.keyring else None
        if seals is None:
            return False
        self.seals, self.sealer = seals, PassSealer(seals)
        return True

    @property
    def batch(self) -> Ledger | Queue:
        """What gives the writer's jobs their meaning."""
        return self.queue or self.ledger

    def settle(self, timeout: float = SETTLED) -> bool:
        """Wait until what is recorded by now has its place in the ledger; whether it has.

        Args:
            timeout: seconds.
        """
        last = self.database.read(line.newest) if self.database.queues else None
        if last is None:
            return True
        if self.sequencer is not None:
            self.sequencer.wake(hurry=True)
        deadline, pause = time.monotonic() + timeout, 0.002
        while self.database.read(lambda connection: line.waits_up_to(connection, last)):
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        return True

    def submit(self, work: Callable[[Connection, Pending], T], refs: tuple[bytes, ...] = ()) -> Future[T]:
        """Join the next batch of the writer."""
        return self.writer.submit(Job(refs, work))

    def calendar(self) -> Calendar:
        """Read everything published."""
        return self.database.read(load_calendar)

    def published(self) -> tuple[Calendar, Revocations]:
        """Read everything published, and whose passes are no evidence any more: one picture of both."""
        return self.database.read(
            lambda connection: (load_calendar(connection), Revocations(self._pepper, erasing.revoked(connection)))
        )

    @property
    def erasures(self) -> ErasureLog:
        """What was erased, remembered outside the database."""
        return ErasureLog.beside(self.settings.place)

    def text(self, text_digest: str) -> str:
        """A text by its digest.

        Raises:
            NotFoundError: there is none.
        """
        return self.blob(text_digest).decode()

    def blob(self, blob_digest: str) -> bytes:
        """Bytes by their digest, checked against it: a changed row is never shown as the text people accepted.

        Raises:
            NotFoundError: there are none.
            VerificationError: the row was changed behind our back.
        """
        row = self.database.read(lambda connection: blobs.get_blob(connection, blob_digest))
        if row is None:
            raise NotFoundError(f"there is nothing with the digest {blob_digest[:16]}…")
        if digest(row.data) != blob_digest:
            raise VerificationError(
                f"the stored bytes of {blob_digest[:16]}… were changed", hint="run `consentgate verify`"
            )
        return row.data

    def tag(self, subject: Subject) -> bytes:
        """What a subject is looked up by: a keyed digest, so that an index of the table names nobody."""
        return hmac.digest(self._pepper, subject.key.encode(), "sha256")[:16]

    def bindings(self, subject: Subject) -> list[bytes]:
        """Digests of the bindings that passes of a subject may have, for `consentgate.service.revoked`."""
        return [digest_of(self._pepper, binding) for binding in self.sealer.bindings(subject)]


def open_generation(settings: Settings) -> Generation:
    """The publication counter beside the database, or one of this process alone for a database in memory.

    Raises:
        ConfigurationError: the folder for the database does not exist, or may not be written.
    """
    file = settings.place
    if file is None:
        return Generation.local()
    make_state(settings)
    if not file.parent.is_dir():
        raise ConfigurationError(
            f"the folder {file.parent} for the database does not exist", hint="make it, or set database= to another"
        )
    try:
        return Generation.open(file.with_name(file.name + ".generation"))
    except OSError as error:
        raise ConfigurationError(
            f"{file.name}.generation beside the database cannot be written: {error.strerror}",
            hint="give this process the right to write there",
        ) from error


def make_state(settings: Settings) -> None:
    """Make the folder for what must not be in a PostgreSQL database; beside a SQLite file there is one already.

    Raises:
        ConfigurationError: it cannot be made.
    """
    if server_database(settings.database) is None or settings.place is None:
        return
    try:
        settings.place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {settings.place.parent} cannot be made: {error.strerror}",
            hint="set state= to a folder that this process may write: the signing key lies there",
        ) from error


def anchor_path(file: Path | None) -> Path | None:
    """Where the newest checkpoint is remembered outside the database."""
    return None if file is None else file.with_name(file.name + ".anchor")


def past_of(values: Mapping[str, str]) -> list[Past]:
    """The names a ledger had before, from the values of its database."""
    return [Past(one["origin"], one["size"], one["known"]) for one in json.loads(values.get(EPOCHS, "[]"))]


def _keyless(connection: Connection, randomness: Randomness) -> tuple[dict[str, str], Signer]:
    """What a process without the signing key needs to know of a ledger that was begun elsewhere."""
    values = meta.everything(connection)
    if ORIGIN not in values or PEPPER not in values:
        raise ConfigurationError(
            "this database holds no ledger yet, and this process holds no key to begin one",
            hint="start `consentgate sequencer` first, where the signing key is",
        )
    return values, Signer(values[ORIGIN], randomness(32))  # nobody will ever trust it, and it signs nothing


def _identify(
    database: Database, settings: Settings, file: Path | None, randomness: Randomness
) -> tuple[dict[str, str], Signer]:
    """Settle what a ledger keeps for life: its origin, its key, its pepper."""
    if settings.ledger_key == NO_KEY:
        if not database.queues:
            raise ConfigurationError(
                "on SQLite whoever records also signs", hint='leave ledger_key="none" out, or use PostgreSQL'
            )
        return database.read(partial(_keyless, randomness=randomness))

    def settle(connection: Connection) -> tuple[dict[str, str], Signer]:
        shelf.lock_head(connection)  # of several that start at once on a fresh database one names the ledger
        values = meta.everything(connection)
        origin = values.get(ORIGIN)
        known = {origin, *(past.origin for past in past_of(values))}
        if origin and settings.origin and settings.origin not in known:
            raise ConfigurationError(
                f"this ledger is called {origin}, not {settings.origin}",
                hint="a ledger keeps its name; leave origin= out, or set the one it has",
            )
        signer = load_signer(settings.ledger_key, file)
        place = key_file(settings.ledger_key, file)
        if origin and place and (signer is None or signer.name != origin) and take_next(place, origin):
            signer = load_signer(settings.ledger_key, file)
        if origin is None:
            origin = settings.origin or (signer.name if signer else f"localhost/consentgate/{randomness(4).hex()}")
            if settings.origin is None and file is not None:
                log.info("the new ledger is called %s; set origin= to a name of your own before going live", origin)
        elif signer is None and file is not None:
            raise ConfigurationError(
                f"the signing key of {origin} is missing", hint="restore the database's .key file, or set ledger_key="
            )
        if signer is None:
            signer = create_signer(origin, file)
        if signer.name != origin:
            raise ConfigurationError(
                f"the key is that of {signer.name}, the ledger is {origin}", hint="use the key file of this database"
            )
        meta.put_new(connection, ORIGIN, origin)
        meta.put_new(connection, PEPPER, randomness(32).hex())
        verifiers = json.loads(values.get(VERIFIERS, "[]"))
        if str(signer.verifier) not in verifiers:
            meta.put(connection, VERIFIERS, json.dumps([*verifiers, str(signer.verifier)]))
        return meta.everything(connection), signer

    return database.write(settle)


def _verifiers(values: dict[str, str], signer: Signer) -> list[Verifier]:
    """Every key that ever signed, the present one first."""
    known = json.loads(values[VERIFIERS])
    if str(signer.verifier) not in known:  # this process holds no key
        return [Verifier.parse(text) for text in reversed(known)]
    return [signer.verifier, *(Verifier.parse(text) for text in known if text != str(signer.verifier))]
