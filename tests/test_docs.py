"""The documentation says what is: its code, links, commands, settings and errors are checked against the program."""

from __future__ import annotations

import ast
import doctest
import inspect
import json
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from consentgate import ConsentGate, errors
from consentgate.errors import DraftError
from consentgate.gate.answers import PROBLEM_TYPE
from consentgate.terms.draft import parse_draft
from consentgate.terms.policy_file import parse_policy
from consentgate.web.api import build_api
from consentgate.web.pages import build_pages

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted(DOCS.rglob("*.md"))

FENCE = re.compile(r"^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str


def name(thing: Path | Block) -> str:
    """A readable test id: the page, and the line of a block."""
    if isinstance(thing, Block):
        return f"{name(thing.page)}:{thing.line}"
    return thing.relative_to(ROOT).as_posix()


def blocks(*languages: str) -> list[Block]:
    """Every fenced block of these languages."""
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[3], textwrap.dedent(found[4]))
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for found in FENCE.finditer(text)
        if found[3] in languages
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def headings(page: Path) -> list[str]:
    """The headings of a page, without marks."""
    return [found[2].replace("`", "") for found in HEADING.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of the headings of a page."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}


def section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next of any level, without fenced blocks."""
    after = re.split(rf"^#+ +`?{re.escape(heading)}`? *$", prose(page), flags=re.MULTILINE)
    assert len(after) == 2, f"{name(page)} has {len(after) - 1} headings {heading!r}"
    return re.split(r"^#+ ", after[1], flags=re.MULTILINE)[0]


# ── code ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("block", blocks("python", "pycon"), ids=name)
def test_python_blocks_are_python_of_this_package(block: Block) -> None:
    """Each block compiles, imports only names that exist, and passes only arguments that exist; examples run."""
    if block.text.startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(block.text, {}, name(block), str(block.page), block.line)
        assert doctest.DocTestRunner().run(test).failed == 0
        return
    tree = ast.parse(block.text, filename=name(block))
    known: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "consentgate":
            module = import_module(node.module or "")
            known |= {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and callable(known.get(node.func.id)):
            assert_arguments(known[node.func.id], [word.arg for word in node.keywords if word.arg])


def assert_arguments(function: object, given: list[str]) -> None:
    """Each keyword is a parameter by name; `**options` of a wrapper does not count as knowing it."""
    assert callable(function)
    assert set(given) <= set(inspect.signature(function).parameters), f"{function} has no such argument"


@pytest.mark.parametrize("block", blocks("json"), ids=name)
def test_json_blocks_are_json(block: Block) -> None:
    """What is shown as JSON parses as JSON."""
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("toml"), ids=name)
def test_toml_blocks_are_toml(block: Block) -> None:
    """What is shown as TOML parses as TOML."""
    tomllib.loads(block.text)


def commands(program: str) -> Iterator[tuple[Block, list[str]]]:
    """Each call of a program in the shell blocks: its words, up to a pipe or redirection."""
    for block in blocks("sh", "shell", "bash", "console"):
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words and words[0] == program:
                end = next((place for place, word in enumerate(words) if word in {"|", ">", "&&", ";", "<"}), None)
                yield block, words[1:end]


def test_every_make_target_that_is_named_exists() -> None:
    """Shell blocks that say `make x` name a target of the Makefile, and variables it knows."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) *\?=", makefile, re.MULTILINE)) | {"PYTHON"}
    called = [words for _, words in commands("make")]

    assert called
    for words in called:
        for word in words:
            assert word.partition("=")[0] in (variables if "=" in word else targets), f"make {word}"


# ── links ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    """A relative link names a file that exists, and its fragment a heading in it."""
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name(page)} links to {target}"
        if fragment:
            assert fragment in anchors(file), f"{name(page)} links to {target}"


def test_every_page_is_linked_from_another() -> None:
    """Whoever starts at the README or at the index can reach every page."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = [target.partition("#")[0] for target in LINK.findall(prose(page)) if ":" not in target]
        waiting += [(page.parent / target).resolve() for target in targets if target.endswith(".md")]

    assert {name(page) for page in PAGES} <= {name(page) for page in reached}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_has_one_title_and_no_heading_twice(page: Path) -> None:
    """One heading of level one at the top; anchors are unambiguous."""
    text = prose(page)
    assert re.match(r"# \S", text.lstrip()), "the page does not begin with its title"
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    if page.name != "CHANGELOG.md":
        assert len(anchors(page)) == len(headings(page))


def test_every_room_is_introduced() -> None:
    """The table of rooms that newcomers read has each folder and file of the package, but for the small ones on top."""
    rooms = {
        path.stem
        for path in (ROOT / "consentgate").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert rows(ROOT / "CONTRIBUTING.md", "The house") == rooms - {"__init__", "lifespan"}


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ERRORS = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ConsentGateError)
}


@pytest.mark.parametrize("kind", ERRORS.values(), ids=lambda kind: kind.slug)
def test_every_error_has_its_entry(kind: type[errors.ConsentGateError]) -> None:
    """The page of errors has a heading for the slug, and under it class, status and title as they are."""
    text = section(DOCS / "reference" / "errors.md", kind.slug)

    assert text.strip().startswith(f"`{kind.__name__}` · {kind.status} · {kind.title}\n")


def test_no_entry_is_left_over_from_an_error_that_is_gone() -> None:
    """Each heading of the page of errors is the slug of an error, or what the gate answers to programs."""
    gates = PROBLEM_TYPE.removeprefix(errors.PROBLEM_BASE)

    assert set(headings(DOCS / "reference" / "errors.md")[1:]) == {kind.slug for kind in ERRORS.values()} | {gates}


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────────

SETTINGS = {
    parameter.name: parameter.default
    for parameter in inspect.signature(ConsentGate).parameters.values()
    if parameter.kind is parameter.KEYWORD_ONLY
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_has_its_entry_and_its_default(setting: str) -> None:
    """The page of settings has a heading for each keyword of `ConsentGate`, and under it the default as it is."""
    text = section(DOCS / "reference" / "settings.md", setting)

    assert text.strip().startswith(f"Default: `{SETTINGS[setting]!r}`\n")


def test_no_setting_is_explained_that_does_not_exist() -> None:
    """Each heading of the page of settings is a keyword of `ConsentGate`."""
    assert headings(DOCS / "reference" / "settings.md")[1:] == list(SETTINGS)


# ── addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def _nothing(scope: object, receive: object, send: object) -> None:
    raise NotImplementedError


def test_every_address_is_listed() -> None:
    """The tables of addresses have every route of the pages and of the API, with its method, no more and no less."""
    gated = ConsentGate(_nothing, database="sqlite://", secret="0123456789abcdef" * 4)
    pages, api = build_pages(gated.terms), build_api(gated.terms, "/terms")
    there = {
        f"{method} {route.path}"
        for route in (*pages._app.routes, *api.routes)
        for method in sorted(route.methods - {"HEAD"})
        if route.path not in {"/terms/", "/terms/api/v1/openapi.json"}
    }
    page = DOCS / "reference" / "http.md"

    assert rows(page, "Pages") | rows(page, "API") == there


# ── policy files ────────────────────────────────────────────────────────────────────────────────────────────────────

POLICY_FILES = DOCS / "reference" / "policy-files.md"


def rows(page: Path, heading: str) -> set[str]:
    """The first cells, in code marks, of the tables under a heading."""
    return set(re.findall(r"^\| `([^`]+)` \|", section(page, heading), re.MULTILINE))


def known_keys(error: DraftError) -> set[str]:
    """The keys that the refusal of an unknown one names in its hint."""
    return set(error.hint.partition(": ")[2].split(", "))


def test_every_key_of_a_policy_file_is_explained() -> None:
    """The table of `policy.toml` has the keys that the parser knows, no more and no less."""
    with pytest.raises(DraftError) as caught:
        parse_policy(b"nonsense = 1", slug="terms", file="policy.toml")

    assert rows(POLICY_FILES, "policy.toml") == known_keys(caught.value)


def test_every_key_of_front_matter_is_explained() -> None:
    """The table of front matter has the keys that the parser knows, no more and no less."""
    with pytest.raises(DraftError) as caught:
        parse_draft(b"---\nnonsense: 1\n---\nText.\n", file="a.en.md", policy="terms", label="a", language="en")

    assert rows(POLICY_FILES, "Front matter") == known_keys(caught.value)


def test_the_front_matter_that_is_shown_is_read() -> None:
    """The example of a text parses as what it is said to be."""
    example = next(block for block in blocks("text") if block.text.startswith("---\n"))
    draft = parse_draft(example.text.encode(), file="2026-04-01.en.md", policy="terms-of-use")

    assert (draft.label, draft.impact, bool(draft.summary)) == ("2026-04-01", "material", True)


def test_the_policy_file_that_is_shown_is_read() -> None:
    """The example of a `policy.toml` parses."""
    example = next(block for block in blocks("toml") if block.page == POLICY_FILES)

    assert parse_policy(example.text.encode(), slug="terms-of-use", file="policy.toml").notice_days == 30


def test_every_finding_is_explained() -> None:
    """The table of findings has every code that publishing can find."""
    sources = [ROOT / "consentgate" / "terms" / "checks.py", ROOT / "consentgate" / "service" / "plan.py"]
    codes = {code for path in sources for code in re.findall(r'Finding\(\s*"([a-z-]+)"', path.read_text("utf-8"))}

    assert rows(POLICY_FILES, "What publishing finds") == codes


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────

CLI = DOCS / "reference" / "cli.md"


@pytest.mark.parametrize("page", ["cli", "api"])
def test_the_reference_that_is_written_by_the_program_is_up_to_date(page: str) -> None:
    """The page is what `make reference` writes today."""
    written = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "reference"), page], capture_output=True, text=True, check=True
    ).stdout

    assert (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8") == written, "run `make reference`"


@pytest.mark.parametrize(("block", "words"), list(commands("consentgate")), ids=lambda item: str(item)[:40])
def test_every_command_that_is_shown_exists(block: Block, words: list[str]) -> None:
    """Each `consentgate …` of the documentation is a command with those options."""
    known = {heading.removeprefix("consentgate ") for heading in headings(CLI)[1:]}
    command = next(name for name in (" ".join(words[:2]), words[0]) if name in known)
    text = section(CLI, f"consentgate {command}")

    for word in words:
        if word.startswith("--"):
            assert f"`{word}" in text or f", {word}" in text, f"{name(block)}: {command} has no {word}"
