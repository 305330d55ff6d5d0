"""What scripts add: change to change, another view in place, print, the reading position. Nothing depends on it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from consentgate.evidence.entry import DecisionEntry
from consentgate.terms.canonical import digest
from consentgate.terms.subject import Subject
from consentgate.web.review import OFFER_MARK
from tests.browser.conftest import LiveSite

pytestmark = pytest.mark.browser


def _stay(page: Page) -> None:
    """Leave a mark that a new document would not have."""
    page.evaluate("window.stayed = true")


def _stayed(page: Page) -> bool:
    return bool(page.evaluate("window.stayed === true"))


def _view(page: Page) -> str:
    return str(page.locator(".cg-views [aria-current]").inner_text())


def test_next_and_previous_lead_from_change_to_change(visit: Any) -> None:
    """The focus goes along, round at both ends, and begins where the reader is."""
    page = visit("/news/7", user="ann", reduced_motion="reduce")
    ids = page.eval_on_selector_all(".cg-change[id]", "all => all.map(one => one.id)")
    forward, backward = page.get_by_text("Next change").first, page.get_by_text("Previous change").first
    for expected in ids[:2]:
        forward.click()
        assert page.evaluate("document.activeElement.id") == expected
        expect(page.locator(f"#{expected}")).to_be_in_viewport()
    backward.click()
    backward.click()
    assert page.evaluate("document.activeElement.id") == ids[-1]
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("document.querySelector('[data-cg-step=\"1\"]').click()")
    assert page.evaluate("document.activeElement.id") == ids[0]


def test_on_a_small_screen_the_way_to_the_next_change_stays_at_hand(visit: Any) -> None:
    """The buttons stand in the bar at the bottom too, and say in words what their arrows mean."""
    page = visit("/news/7", user="ann", width=320, height=640, reduced_motion="reduce")
    button = page.locator(".cg-jump").get_by_role("button", name="Next change")
    for _ in range(2):
        expect(button).to_be_in_viewport()
        button.click()
    assert page.evaluate("document.activeElement.id").endswith("change-2")


@pytest.mark.parametrize("path", ["/news/7", "/terms/terms-of-use/changes"])
def test_the_view_changes_without_a_reload(visit: Any, path: str) -> None:
    """The same document, the view's own address, the focus on what was chosen; reload and link lead to the same."""
    page = visit(path, user="ann")
    title = page.title()
    _stay(page)
    page.get_by_role("link", name="Side by side").click()
    expect(page.locator(".cg-columns").last).to_be_visible()
    assert (_stayed(page), _view(page), page.title()) == (True, "Side by side", title)
    assert "view=side-by-side" in page.url
    assert page.evaluate("document.activeElement.textContent") == "Side by side"
    page.get_by_role("link", name="Changes only").click()
    expect(page.locator(".cg-columns")).to_have_count(0)
    assert (_stayed(page), _view(page)) == (True, "Changes only")
    page.reload()
    assert (_stayed(page), _view(page)) == (False, "Changes only")


def test_what_is_recorded_is_the_page_of_the_view_that_was_chosen(visit: Any, live: LiveSite) -> None:
    """Shown equals signed: the view brings its own sealed offer, so the kept page is the one on the screen."""
    live.accept("ivy", label="2024-06-24")
    page = visit("/news/7", user="ivy")
    _stay(page)
    first = page.input_value("input[name=offer]")
    page.check("input[name=assent]")
    page.get_by_role("link", name="Side by side").click()
    page.wait_for_selector(".cg-redline.cg-side-by-side")
    assert _stayed(page)
    assert page.input_value("input[name=offer]") != first
    assert not page.is_checked("input[name=assent]")
    page.check("input[name=assent]")
    page.click("button[value=accept]")
    page.wait_for_url("**/news/7")
    entry: DecisionEntry = live.run(live.terms.decisions, Subject("ivy"))[0]
    kept = live.run(live.terms.blob, entry.page)
    assert digest(kept) == entry.page
    assert b"cg-columns" in kept
    assert kept.decode().count(str(OFFER_MARK)) == 1


def test_a_kept_form_stays_kept_when_the_view_changes_in_place(visit: Any) -> None:
    """A page that carries a form changes its view by a button; that needs no reload either."""
    page = visit("/terms", user="ann")
    page.evaluate(
        """() => { const form = document.createElement("form"); form.method = "post"; form.action = "/comment";
            form.innerHTML = '<input name="text" value="mine">'; document.body.append(form); form.submit(); }"""
    )
    page.wait_for_selector(".cg-kept")
    address = page.url
    _stay(page)
    page.get_by_role("button", name="Side by side").click()
    page.wait_for_selector(".cg-redline.cg-side-by-side")
    assert _stayed(page)
    assert page.url == address
    assert page.locator("input[name=kept]").count() == 2


def test_where_the_page_cannot_be_fetched_the_link_is_followed(visit: Any) -> None:
    """A network that drops it, an answer that is another page: the browser goes there itself."""
    page = visit("/news/7", user="ann")
    _stay(page)
    page.route("**/terms/review?**", lambda route: route.abort() if route.request.resource_type == "fetch"
               else route.continue_())  # fmt: skip
    page.get_by_role("link", name="Side by side").click()
    page.wait_for_selector(".cg-redline.cg-side-by-side")
    assert not _stayed(page)


def test_a_view_can_be_opened_in_another_tab(visit: Any) -> None:
    """A click with a key held down is the browser's own affair."""
    page = visit("/news/7", user="ann")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Side by side").click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_url("**view=side-by-side**", wait_until="commit")
    assert _view(page) == "Changes in the text"


def test_the_change_on_the_screen_stays_when_view_or_language_change(visit: Any) -> None:
    """Deep in the text: the same change stands at the same height. At the top nothing jumps."""
    page = visit("/news/7", user="ann", height=700, reduced_motion="reduce")
    found = "(id) => document.getElementById(id).getBoundingClientRect().top"
    page.evaluate("document.getElementById('terms-of-use-change-4').scrollIntoView()")
    mark = page.evaluate(
        "[...document.querySelectorAll('.cg-change[id]')].find(one => one.getBoundingClientRect().bottom > 0).id"
    )
    before = page.evaluate(found, mark)
    page.evaluate("[...document.querySelectorAll('.cg-views a')].find((a) => a.href.includes('changes')).click()")
    page.wait_for_selector(".cg-redline.cg-changes")
    assert abs(page.evaluate(found, mark) - before) < 2
    with page.expect_navigation():
        page.evaluate("[...document.querySelectorAll('.cg-languages a')].find((a) => a.hreflang == 'ar').click()")
    page.wait_for_function("scrollY > 200")
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    page.evaluate("[...document.querySelectorAll('.cg-views a')].find((a) => a.href.includes('inline')).click()")
    page.wait_for_selector(".cg-redline.cg-inline")
    assert page.evaluate("scrollY") == 0


def test_print_is_offered_where_it_works(visit: Any) -> None:
    """By a script that prints; without scripts there is the browser's own menu, and no dead button."""
    page = visit("/news/7", user="ann")
    page.evaluate("window.print = () => { window.printed = true; }")
    page.locator("[data-cg-print]").click()
    assert page.evaluate("window.printed") is True
    still = visit("/news/7", user="ann", java_script_enabled=False)
    expect(still.locator("[data-cg-print]")).to_be_hidden()
    expect(still.locator("[data-cg-step]").first).to_be_hidden()
