"""Wide tables in a text, on a small screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import LiveSite

ROW = (
    "| Bezeichnung der Datenverarbeitung | Rechtsgrundlagenverzeichnis | Aufbewahrungsfristen | Empfängerkategorien |\n"
)
OLD = f"# Terms\n\n{ROW}|---|---|---|---|\n{ROW}"
NEW = OLD + ROW.replace("Aufbewahrungsfristen", "Aufbewahrungsfristenübersicht")


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/news/7", "/terms/terms-of-use", "/terms/terms-of-use/changes?from=1&to=2"])
def test_a_wide_table_scrolls_by_itself_and_not_with_the_page(browser: Browser, tmp_path: Path, path: str) -> None:
    """Bug: a table of four columns made the page scroll sideways; the words for screen readers did, too."""
    with LiveSite(tmp_path) as site:
        site.write("terms-of-use", "1", OLD, effective="2024-06-24", title="Terms of Use")
        site.publish()
        site.write("terms-of-use", "2", NEW)
        site.publish()
        page = browser.new_page(viewport={"width": 320, "height": 640})
        page.goto(site.address + path)

        assert page.locator(".cg-scroll").first.evaluate("one => one.scrollWidth > one.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.close()
