"""The Harbour Courier as a newspaper, without its gate."""

from __future__ import annotations

import re
import socket
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from starlette.requests import cookie_parser
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from examples.news_site.app import MAX_PICTURE, create_site, own_path
from examples.news_site.content import ARTICLES, HERE, SECTIONS, TICKER
from examples.news_site.people import COOKIE, People
from tests.examples.reading import Reading

T = TypeVar("T")

ART = HERE / "static" / "art"
PEOPLE = People("a secret of the tests")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

PAGES = (
    "/", "/search", "/search?q=tide", "/search?q=%3Cscript%3E", "/live", "/newsletter", "/letters", "/account",
    "/account/delete", "/sign-in", "/sign-out", "/contact", "/corrections",
    *(f"/section/{name}" for name in SECTIONS), *(f"/news/{article.slug}" for article in ARTICLES),
)  # fmt: skip


@pytest.fixture(name="bare", scope="module")
def _bare() -> TestClient:
    """The newspaper without its gate. It has no start-up, so no lifespan has to be run."""
    return TestClient(create_site(PEOPLE), follow_redirects=False)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_accessible_and_fit_for_a_strict_policy(bare: TestClient, path: str) -> None:
    """A page has a language, one h1, ordered headings, labelled fields, and neither script nor style of its own."""
    answer = bare.get(path)
    page = Reading(answer.text)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    labelled = {label.get("for") for label in page.all("label")}
    fields = [field for field in page.all("input", "textarea") if field.get("type") != "hidden"]
    assert answer.status_code == 200
    assert page.all("html")[0]["lang"] in ("en", "fr")
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip([0, *levels], levels, strict=False))
    assert [script for script in page.all("script") if "src" not in script] == []
    assert page.all("style") == []
    assert [name for _, have in page.tags for name in have if name == "style" or name.startswith("on")] == []
    assert [picture for picture in page.all("img") if "alt" not in picture] == []
    assert [field for field in fields if field.get("id") not in labelled] == []
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_every_link_of_the_newspaper_leads_somewhere(bare: TestClient) -> None:
    """Whatever a page links, shows or loads is there; the gate's own pages aside."""
    linked = {
        attributes.get("href") or attributes.get("src") or ""
        for path in PAGES
        for _, attributes in Reading(bare.get(path).text).tags
        if "href" in attributes or "src" in attributes
    }
    paths = sorted(path.partition("#")[0] for path in linked if not path.startswith(("#", "/terms")))
    assert {path: bare.get(path).status_code for path in paths if path} == {path: 200 for path in paths if path}


def test_an_unknown_address_is_a_page_of_ours(bare: TestClient) -> None:
    """404 is told in the newspaper's own frame."""
    answers = [bare.get(path) for path in ("/nowhere", "/news/nothing", "/section/nothing")]
    assert [(answer.status_code, "put to sea" in answer.text) for answer in answers] == [(404, True)] * 3


def test_every_article_has_body_drawing_and_description() -> None:
    """At least 250 words, a drawing that exists, and words for those who do not see it."""
    assert len(ARTICLES) >= 6
    assert [article.slug for article in ARTICLES if len(article.text.split()) < 250] == []
    assert [article.slug for article in ARTICLES if not (ART / f"{article.art}.svg").is_file()] == []
    assert [article.slug for article in ARTICLES if len(article.alt) < 20] == []


@pytest.mark.parametrize("file", sorted(HERE.glob("static/**/*.svg")), ids=lambda file: file.stem)
def test_a_drawing_is_well_formed_and_cannot_act(file: Path) -> None:
    """SVG without scripts, styles, links or anything from elsewhere."""
    names = {element.tag.rpartition("}")[2] for element in ET.parse(file).iter()}
    assert names.isdisjoint({"script", "style", "a", "image", "foreignObject", "use"})


def test_a_french_article_says_that_it_is_french(bare: TestClient) -> None:
    """The page is in French, its frame says that it is not."""
    page = Reading(bare.get("/news/marche-de-noel").text)
    assert page.all("html")[0]["lang"] == "fr"
    assert [frame["lang"] for frame in page.all("header", "footer")[:1]] == ["en"]
    assert "vendredi 20 novembre 2026" in page.words


def test_a_search_wants_every_word_and_shows_the_query_as_text(bare: TestClient) -> None:
    """All words must occur, in any case; what was typed is escaped."""
    found = bare.get("/search", params={"q": "TIDE wheel"}).text
    assert "Bread by the tide table" in found
    assert "Nothing with" in bare.get("/search", params={"q": "tide zeppelin"}).text
    assert "<b>" not in bare.get("/search", params={"q": "<b>"}).text


def test_the_newsletter_form_keeps_every_value(bare: TestClient) -> None:
    """Several topics, accents and line breaks arrive as they were typed."""
    typed = {"email": "zoë@example.org", "topic": ["Culture", "Harbour and tides"], "note": "Fish & chips\r\n<soon>"}
    words = Reading(bare.post("/newsletter", data=typed).text).words
    assert "zoë@example.org" in words
    assert "Culture, Harbour and tides" in words
    assert "Fish & chips\r\n<soon>".replace("\r", "") in words.replace("\r", "")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [({"email": "nobody", "topic": "Culture"}, "with an @"), ({"email": "a@b.example"}, "at least one newsletter")],
)
def test_a_form_with_a_mistake_comes_back_filled_in(bare: TestClient, typed: dict[str, str], expected: str) -> None:
    """The page says what is wrong, and nothing typed is lost."""
    answer = bare.post("/newsletter", data={**typed, "note": "kept words"})
    assert answer.status_code == 422
    assert expected in answer.text
    assert "kept words" in answer.text
    assert typed["email"] in answer.text


def test_a_letter_arrives_with_its_picture(bare: TestClient) -> None:
    """A multipart form with a file."""
    picture = ("seal.png", b"\x89PNG" + bytes(1_020), "image/png")
    answer = bare.post("/letters", data={"name": "Ida", "letter": "About seals."}, files={"picture": picture})
    assert answer.status_code == 200
    assert "seal.png, 1,024 bytes" in answer.text


def test_a_letter_without_words_comes_back_and_one_too_large_is_refused(bare: TestClient) -> None:
    """422 with what was typed; 413 before the file is read."""
    large = {"picture": ("big.png", bytes(MAX_PICTURE + 200_000), "image/png")}
    assert bare.post("/letters", data={"name": "Ida", "letter": ""}).status_code == 422
    assert bare.post("/letters", data={"name": "Ida", "letter": "x"}, files=large).status_code == 413


def test_headlines_for_programs_name_every_article(bare: TestClient) -> None:
    """The JSON lists what the front page shows, with addresses that work."""
    told = bare.get("/api/headlines").json()
    assert [item["title"] for item in told] == [article.title for article in ARTICLES]
    assert bare.get(told[0]["url"]).status_code == 200


def test_the_ticker_sends_its_first_line_at_once(bare: TestClient) -> None:
    """A WebSocket at the same address as the page."""
    with bare.websocket_connect("/live") as ticker:
        assert ticker.receive_json() == {"line": TICKER[0]}
        ticker.send_text("next")  # whatever is said brings the next line before its time
        assert ticker.receive_json() == {"line": TICKER[1]}


def test_signing_in_names_the_reader_until_they_sign_out(bare: TestClient) -> None:
    """The name stands in a signed cookie, and goes back to where one came from."""
    answer = bare.post("/sign-in", data={"name": "Zoë Quill", "next": "/letters"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/letters")
    assert "Zoë Quill" in bare.get("/account").text
    assert "Zoë Quill" in bare.get("/sign-out").text
    bare.post("/sign-out")
    assert "You are not signed in" in bare.get("/account").text


def test_deleting_an_account_takes_a_post_and_signs_out(bare: TestClient) -> None:
    """A link alone deletes nothing."""
    bare.post("/sign-in", data={"name": "Zoë"})
    bare.get("/account/delete")
    assert "signed in as Zoë" in bare.get("/account").text
    assert "Your account is deleted" in bare.post("/account/delete").text
    assert "You are not signed in" in bare.get("/account").text


@pytest.mark.parametrize("cookie", ["Rosalind", "IlJvc2FsaW5kIg.forged", "", "\x00", "a.b.c"])
def test_a_name_that_we_did_not_sign_is_nobody(cookie: str) -> None:
    """Nobody becomes somebody else by writing a cookie."""
    assert PEOPLE.who({"headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]}) is None


def test_a_name_is_found_among_other_cookies_and_when_the_header_is_split(bare: TestClient) -> None:
    """HTTP/2 may send each cookie in a header of its own (RFC 9113 §8.2.3)."""
    answer = bare.post("/sign-in", data={"name": "Ida"})
    bare.cookies.clear()
    sealed = cookie_parser(answer.headers["set-cookie"])[COOKIE]
    one = [(b"cookie", f"x=1; {COOKIE}={sealed}; y=2".encode())]
    two = [(b"cookie", b"x=1"), (b"cookie", f"{COOKIE}={sealed}".encode())]
    assert [PEOPLE.who({"headers": one}), PEOPLE.who({"headers": two})] == ["Ida", "Ida"]


@pytest.mark.parametrize(
    "address", [None, "", "https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "/\n/x", "news"]
)
def test_signing_in_never_leads_to_another_site(address: str | None) -> None:
    """Anything but a path of our own becomes the front page."""
    assert own_path(address) == "/"


def test_a_form_from_another_site_is_refused(bare: TestClient) -> None:
    """The browser says where a form comes from (Fetch Metadata)."""
    answers = [
        bare.post("/sign-in", data={"name": "Eve"}, headers={"sec-fetch-site": site}).status_code
        for site in ("cross-site", "same-site", "same-origin", "none")
    ]
    bare.cookies.clear()
    assert answers == [403, 403, 303, 303]


# --- in a browser --------------------------------------------------------------------------------------------------


def served(app: ASGIApp, work: Callable[[str], T]) -> T:
    """Serve an app on a port of its own, and do something with its address meanwhile.

    The work runs in a thread of its own: Playwright keeps a loop running in the thread that it is used in.
    """
    import uvicorn

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        serving.start()
        try:
            while not server.started and serving.is_alive():
                time.sleep(0.01)
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(work, f"http://127.0.0.1:{listening.getsockname()[1]}").result()
        finally:
            server.should_exit = True
            serving.join(timeout=20)


@pytest.mark.browser
@pytest.mark.slow
def test_no_page_scrolls_sideways_or_complains(chromium: str) -> None:
    """At 320 pixels and wide, light and dark: no sideways scrolling, nothing refused, every picture drawn."""
    from playwright.sync_api import sync_playwright

    def visit(address: str) -> list[str]:
        wrong: list[str] = []
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
            for width, scheme, paths in ((320, "dark", PAGES), (1280, "light", PAGES[:8])):
                page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
                page.on("console", lambda said: wrong.append(said.text))  # noqa: B023 (one list for all)
                for path in paths:
                    page.goto(address + path)
                    page.eval_on_selector_all("img", "all => all.forEach(one => { one.loading = 'eager' })")
                    page.evaluate("Promise.all([...document.images].map(one => one.decode().catch(() => null)))")
                    over, empty = page.evaluate(
                        "[document.documentElement.scrollWidth - innerWidth,"
                        " [...document.images].filter(one => !one.naturalWidth).length]"
                    )
                    wrong += [f"{path} at {width}: {over} px too wide"] * (over > 0)
                    wrong += [f"{path}: {empty} pictures not drawn"] * (empty > 0)
            browser.close()
        return wrong

    assert served(create_site(PEOPLE), visit) == []


@pytest.mark.browser
@pytest.mark.slow
def test_pages_have_no_fault_that_axe_can_find(chromium: str, axe_script: str) -> None:
    """WCAG 2.2 AA as far as a program can judge it, in light and in dark."""
    from playwright.sync_api import sync_playwright

    paths_of_each_kind = ("/", "/newsletter", "/news/marche-de-noel", "/search?q=tide", "/live")
    rules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"

    def visit(address: str) -> list[str]:
        wrong: list[str] = []
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
            for scheme, paths in (("light", paths_of_each_kind), ("dark", paths_of_each_kind[:2])):
                context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
                page = context.new_page()
                for path in paths:
                    page.goto(address + path)
                    page.evaluate(axe_script)
                    found = page.evaluate(f"axe.run(document, {rules}).then(all => all.violations)")
                    wrong += [f"{path}, {scheme}: {one['id']} {one['nodes'][0]['html'][:120]}" for one in found]
            browser.close()
        return wrong

    assert served(create_site(PEOPLE), visit) == []
