"""Move house: copy a ledger into another database, verify it there root for root, and only then let it be opened.

Room: service. For ``consentgate db copy``. No key is needed and nothing is signed: the same entries under the same
signatures lie in another place. The signing key, the sealing secret and the anchor file stay where they are.

While it is copied into, the target has no schema version, so nothing opens it by mistake; an interrupted copy goes on
where it was when the same command is run again. Run on a target that is complete it catches up with what the source
got since, which makes the last run, with the application stopped, a short one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from consentgate.errors import ConfigurationError, StoreError, VerificationError
from consentgate.service.audit import audit_open
from consentgate.service.engine import ORIGIN, PEPPER
from consentgate.service.settings import Settings, database_url
from consentgate.service.verify import Report
from consentgate.store import entries as shelf
from consentgate.store import meta, moving, queue, schema
from consentgate.store.database import Database
from consentgate.store.tables import SCHEMA_VERSION

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done (``copy``, ``verify``), how much is done, and how much there is."""

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Moved:
    """What was copied.

    Args:
        origin: of the ledger.
        size: entries.
        checkpoint: the signed head, the same in both.
        rows: compared.
        written: how many of them the target lacked.
        report: of the verification of the target.
    """

    origin: str
    size: int
    checkpoint: str
    rows: int
    written: int
    report: Report


def copy(settings: Settings, target: str, progress: Progress) -> Moved:
    """Copy a ledger.

    Args:
        settings: of the source.
        target: URL of the other database, or a path for SQLite. It is empty, or was copied into before.
        progress: see `Progress`.

    Raises:
        ConfigurationError: the target is not empty and not a copy of this ledger; nothing was written.
        StoreError: the source kept growing, or a database failed; the target stays closed, and the same call goes on.
        VerificationError: the copy does not verify, because the source does not; the target stays closed.
    """
    url = database_url(target)
    if url == database_url(settings.database):
        raise ConfigurationError("source and target are the same database", hint="name another one as the target")
    with closing(Database.open(database_url(settings.database), create=False)) as source:
        origin = source.read(lambda connection: meta.get(connection, ORIGIN))
        if origin is None:
            raise ConfigurationError("the source holds no ledger yet", hint="there is nothing to copy")
        with closing(Database.bare(url, create=True)) as other:
            _prepare(source, other)
            rows, written = _copy(source, other, progress)
            report = _verify(settings, url, other, progress)
            head = _head(source, other)
            other.write(lambda connection: schema.write_down(connection, SCHEMA_VERSION))
    return Moved(origin, head.size if head else 0, head.note if head else "", rows, written, report)


def _prepare(source: Database, target: Database) -> None:
    """Make sure that the target is empty or a copy of the source, and close it for everybody else."""
    found = target.schema_version()
    if found is None:
        target.write(schema.make)
        found = str(SCHEMA_VERSION)
    if found not in (str(SCHEMA_VERSION), schema.COPYING):
        raise ConfigurationError(
            f"{target.name} has schema version {found}; this consentgate works with {SCHEMA_VERSION}",
            hint="run `consentgate db upgrade` on it first",
        )
    if (waiting := source.read(queue.waiting).entries) > 0:
        raise StoreError(
            f"{waiting:,} decisions of the source still wait for their places in its ledger",
            hint="let a process that holds the signing key run until the queue is empty, then run the command again",
        )
    ours, theirs = source.read(meta.everything), target.read(meta.everything)
    if theirs.get(PEPPER) not in (None, ours.get(PEPPER)):
        raise ConfigurationError(
            f"{target.name} holds another ledger, {theirs.get(ORIGIN)}", hint="copy into an empty database"
        )
    here, there = source.read(shelf.head), target.read(shelf.head)
    if there is not None and (here is None or there.size > here.size):
        raise ConfigurationError(
            f"{target.name} has {there.size:,} entries, the source {here.size if here else 0:,}",
            hint="it is in use already: what was recorded there would be lost",
        )
    target.write(lambda connection: meta.put(connection, meta.SCHEMA, schema.COPYING))


def _copy(source: Database, target: Database, progress: Progress) -> tuple[int, int]:
    """Copy, and catch up with what came in meanwhile; rows compared and rows written."""
    total = source.read(moving.count)
    written = 0
    for _ in range(_ROUNDS):
        before, done = source.read(_state), 0
        for step in moving.take_over(source, target):
            done, written = done + step.rows, written + step.written
            progress("copy", done, max(done, total))
        if source.read(_state) == before:
            return done, written
    raise StoreError(
        "the source keeps growing: the application still writes to it",
        hint="stop the application and run the same command again: only what came since is copied",
    )


def _state(connection: Connection) -> tuple[object, ...]:
    """What changes with every write that matters: the ledger's head, and all single values."""
    return shelf.head(connection), meta.everything(connection)


def _verify(settings: Settings, url: str, target: Database, progress: Progress) -> Report:
    """Verify the copy from its own rows alone."""
    report = audit_open(
        replace(settings, database=url), target, progress=lambda done, total: progress("verify", done, total)
    )
    if not report.sound:
        raise VerificationError(
            f"the copy does not verify: {report.problems[0]}",
            hint="`consentgate verify` on the source says whether it is sound; the target stays closed",
            problems=report.problems,
        )
    return report


def _head(source: Database, target: Database) -> shelf.HeadRow | None:
    """The signed head, which must be the same in both."""
    here, there = source.read(shelf.head), target.read(shelf.head)
    if here != there:
        raise StoreError(
            "the source grew while the copy was verified: the application still writes to it",
            hint="stop the application and run the same command again: only what came since is copied",
        )
    return there
