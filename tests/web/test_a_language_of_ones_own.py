"""A language is added by the documented steps, and then every sentence of every page is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po, write_po

import consentgate.web
from consentgate.web.lint import Node, _Builder, lint
from tests.web import samples
from tests.web.conftest import Site
from tests.web.forms import hidden_fields

ROOT = Path(consentgate.web.__file__).parents[2]
OPEN, CLOSE = "⟦", "⟧"
_INNERMOST = re.compile(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")
_NOT_OURS = (
    "The Daily Kettle", "Sign out", "Support", "Terms of Use", "Privacy notice", "Newsletter", "Esperanto",
)  # fmt: skip
"""Names: of the site, of its addresses as words, of its policies, and of the language itself."""


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An override folder with Esperanto: extracted and begun as "Add a language" says, then each message bracketed."""
    folder = tmp_path_factory.mktemp("ours")
    (folder / "locales").mkdir()
    catalogue = folder / "locales" / "eo.po"
    guide = (ROOT / "docs" / "howto" / "add-a-language.md").read_text("utf-8")
    commands = [line.split() for line in re.findall(r"^\s+(pybabel (?:extract|init) .*)$", guide, re.M)]
    assert [command[1] for command in commands] == ["extract", "init"]
    web = ROOT / "consentgate" / "web"
    replaced = {
        "messages.pot": str(folder / "messages.pot"), "pt": "eo", "consentgate/web": str(web),
        "consentgate/web/locales/pt.po": str(catalogue),
        "consentgate/web/locales/babel.cfg": str(web / "locales" / "babel.cfg"),
    }  # fmt: skip
    for command in commands:
        CommandLineInterface().run([replaced.get(word, word) for word in command])
    with catalogue.open("rb") as file:
        messages = read_po(file)
    for message in messages:
        if message.id:
            said = message.id if isinstance(message.id, str) else message.id[1]
            message.string = (OPEN + said + CLOSE,) * 2 if message.pluralizable else OPEN + said + CLOSE
    with catalogue.open("wb") as file:
        write_po(file, messages)
    return folder


@pytest.fixture(name="made", scope="module")
def _made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Every kind of policy, an update, an announced version, a reader who decided and one who did not."""
    with Site(tmp_path_factory.mktemp("site"), templates=folder, open_paths=("/sign-out", "/support")) as site:
        site.publish_old()
        site.accept("ann")
        site.write("privacy", "1.0", samples.PRIVACY, kind="notice", title="Privacy notice")
        site.write("newsletter", "1.0", samples.NEWSLETTER, kind="consent", title="Newsletter")
        site.publish_new()
        site.write("terms-of-use", "2026-06-01", samples.OLD, effective="2026-06-01", enforce="2026-07-01")
        site.publish()
        yield site


PAGES = (
    "/terms", "/terms/mine", "/terms/declined", "/terms/declined?left=1", "/terms/nothing", "/terms/terms-of-use",
    "/terms/terms-of-use/2024-06-24", "/terms/terms-of-use/2024-06-24.html", "/terms/terms-of-use/history",
    "/terms/terms-of-use/changes", "/terms/terms-of-use/changes?view=side-by-side", "/terms/review",
    "/terms/review?view=side-by-side", "/terms/review?view=changes", "/terms/review?view=full",
    "/terms/review?policy=newsletter", "/terms/review?policy=terms-of-use",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("user", ["ann", "new"])
def test_every_sentence_of_every_page_is_in_the_added_language(made: Site, user: str, path: str) -> None:
    """Nothing is left in English but texts, names and what is marked as of another language."""
    assert _left_over(made.browser(user, "eo").get(path).text) == []


def test_what_comes_of_a_form_is_in_the_added_language_too(made: Site) -> None:
    """A forgotten box, a form that is kept, the button that sends it on, what cannot be kept, a refusal."""
    browser = made.browser("eve", "eo")
    kept = browser.post("/comment", data={"text": "x"})
    large = browser.post("/comment", files={"file": ("a.txt", b"x")})
    fields = hidden_fields(kept.text) | {"do": "accept"}
    forgotten = browser.post("/terms/review", data=fields)
    broken = browser.post("/terms/review", data=fields | {"offer": "x"})
    ready = browser.post("/terms/review", data=fields | {"assent": ["terms-of-use", "privacy"]})
    foreign = browser.post("/terms/review", data=fields, headers={"sec-fetch-site": "cross-site"})
    for answer in (kept, large, forgotten, broken, ready, foreign):
        assert _left_over(answer.text) == []
    assert [answer.status_code for answer in (forgotten, broken, ready, foreign)] == [422, 400, 200, 403]


def test_the_added_language_is_chosen_like_any_other_and_keeps_the_rules(made: Site) -> None:
    """By the browser's wish; named in its own words among the choices; dates as CLDR writes them there."""
    page = made.browser("ann", "eo").get("/terms/review").text
    assert '<html lang="eo" dir="ltr"' in page
    assert lint(page) == []
    listing = made.browser("ann").get("/terms").text
    assert 'hreflang="eo">Esperanto</a>' in listing
    assert "Junio" in made.browser("ann", "eo").get("/terms/terms-of-use/history").text


def _left_over(html: str) -> list[str]:
    """What is read or heard on a page and is neither bracketed nor of another language, a text or a name."""
    builder = _Builder()
    builder.feed(html)
    found = []
    for words in _said(builder.root, "eo"):
        rest = " ".join(words.split())
        while _INNERMOST.search(rest):
            rest = _INNERMOST.sub("", rest)
        for name in _NOT_OURS:
            rest = rest.replace(name, "")
        if re.search(r"[^\W\d_]{2,}", re.sub(r"\d{4}-[a-z]+-\d+|\bUTC\b", "", rest)):
            found.append(rest.strip())
    return found


def _said(node: Node, language: str) -> Iterator[str]:
    """All words of the interface: text of elements, and labels that are heard."""
    attributes = node.attributes
    language = attributes.get("lang", language)
    if language != "eo" or "cg-text" in attributes.get("class", "") or node.tag in ("code", "style", "option"):
        return
    if label := attributes.get("aria-label"):
        yield label
    yield "".join(child if isinstance(child, str) else "\0" for child in node.children).replace("\0", " ")
    for child in node.children:
        if isinstance(child, Node):
            yield from _said(child, language)


def test_a_sentence_that_is_not_translated_would_be_found() -> None:
    """The check itself can fail."""
    assert _left_over('<html lang="eo"><p>⟦Hello⟧ there</p>') == ["there"]
    assert _left_over('<html lang="eo"><nav aria-label="Views"></nav><p lang="en">there</p>') == ["Views"]


@pytest.mark.parametrize("template", sorted(path.name for path in (ROOT / "consentgate/web/templates").glob("*.html")))
def test_the_host_may_replace_any_template(tmp_path: Path, template: str) -> None:
    """A file of the same name in the folder takes the place of ours; ours is still there under its full name."""
    from consentgate.web.render import Renderer

    (tmp_path / template).write_text('{% extends "consentgate/' + template + '" %}{# mine #}')
    environment = Renderer(tmp_path)._environment("en")
    assert environment.get_template(template).filename == str(tmp_path / template)
    assert environment.get_template(f"consentgate/{template}").filename != str(tmp_path / template)
