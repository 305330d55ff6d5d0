"""The pages in a real browser: by keyboard, small, dark, from right to left, on paper, without scripts, and by axe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LiveSite, tab_to, violations

pytestmark = pytest.mark.browser

# Every other page, and the same again: `test_news_site`.
PAGES = ("/news/7", "/terms/review?view=side-by-side", "/terms/review?view=changes", "/terms/review?view=full")


def test_who_has_only_a_keyboard_can_accept_and_reads_on(visit: Any) -> None:
    """Tab to the box, space, tab to the button, enter: the article opens, at the address that was wanted."""
    page = visit("/news/7?page=2", user="bea")
    assert page.title().startswith("Updates to our Terms of Use")
    tab_to(page, "input[name=assent]")
    page.keyboard.press("Space")
    tab_to(page, "button[value=accept]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/news/7?page=2")
    assert page.inner_text("body") == "article /news/7?page=2"
    page.goto("/terms/mine")
    expect(page.get_by_text("Accepted on").first).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (1280, 500), (800, 700), (320, 640), (320, 256)])
def test_the_focus_is_never_hidden_under_the_bar(visit: Any, width: int, height: int) -> None:
    """WCAG 2.4.11: wherever Tab leads, the focused element, or at least a part of it, is what is seen at its place."""
    page = visit("/news/7", user="ann", width=width, height=height, reduced_motion="reduce")
    seen = 0
    for _ in range(70):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const element = document.activeElement;
                if (element === document.body) return null;
                const box = element.getBoundingClientRect();
                const points = [[.5, .5], [.1, .1], [.9, .1], [.1, .9], [.9, .9]].map(([x, y]) =>
                    document.elementFromPoint(box.left + box.width * x, box.top + box.height * y));
                return [element.outerHTML.slice(0, 80),
                    points.some((hit) => hit && (element.contains(hit) || hit.contains(element)))];
            }"""
        )
        if found is None:
            break
        seen += 1
        assert found[1], f"hidden: {found[0]}"
    assert seen > 15


@pytest.mark.parametrize("path", PAGES)
def test_nothing_scrolls_sideways_at_320_pixels(visit: Any, path: str) -> None:
    """WCAG 1.4.10."""
    page = visit(path, user="ann", width=320, height=640)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(visit: Any, axe_script: str, path: str) -> None:
    """No violation of WCAG 2.2 A and AA, nor of axe's best practices; and enough contrast in the dark too."""
    page = visit(path, user="ann", bypass_csp=True)
    page.evaluate(axe_script)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "{runOnly: ['color-contrast', 'link-in-text-block']}") == []


def test_axe_finds_nothing_in_arabic_and_in_an_error(visit: Any, axe_script: str) -> None:
    """From right to left, with the error beside its box."""
    page = visit("/terms/review", user="ann", locale="ar", bypass_csp=True)
    assert page.evaluate("document.documentElement.dir") == "rtl"
    page.eval_on_selector("input[name=assent]", "box => box.removeAttribute('required')")
    with page.expect_navigation():
        page.click("button[value=accept]")
    expect(page.locator("[aria-invalid=true]")).to_be_focused()
    page.evaluate(axe_script)
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/news/7", "/terms/review?view=side-by-side"])
def test_targets_are_large_enough(visit: Any, path: str) -> None:
    """WCAG 2.5.8: 24 by 24 pixels, but for links within a sentence."""
    page = visit(path, user="ann", width=320, height=640)
    small = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, select, summary")]
            .filter((one) => one.type !== "hidden" && one.checkVisibility() && !one.closest(".cg-text, .cg-skip"))
            .filter((one) => !one.classList.contains("cg-skip"))
            .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
            .filter(([, box]) => box.height < 24 || box.width < 24).map(([html]) => html)"""
    )
    assert small == []


def test_without_scripts_everything_works(visit: Any) -> None:
    """Box, error, view, language, decision: no script is needed for any of it."""
    page = visit("/news/9", user="cem", java_script_enabled=False)
    page.click("text=Side by side")
    expect(page.locator(".cg-columns").last).to_be_visible()
    page.click("text=العربية")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    page.click("text=English")
    page.check("input[name=assent]")
    page.click("button[value=accept]")
    page.wait_for_url("**/news/9")


def test_two_clicks_are_one_decision(visit: Any, live: LiveSite) -> None:
    """The second click of an impatient hand is dropped in the page, and would be harmless if it were not."""
    page = visit("/news/7", user="dan")
    page.check("input[name=assent]")
    page.dblclick("button[value=accept]")
    page.wait_for_url("**/news/7")
    from consentgate.terms.subject import Subject

    assert len(live.run(live.terms.decisions, Subject("dan"))) == 1


def test_a_form_is_sent_on_by_one_button(visit: Any, live: LiveSite) -> None:
    """Typed on the host's page, stopped by the gate, decided, sent on: it arrives as it was typed."""
    page = visit("/terms", user="eve")
    page.evaluate(
        """() => { const form = document.createElement("form"); form.method = "post"; form.action = "/comment";
            form.innerHTML = '<textarea name="text">one\\ntwo</textarea><input name="name" value="Zoë">';
            document.body.append(form); form.submit(); }"""
    )
    page.wait_for_selector("text=The form you were sending is kept.")
    page.click(".cg-languages button >> nth=0")
    page.wait_for_selector(".cg-kept")
    page.check("input[name=assent]")
    page.click("button[value=accept]")
    page.wait_for_selector("form[action='/comment']")
    page.click("form[action='/comment'] button")
    page.wait_for_selector("text=Zoë")
    assert json.loads(page.inner_text("body")) == [["text", "one\r\ntwo"], ["name", "Zoë"]]


def test_an_unticked_box_is_pointed_out_by_the_browser_itself(visit: Any) -> None:
    """``required``: nothing is sent, the box gets the focus; declining needs no box."""
    page = visit("/news/7", user="fay")
    page.click("button[value=accept]")
    expect(page.locator("input[name=assent]")).to_be_focused()
    assert "/terms/review" in page.url
    page.click("button[value=decline]")
    page.wait_for_url("**/terms/declined")
    expect(page.locator("main")).to_contain_text("Sign out")


def test_the_page_prints(visit: Any) -> None:
    """On paper: no bar over the text, no buttons, the text and the marks."""
    page = visit("/news/7", user="ann")
    page.emulate_media(media="print")
    assert page.eval_on_selector(".cg-decision", "one => getComputedStyle(one).position") == "static"
    assert not page.locator(".cg-buttons").is_visible()
    assert page.eval_on_selector("ins.cg-ins", "one => getComputedStyle(one).textDecorationLine") == "underline"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_marks_are_seen_without_colour(visit: Any) -> None:
    """With forced colours too, what is new is underlined and what is gone is struck through (WCAG 1.4.1)."""
    page = visit("/news/7", user="ann", forced_colors="active")
    assert page.eval_on_selector("ins.cg-ins", "one => getComputedStyle(one).textDecorationLine") == "underline"
    assert page.eval_on_selector("del.cg-del", "one => getComputedStyle(one).textDecorationLine") == "line-through"


@pytest.mark.parametrize(
    ("name", "path", "options"),
    [
        ("wide", "/news/7", {"width": 1720, "height": 1000}),
        ("arabic", "/news/7", {"locale": "ar"}),
        ("side-by-side", "/terms/review?view=side-by-side", {"height": 1400}),
    ],
)
def test_pictures_for_people_to_look_at(visit: Any, keep: Any, name: str, path: str, options: dict[str, Any]) -> None:
    """Not compared with anything: they are in tests/output after each run. The page must be there, in its language."""
    page = visit(path, user="ann", **options)
    assert page.locator("h1").inner_text()
    assert page.evaluate("document.documentElement.lang") == options.get("locale", "en")
    keep(page, f"page-{name}")
