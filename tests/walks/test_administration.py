"""The second and the fourth walk over HTTP: an administrator publishes, an auditor takes the ledger home."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from consentgate import ConsentGate, VerificationError
from consentgate.app import GatedApp
from consentgate.evidence.ledger_file import verify_ledger
from consentgate.evidence.note import Verifier
from consentgate.testing import SECRET, accept_everything, accepted_cookie

API = "/terms/api/v1"
FIRST = (
    "---\npolicy: terms\nversion: {label}\nimpact: {impact}\n---\n# Terms\n\nWhoever borrows {what} brings it back.\n"
)


async def inside(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that greets whoever gets in."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"in"})


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[tuple[GatedApp, httpx2.AsyncClient]]:
    """A gated application on a database of its own, and a client without cookies."""
    gated = ConsentGate(inside, database=str(folder / "terms.db"), secret=SECRET, subject=lambda scope: "42")
    await gated.terms.start()
    transport = httpx2.ASGITransport(gated)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield gated, client
    await gated.terms.stop()


async def bearer(gated: GatedApp, role: str) -> dict[str, str]:
    """The header of a fresh token."""
    return {"Authorization": f"Bearer {(await gated.terms.new_token(role, role)).secret}"}


async def publish(client: httpx2.AsyncClient, token: dict[str, str], label: str, impact: str, what: str) -> Any:
    """Publish a version as one Markdown file; its policy comes along as JSON the first time."""
    if label == "1":
        draft = {"policy": "terms", "version": label, "impact": impact, "text": f"Whoever borrows {what} returns it.\n"}
        body = {"drafts": [draft], "policies": [{"slug": "terms", "title": "Terms"}]}
        answer = await client.post(f"{API}/publish", json=body, headers=token)
    else:
        text = FIRST.format(label=label, impact=impact, what=what)
        answer = await client.post(f"{API}/publish", content=text, headers={**token, "Content-Type": "text/markdown"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_publication_over_http_closes_the_gate_at_once(tmp_path: Path) -> None:
    """A material version stops who had accepted, with the next request; an editorial one does not."""

    async def walk() -> None:
        async with site(tmp_path) as (gated, client):
            token = await bearer(gated, "publisher")
            await publish(client, token, "1", "material", "a book")
            cookie = await asyncio.to_thread(accepted_cookie, gated.terms, "user:42")
            client.cookies.update(cookie)
            assert (await client.get("/shelf")).status_code == 200

            await publish(client, token, "2", "editorial", "a book or map")
            assert (await client.get("/shelf")).status_code == 200

            done = await publish(client, token, "3", "material", "a book, a map or a globe")
            assert [one["version"] for one in done["published"]] == ["3"]
            stopped = await client.get("/shelf")
            assert stopped.status_code == 403
            (asked,) = stopped.json()["policies"]
            assert (asked["required_version"], asked["accepted_version"]) == ("3", "1")
            for link in (asked["text_url"], asked["changes_url"], asked["accept_url"]):
                assert (await client.get(link, headers={"Accept": "text/html"})).status_code == 200

    asyncio.run(walk())


def test_only_a_token_with_the_role_gets_in(tmp_path: Path) -> None:
    """Each role may do what it is for; no token and a foreign one get 401, a wrong role 403, and nothing happens."""

    async def walk() -> None:
        async with site(tmp_path) as (gated, client):
            roles = {role: await bearer(gated, role) for role in ("auditor", "editor", "publisher", "owner")}
            roles |= {"nobody": {}, "stranger": {"Authorization": "Bearer cgt_00000000_" + "0" * 64}}
            answers = {}  # 422: let in, and told that there is nothing to publish
            for role, token in roles.items():
                exported = await client.get(f"{API}/export", headers=token)
                dry = await client.post(f"{API}/publish?dry_run=true", json={"drafts": []}, headers=token)
                answers[role] = (exported.status_code, dry.status_code)
            assert answers == {
                "auditor": (200, 403), "editor": (403, 403), "publisher": (403, 422), "owner": (200, 422),
                "nobody": (401, 401), "stranger": (401, 401),
            }  # fmt: skip
            assert gated.terms.calendar.versions == ()

    asyncio.run(walk())


def test_an_auditor_verifies_the_export_without_us(tmp_path: Path) -> None:
    """The export shows every decision and verifies with the public key alone; with a byte changed it is refused."""

    async def walk() -> tuple[bytes, str]:
        async with site(tmp_path) as (gated, client):
            await publish(client, await bearer(gated, "publisher"), "1", "material", "a book")
            for number in range(20):
                await accept_everything(gated.terms, f"user:{number}")
            token = await bearer(gated, "auditor")
            told = (await client.get(f"{API}/checkpoint", headers=token)).json()
            return (await client.get(f"{API}/export", headers=token)).content, told["keys"][0]

    exported, key = asyncio.run(walk())
    verified = verify_ledger(io.BytesIO(exported), [Verifier.parse(key)])

    assert exported.count(b'\\"type\\":\\"decision\\"') == 20
    assert verified.checkpoint.checkpoint.size >= 21
    at = exported.index(b"accept")
    with pytest.raises(VerificationError):
        verify_ledger(io.BytesIO(exported[:at] + b"A" + exported[at + 1 :]), [Verifier.parse(key)])
