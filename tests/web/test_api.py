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
