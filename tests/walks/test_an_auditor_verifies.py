"""Walk 4: export, streamed; another day, elsewhere: ``python -m consentgate.evidence FILE``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consentgate.testing import run
from tests.walks.conftest import Visitor


def evidence(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier as an auditor does: another process, no database, no web, no settings."""
    blocked = "import sys\nfor name in ('sqlalchemy', 'sqlmodel', 'starlette', 'fastapi'): sys.modules[name] = None\n"
    code = f"{blocked}from consentgate.evidence.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, str(path), *options], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_the_export_shows_every_decision_made(visitor: Visitor, app: Any, form: str) -> None:
    """Over HTTP, for an auditor's token."""
    visitor.accept()
    token = run(app.terms.new_token("auditor", "Ann")).secret
    answer = visitor.client.get(f"/terms/api/v1/export?format={form}", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 200
    assert answer.text.count("checkbox-button") == 1
    assert "checkpoint" in answer.text.splitlines()[-1]


def test_a_downloaded_export_and_receipt_verify_elsewhere_and_not_with_one_bit_changed(
    visitor: Visitor, app: Any, tmp_path: Path
) -> None:
    """With the published key; the exit code says it too."""
    visitor.accept()
    token = run(app.terms.new_token("auditor", "Ann")).secret
    export = visitor.client.get("/terms/api/v1/export", headers={"authorization": f"Bearer {token}"}).content
    mine = visitor.get("/terms/mine").text
    address = next(
        part for part in mine.split('"') if part.startswith("/terms/receipts/") and not part.endswith("page")
    )
    key = str(app.terms.engine.ledger.signer.verifier)
    for name, data in (("ledger.ndjson", export), ("my.receipt", visitor.get(address).content)):
        path = tmp_path / name
        path.write_bytes(data)
        good = evidence(path, "--key", key)
        assert good.returncode == 0, good.stdout + good.stderr
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        assert evidence(path, "--key", key).returncode == 1


def test_nothing_of_the_api_is_open(visitor: Visitor, app: Any) -> None:
    """No token, a wrong one, the wrong role."""
    publisher = run(app.terms.new_token("publisher", "deploy")).secret
    for headers, status in (
        ({}, 401),
        ({"authorization": "Bearer x"}, 401),
        ({"authorization": f"Bearer {publisher}"}, 403),
    ):
        answer = visitor.client.get("/terms/api/v1/export", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert visitor.client.post("/terms/api/v1/publish", content="x").status_code == 401


def test_a_bundle_is_downloaded_with_a_token_and_verifies_elsewhere(visitor: Visitor, app: Any, tmp_path: Path) -> None:
    """Everything about one decision, in one file."""
    visitor.accept()
    token = run(app.terms.new_token("auditor", "Ann")).secret
    mine = visitor.get("/terms/mine").text
    address = next(
        part for part in mine.split('"') if part.startswith("/terms/receipts/") and not part.endswith("page")
    )
    ask = f"/terms/api/v1/bundle?decision={address.rsplit('/', 1)[1]}"
    answer = visitor.client.get(ask, headers={"authorization": f"Bearer {token}"})
    (tmp_path / "case.zip").write_bytes(answer.content)
    done = evidence(tmp_path / "case.zip", "--key", str(app.terms.engine.ledger.signer.verifier))

    assert (answer.status_code, done.returncode) == (200, 0), done.stdout
    assert "documents" in done.stdout
