"""The tables of a database: what they are, what they should be, and how they get there.

Room: service. For ``consentgate db``. Nothing here opens a ledger or needs a key: whoever may change tables need be
nobody else.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from consentgate.errors import ConfigurationError
from consentgate.service.erase import begin_scrub, end_scrub, scrub_state
from consentgate.service.settings import Settings, database_url
from consentgate.service.traces import Trace, traces
from consentgate.store import roles, schema
from consentgate.store.database import Database
from consentgate.store.tables import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the tables of a database are.

    Args:
        found: their schema version; ``None`` where there are none.
        expected: that of this release.
        differences: how they differ from what their version promises; looked for only where the two are the same.
    """

    found: int | None
    expected: int
    differences: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether this release can work with them. What is unexpected does no harm."""
        return self.found == self.expected and all(one.startswith("unexpected") for one in self.differences)


def current(settings: Settings) -> Standing:
    """Say which schema version a database has.

    Raises:
        ConfigurationError, StoreError: it cannot be opened.
    """
    with _bare(settings) as database:
        return Standing(_found(database), SCHEMA_VERSION)


def check(settings: Settings) -> Standing:
    """Compare the tables, column by column, with those that this release expects.

    Raises:
        ConfigurationError, StoreError: it cannot be opened.
    """
    with _bare(settings) as database:
        found = _found(database)
        different = database.read(schema.differences) if found == SCHEMA_VERSION else []
        return Standing(found, SCHEMA_VERSION, tuple(different))


def upgrade(settings: Settings) -> tuple[int | None, int]:
    """Make the tables of an empty database, or bring up those of an older one, in one transaction.

    Returns:
        The schema versions before (``None``: there were no tables) and after.

    Raises:
        ConfigurationError: a newer consentgate made them.
        StoreError: the database refused; nothing was changed.
    """
    with _bare(settings) as database:
        found = _found(database)
        if found is not None and found > SCHEMA_VERSION:
            raise ConfigurationError(
                f"{database.name} has schema version {found}; this consentgate knows up to {SCHEMA_VERSION}",
                hint="install the version of consentgate that wrote it, or a newer one",
            )
        if found is None:
            made = database.write(schema.make)
            return (None if made else SCHEMA_VERSION), SCHEMA_VERSION
        return database.upgrade()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What writing the openings anew came to.

    Args:
        before, after: bytes of their table, or of the file of the database.
        gone: whether nothing that was erased is left in the files.
        left: where copies may still be, and until when.
    """

    before: int
    after: int
    gone: bool
    left: tuple[Trace, ...]


def rewrite(settings: Settings, wait: float) -> Rewritten:
    """Write the openings anew, so that nothing that was erased is left in unused space of the files.

    Args:
        settings: as configured.
        wait: seconds to wait for whoever uses them.

    Raises:
        StoreUnavailableError: they were in use for longer, or this role may not do it; nothing was changed.
    """
    database, token = Database.open(database_url(settings.database), create=False), secrets.token_hex(8)
    try:
        found = database.read(scrub_state)
        database.write(lambda connection: begin_scrub(connection, token))
        before, done = database.size(), database.rewrite(wait)
        database.write(lambda connection: end_scrub(connection, token, "" if done.gone else found))
        return Rewritten(before, database.size(), done.gone, traces(done))
    finally:
        database.close()


def roles_script(prefix: str, schema_name: str) -> str:
    """SQL that makes roles of least privilege on PostgreSQL; see `consentgate.store.roles`.

    Raises:
        InputError: a name that cannot be one.
    """
    return roles.script(prefix, schema_name)


def _found(database: Database) -> int | None:
    found = database.schema_version()
    if found is not None and not found.isdecimal():
        raise ConfigurationError(
            f"{database.name} says no schema version", hint="it was changed by hand: restore a backup"
        )
    return None if found is None else int(found)


@contextmanager
def _bare(settings: Settings) -> Iterator[Database]:
    database = Database.bare(database_url(settings.database))
    try:
        yield database
    finally:
        database.close()
