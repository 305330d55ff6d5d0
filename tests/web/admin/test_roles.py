"""Who may open which page: every route of the administrators' pages, each role, and everybody who is nobody.

The table is held against the routes themselves: a route without a row fails, and so does a row without a route.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from httpx2 import Response
from starlette.routing import Route

from consentgate.gate.seals import Seals
from consentgate.service.administrators import ROLES
from consentgate.web.admin.pages import AdminPages
from consentgate.web.admin.sessions import IDLE, LONGEST, SECURE_NAME, Session, Sessions
from consentgate.web.render import Renderer
from tests.web.admin.conftest import AdminSite

HOME = "/terms/admin"
DRAFT = "/drafts/{policy}/{label}/{language}"
POLICY, VERSION, PROPOSAL = "/policies/{policy}", "/policies/{policy}/versions/{label}", "/proposals/{id}"

ALL = "auditor editor publisher owner"
READERS_OF_DRAFTS, EDITORS, PUBLISHERS, AUDITORS = ALL, "editor publisher owner", "publisher owner", "auditor owner"

TABLE = {
    ("POST", "/sign-out"): ALL,
    ("GET", ""): ALL,
    ("GET", "/drafts"): READERS_OF_DRAFTS,
    ("GET", "/drafts/new"): EDITORS,
    ("POST", "/drafts/new"): EDITORS,
    ("GET", DRAFT): READERS_OF_DRAFTS,
    ("POST", DRAFT): EDITORS,
    ("GET", "/publish"): EDITORS,
    ("POST", "/publish"): PUBLISHERS,
    ("GET", "/proposals"): READERS_OF_DRAFTS,
    ("GET", PROPOSAL): READERS_OF_DRAFTS,
    ("POST", f"{PROPOSAL}/approve"): PUBLISHERS,
    ("POST", f"{PROPOSAL}/reject"): PUBLISHERS,
    ("GET", "/policies/new"): PUBLISHERS,
    ("POST", "/policies/new"): PUBLISHERS,
    ("GET", POLICY): ALL,
    ("GET", f"{POLICY}/settings"): PUBLISHERS,
    ("POST", f"{POLICY}/settings"): PUBLISHERS,
    ("POST", f"{POLICY}/retire"): PUBLISHERS,
    ("GET", f"{POLICY}/outstanding"): AUDITORS,
    ("GET", VERSION): ALL,
    ("POST", f"{VERSION}/cancel"): PUBLISHERS,
    ("GET", "/decisions"): AUDITORS,
    ("GET", "/subjects"): AUDITORS,
    ("POST", "/subjects/erase"): "owner",
    ("POST", "/subjects/hold"): "owner",
    ("POST", "/subjects/release"): "owner",
    ("GET", "/bundle"): AUDITORS,
    ("GET", "/export"): AUDITORS,
    ("GET", "/ledger"): ALL,
    ("GET", "/tokens"): "owner",
    ("POST", "/tokens"): "owner",
    ("POST", "/tokens/revoke"): "owner",
}
"""Method and path below ``<prefix>/admin``, and which roles may."""

OPEN = {("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/")}
"""The way in, and the slash too many that leads to the overview's address."""

# Of nothing that exists: whoever is let in is told so (404, 422), and no row spoils the next.
VALUES = {"policy": "terms-of-use", "label": "9.9", "language": "en", "id": "0197a1e0-7a3b-7c11-9d2e-3f4a5b6c7d8e"}


class Doors:
    """A site, its pages, and a session for everybody who knocks."""

    def __init__(self, site: AdminSite) -> None:
        site.publish_old()
        self.browser = site.browser()
        self.pages = AdminPages(site.terms, Renderer(None))
        sessions = self._sessions(site, site.terms.engine.seals)
        elsewhere = self._sessions(site, Seals([b"another site, another secret, as long as it must be"]))

        ended = {"an expired token": sessions.begin(self._token(site, "owner", days=1))}
        site.clock.forward(hours=15.9)
        ended["a session of yesterday"] = sessions.begin(self._token(site, "owner"))
        site.clock.forward(hours=8.05)
        ended["an idle session"] = sessions.begin(self._token(site, "owner"))
        idle = self._cookie(sessions, ended["an idle session"])
        site.clock.forward(hours=0.51)
        assert site.clock() - ended["an idle session"].seen > IDLE
        assert site.clock() - ended["a session of yesterday"].begun > LONGEST

        self.inside = {role: sessions.begin(self._token(site, role)) for role in ROLES}
        revoked = sessions.begin(self._token(site, "owner"))
        site.run(site.terms.revoke_token, revoked.token)
        owner, nobody = self._cookie(sessions, self.inside["owner"]), replace(revoked, token="0" * 16)
        self.cookies = {
            **{role: self._cookie(sessions, session) for role, session in self.inside.items()},
            "no credentials": "",
            "not a cookie": f"{SECURE_NAME}=owner",
            "a forged cookie": owner[:-2] + ("AA" if owner[-2:] != "AA" else "BB"),
            "an idle session": idle,
            "a session of yesterday": self._cookie(sessions, ended["a session of yesterday"]),
            "a revoked token": self._cookie(sessions, revoked),
            "an expired token": self._cookie(sessions, ended["an expired token"]),
            "another site's session": self._cookie(elsewhere, self.inside["owner"]),
            "a token that never was": self._cookie(sessions, nobody),
            "two cookies": f"{owner}; {owner}",
            "a cookie of another purpose": f"{SECURE_NAME}={sessions.form_token(self.inside['owner'].nonce)}",
        }
        self.forms = {role: sessions.form_token(session.nonce) for role, session in self.inside.items()}

    def knock(self, who: str, method: str, path: str, *, form: str | None = None) -> Response:
        """Ask for a page, or send its form, as somebody."""
        self.browser.cookies.clear()
        address = HOME + path.format(**VALUES)
        headers = {"cookie": self.cookies[who]} if self.cookies[who] else {}
        if method == "GET":
            return self.browser.get(address, headers=headers)
        sent = {"form_token": self.forms.get(who, self.forms["owner"]) if form is None else form}
        return self.browser.post(address, headers=headers, data=sent)

    @staticmethod
    def _sessions(site: AdminSite, seals: Seals) -> Sessions:
        return Sessions(lambda: seals, site.clock, secrets.token_bytes, None)

    @staticmethod
    def _token(site: AdminSite, role: str, days: int = 365) -> str:
        return str(site.run(site.terms.new_token, role, f"the {role}", days=days).id)

    @staticmethod
    def _cookie(sessions: Sessions, session: Session) -> str:
        return sessions.cookie(session, scheme="https").partition(";")[0]


NOBODIES = (
    "no credentials", "not a cookie", "a forged cookie", "an idle session", "a session of yesterday",
    "a revoked token", "an expired token", "another site's session", "a token that never was", "two cookies",
    "a cookie of another purpose",
)  # fmt: skip


@pytest.fixture(name="doors", scope="module")
def _doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with AdminSite(tmp_path_factory.mktemp("roles")) as site:
        yield Doors(site)


def let_in(method: str, answer: Response) -> bool:
    """Whether somebody was let in, if only to be told that there is no such thing."""
    to_sign_in = method == "GET" and answer.headers.get("location", "").startswith(f"{HOME}/sign-in")
    return answer.status_code not in (401, 403) and not to_sign_in


def test_every_route_has_a_row_and_every_row_a_route(doors: Doors) -> None:
    """Whoever adds a page says here who may see it."""
    routes = {
        (method, route.path.removeprefix(HOME))
        for route in doors.pages.routes
        if isinstance(route, Route)
        for method in (route.methods or ()) - {"HEAD"}
    }

    assert len(doors.pages.routes) == len([route for route in doors.pages.routes if isinstance(route, Route)])
    assert routes == set(TABLE) | OPEN


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_its_row_says_and_nothing_else(doors: Doors, role: str) -> None:
    """Each role on every route: let in, or told with 403 which role it needs."""
    for (method, path), roles in TABLE.items():
        answer = doors.knock(role, method, path)

        assert answer.status_code < 500, (method, path, answer.text)
        assert let_in(method, answer) == (role in roles.split()), (role, method, path, answer.status_code)
        if role not in roles.split():
            assert answer.status_code == 403, (role, method, path)
            assert "this needs the role" in answer.text, (role, method, path)


@pytest.mark.parametrize("who", NOBODIES)
def test_nobody_gets_in(doors: Doors, who: str) -> None:
    """Without a session that stands, a page leads to the sign-in and a form is refused with 401."""
    for method, path in TABLE:
        answer = doors.knock(who, method, path)

        assert answer.status_code == (303 if method == "GET" else 401), (who, method, path)
        assert not let_in(method, answer), (who, method, path)


@pytest.mark.parametrize("form", ["", "nothing", "another"])
def test_a_form_of_somebody_else_is_refused_on_every_route(doors: Doors, form: str) -> None:
    """With every right, but without the proof that the form came from a page of this session."""
    given = doors.forms["auditor"] if form == "another" else form
    for method, path in TABLE:
        if method == "POST":
            assert doors.knock("owner", method, path, form=given).status_code == 403, path
