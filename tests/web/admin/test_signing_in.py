"""Laws of signing in: nothing is open by default, a token opens, and what ended stays closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consentgate.service.administrators import Administrator
from consentgate.web.admin.sessions import IDLE
from consentgate.web.admin.throttle import FAILURES
from tests.web.admin.conftest import AdminSite, form_token, send, sign_in

HOME = "/terms/admin"
SIGN_IN = "/terms/admin/sign-in"


def test_without_a_session_every_page_leads_to_the_sign_in_and_back(site: AdminSite) -> None:
    """The address with its query is where they come out."""
    browser = site.browser()
    first = browser.get(f"{HOME}?policy=terms")
    page = browser.get(first.headers["location"])
    inside = sign_in(browser, site.token("auditor"), after=f"{HOME}?policy=terms")

    assert (first.status_code, page.status_code) == (303, 200)
    assert inside.headers["location"] == f"{HOME}?policy=terms"
    assert browser.get(HOME).status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "/news", "/terms/administer",
        "javascript:alert(1)", "/terms/admin/../../news", "/terms/admin\r\nSet-Cookie: a=b", "/terms/admin/\u202e",
        "/terms/admin" + "x" * 3_000,
    ],
)  # fmt: skip
def test_the_sign_in_leads_to_administrators_pages_only(site: AdminSite, elsewhere: str) -> None:
    """No address from outside leaves the site, or our pages."""
    browser = site.browser()
    page = browser.get(SIGN_IN, params={"next": elsewhere}).text
    answer = browser.post(
        SIGN_IN, data={"form_token": form_token(page), "token": site.token("editor"), "next": elsewhere}
    )

    assert (answer.status_code, answer.headers["location"]) == (303, HOME)


def test_a_wrong_an_expired_and_a_revoked_token_are_one_answer(site: AdminSite) -> None:
    """Nobody learns which tokens there are, and the token is not in the answer."""
    revoked, expired = site.token("owner"), site.token("owner", days=1)
    site.run(site.terms.revoke_token, revoked.split("_")[1])
    site.clock.forward(hours=25)
    answers = [sign_in(site.browser(), token) for token in (revoked, expired, "cgt_00000000_" + "0" * 64, "x")]

    assert {answer.status_code for answer in answers} == {401}
    assert not any(token in answer.text for answer in answers for token in (revoked, expired))
    assert all("not valid" in answer.text and "set-cookie" not in answer.headers for answer in answers)


def test_many_failures_must_wait_and_are_told_how_long(site: AdminSite) -> None:
    """The sixth failure from one address is not looked at."""
    for _ in range(FAILURES):
        assert sign_in(site.browser(), "wrong").status_code == 401
    answer = sign_in(site.browser(), site.token("owner"))

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) <= 60
    site.clock.forward(hours=1)
    assert sign_in(site.browser(), site.token("owner")).status_code == 303


def test_a_session_ends_with_its_token(site: AdminSite) -> None:
    """Revoked now, closed at the next click."""
    browser, token = site.browser(), site.token("owner")
    sign_in(browser, token)
    assert browser.get(HOME).status_code == 200
    site.run(site.terms.revoke_token, token.split("_")[1])

    assert browser.get(HOME).headers["location"].startswith(SIGN_IN)


def test_a_session_ends_when_nobody_comes(site: AdminSite) -> None:
    """Half an hour without a request."""
    browser = site.administrator("auditor")
    site.clock.now += IDLE - 1
    assert browser.get(HOME).status_code == 200
    site.clock.now += IDLE - 1
    assert browser.get(HOME).status_code == 200
    site.clock.now += IDLE + 1

    assert browser.get(HOME).status_code == 303


def test_signing_out_takes_the_cookie_away(site: AdminSite) -> None:
    """And leads to the sign-in."""
    browser = site.administrator("auditor")
    answer = send(browser, HOME, f"{HOME}/sign-out")

    assert answer.headers["location"] == SIGN_IN
    assert browser.get(HOME).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"},
        {"sec-fetch-site": "", "origin": "https://evil.example"}, {"sec-fetch-site": "", "origin": "null"},
    ],
)  # fmt: skip
def test_a_form_from_elsewhere_is_refused(site: AdminSite, headers: dict[str, str]) -> None:
    """Even with the right token of the form."""
    browser = site.administrator("owner")
    page = browser.get(HOME).text
    if not headers["sec-fetch-site"]:
        headers = {"origin": headers["origin"]}
        del browser.headers["sec-fetch-site"]
    answer = browser.post(f"{HOME}/sign-out", data={"form_token": form_token(page)}, headers=headers)

    assert answer.status_code == 403
    assert browser.get(HOME).status_code == 200


def test_a_form_that_does_not_say_where_it_comes_from_is_refused(site: AdminSite) -> None:
    """A program uses the API."""
    browser = site.administrator("owner")
    page = browser.get(HOME).text
    del browser.headers["sec-fetch-site"]
    answer = browser.post(f"{HOME}/sign-out", data={"form_token": form_token(page)})

    assert answer.status_code == 403
    assert "the API" in answer.text


def test_a_form_of_another_session_is_refused(site: AdminSite) -> None:
    """Whoever plants a cookie cannot plant the form."""
    mine, theirs = site.administrator("owner"), site.administrator("owner")
    answer = mine.post(f"{HOME}/sign-out", data={"form_token": form_token(theirs.get(HOME).text)})

    assert answer.status_code == 403


def test_pages_say_how_they_may_be_used(site: AdminSite) -> None:
    """Never kept, never framed, nothing from elsewhere, not for search engines."""
    for answer in (site.browser().get(SIGN_IN), site.administrator("owner").get(HOME)):
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-robots-tag"] == "noindex"


def test_an_address_that_is_none_is_404_with_a_way_back(site: AdminSite) -> None:
    """In our frame."""
    answer = site.administrator("owner").get(f"{HOME}/nothing/here")

    assert answer.status_code == 404
    assert f'href="{HOME}"' in answer.text


def test_the_host_says_who_administers(tmp_path: Path) -> None:
    """``admin=`` comes first: no sign-in, its roles, and its forms are bound to its administrator."""

    async def admin(scope: Any) -> Administrator | None:
        name = dict(scope["headers"]).get(b"x-user", b"").decode()
        return Administrator(name, frozenset({"auditor"}), label="Ada of the law desk") if name == "ada" else None

    with AdminSite(tmp_path, admin=admin) as site:
        ada, eve = site.browser(user="ada"), site.browser(user="eve")
        page = ada.get(HOME)

        assert page.status_code == 200
        assert "Ada of the law desk" in page.text
        assert "Sign out" not in page.text
        assert eve.get(HOME).status_code == 303
        assert sign_in(eve, site.token("auditor")).status_code == 303
        assert eve.get(HOME).status_code == 200


def test_a_form_in_a_charset_that_decodes_nothing_is_refused(site: AdminSite) -> None:
    """A stranger's multipart form names its charset; Python's ``undefined`` raised where no page caught it."""
    part = b'--a\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--a--\r\n'
    answer = site.browser().post(
        SIGN_IN, content=part, headers={"content-type": "multipart/form-data; boundary=a; charset=undefined"}
    )

    assert answer.status_code == 422
    assert "cannot be read" in answer.text


def test_whoever_signed_in_can_sign_out_also_where_the_host_has_administrators_of_its_own(tmp_path: Path) -> None:
    """The button was missing wherever ``admin=`` was given, also for those whom it does not know."""
    with AdminSite(tmp_path, admin=lambda scope: None) as site:
        browser = site.administrator("auditor")

        assert "Sign out" in browser.get(HOME).text
        send(browser, HOME, f"{HOME}/sign-out")
        assert browser.get(HOME).status_code == 303


def test_an_error_page_has_no_button_that_cannot_work(site: AdminSite) -> None:
    """An error page is no page of a session: a sign-out form there had no form token and was always refused."""
    page = site.administrator("auditor").get(f"{HOME}/tokens")

    assert page.status_code == 403
    assert 'name="form_token" value=""' not in page.text


def test_what_admin_returns_is_checked_before_it_is_believed(tmp_path: Path) -> None:
    """``True`` is no administrator: an error that says so, not a crash in the middle of a page."""
    with AdminSite(tmp_path, admin=lambda scope: True) as site:
        answer = site.browser().get(HOME)

    assert answer.status_code == 500
    assert "bool" in answer.text
