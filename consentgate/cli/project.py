"""Which database and which folder a command is about, and the handle to work on them.

Room: cli. An option stands over the environment, the environment over the settings file. Nothing is guessed that could
make a second ledger by mistake: only commands that may begin one do, and only where the database was named.
"""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from consentgate.errors import ConfigurationError
from consentgate.service.config_file import ConfigFile, find_config, read_config
from consentgate.service.settings import Settings, database_url, sqlite_path

if TYPE_CHECKING:
    from consentgate.service.terms import Terms

T = TypeVar("T")

DATABASE = Path("consentgate.db")
POLICIES = Path("policies")
SECRET = Path("consentgate.secret")


@dataclass(frozen=True, slots=True)
class Project:
    """What is known about where to work.

    Args:
        config: the settings file, or ``None``.
        database: as named by option or environment, or ``None``.
    """

    config: ConfigFile | None
    database: str | None

    def settings(self) -> Settings:
        """The settings of a command. Policies are never published by opening; `publish` does that when it is told.

        Raises:
            ConfigurationError: no database is named.
        """
        # Commands seal nothing, so they need no sealing key: one nobody knows does for as long as the command runs.
        keys = (secrets.token_bytes(32),)
        if self.config is not None:
            named: dict[str, str | None] = {"database": database_url(self.database)} if self.database else {}
            if named and named["database"] != self.config.values.get("database"):
                named |= {"origin": None, "ledger_key": None}  # the name and the key in the file are another ledger's
            return self.config.settings(keys, **named, policies=None)
        if self.database:
            return Settings(database_url(self.database), keys)
        if DATABASE.is_file():
            return Settings(database_url(str(DATABASE)), keys)
        raise ConfigurationError(
            "which database? No consentgate.toml was found here or above",
            hint="name it with --database or CONSENTGATE_DATABASE, or make a consentgate.toml with `consentgate init`",
        )

    def existing(self) -> Settings:
        """The settings, for a command that must not begin a new ledger.

        Raises:
            ConfigurationError: there is no such database.
        """
        settings = self.settings()
        if missing(settings):
            raise ConfigurationError(
                f"there is no database at {shown(settings)}",
                hint="it is made by the first `consentgate publish`, or when the application starts",
            )
        return settings

    def policies(self, given: Path | None) -> Path:
        """The folder of policies.

        Raises:
            ConfigurationError: none is named, and there is none where one is expected.
        """
        if given is not None:
            return given
        if self.config is not None and self.config.values.get("policies"):
            return Path(self.config.values["policies"])
        if POLICIES.is_dir():
            return POLICIES
        raise ConfigurationError(
            "which policies? There is no folder called policies here",
            hint="name it: `consentgate publish FOLDER`; `consentgate init` makes a sample",
        )

    def secret_file(self, given: Path | None) -> Path:
        """The file with the sealing keys, whether it exists or not."""
        return given or (near(self.config.secret_file) if self.config and self.config.secret_file else SECRET)


def find_project(config: Path | None, database: str | None) -> Project:
    """Look for the settings file and read it.

    Raises:
        ConfigurationError: it cannot be used.
    """
    path = config or find_config(Path.cwd())
    return Project(read_config(near(path)) if path else None, database or None)


def missing(settings: Settings) -> bool:
    """Whether the database is a file that is not there."""
    file = sqlite_path(settings.database)
    return file is not None and not file.exists()


def in_memory(settings: Settings) -> Settings:
    """The same settings on a database that leaves nothing behind."""
    return replace(settings, database="sqlite://", ledger_key=None)


def shown(settings: Settings) -> str:
    """The database as people call it: a path relative to where they are; never the password in a URL."""
    file = sqlite_path(settings.database)
    if file is None:
        from sqlalchemy.engine import make_url

        return "memory" if settings.database == "sqlite://" else make_url(settings.database).render_as_string()
    return str(near(file))


def near(path: Path) -> Path:
    """A path as seen from here, where that is shorter."""
    near = Path(os.path.relpath(path)) if os.name == "posix" else path
    return near if len(str(near)) < len(str(path)) else path


def with_terms(settings: Settings, work: Callable[[Terms], Awaitable[T]], *, reading: bool = False) -> T:
    """Open the ledger, do the work, close it.

    Args:
        settings: which ledger.
        work: what to do with the handle.
        reading: whether it only reads: then no key is needed, and a replica will do.
    """
    import asyncio  # not light, and an export from a file needs none

    from consentgate.service.terms import Terms

    async def run() -> T:
        async with Terms(settings, reading=reading) as terms:
            return await work(terms)

    return asyncio.run(run())


def who(given: str | None) -> str:
    """Who does this, for the record."""
    if given:
        return given
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # an account without a name, as in some containers
        return "cli"
