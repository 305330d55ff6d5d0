"""Several workers of one host, each a process of its own, on one database: what is published binds all at once."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.testing import run
from tests.frameworks.browser import NAVIGATION, Browser
from tests.frameworks.servers import SECRET, example

WORKERS = 3


class Reader(threading.Thread):
    """Somebody with a good pass who opens one page after the other at one worker."""

    def __init__(self, address: str, cookie: str) -> None:
        super().__init__(daemon=True)
        self._client = httpx2.Client(base_url=address, timeout=30, headers={**NAVIGATION, "cookie": cookie})
        self.seen: list[tuple[float, int]] = []
        """When a request began, and how it was answered."""
        self.stopping = threading.Event()

    def run(self) -> None:
        """Read until told to stop."""
        with self._client:
            while not self.stopping.is_set():
                began = time.monotonic()
                self.seen.append((began, self._client.get("/articles/one").status_code))


def test_no_request_that_begins_after_a_publication_passes_on_the_old_terms(policies: Path, tmp_path: Path) -> None:
    """In no worker, whoever published: here, a process that serves nobody. One acceptance then opens all of them."""
    database = f"sqlite:///{tmp_path}/terms.db"
    with ExitStack() as stack:
        addresses = [
            stack.enter_context(example("bare", _folder(tmp_path, number), policies, DATABASE=database))
            for number in range(WORKERS)
        ]
        browser = stack.enter_context(Browser(addresses[0]))
        browser.accept("/articles/one")
        readers = [Reader(address, _cookie(browser)) for address in addresses]
        for reader in readers:
            reader.start()
        _wait(readers, 0.0, 20)

        run(_publish_more(database, tmp_path))
        published = time.monotonic()

        _wait(readers, published, 20)
        for reader in readers:
            reader.stopping.set()
            reader.join(30)
        for reader in readers:
            assert reader.seen[0][1] == 200
            assert {status for began, status in reader.seen if began > published} == {303}

        browser.accept("/articles/one")
        for address in addresses:
            answer = httpx2.get(f"{address}/articles/one", headers={**NAVIGATION, "cookie": _cookie(browser)})
            assert answer.status_code == 200


def _folder(parent: Path, number: int) -> Path:
    folder = parent / str(number)
    folder.mkdir()
    return folder


def _cookie(browser: Browser) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())


def _wait(readers: list[Reader], since: float, count: int) -> None:
    """Until each has been answered so often since a moment."""
    deadline = time.monotonic() + 60
    while any(sum(began > since for began, _ in reader.seen) < count for reader in readers):
        assert time.monotonic() < deadline
        assert all(reader.is_alive() for reader in readers)
        time.sleep(0.01)


async def _publish_more(database: str, parent: Path) -> None:
    place = parent / "more" / "quiet-hours"
    place.mkdir(parents=True)
    (place / "policy.toml").write_text('title = "Quiet Hours"\n')
    (place / "1.en.md").write_text('---\nversion: "1"\nimpact: material\n---\n# Quiet Hours\n\nNobody sings at noon.\n')
    async with Terms(Settings(database, (SECRET.encode(),))) as terms:
        await terms.publish(parent / "more")
