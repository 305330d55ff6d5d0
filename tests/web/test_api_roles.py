"""Who may use which operation: every route of the administrators' API, each role, and everybody who is nobody.

The table is held against the routes themselves: a route without a row fails, and so does a row without a route.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from httpx2 import Response

from consentgate.service.administrators import ROLES
from consentgate.service.tokens import NewToken
from consentgate.web.api import build_api
from tests.web.conftest import Site

BASE = "/terms/api/v1"
DRAFT = "/drafts/{policy}/{version}/{language}"
POLICY, VERSION = "/policies/{policy}", "/policies/{policy}/versions/{version}"
SUBJECT, PROPOSAL = "/subjects/{subject:path}", "/proposals/{proposal}"

ALL = "auditor editor publisher owner"
EDITORS, PUBLISHERS, AUDITORS = "editor publisher owner", "publisher owner", "auditor owner"

TABLE = {
    ("GET", "/policies"): ALL,
    ("GET", POLICY): ALL,
    ("PUT", POLICY): PUBLISHERS,
    ("POST", f"{POLICY}/retire"): PUBLISHERS,
    ("GET", f"{POLICY}/versions"): ALL,
    ("GET", VERSION): ALL,
    ("GET", f"{VERSION}/texts/{{language}}"): ALL,
    ("POST", f"{VERSION}/cancel"): PUBLISHERS,
    ("GET", "/versions"): ALL,
    ("GET", "/drafts"): ALL,
    ("GET", DRAFT): ALL,
    ("PUT", DRAFT): EDITORS,
    ("DELETE", DRAFT): EDITORS,
    ("POST", "/preview"): EDITORS,
    ("POST", "/publish"): PUBLISHERS,
    ("GET", "/proposals"): ALL,
    ("GET", PROPOSAL): ALL,
    ("GET", f"{PROPOSAL}/preview"): ALL,
    ("POST", f"{PROPOSAL}/approve"): PUBLISHERS,
    ("POST", f"{PROPOSAL}/reject"): PUBLISHERS,
    ("GET", "/decisions"): AUDITORS,
    ("GET", "/outstanding"): AUDITORS,
    ("GET", "/statistics"): ALL,
    ("GET", SUBJECT): AUDITORS,
    ("GET", f"{SUBJECT}/bundle"): AUDITORS,
    ("POST", f"{SUBJECT}/erase"): "owner",
    ("POST", f"{SUBJECT}/hold"): "owner",
    ("POST", f"{SUBJECT}/release"): "owner",
    ("GET", "/bundle"): AUDITORS,
    ("GET", "/receipt"): AUDITORS,
    ("GET", "/export"): AUDITORS,
    ("GET", "/checkpoint"): ALL,
    ("GET", "/consistency"): ALL,
    ("GET", "/health"): ALL,
    ("GET", "/tokens"): "owner",
    ("POST", "/tokens"): "owner",
    ("DELETE", "/tokens/{token}"): "owner",
}
"""Method and path below ``<prefix>/api/v1``, and which roles may."""

# Of nothing that exists, and no body: whoever is let in is told so (404, 422), and no row spoils the next.
VALUES = {
    "policy": "nothing", "version": "9.9", "language": "en", "proposal": "0197a1e0-7a3b-7c11-9d2e-3f4a5b6c7d8e",
    "subject:path": "user:nobody", "token": "0123456789abcdef",
}  # fmt: skip

NOBODIES = (
    "no credentials", "an empty token", "basic credentials", "a wrong token", "a token with one letter changed",
    "an expired token", "a revoked token", "another site's token", "the id of a token",
)  # fmt: skip


class Doors:
    """A site, and credentials of everybody who knocks."""

    def __init__(self, site: Site, other: Site) -> None:
        self.site = site
        site.publish_old()
        self.browser = site.browser()
        expired = self._token(site, "owner", days=1).secret
        site.clock.forward(hours=25)
        tokens = {role: self._token(site, role) for role in ROLES}
        revoked, owner = self._token(site, "owner"), tokens["owner"].secret
        site.run(site.terms.revoke_token, revoked.id)
        self.credentials = {
            **{role: f"Bearer {made.secret}" for role, made in tokens.items()},
            "no credentials": None,
            "an empty token": "Bearer ",
            "basic credentials": f"Basic {owner}",
            "a wrong token": "Bearer cgt_wrong",
            "a token with one letter changed": f"Bearer {owner[:-1]}{'A' if owner[-1] != 'A' else 'B'}",
            "an expired token": f"Bearer {expired}",
            "a revoked token": f"Bearer {revoked.secret}",
            "another site's token": f"Bearer {self._token(other, 'owner').secret}",
            "the id of a token": f"Bearer {tokens['owner'].id}",
        }

    def knock(self, who: str, method: str, path: str) -> Response:
        """Use an operation as somebody."""
        said = self.credentials[who]
        headers = {"authorization": said} if said is not None else {}
        address = path.replace("{subject:path}", VALUES["subject:path"]).format(**VALUES)
        return self.browser.request(method, BASE + address, headers=headers)

    @staticmethod
    def _token(site: Site, role: str, days: int = 365) -> NewToken:
        made: NewToken = site.run(site.terms.new_token, role, f"the {role}", days=days)
        return made


@pytest.fixture(name="doors", scope="module")
def _doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with Site(tmp_path_factory.mktemp("roles")) as site, Site(tmp_path_factory.mktemp("other")) as other:
        yield Doors(site, other)


def test_every_route_has_a_row_and_every_row_a_route(doors: Doors) -> None:
    """Whoever adds an operation says here who may use it; only the description of the API is open."""
    routes = [one for one in build_api(doors.site.terms, "/terms").routes if isinstance(one, APIRoute)]

    assert {(method, one.path.removeprefix(BASE)) for one in routes for method in one.methods} == set(TABLE)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_its_row_says_and_nothing_else(doors: Doors, role: str) -> None:
    """Each role on every operation: let in, or told with 403 which role it needs."""
    for (method, path), roles in TABLE.items():
        answer = doors.knock(role, method, path)

        assert answer.status_code < 500, (role, method, path, answer.text)
        if role in roles.split():
            assert answer.status_code not in (401, 403), (role, method, path, answer.text)
        else:
            assert answer.status_code == 403, (role, method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert "this needs the role" in answer.json()["detail"], (role, method, path)


@pytest.mark.parametrize("who", NOBODIES)
def test_nobody_gets_in(doors: Doors, who: str) -> None:
    """Without a token of this site that stands, every operation answers 401 and says what it takes."""
    for method, path in TABLE:
        answer = doors.knock(who, method, path)

        assert answer.status_code == 401, (who, method, path, answer.text)
        assert answer.headers["www-authenticate"].startswith("Bearer"), (who, method, path)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("who", [*NOBODIES, *ROLES])
def test_an_address_that_is_none_says_nothing_else(doors: Doors, who: str) -> None:
    """A path or method the API does not have: 404 or 405 for everybody alike, as a problem document."""
    assert doors.knock(who, "GET", "/nothing").status_code == 404
    assert doors.knock(who, "PATCH", "/policies").status_code == 405
