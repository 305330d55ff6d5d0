"""What can come between view and click, in a real browser: each has an outcome that a visitor understands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from consentgate.terms.subject import Subject
from tests.browser.conftest import LiveSite
from tests.web import samples

pytestmark = pytest.mark.browser

WANTED = "/news/7?page=2"


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Iterator[LiveSite]:
    """A site of its own for each test: these publish, and move the clock."""
    with LiveSite(tmp_path, open_paths=("/sign-out",)) as site:
        site.publish_old()
        yield site


@pytest.fixture(name="somebody")
def _somebody(browser: Browser, site: LiveSite) -> Iterator[Any]:
    """A browser of somebody; nobody in particular is an anonymous visitor."""
    contexts: list[BrowserContext] = []

    def enter(user: str = "") -> BrowserContext:
        headers = {"x-user": user} if user else {}
        context = browser.new_context(extra_http_headers=headers, base_url=site.address)
        context.set_default_timeout(15_000)
        contexts.append(context)
        return context

    yield enter
    for context in contexts:
        context.close()


def _open(context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(WANTED)
    expect(page.locator("input[name=assent]")).not_to_be_checked()
    return page


def _accept(page: Page) -> None:
    page.check("input[name=assent]")
    with page.expect_navigation():
        page.click("button[value=accept]")


def _acts(site: LiveSite, user: str) -> list[tuple[str, str]]:
    return [(one.decision, one.version) for one in site.run(site.terms.decisions, Subject(user))]


def test_a_publication_between_view_and_click_shows_the_new_text_and_says_so(site: LiveSite, somebody: Any) -> None:
    """Nothing is recorded of a text that was not on the screen; the box is open again; the way back is not lost."""
    page = _open(somebody("ann"))
    site.publish_new()
    _accept(page)
    expect(page.get_by_role("alert")).to_contain_text("A new version was published while you were reading.")
    expect(page.locator("main")).to_contain_text("software without our written consent")
    expect(page.locator("input[name=assent]")).not_to_be_checked()
    assert _acts(site, "ann") == []
    _accept(page)
    assert page.url.endswith(WANTED)
    assert _acts(site, "ann") == [("accept", "2026-01-22")]


def test_the_back_button_after_accepting_leads_on_and_records_nothing_more(site: LiveSite, somebody: Any) -> None:
    """Back from the article: the page is not shown from a store of old pages; there is nothing left to decide."""
    page = _open(somebody("ann"))
    _accept(page)
    page.go_back()
    expect(page.locator("h1")).to_have_text("All is settled")
    page.get_by_role("link", name="Continue").click()
    page.wait_for_url(f"**{WANTED}")
    assert _acts(site, "ann") == [("accept", "2024-06-24")]


def test_a_page_accepted_twice_is_one_record(site: LiveSite, somebody: Any) -> None:
    """The same form sent again, as by a browser that lost the first answer: the first record, and the way on."""
    context = somebody("ann")
    page = _open(context)
    fields = page.eval_on_selector_all(
        "form[data-cg-decision] input[type=hidden]", "all => all.map(one => [one.name, one.value])"
    )
    _accept(page)
    again = context.new_page()
    again.goto("/terms")
    again.evaluate(
        """(fields) => { const form = document.createElement("form"); form.method = "post";
            form.action = "/terms/review";
            for (const [name, value] of [...fields, ["assent", "terms-of-use"], ["do", "accept"]]) {
                const input = document.createElement("input"); input.name = name; input.value = value;
                form.append(input); }
            document.body.append(form); form.submit(); }""",
        fields,
    )
    again.wait_for_url(f"**{WANTED}")
    assert len(_acts(site, "ann")) == 1


def test_two_tabs_both_lead_on(site: LiveSite, somebody: Any) -> None:
    """Accepted in the one; the other, still open, accepts too and goes on; a third says that all is settled."""
    context = somebody("ann")
    one, other = _open(context), _open(context)
    _accept(one)
    _accept(other)
    for page in (one, other):
        assert page.url.endswith(WANTED)
    third = context.new_page()
    third.goto("/terms/review")
    expect(third.locator("h1")).to_have_text("All is settled")


def test_two_tabs_with_two_answers_keep_both_in_their_order(site: LiveSite, somebody: Any) -> None:
    """Declined in the one and accepted in the other: two offers, two acts of one person, and the last one counts."""
    context = somebody("ann")
    one, other = _open(context), _open(context)
    one.click("button[value=decline]")
    one.wait_for_url("**/terms/declined")
    _accept(other)
    assert other.url.endswith(WANTED)
    assert [act for act, _version in _acts(site, "ann")] == ["accept", "decline"]


def test_one_page_answered_in_two_ways_keeps_the_first(site: LiveSite, somebody: Any) -> None:
    """Declined, then back to the same page and accepted: the first answer of that page stands, and it says so."""
    page = _open(somebody("ann"))
    offer = page.input_value("input[name=offer]")
    page.click("button[value=decline]")
    page.wait_for_url("**/terms/declined")
    page.go_back()
    page.eval_on_selector("input[name=offer]", "(input, offer) => { input.value = offer; }", offer)
    _accept(page)
    expect(page.get_by_role("alert")).to_contain_text("This page was answered before, and differently.")
    _accept(page)
    assert page.url.endswith(WANTED)
    assert [act for act, _version in _acts(site, "ann")] == ["accept", "decline"]


def test_twenty_hours_are_enough_and_two_days_show_the_page_anew(site: LiveSite, somebody: Any) -> None:
    """WCAG 2.2.1: nothing times out in under twenty hours; later the page comes again, and says why."""
    early, late = _open(somebody("ann")), _open(somebody("bob"))
    site.clock.forward(hours=20)
    _accept(early)
    assert early.url.endswith(WANTED)
    site.clock.forward(hours=28)
    _accept(late)
    expect(late.get_by_role("alert")).to_contain_text("This page was open for a very long time.")
    assert _acts(site, "bob") == []
    _accept(late)
    assert late.url.endswith(WANTED)


def test_cookies_cleared_between_view_and_click_do_no_harm(site: LiveSite, somebody: Any) -> None:
    """The offer names the visitor: the decision counts, the new pass opens the gate, and nobody is asked again."""
    context = somebody()
    page = _open(context)
    context.clear_cookies()
    _accept(page)
    assert page.url.endswith(WANTED)
    page.goto("/news/8")
    assert page.inner_text("body").startswith("article /news/8")


def test_somebody_else_signed_in_between_decides_for_nobody(site: LiveSite, somebody: Any) -> None:
    """The page was Ann's and the click is Bob's: it is shown as Bob's, and nothing was recorded for either."""
    context = somebody("ann")
    page = _open(context)
    context.set_extra_http_headers({"x-user": "bob"})
    _accept(page)
    expect(page.get_by_role("alert")).to_contain_text("signed in as somebody else")
    assert _acts(site, "ann") == _acts(site, "bob") == []


def test_a_publication_while_the_view_changes_shows_the_new_text_with_its_own_offer(
    site: LiveSite, somebody: Any
) -> None:
    """The view that is fetched is of what is in force then: what is accepted is what it shows."""
    site.accept("ann")
    site.write("terms-of-use", "2026-01-22", samples.NEW)
    site.publish()
    page = _open(somebody("ann"))
    site.write("terms-of-use", "2026-01-30", samples.NEW.replace("8 euros", "9 euros"), effective="2026-01-30")
    site.publish()
    page.get_by_role("link", name="Side by side").click()
    page.wait_for_selector(".cg-redline.cg-side-by-side")
    expect(page.locator("label[for^=assent]")).to_contain_text("2026-01-30")
    _accept(page)
    assert _acts(site, "ann")[0] == ("accept", "2026-01-30")
