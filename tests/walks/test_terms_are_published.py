"""Walk 2: publish → redline and entry → ledger → store; then one assignment swaps the gate's calendar."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from consentgate.app import ConsentGate
from consentgate.errors import DraftError
from consentgate.testing import SECRET, run
from tests.walks.conftest import FIRST, SECOND, Visitor, bare_site, write_policy


def publish(visitor: Visitor, app: Any, policies: Path) -> None:
    """Publish the folder in the application's own process."""
    assert visitor.client.portal is not None
    visitor.client.portal.call(app.terms.publish, policies)


def test_the_request_after_a_material_publication_is_stopped(visitor: Visitor, app: Any, policies: Path) -> None:
    """Not one passes on the old terms; and the page shows what changed."""
    visitor.accept()
    write_policy(policies, "2", SECOND, summary="Letters are spoken of.")
    publish(visitor, app, policies)
    stopped = visitor.get("/articles/one")
    page = visitor.get(stopped.headers["location"]).text

    assert stopped.status_code == 303
    assert "Updates to our Terms of Use" in page
    assert "Letters are spoken of." in page
    assert "<ins" in page
    assert "also in letters" in page


def test_the_request_after_an_editorial_publication_passes(visitor: Visitor, app: Any, policies: Path) -> None:
    """Nobody is asked for a typo."""
    visitor.accept()
    write_policy(policies, "2", FIRST.replace("owe", "owe us"), impact="editorial")
    publish(visitor, app, policies)

    assert visitor.get("/articles/one").status_code == 200


def test_a_publication_by_another_process_stops_the_next_request(
    app: Any, visitor: Visitor, policies: Path, tmp_path: Path
) -> None:
    """The counter beside the database is seen at once, whoever published."""
    visitor.accept()
    write_policy(policies, "2", SECOND)
    code = (
        "import asyncio, pathlib, sys\n"
        "from consentgate.service.settings import Settings\n"
        "from consentgate.service.terms import Terms\n"
        "async def main():\n"
        "    settings = Settings(database=sys.argv[1], secrets=(b'x' * 40,), state=pathlib.Path(sys.argv[3]))\n"
        "    async with Terms(settings) as terms:\n"
        "        await terms.publish(sys.argv[2])\n"
        "asyncio.run(main())\n"
    )
    words = [app.terms.settings.database, str(policies), str(tmp_path)]
    subprocess.run([sys.executable, "-c", code, *words], check=True)

    assert visitor.get("/articles/one").status_code == 303


def test_the_admin_endpoint_publishes_with_a_token_and_the_gate_closes(visitor: Visitor, app: Any) -> None:
    """One curl: Markdown with front matter."""
    visitor.accept()
    token = run(app.terms.new_token("publisher", "deploy"))
    body = f"---\npolicy: terms-of-use\nversion: '2'\nimpact: material\n---\n{SECOND}"
    headers = {"authorization": f"Bearer {token.secret}", "content-type": "text/markdown"}
    dry = visitor.client.post("/terms/api/v1/publish?dry_run=true", content=body, headers=headers)
    assert (dry.json()["dry_run"], visitor.get("/articles/one").status_code) == (True, 200)
    done = visitor.client.post("/terms/api/v1/publish", content=body, headers=headers)

    assert (done.status_code, done.json()["published"][0]["version"]) == (200, "2")
    assert visitor.get("/articles/one").status_code == 303


def test_a_folder_that_cannot_be_published_refuses_start_up(tmp_path: Path, policies: Path) -> None:
    """With the file and the line, and nothing half."""
    write_policy(policies, "2", SECOND, effective="soon")
    app = ConsentGate(bare_site(), policies=policies, database=f"sqlite:///{tmp_path}/terms.db", secret=SECRET)

    with pytest.raises(DraftError, match=r"2\.en\.md:4: 'effective': 'soon' is no date"), TestClient(app):
        pass
