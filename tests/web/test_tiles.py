"""The open ledger: what other people's monitors read adds up to what was signed, and names nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from consentgate.evidence.checkpoint import open_checkpoint
from consentgate.evidence.note import Verifier
from consentgate.evidence.tiles import Frontier, parse_entry_bundle, tile_path
from consentgate.evidence.tlog import leaf_hash, root, split_hashes
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.service.fill import load_filler
from tests.web.conftest import Site

SUBJECTS = [Subject(f"person-{number}") for number in range(600)]


@pytest.fixture(name="opened", scope="module")
def _opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A site that opens its ledger of 601 entries: two full tiles and a partial one."""
    site = Site(tmp_path_factory.mktemp("open"), tiles=True)
    filler = load_filler()
    with TestClient(site.app) as client:
        run(filler.publish(site.terms))
        run(filler.fill(site.terms, SUBJECTS))
        yield client


def get(client: TestClient, path: str, status: int = 200) -> Any:
    """Fetch something below the prefix."""
    response = client.get(f"/terms/{path}")
    assert response.status_code == status, response.text
    return response


def test_a_monitor_reads_the_whole_ledger_and_finds_the_signed_root(opened: TestClient) -> None:
    """Keys, checkpoint, entry bundles and tiles of every level fit together, as the specification names them."""
    keys = [Verifier.parse(line) for line in get(opened, "keys").text.splitlines()]
    response = get(opened, "log/checkpoint")
    head = open_checkpoint(response.content, keys).checkpoint
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert head.size == 601

    leaves: list[bytes] = []
    for index, width in ((0, 256), (1, 256), (2, 89)):
        bundle = get(opened, "log/" + tile_path(None, index, width))
        assert bundle.headers["content-type"] == "application/octet-stream"
        leaves += parse_entry_bundle(bundle.content)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    assert root(hashes) == head.root
    frontier, tiles = Frontier().append(hashes)
    for tile in tiles:
        assert get(opened, "log/" + tile_path(tile.level, tile.index)).content == tile.hashes
    assert split_hashes(get(opened, "log/tile/0/002.p/89").content) == hashes[512:]
    assert get(opened, "log/tile/1/000.p/2").content == b"".join(tile.root for tile in tiles) == frontier.partial[1]


def test_a_partial_tile_can_be_read_in_every_width_it_had(opened: TestClient) -> None:
    """A monitor that is behind asks for what was there when it looked."""
    full = get(opened, "log/tile/0/000").content
    for width in (1, 100, 255):
        assert get(opened, f"log/tile/0/000.p/{width}").content == full[: 32 * width]
        assert len(parse_entry_bundle(get(opened, f"log/tile/entries/001.p/{width}").content)) == width


def test_full_tiles_may_be_kept_for_ever_and_nothing_else(opened: TestClient) -> None:
    """They never change; the checkpoint does, and the keys may."""
    ages = {path: get(opened, path).headers["cache-control"] for path in (
        "log/tile/0/000", "log/tile/entries/000", "log/tile/0/002.p/3", "log/checkpoint", "keys",
    )}  # fmt: skip

    assert [path for path, age in ages.items() if "immutable" in age] == ["log/tile/0/000", "log/tile/entries/000"]
    assert ages["keys"] == "no-cache"


def test_nobody_is_named(opened: TestClient) -> None:
    """What is served to everybody holds neither an id nor a salt."""
    data = b"".join(get(opened, "log/" + tile_path(None, index)).content for index in (0, 1))

    assert b"person-" not in data
    assert b"commitments" in data


@pytest.mark.parametrize(
    "path",
    [
        "log/tile/0/003", "log/tile/0/002", "log/tile/0/002.p/90", "log/tile/1/000", "log/tile/1/000.p/3",
        "log/tile/2/000", "log/tile/63/000.p/1", "log/tile/64/000", "log/tile/entries/002", "log/tile/entries/999",
        "log/tile/0/0", "log/tile/0/x000/000", "log/tile/0/000.p/0", "log/tile/0/000.p/256", "log/tile/0/000.p/01",
        "log/tile/0/-01", "log/tile/0/000/", "log/tile/0/%2e%2e/000", "log/tile/entries/" + "x999/" * 6 + "999",
        "log/", "log/keys", "log/checkpoint/", "log/checkpoints", "log/../keys/x", "log/tile/0/000%00",
    ],
)  # fmt: skip
def test_there_is_nothing_where_there_is_nothing(opened: TestClient, path: str) -> None:
    """Tiles that are not there yet, and every spelling but the one."""
    assert opened.get(f"/terms/{path}").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_can_only_be_read(opened: TestClient, method: str) -> None:
    """Other methods are refused, and the answer says which are not."""
    for path in ("keys", "log/checkpoint", "log/tile/0/000"):
        response = opened.request(method, f"/terms/{path}")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


def test_head_has_no_body(opened: TestClient) -> None:
    """And says how long it would be."""
    response = opened.head("/terms/log/tile/0/000")

    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "8192")


def test_other_origins_may_read_it(opened: TestClient) -> None:
    """A monitor may run in a page; nothing here depends on who asks, and no cookie is set."""
    response = get(opened, "log/checkpoint")

    assert response.headers["access-control-allow-origin"] == "*"
    assert "set-cookie" not in response.headers


def test_the_ledger_is_closed_unless_it_was_opened(tmp_path: Path) -> None:
    """By default there are the keys, and nothing else; an empty ledger has no checkpoint."""
    for name in ("closed", "empty"):
        (tmp_path / name).mkdir()
    closed = Site(tmp_path / "closed")
    with TestClient(closed.app) as client:
        assert get(client, "keys").text.startswith("localhost/consentgate/")
        for path in ("log/checkpoint", "log/tile/0/000", "log/tile/entries/000.p/1"):
            assert client.get(f"/terms/{path}").status_code == 404
    empty = Site(tmp_path / "empty", tiles=True)
    with TestClient(empty.app) as client:
        assert "nothing was recorded yet" in get(client, "log/checkpoint", 404).text
        assert "not that large yet" in get(client, "log/tile/0/000", 404).text


def test_a_damaged_tile_is_not_served(tmp_path: Path) -> None:
    """Bytes that cannot be right are an error, not an answer."""
    site = Site(tmp_path, tiles=True)
    filler = load_filler()
    with TestClient(site.app) as client:
        run(filler.publish(site.terms))
        run(filler.fill(site.terms, SUBJECTS[:300]))
        site.terms.engine.database.write(
            lambda connection: connection.exec_driver_sql("UPDATE consentgate_tile SET hashes = zeroblob(5)")
        )
        assert client.get("/terms/log/tile/0/000").status_code == 422
