"""Open a database for checking only, and verify all of it.

Room: service. `Engine.open` refuses a database that was tampered with, and makes what is missing; whoever wants to
know *what* is wrong needs neither. Nothing is written here, no key is made, no secret is needed, and the signing key
may be elsewhere: an auditor checks a copy of the database with the public key alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from consentgate.errors import RewindError, VerificationError
from consentgate.service.engine import Engine
from consentgate.service.reading import engine_for_reading
from consentgate.service.receipts import signing_keys
from consentgate.service.settings import Settings, database_url
from consentgate.service.verify import Report, verify_ledger
from consentgate.store import entries as shelf
from consentgate.store.database import Database


def audit(
    settings: Settings, *, keys: Sequence[str] = (), progress: Callable[[int, int], None] | None = None
) -> Report:
    """Verify the ledger of a database, whatever state it is in.

    Args:
        settings: of which only the database is used.
        keys: public keys (vkeys) to trust, and no others; empty for those the database names, which whoever can write
            to the database could have replaced.
        progress: called with (entries done, entries in all).

    Raises:
        ConfigurationError: there is no ledger there, or a key is no key.
        StoreError: the database cannot be read.
    """
    file = settings.place
    database = Database.open(database_url(settings.database), create=False)
    try:
        engine = engine_for_reading(settings, database, keys)
        report = _verified(engine, progress)
        if file is not None:
            _check_memory(engine, report)
        return report
    finally:
        database.close()


def audit_open(settings: Settings, database: Database, *, progress: Callable[[int, int], None] | None = None) -> Report:
    """Verify the ledger of a database that is open already, by the keys it names and its own rows alone."""
    return _verified(engine_for_reading(settings, database), progress)


def _verified(engine: Engine, progress: Callable[[int, int], None] | None) -> Report:
    report = verify_ledger(engine, progress)
    head = engine.database.read(shelf.head)
    report.key = ""
    if head is not None:
        with suppress(VerificationError):  # a head that does not open is among the problems already
            report.key = " ".join(str(key) for key in signing_keys(engine.ledger, head.note.encode()))
    return report


def _check_memory(engine: Engine, report: Report) -> None:
    """Hold the database against what was remembered outside of it."""
    try:
        engine.database.read(engine.ledger.load)
    except RewindError as error:
        if not any(problem in str(error) for problem in report.problems):
            report.add(str(error))
