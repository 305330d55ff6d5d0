"""PgBouncer in transaction mode: every transaction may get another connection, and nothing of ours minds."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from consentgate.service.audit import audit
from consentgate.service.export import Selection, pages
from consentgate.service.export_source import OfDriver
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store import schema
from consentgate.store.database import Database
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Act, Policy
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run
from tests.postgres import USER, Server

CONFIGURATION = """\
[databases]
{name} = host={server} port=5432 user={user}
[pgbouncer]
unix_socket_dir = {folder}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 100
server_reset_query =
logfile = {folder}/log
pidfile = {folder}/pid
"""


@pytest.fixture(name="pooled", scope="module")
def _pooled(
    postgres: Callable[[int], Server], need_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of an empty database, as PgBouncer offers it: three connections for everybody."""
    program, server, folder = need_program("pgbouncer"), postgres(15), tmp_path_factory.mktemp("pooler")
    name = f"pooled_{folder.name}"
    server.execute(f'CREATE DATABASE "{name}"')
    socket = server.folder / f"pooler-{folder.name}"
    socket.mkdir()
    socket.chmod(0o777)
    settings = socket / "pgbouncer.ini"
    settings.write_text(CONFIGURATION.format(name=name, server=server.folder, user=USER, folder=socket))
    child = subprocess.Popen([program, "-q", settings], cwd=socket, **server._owner)
    url = f"postgresql://{USER}@/{name}?host={quote(str(socket), safe='')}&port=6432"
    try:
        _wait(url, child, socket / "log")
        yield url
    finally:
        child.terminate()
        child.wait(30)


def _wait(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and child.poll() is None:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return
        time.sleep(0.02)
    raise AssertionError(log.read_text() if log.exists() else "PgBouncer does not start")


def test_the_tables_are_made_and_checked_through_a_pooler(pooled: str) -> None:
    """Several at once on an empty database, then a comparison of every column."""

    async def many() -> None:
        await asyncio.gather(*(asyncio.to_thread(lambda: Database.open(pooled).close()) for _ in range(4)))

    run(many())
    database = Database.open(pooled)
    assert database.read(schema.differences) == []
    database.close()


def test_a_whole_life_goes_through_a_pooler(pooled: str, tmp_path: Path) -> None:
    """Two workers publish, decide at the same time, erase, export; both see the same, and the ledger verifies."""
    settings = Settings(pooled, (SECRET.encode(),), state=tmp_path)

    async def live() -> bytes:
        async with Terms(settings) as one, Terms(settings) as other:
            draft = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")
            await one.publish([draft], policies=[Policy("terms", (("en", "Terms"),))])
            await other.reload()
            people = [Subject(f"person-{number}") for number in range(60)]
            await asyncio.gather(
                *((one, other)[number % 2].record(person, "terms") for number, person in enumerate(people))
            )
            await other.record(people[0], "terms", act=Act.DECLINE)
            assert (await one.erase(people[1], basis="request")).gone
            assert [(await terms.accepted(people[2])).serials for terms in (one, other)] == [{1}, {1}]
            assert (await other.accepted(people[1])).serials == frozenset()
            return b"".join([chunk async for chunk in other.export(where=Selection())])

    exported = run(live())

    report = audit(settings)
    assert report.sound, report.problems
    assert (report.decisions, report.publications) == (61, 1)
    assert b'person-1"' not in exported
    assert b'person-2"' in exported
    source = OfDriver.open(settings)  # as the command does
    assert source is not None
    assert b"".join(pages(source, "ndjson", Selection())) == exported
    source.close()


def test_a_pooler_keeps_few_connections_for_many(pooled: str) -> None:
    """Sixteen readers at once share three connections to the server; none is turned away."""
    databases = [Database.open(pooled) for _ in range(4)]

    async def read() -> list[str | None]:
        return await asyncio.gather(
            *(asyncio.to_thread(database.read, schema.version) for database in databases for _ in range(4))
        )

    try:
        assert len(set(run(read()))) == 1
    finally:
        for database in databases:
            database.close()
