"""Administration in a real browser: a publication from its draft to the export an auditor verifies, and every page.

Pictures of the pages are in ``tests/output`` after each run, for people to look at.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from consentgate.service.administrators import Administrator
from tests.browser.conftest import LiveSite, tab_to, violations
from tests.web import samples

pytestmark = pytest.mark.browser

HOME = "/terms/admin"
PAULA = Administrator("paula", frozenset({"publisher"}))
SUMMARY = repr(samples.SUMMARY.splitlines()[0])
DRAFT = f"---\nimpact: material\neffective: 2026-03-15\nsummary: {SUMMARY}\n---\n{samples.NEW}"

Enter = Callable[..., Page]


class Desk(LiveSite):
    """A site where two must publish."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, approvals=1)

    def token(self, role: str, label: str) -> str:
        """A new token."""
        return str(self.run(self.terms.new_token, role, label).secret)


@contextmanager
def _open_desk(folder: Path) -> Iterator[Desk]:
    with Desk(folder) as site:
        site.write("terms-of-use", "2024-06-24", samples.OLD, effective="2024-06-24", title="Terms of Use")
        site.publish()
        for name in ("ann", "bea", "cem"):
            site.accept(name)
            site.clock.forward(hours=30)
        yield site


@pytest.fixture(name="desk", scope="module")
def _desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Old terms that three accepted, new ones that one of them did, one scheduled, a draft, and a proposal."""
    with _open_desk(tmp_path_factory.mktemp("desk")) as site:
        site.write("terms-of-use", "2026-01-22", samples.NEW, summary=repr(samples.SUMMARY.splitlines()[0]))
        site.write("terms-of-use", "2030-01-01", samples.OLD, effective="2030-01-01", announce="2026-01-01")
        site.publish()
        site.accept("ann")
        body = DRAFT.replace("2026-03-15", "2031-01-01").replace("kettle", "samovar").encode()
        draft = site.run(site.terms.admin.put_draft, PAULA, "terms-of-use", "2031-01-01", "en", body)
        site.run(site.terms.admin.publish, PAULA, [draft.ref])
        yield site


@pytest.fixture(name="enter")
def _enter(browser: Browser) -> Iterator[Enter]:
    """Sign in as somebody; what a script or the content security policy complains about fails the test."""
    contexts, complaints = [], list[str]()

    def enter(site: Desk, role: str, label: str = "", **options: Any) -> Page:
        context = browser.new_context(base_url=site.address, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(HOME)
        page.get_by_label("Your token").fill(site.token(role, label or f"the {role}"))
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        return page

    yield enter
    for context in contexts:
        context.close()
    assert complaints == []


# --- the whole story ------------------------------------------------------------------------------------------------


def test_a_publication_goes_from_its_draft_to_the_export_an_auditor_verifies(
    browser: Browser, enter: Enter, keep: Any, tmp_path: Path
) -> None:
    """Drafted, previewed, scheduled, approved by a second person, in effect on its day, accepted, counted, verified."""
    with _open_desk(tmp_path) as site:
        plain = {"java_script_enabled": False}
        _draft_and_preview(enter(site, "editor", "Edith", **plain), keep)
        _propose(enter(site, "publisher", "Paula", **plain), keep)
        _approve(enter(site, "publisher", "Quentin", **plain), keep)

        reader = browser.new_context(base_url=site.address, extra_http_headers={"x-user": "ann"}, **plain).new_page()
        reader.goto("/news/7")
        assert "article /news/7" in reader.content()  # announced, not in effect

        site.clock.forward(hours=24 * 45)
        reader.goto("/news/7")
        expect(reader.get_by_role("heading", level=1)).to_contain_text("Terms of Use")
        auditor = enter(site, "auditor", "Audrey", **plain)
        _numbers(auditor, accepted=0, undecided=3)

        for box in reader.locator("input[name=assent]").all():
            box.check()
        reader.get_by_role("button", name="Accept").click()
        assert "article /news/7" in reader.content()
        reader.context.close()

        auditor.goto(HOME)
        _numbers(auditor, accepted=1, undecided=2)
        said = re.compile("^1 acceptance of version 2026-03-15")
        expect(auditor.get_by_role("img")).to_have_attribute("aria-label", said)
        keep(auditor, "admin-after", full=True)
        _verify(_export(auditor, tmp_path))


def _draft_and_preview(editor: Page, keep: Any) -> None:
    editor.get_by_role("link", name="Drafts").click()
    editor.get_by_role("link", name="New draft").click()
    editor.get_by_label("Policy").fill("terms-of-use")
    editor.get_by_label("Version").fill("2026-03-15")
    editor.get_by_role("button", name="Create the draft").click()
    assert samples.OLD.splitlines()[0] in editor.get_by_label("Front matter and Markdown").input_value()
    editor.get_by_label("Front matter and Markdown").fill(DRAFT)
    editor.get_by_role("button", name="Save and preview").first.click()
    expect(editor.get_by_role("status")).to_contain_text("Saved.")
    expect(editor.get_by_role("region", name="Changes").locator("ins").first).to_be_visible()
    keep(editor, "admin-editor", full=True)
    editor.get_by_role("button", name="See what publishing it would do").click()
    expect(editor.get_by_text("To publish takes the role publisher")).to_be_visible()


def _propose(publisher: Page, keep: Any) -> None:
    publisher.get_by_role("link", name="Drafts").click()
    publisher.get_by_label("English").check()
    publisher.get_by_role("button", name="See what publishing these would do").click()
    expect(publisher.get_by_role("main")).to_contain_text("15 March 2026")
    expect(publisher.get_by_role("main")).to_contain_text("3 people")
    keep(publisher, "admin-before", full=True)
    publisher.get_by_role("button", name="Propose it to a second person").click()
    expect(publisher.get_by_role("heading", level=1)).to_have_text("Proposed")
    publisher.get_by_role("link", name="The proposal").click()
    expect(publisher.get_by_text("This is your own proposal: somebody else approves it.")).to_be_visible()
    expect(publisher.get_by_role("button", name="Approve and publish")).to_have_count(0)


def _approve(second: Page, keep: Any) -> None:
    second.get_by_role("link", name="waiting for a second person").click()
    second.get_by_role("main").get_by_role("link").first.click()
    keep(second, "admin-second", full=True)
    second.get_by_role("button", name="Approve and publish").click()
    expect(second.get_by_role("heading", level=1)).to_have_text("Published")
    second.goto(HOME)
    expect(second.get_by_text("Version 2026-03-15 takes effect on 15 March 2026")).to_be_visible()


def _numbers(page: Page, *, accepted: int, undecided: int) -> None:
    numbers = page.locator(".cga-numbers").inner_text().split("\n")
    said = dict(zip(numbers[::2], numbers[1::2], strict=True))
    assert (said["Accepted"], said["Not yet decided"]) == (str(accepted), str(undecided)), said


def _export(auditor: Page, folder: Path) -> Path:
    auditor.get_by_role("link", name="Export").click()
    with auditor.expect_download() as download:
        auditor.get_by_role("button", name="Download").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def _verify(file: Path) -> None:
    line = [sys.executable, "-m", "consentgate.evidence", str(file)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- every page -----------------------------------------------------------------------------------------------------

DRAFT_PLACE = f"{HOME}/drafts/terms-of-use/2031-01-01/en"
PAGES = {
    "sign-in": f"{HOME}/sign-in",
    "overview": HOME,
    "drafts": f"{HOME}/drafts",
    "draft-new": f"{HOME}/drafts/new",
    "draft": DRAFT_PLACE,
    "publish": f"{HOME}/publish?draft=terms-of-use/2031-01-01/en",
    "proposals": f"{HOME}/proposals",
    "policy-new": f"{HOME}/policies/new",
    "policy": f"{HOME}/policies/terms-of-use",
    "settings": f"{HOME}/policies/terms-of-use/settings",
    "outstanding": f"{HOME}/policies/terms-of-use/outstanding",
    "version": f"{HOME}/policies/terms-of-use/versions/2030-01-01",
    "decisions": f"{HOME}/decisions",
    "subjects": f"{HOME}/subjects",
    "subject": f"{HOME}/subjects?subject=user:ann",
    "export": f"{HOME}/export",
    "export-refused": f"{HOME}/export?format=ndjson&since=yesterday",
    "ledger": f"{HOME}/ledger",
    "tokens": f"{HOME}/tokens",
    "nothing": f"{HOME}/nothing",
}


def _pages(page: Page) -> Iterator[str]:
    """Every page once; and the one proposal there is."""
    for name, address in PAGES.items():
        page.goto(address)
        yield name
    page.goto(PAGES["proposals"])
    page.get_by_role("main").get_by_role("link").first.click()
    yield "proposal"


def test_axe_finds_nothing_on_any_page(desk: Desk, enter: Enter, keep: Any, axe_script: str) -> None:
    """No violation of WCAG 2.2 A and AA, nor of axe's best practices; and enough contrast in the dark too."""
    page, found = enter(desk, "owner"), {}
    for name in _pages(page):
        keep(page, f"admin-{name}-light", full=True)
        page.evaluate(axe_script)
        found[name] = violations(page)
        page.emulate_media(color_scheme="dark")
        found[f"{name} in the dark"] = violations(page, "{runOnly: ['color-contrast']}")
        keep(page, f"admin-{name}-dark", full=True)
        page.emulate_media(color_scheme="light")

    assert {name: said for name, said in found.items() if said} == {}


def test_no_page_scrolls_sideways_on_a_phone(desk: Desk, enter: Enter, keep: Any) -> None:
    """320 CSS pixels (WCAG 2.2, 1.4.10): tables and texts scroll in themselves, never the page."""
    page = enter(desk, "owner", viewport={"width": 320, "height": 640})
    wide = {}
    for name in _pages(page):
        keep(page, f"admin-{name}-320", full=True)
        wide[name] = page.evaluate("document.documentElement.scrollWidth")

    assert {name: width for name, width in wide.items() if width > 320} == {}


def test_an_editor_needs_no_mouse(desk: Desk, enter: Enter) -> None:
    """Sign in, begin a draft, type, save, look at what publishing would do: by keyboard alone."""
    page = enter(desk, "editor")
    tab_to(page, "nav a[href$='/drafts']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Drafts")
    tab_to(page, "main a[href$='/drafts/new']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New draft")
    tab_to(page, "#policy")
    page.keyboard.type("terms-of-use")
    tab_to(page, "#label")
    page.keyboard.press("Control+a")
    page.keyboard.type("2032-01-01")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("terms-of-use 2032-01-01")
    tab_to(page, "#body")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(DRAFT.replace("2026-03-15", "2032-01-01").replace("kettle", "teapot"))
    tab_to(page, "button[value=save]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    tab_to(page, "form[action$='/publish'] button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Before you publish")
    expect(page.get_by_role("main")).to_contain_text("1 January 2032")
