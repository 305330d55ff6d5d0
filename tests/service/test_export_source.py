"""An export has the same bytes wherever the ledger lies and however it is opened."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consentgate.evidence.ledger_file import verify_ledger
from consentgate.service.export import FormName, Selection, pages
from consentgate.service.export_source import OfDriver, OfEngine
from consentgate.service.facts import Facts
from consentgate.service.moving import copy
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run
from tests.postgres import Server
from tests.service.conftest import draft
from tests.service.fill import load_filler

PEOPLE = [Subject(f"person-{number}") for number in range(600)]
ODD = [Subject('=HYPERLINK("x")'), Subject("a,b"), Subject("née")]
SELECTIONS = [
    Selection(), Selection(openings=False), Selection(policies=("terms",), acts=("accept",)),
    Selection(subject=PEOPLE[5]), Selection(subject=ODD[0]),
]  # fmt: skip


def settings(url: str, state: Path) -> Settings:
    """Of a ledger."""
    return Settings(url, (SECRET.encode(),), state=state, ledger_key="none")


@pytest.fixture(name="ledgers", scope="module")
def _ledgers(
    tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[int], Server]
) -> Iterator[tuple[Settings, ...]]:
    """A file with 605 entries (pages, tiles, somebody erased, names that a spreadsheet would run), and its copies."""
    folder = tmp_path_factory.mktemp("ledgers")
    here = Settings(f"sqlite:///{folder / 'terms.db'}", (SECRET.encode(),), record_ip="full")

    async def fill() -> None:
        async with Terms(here) as terms:
            filler = load_filler()
            await filler.publish(terms)
            await filler.fill(terms, PEOPLE)
            await filler.fill(terms, ODD, facts=Facts(method="checkbox-button", ip="192.0.2.7", user_agent="=1+1"))
            await terms.erase(PEOPLE[7], basis="request")
            await terms.publish([draft("2", "Be kinder.\n")])

    run(fill())
    urls = [postgres(version).fresh() for version in (15, 18)]
    for url in urls:
        copy(here, url, lambda *_: None)
    yield here, *(settings(url, folder / f"state-{place}") for place, url in enumerate(urls))


def by_driver(here: Settings, form: FormName, where: Selection) -> bytes:
    """An export as the command makes it."""
    source = OfDriver.open(here)
    assert source is not None
    try:
        return b"".join(pages(source, form, where))
    finally:
        source.close()


@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet"])
@pytest.mark.parametrize("where", SELECTIONS, ids=lambda where: str(where.record()))
def test_a_copied_ledger_is_exported_to_the_same_bytes(
    ledgers: tuple[Settings, ...], form: FormName, where: Selection
) -> None:
    """From a file and from two releases of PostgreSQL, by the driver alone and by the application."""
    found = {by_driver(here, form, where) for here in ledgers}

    async def collect(here: Settings) -> bytes:
        async with Terms(here, reading=True) as terms:
            return b"".join(pages(OfEngine(terms.engine), form, where))

    found |= {run(collect(here)) for here in ledgers}
    assert len(found) == 1
    if form == "ndjson":
        assert verify_ledger(io.BytesIO(found.pop())).entries > 0


def test_rows_are_found_by_their_keys_before_the_server_has_counted_them(
    ledgers: tuple[Settings, ...], postgres: Callable[[int], Server]
) -> None:
    """A page reads its own entries and openings: a join of tables that seem small would read all, for each page."""
    from consentgate.store.lines import _RANGE

    url = ledgers[1].database
    schema = url.rpartition("%3D")[2]
    server = postgres(15)
    server.execute(f"SET search_path={schema}; UPDATE pg_class SET reltuples = -1, relpages = 0"
                   f" WHERE relnamespace = '{schema}'::regnamespace")  # fmt: skip
    statement = _RANGE.replace("?", "%s") % (256, 512)
    plan = server.execute(f"SET search_path={schema}; EXPLAIN {statement}")

    said = "\n".join(row[0] for row in plan)
    assert "Seq Scan on consentgate_opening" not in said, said
