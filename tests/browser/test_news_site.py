"""The running news site in a real browser: every page, light and dark, wide and narrow, by keyboard, on paper.

Pictures of all of them are in ``tests/output`` after each run, for people to look at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from examples.news_site import demo, main
from tests.browser.conftest import OUTPUT, serving, tab_to, violations
from tests.examples.test_news_site_gated import OPENING_DAY

pytestmark = pytest.mark.browser

ARTICLE = "/news/night-ferry"


@pytest.fixture(name="courier", scope="module")
def _courier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the site as `main` starts it, on the day its policies were written for."""
    began = time.monotonic_ns()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: OPENING_DAY + time.monotonic_ns() - began)
        with serving(main.create_app(tmp_path_factory.mktemp("courier") / "data")) as address:
            yield address


@pytest.fixture(name="reader")
def _reader(browser: Browser, courier: str) -> Iterator[Any]:
    """A browser, walked in as somebody: ``reader("Wendell", locale="fr")``."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def walk_in(name: str = "", **options: Any) -> Page:
        context = browser.new_context(base_url=courier, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if name:
            context.request.post("/demo/walk-in", form={"as": name}, headers={"origin": courier})
        return page

    yield walk_in
    for context in contexts:
        context.close()
    assert complaints == []


def _go(path: str) -> Callable[[Page], None]:
    def go(page: Page) -> None:
        page.goto(path)

    return go


def _accept(page: Page) -> None:
    for box in page.locator("input[name=assent]").all():
        box.check()
    with page.expect_navigation():
        page.click("button[value=accept]")


def _unticked(page: Page) -> None:
    """An error beside its box; the server's, as where the browser does not check."""
    page.goto("/")
    page.eval_on_selector_all("input[name=assent]", "boxes => boxes.forEach(box => box.removeAttribute('required'))")
    with page.expect_navigation():
        page.click("button[value=accept]")
    expect(page.locator("[aria-invalid=true]").first).to_be_focused()


def _kept(page: Page) -> None:
    """A form that met the gate."""
    page.goto("/demo")
    with page.expect_navigation():
        page.evaluate(
            """() => { const form = document.createElement("form"); form.method = "post"; form.action = "/newsletter";
                form.innerHTML = '<input name="address" value="a@example.com">'; document.body.append(form);
                form.submit(); }"""
        )
    expect(page.locator(".cg-kept")).to_be_visible()


def _ready(page: Page) -> None:
    _kept(page)
    _accept(page)
    expect(page.locator("form[action='/newsletter']")).to_be_visible()


def _declined(page: Page) -> None:
    page.goto("/")
    page.click("button[value=decline]")
    page.wait_for_url("**/terms/declined")


def _just_accepted(page: Page) -> None:
    page.goto("/terms/review")
    _accept(page)
    page.wait_for_url("**/terms/mine?done=1**")


def _saved(page: Page) -> None:
    """The text as a file, opened from the disk."""
    OUTPUT.mkdir(exist_ok=True)
    file = OUTPUT / "saved-text.html"
    file.write_bytes(page.context.request.get("/terms/terms-of-use/2026-10-05.html").body())
    page.goto(file.as_uri())


TERMS = "/terms/terms-of-use"
PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "front": (demo.CURRENT, _go("/")),
    "article": (demo.CURRENT, _go(ARTICLE)),
    "first-time": ("", _go("/")),
    "review": (demo.EARLIER, _go("/")),
    "review-side-by-side": (demo.EARLIER, _go("/terms/review?view=side-by-side")),
    "review-changes": (demo.EARLIER, _go("/terms/review?view=changes")),
    "review-full": (demo.EARLIER, _go("/terms/review?view=full")),
    "announced": (demo.CURRENT, _go("/terms/review?policy=terms-of-use")),
    "settled": (demo.CURRENT, _go("/terms/review")),
    "unticked": ("", _unticked),
    "kept-form": ("", _kept),
    "ready-form": ("", _ready),
    "declined": ("", _declined),
    "left": ("", _go("/terms/declined?left=1")),
    "mine": (demo.CURRENT, _go("/terms/mine")),
    "mine-empty": ("", _go("/terms/mine")),
    "just-accepted": ("", _just_accepted),
    "all-texts": ("", _go("/terms")),
    "text": ("", _go(TERMS)),
    "old-text": ("", _go(f"{TERMS}/2024-05-06")),
    "saved-text": ("", _saved),
    "changes": ("", _go(f"{TERMS}/changes")),
    "history": ("", _go(f"{TERMS}/history")),
    "error": ("", _go("/terms/nothing")),
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_for_everybody(reader: Any, axe_script: str, keep: Any, name: str) -> None:
    """Axe finds nothing, in light and in dark; nothing scrolls sideways at 320 pixels (WCAG 2.2 AA; 1.4.3; 1.4.10)."""
    who, reach = PAGES[name]
    page = reader(who, viewport={"width": 1280, "height": 900}, bypass_csp=True, reduced_motion="reduce")
    reach(page)
    keep(page, f"site-{name}", full=True)
    page.evaluate(axe_script)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "{runOnly: ['color-contrast', 'link-in-text-block']}") == []
    if name.startswith(("first", "review")):
        keep(page, f"site-{name}-dark")
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.emulate_media(color_scheme="light")
    keep(page, f"site-{name}-small")


def test_who_has_only_a_keyboard_accepts_and_reads_on(reader: Any) -> None:
    """From the article to the decision and back to the article: Tab, space, enter."""
    page = reader()
    page.goto(ARTICLE)
    boxes = page.locator("input[name=assent]").count()
    assert boxes == 2
    for _ in range(boxes):
        tab_to(page, "input[name=assent]", limit=80)
        page.keyboard.press("Space")
    tab_to(page, "button[value=accept]")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{ARTICLE}")
    expect(page.locator("h1")).to_be_visible()


def test_without_scripts_a_reader_accepts_and_reads_on(reader: Any) -> None:
    """View, language and decision are links and forms."""
    page = reader(demo.EARLIER, java_script_enabled=False)
    page.goto(ARTICLE)
    page.get_by_role("link", name="Changes only").click()
    page.get_by_role("link", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    assert "view=changes" in page.url
    _accept(page)
    page.wait_for_url(f"**{ARTICLE}")
    page.context.request.post("/demo/set-back")


@pytest.mark.parametrize(("who", "path"), [(demo.EARLIER, "/"), ("", TERMS), (demo.CURRENT, "/terms/mine")])
def test_pages_print(reader: Any, who: str, path: str) -> None:
    """As PDF: more than nothing, on A4, without bars and buttons."""
    page = reader(who)
    page.goto(path)
    OUTPUT.mkdir(exist_ok=True)
    name = page.url.rpartition("/")[2].partition("?")[0]
    assert page.pdf(format="A4", path=OUTPUT / f"print-{name}.pdf").startswith(b"%PDF")
    page.emulate_media(media="print")
    for selector in (".cg-buttons", ".cg-jump", ".cg-languages", ".cg-footer", ".cg-tools"):
        assert page.locator(selector).locator("visible=true").count() == 0


def test_high_contrast_and_forced_colours_keep_every_mark(reader: Any, keep: Any) -> None:
    """What is new is underlined, what is gone struck through, the chosen view outlined, whatever the colours are."""
    page = reader(demo.EARLIER, forced_colors="active")
    page.goto("/")
    keep(page, "site-review-forced-colours")
    for selector, line in (("ins.cg-ins", "underline"), ("del.cg-del", "line-through")):
        style = page.locator(selector).first.evaluate("one => getComputedStyle(one).textDecorationLine")
        assert style == line
    chosen = page.locator(".cg-views [aria-current]").evaluate("one => getComputedStyle(one).outlineStyle")
    assert chosen == "solid"
    page.emulate_media(forced_colors="none", contrast="more")
    keep(page, "site-review-high-contrast")


def test_nothing_moves_for_those_who_want_it_so(reader: Any) -> None:
    """WCAG 2.3.3: no smooth scrolling, no transition, no animation with reduced motion."""
    page = reader(demo.EARLIER, reduced_motion="reduce")
    page.goto("/")
    moving = page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll("*")].filter((one) => {
            const style = getComputedStyle(one);
            return style.scrollBehavior === "smooth" || style.animationName !== "none"
                || parseFloat(style.transitionDuration) > 0;
        }).map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert moving == []


@pytest.mark.parametrize("language", ["ar", "de", "fr", "ja"])
def test_the_site_speaks_the_readers_language(reader: Any, axe_script: str, keep: Any, language: str) -> None:
    """The interface in theirs, the text in the best there is; Arabic from right to left, at 320 pixels too."""
    page = reader(demo.EARLIER, locale=language, bypass_csp=True)
    page.goto("/")
    assert page.evaluate("document.documentElement.lang") == language
    assert page.evaluate("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
    keep(page, f"site-review-{language}")
    page.evaluate(axe_script)
    assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    keep(page, f"site-review-{language}-small")
