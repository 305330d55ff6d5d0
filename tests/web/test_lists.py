"""The pages around the texts: all policies, history, changes."""

from __future__ import annotations

import pytest

from tests.web import samples
from tests.web.conftest import Site


def test_all_policies_are_listed_with_what_applies(site: Site) -> None:
    """And what is coming."""
    site.publish_old()
    site.write("terms-of-use", "next", samples.NEW, announce="2026-01-30", effective="2026-04-01")
    site.write("privacy", "1.0", samples.PRIVACY, kind="notice", title="Privacy notice")
    site.publish()
    page = site.browser().get("/terms").text
    assert 'href="/terms/terms-of-use"' in page
    assert 'href="/terms/privacy"' in page
    assert "a new version is announced" in page
    assert "/terms/terms-of-use/changes?from=2024-06-24&amp;to=next" in page


def test_a_slash_at_the_end_is_no_other_page(site: Site) -> None:
    """``/terms/`` leads to ``/terms``."""
    answer = site.browser().get("/terms/")
    assert (answer.status_code, answer.headers["location"]) == (308, "/terms")


def test_nothing_published_is_said(site: Site) -> None:
    """An empty list would look broken."""
    assert "Nothing is published yet." in site.browser().get("/terms").text


def test_history_shows_every_version_the_newest_first(site: Site) -> None:
    """With the author's summary, and the way to what changed."""
    site.publish_old()
    site.publish_new()
    page = site.browser().get("/terms/terms-of-use/history").text
    assert page.index("Version 2026-01-22") < page.index("Version 2024-06-24")
    assert "Articles may not be used to train software" in page
    assert "changes?from=2024-06-24&amp;to=2026-01-22" in page


def test_changes_are_shown_between_any_two_versions_either_way(site: Site) -> None:
    """Forward by default, backward when asked."""
    site.publish_old()
    site.publish_new()
    browser = site.browser()
    forward = browser.get("/terms/terms-of-use/changes").text
    assert "From version 2024-06-24 to version 2026-01-22." in forward
    assert "[inserted] </span>within one working day" in forward
    backward = browser.get("/terms/terms-of-use/changes?from=2026-01-22&to=2024-06-24").text
    assert "[deleted] </span>within one working day" in backward


def test_a_version_compared_with_itself_says_so(site: Site) -> None:
    """No empty page."""
    site.publish_old()
    page = site.browser().get("/terms/terms-of-use/changes").text
    assert "The two texts read the same." in page


def test_changes_of_a_first_version_lead_to_the_one_that_is_coming(site: Site) -> None:
    """Bug: the only version in force was compared with itself, and "the two texts read the same"."""
    site.publish_old()
    site.write("terms-of-use", "next", samples.NEW, announce="2026-01-30", effective="2026-04-01")
    site.publish()

    page = site.browser().get("/terms/terms-of-use/changes").text

    assert "From version 2024-06-24 to version next" in page


@pytest.mark.parametrize(
    ("view", "mark"),
    [("inline", "cg-inline"), ("side-by-side", "cg-columns"), ("changes", "cg-changes"), ("nonsense", "cg-inline")],
)
def test_changes_have_three_views(site: Site, view: str, mark: str) -> None:
    """And an unknown one is the first."""
    site.publish_old()
    site.publish_new()
    assert f"{mark}" in site.browser().get(f"/terms/terms-of-use/changes?view={view}").text


def test_changes_compare_only_what_is_in_one_language(site: Site) -> None:
    """The newer version has no Arabic: an Arabic reader sees the English changes, not Arabic against English."""
    site.write("terms-of-use", "2024-06-24", samples.ARABIC_OLD, effective="2024-06-24", language="ar")
    site.publish_old()
    site.publish_new()
    page = site.browser(language="ar").get("/terms/terms-of-use/changes").text
    assert "within one working day" in page
    assert "شروط الاستخدام" not in page


@pytest.mark.parametrize("query", ["from=nope", "to=nope", "from=2024-06-24&to=%3Cscript%3E"])
def test_unknown_versions_are_404(site: Site, query: str) -> None:
    """And are not echoed."""
    site.publish_old()
    answer = site.browser().get(f"/terms/terms-of-use/changes?{query}")
    assert answer.status_code == 404
    assert "nope" not in answer.text
    assert "<script>" not in answer.text
