"""Odd addresses and values at the API: each has an answer that is documented, none is a crash."""

from __future__ import annotations

import pytest

from tests.web.conftest import Site

ODD = ["%00", "%ff", "a%2fb", "%F0%9F%92%A9", "...", "'", "x" * 300, "%0a", "visitor:", "0" * 36, "-1"]
PLACES = [
    "policies/{}", "policies/{}/versions", "policies/terms/versions/{}", "policies/terms/versions/1/texts/{}",
    "drafts/{}/1/en", "drafts/terms/{}/en", "drafts/terms/1/{}", "proposals/{}", "proposals/{}/preview", "subjects/{}",
    "subjects/{}/bundle", "decisions?policy={}", "decisions?policy=terms&version={}", "decisions?subject={}",
    "decisions?cursor={}", "decisions?since={}", "decisions?limit={}", "outstanding?policy={}",
    "outstanding?policy=terms&cursor={}",
    "statistics?policy={}", "statistics?since={}", "export?policy={}", "export?version={}", "export?language={}",
    "export?subject={}", "export?cursor={}", "bundle?subject={}", "bundle?decision={}", "consistency?from={}",
    "versions?policy={}", "drafts?policy={}", "proposals?status={}",
]  # fmt: skip
WRITES = [
    ("POST", "policies/{}/retire"), ("POST", "policies/{}/versions/1/cancel"),
    ("POST", "policies/terms/versions/{}/cancel"),
    ("DELETE", "drafts/terms/1/{}"), ("DELETE", "tokens/{}"), ("POST", "proposals/{}/approve"),
    ("POST", "subjects/{}/release"),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_has_an_answer_that_is_documented(site: Site, odd: str) -> None:
    """404 or 422 with a problem document, or 200 with an empty list: never anything else."""
    site.write("terms", "1", "# Terms\n")
    site.publish()
    secret = site.run(site.terms.new_token, "owner", "fuzz").secret
    client, headers = site.browser(), {"authorization": f"Bearer {secret}"}
    for method, place in [("GET", place) for place in PLACES] + WRITES:
        body = {"reason": "x"} if "cancel" in place else {"basis": "x"} if "release" in place else {}
        sent = {} if method in ("GET", "DELETE") else {"json": body}
        answer = client.request(method, "/terms/api/v1/" + place.format(odd), headers=headers, **sent)
        assert answer.status_code in (200, 404, 422), (method, place, answer.status_code, answer.text[:200])
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json", (method, place)


@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31", "1969-12-31T23:59:59-12:00"])
def test_instants_far_away_are_instants(site: Site, since: str) -> None:
    """Before there were computers, and after there will be."""
    site.write("terms", "1", "# Terms\n")
    site.publish()
    site.accept("ann", "terms")
    secret = site.run(site.terms.new_token, "owner", "fuzz").secret
    client, headers = site.browser(), {"authorization": f"Bearer {secret}"}
    for place in ("decisions?since=", "decisions?until=", "statistics?since=", "export?since="):
        answer = client.get("/terms/api/v1/" + place + since.replace("+", "%2b"), headers=headers)
        assert answer.status_code == 200, (place, answer.text[:200])
