"""The administrators' API: what it refuses, and that it always says so as a problem document."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from tests.web.conftest import Site


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"drafts":' * 50_000, b"\xff", b"", b"{"])
def test_a_body_that_is_no_json_is_a_problem_and_not_a_crash(site: Site, body: bytes) -> None:
    """Nested without end, not UTF-8, empty, cut off."""
    secret = site.run(site.terms.new_token, "publisher", "ci").secret
    answer = site.browser().post(
        "/terms/api/v1/publish",
        content=body,
        headers={"authorization": f"Bearer {secret}", "content-type": "application/json"},
    )

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"{}", b'{"drafts":[]}', b'{"dry_run":true}'])
def test_publishing_nothing_is_a_mistake_that_is_named(site: Site, body: bytes) -> None:
    """Bug: an empty body was answered 200, as if something had been published."""
    secret = site.run(site.terms.new_token, "publisher", "ci").secret
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    answer = site.browser().post("/terms/api/v1/publish", content=body, headers=headers)

    assert (answer.status_code, answer.json()["detail"]) == (422, "there is nothing to publish")


def test_an_export_of_a_policy_that_does_not_exist_is_not_found(site: Site) -> None:
    """Bug: a mistyped slug gave an empty selection that verified."""
    secret = site.run(site.terms.new_token, "auditor", "Ann").secret
    headers = {"authorization": f"Bearer {secret}"}

    assert site.browser().get("/terms/api/v1/export?policy=nope", headers=headers).status_code == 404


def test_an_export_is_continued_over_http(site: Site) -> None:
    """The cursor of what has come; what cannot be continued is refused before an answer has begun."""
    secret = site.run(site.terms.new_token, "auditor", "Ann").secret
    headers = {"authorization": f"Bearer {secret}"}
    whole = site.browser().get("/terms/api/v1/export", headers=headers).content
    lines = whole.splitlines(keepends=True)
    first = b"".join(lines[:2])
    cursor = f"{json.loads(lines[0])['size']}.0.{sha256(first).hexdigest()}"
    rest = site.browser().get(f"/terms/api/v1/export?cursor={cursor}", headers=headers)
    wrong = site.browser().get(f"/terms/api/v1/export?openings=false&cursor={cursor}", headers=headers)

    assert (rest.status_code, first + rest.content) == (200, whole)
    assert wrong.status_code == 409
    assert site.browser().get("/terms/api/v1/export?cursor=1", headers=headers).status_code == 422


@pytest.mark.parametrize(
    "query", ["version=nope", "language=xx", "subject=user:nobody", "format=csv", "decision=accept"]
)
def test_an_export_is_narrowed_over_http(site: Site, query: str) -> None:
    """As on the command line."""
    secret = site.run(site.terms.new_token, "auditor", "Ann").secret
    headers = {"authorization": f"Bearer {secret}"}
    answer = site.browser().get(f"/terms/api/v1/export?{query}", headers=headers)

    assert answer.status_code == 200
    assert b'"type' not in answer.content
