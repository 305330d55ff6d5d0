"""The administrators' API: what it refuses, and that it always says so as a problem document."""

from __future__ import annotations

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
