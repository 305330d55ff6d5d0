"""Reading alone: no key, no write, no folder of one's own, and a replica will do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consentgate.cli.main import app
from consentgate.errors import ConfigurationError, ConsentGateError, RewindError
from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
from consentgate.service.export import Selection
from consentgate.service.export_source import OfDriver
from consentgate.service.keys import load_signer
from consentgate.service.ledger import Head
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store.database import Database
from consentgate.store.entries import HeadRow, head
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run
from tests.postgres import Server
from tests.service.fill import load_filler

KEY = (SECRET.encode(),)


def fill(settings: Settings, people: int = 20) -> None:
    """A ledger with a publication and some acceptances."""

    async def work() -> None:
        async with Terms(settings) as terms:
            filler = load_filler()
            await filler.publish(terms)
            await filler.fill(terms, [Subject(f"person-{number}") for number in range(people)])

    run(work())


async def read_everything(settings: Settings) -> tuple[bytes, int]:
    """An export, and how many entries a verification found sound."""
    async with Terms(settings, reading=True) as terms:
        data = b"".join([chunk async for chunk in terms.export(where=Selection())])
        report = await terms.verify()
        assert report.sound, report.problems
        assert (await terms.bundle(Subject("person-3"), decision=None))[:2] == b"PK"
        return data, report.size


@pytest.fixture(name="ledger", params=["sqlite", 15])
def _ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = f"sqlite:///{tmp_path / 'terms.db'}"
    if request.param != "sqlite":
        url = request.getfixturevalue("postgres")(request.param).fresh()
    settings = Settings(url, KEY, state=tmp_path / "state")
    fill(settings)
    return settings


def test_everything_can_be_read_without_the_signing_key(ledger: Settings) -> None:
    """Exports, bundles and verification work where the key is not, and no key is made."""
    assert ledger.place is not None
    key = ledger.place.with_name(ledger.place.name + ".key")
    key.unlink()

    data, size = run(read_everything(ledger))

    assert size == 21
    assert data.count(b"\n") > 21
    assert not key.exists()


def test_reading_begins_no_write_transaction(ledger: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """From start to end not one transaction is begun that could write."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a write transaction was begun")

    monkeypatch.setattr(Database, "transaction", refuse)

    assert run(read_everything(ledger))[1] == 21


def test_who_reads_cannot_write(ledger: Settings) -> None:
    """A decision asked of such a handle is refused before anything happens."""

    async def work() -> None:
        async with Terms(ledger, reading=True) as terms:
            with pytest.raises(ConfigurationError, match="opened for reading"):
                await terms.record(Subject("newcomer"), "terms")
            with pytest.raises(ConsentGateError):
                terms.engine.submit(lambda connection, pending: None).result()

    run(work())


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Neither a file nor tables nor a name."""
    with pytest.raises(ConfigurationError):
        run(Terms(Settings(f"sqlite:///{tmp_path / 'none.db'}", KEY), reading=True).start())
    assert list(tmp_path.iterdir()) == []


def test_a_rewind_is_seen_by_who_only_reads(ledger: Settings) -> None:
    """On the database itself the anchor file is looked at."""
    assert ledger.place is not None
    anchor = ledger.place.with_name(ledger.place.name + ".anchor")
    newest = anchor.read_bytes()
    database = Database.open(ledger.database)
    row: HeadRow | None = database.read(head)
    database.close()
    assert row is not None
    assert Head(row.size, row.at, row.note.encode()).note == newest
    anchor.write_bytes(newest.replace(b"\n21\n", b"\n22\n"))  # its signature does not fit: damaged, not used
    assert run(read_everything(ledger))[1] == 21

    _forget_the_last_entry(ledger)
    anchor.write_bytes(newest)
    with pytest.raises(RewindError):
        run(Terms(ledger, reading=True).start())


def _forget_the_last_entry(ledger: Settings) -> None:
    from sqlalchemy import text

    database = Database.open(ledger.database)
    with database.transaction() as connection:
        connection.execute(text("DELETE FROM consentgate_entry WHERE idx = 20"))
    database.close()


# --- a replica --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="state", scope="module")
def _state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with key and anchor of the ledger on the primary."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(name="replica", scope="module")
def _replica(postgres: Callable[[int], Server], state: Path) -> Iterator[tuple[str, str]]:
    """A server that follows another, and the ledger on both: the URLs of the two."""
    first = postgres(15)
    url = first.fresh()
    fill(Settings(url, KEY, state=state))
    second = Server(15, follow=first)
    yield url, url.replace(first.folder.name, second.folder.name)
    second.close()


def test_an_export_from_a_replica_is_that_of_the_primary(replica: tuple[str, str], tmp_path: Path) -> None:
    """The command exports, counts and verifies there, where no transaction can write, and the bytes are the same."""
    files = [tmp_path / "primary.ndjson", tmp_path / "replica.ndjson"]
    for url, file in zip(replica, files, strict=True):
        done = CliRunner().invoke(app, ["export", "--database", url, "--output", str(file)])
        assert done.exit_code == 0, done.output
    assert files[0].read_bytes() == files[1].read_bytes()
    for words in (("verify",), ("status",), ("versions",), ("db", "check"), ("db", "current")):
        done = CliRunner().invoke(app, [*words, "--database", replica[1]])
        assert done.exit_code == 0, done.output


def test_a_replica_is_told_from_a_primary(replica: tuple[str, str]) -> None:
    """It says so itself; a file never is one."""
    found = []
    for url in (*replica, "sqlite://"):
        database = Database.open(url)
        found.append(database.replica())
        database.close()

    assert found == [False, True, False]


def test_a_worker_on_a_replica_is_refused_with_the_reason(replica: tuple[str, str], tmp_path: Path) -> None:
    """Who means to write is told that this is a replica."""
    with pytest.raises(ConsentGateError) as refused:
        run(Terms(Settings(replica[1], KEY, state=tmp_path)).start())
    assert "replica" in refused.value.hint


def test_a_replica_that_is_behind_the_anchor_is_no_rewind(replica: tuple[str, str], state: Path) -> None:
    """What the anchor file of this host knows, a replica may not know yet; on the primary it is an alarm."""
    primary, follower = (Settings(url, KEY, state=state) for url in replica)
    place = primary.place
    signer = load_signer(None, place)
    assert place is not None
    assert signer is not None
    anchor = place.with_name(place.name + ".anchor")
    newest = anchor.read_bytes()
    anchor.write_bytes(sign_checkpoint(Checkpoint(signer.name, 26, bytes(32)), signer))
    try:
        assert run(read_everything(follower))[1] == 21
        with pytest.raises(RewindError):
            run(Terms(primary, reading=True).start())
        with pytest.raises(RewindError):
            OfDriver.open(primary)
        source = OfDriver.open(follower)
        assert source is not None
        source.close()
    finally:
        anchor.write_bytes(newest)
