"""Laws of the overview: it says what is in force, what is coming, and who has decided what."""

from __future__ import annotations

import pytest

from consentgate.store import counting
from consentgate.web.admin import frame
from tests.web.admin.conftest import AdminSite

HOME = "/terms/admin"


def test_an_empty_site_says_what_to_do(site: AdminSite) -> None:
    """Nothing is published, the gate is open, and an editor is led to the first draft."""
    page = site.administrator("editor").get(HOME).text

    assert "Nothing is published yet, so the gate is open." in page
    assert f'href="{HOME}/drafts/new"' in page
    assert f'href="{HOME}/drafts/new"' not in site.administrator("auditor").get(HOME).text


def test_the_overview_counts_who_accepted_refused_and_is_undecided(site: AdminSite) -> None:
    """Subjects, with the curve of the version in force and the same numbers as a table."""
    site.publish_old()
    site.accept("ada")
    site.publish_new()
    for user in ("bob", "eve"):
        site.accept(user)
    page = site.administrator("auditor").get(HOME).text

    assert "Version 2026-01-22 is in force since 22 January 2026" in page
    assert "<dt>Accepted</dt><dd>2</dd>" in page
    assert "2 acceptances of version 2026-01-22 so far." in page
    assert f'<a href="{HOME}/policies/terms-of-use/outstanding">1</a>' in page
    assert "The same as a table" in page
    assert "No alarm." in page


def test_where_there_are_many_decisions_the_page_does_not_wait_for_the_count(
    site: AdminSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, shows the curve, and a link counts: exactly, here and on the page of the policy."""
    site.publish_old()
    site.accept("ada")
    monkeypatch.setattr(frame, "MANY", 1)
    monkeypatch.setattr(counting, "known", lambda *_: pytest.fail("counted"))
    browser = site.administrator("auditor")
    for path in (HOME, f"{HOME}/policies/terms-of-use"):
        page = browser.get(path).text
        assert "How many people accepted is not counted yet" in page
        assert '<a href="?count=yes">Count now</a>' in page
        assert "<dt>Accepted</dt>" not in page
        assert "1 acceptance of version 2024-06-24 so far." in page
    monkeypatch.undo()
    monkeypatch.setattr(frame, "MANY", 1)
    for path in (HOME, f"{HOME}/policies/terms-of-use"):
        page = browser.get(f"{path}?count=yes").text
        assert "<dt>Accepted</dt><dd>1</dd>" in page
        assert "Count now" not in page


def test_what_is_scheduled_is_said_with_its_date(site: AdminSite) -> None:
    """Announced already or not."""
    site.publish_old()
    site.write("terms-of-use", "2027-01-01", "# Terms\n\nNew words.\n", effective="2027-01-01", announce="2026-12-01")
    site.publish()
    page = site.administrator("editor").get(HOME).text

    assert "Version 2027-01-01 takes effect on 1 January 2027; shown from 1 December 2026." in page


def test_the_menu_shows_what_the_role_may_do(site: AdminSite) -> None:
    """An editor sees no subjects, an auditor no tokens."""
    editor, owner = site.administrator("editor").get(HOME).text, site.administrator("owner").get(HOME).text

    assert ">Drafts</a>" in editor
    assert ">Subjects</a>" not in editor
    assert ">Tokens</a>" not in editor
    assert ">Tokens</a>" in owner
