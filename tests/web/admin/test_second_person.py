"""Laws of the second person on the pages: who is one, and that they see what they approve."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.web.admin.conftest import AdminSite, send, sign_in

HOME = "/terms/admin"
SETTINGS = {"title": "Terms", "kind": "contract", "prevailing": "en", "notice_days": "30"}


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Iterator[AdminSite]:
    with AdminSite(tmp_path, approvals=1) as site:
        yield site


def newcomer(site: AdminSite, owner: TestClient, label: str, **fields: str) -> TestClient:
    """A browser of a publisher whose token an owner has made on the page."""
    fields = {"role": "publisher", "label": label, "days": "30", **fields}
    made = send(owner, f"{HOME}/tokens", f"{HOME}/tokens", fields)
    found = re.search(r"cgt_[0-9a-f]{8}_[0-9a-f]{64}", made.text)
    assert found, made.text
    browser = site.browser()
    assert sign_in(browser, found[0]).status_code == 303
    return browser


def propose(browser: TestClient, **fields: str) -> str:
    """Propose a new policy; the address of the proposal."""
    answer = send(browser, f"{HOME}/policies/new", f"{HOME}/policies/new", {"slug": "terms", **SETTINGS, **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def approve(browser: TestClient, proposal: str) -> Any:
    """Press the button, or send what it would send."""
    return send(browser, proposal, f"{proposal}/approve")


def test_two_people_to_whom_one_owner_gave_tokens_are_two(site: AdminSite) -> None:
    """Made on the page, every token was the owner's own, so that nobody could approve anybody's proposal."""
    owner = site.administrator("owner")
    bea, carl = newcomer(site, owner, "Bea", holder="bea"), newcomer(site, owner, "Carl", holder="carl")
    proposal = propose(bea)

    assert approve(carl, proposal).status_code == 200


def test_two_tokens_of_one_person_are_one_and_their_page_says_so(site: AdminSite) -> None:
    """The page showed a button to the author that was refused when it was pressed."""
    owner = site.administrator("owner")
    desk, phone = newcomer(site, owner, "Bea", holder="bea"), newcomer(site, owner, "Bea's phone", holder="bea")
    proposal = propose(desk)

    for browser in (desk, phone):
        page = browser.get(proposal).text
        assert "This is your own proposal" in page
        assert "Approve and publish" not in page
        assert approve(browser, proposal).status_code == 403


def test_a_token_without_a_holder_is_of_whoever_made_it(site: AdminSite) -> None:
    """An owner approves nothing of their own by a token that they make for it."""
    owner = site.administrator("owner")
    proposal = propose(owner)

    assert approve(newcomer(site, owner, "another"), proposal).status_code == 403


def test_who_approves_settings_sees_each_that_changes_and_what_it_was(site: AdminSite) -> None:
    """ "The settings change at once" was all that a second person was told."""
    owner = site.administrator("owner")
    bea, carl = newcomer(site, owner, "Bea", holder="bea"), newcomer(site, owner, "Carl", holder="carl")
    first = propose(bea)
    assert "notice period: 30 days" in carl.get(first).text
    approve(carl, first)
    edit = f"{HOME}/policies/terms/settings"
    etag = re.search(r'name="etag" value="([^"]+)"', bea.get(edit).text)
    assert etag
    changed = {**SETTINGS, "notice_days": "0", "kinds": "service", "etag": etag[1]}
    page = carl.get(send(bea, edit, edit, changed).headers["location"]).text

    assert "the notice period, 30 days until now, becomes none" in page
    assert "who is bound, everybody until now, becomes service" in page
    assert "the title" not in page
    assert "is not counted" in page


def test_proposals_name_people_not_ids(site: AdminSite) -> None:
    """A list of ``token:3f2a…`` tells a legal team nothing."""
    owner = site.administrator("owner")
    bea, carl = newcomer(site, owner, "Bea", holder="bea"), newcomer(site, owner, "Carl", holder="carl")
    proposal = propose(bea)
    approve(carl, proposal)
    pages = (carl.get(proposal).text, carl.get(f"{HOME}/proposals").text)

    assert all("by Bea" in page and "decided by Carl" in page for page in pages)
