"""What a review page must keep to, checked on its HTML: ``consentgate lint-page``.

Room: web (pure; standard library only). Our own page passes it in every language and state (tests); a host who
overrides the template runs it over theirs. The rules come from case law and from WCAG, named beside each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

RULES = "consentgate-page/1"
"""Name of this set of rules, kept with what they found: another set will have another name."""

_DEEPEST = 200
"""Elements within elements; whatever nests deeper, by mistake or on purpose, is read as if it stood side by side."""

_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_ASSENT_ACTS = ("accept",)
_REFUSALS = ("decline", "leave")
_KNOWN_ACTS = (*_ASSENT_ACTS, *_REFUSALS, "later")


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that is not kept.

    Args:
        rule: its name.
        message: what is wrong, in one line.
        line: in the HTML, from 1; 0 where the whole page is meant.
    """

    rule: str
    message: str
    line: int = 0


@dataclass(slots=True)
class Node:
    """An element."""

    tag: str
    attributes: dict[str, str]
    line: int
    parent: Node | None = None
    children: list[Node | str] = field(default_factory=list)

    def all(self, *tags: str) -> Iterator[Node]:
        """Descendants, in order; of these tags if any are given."""
        for child in self.children:
            if isinstance(child, Node):
                if not tags or child.tag in tags:
                    yield child
                yield from child.all(*tags)

    @property
    def text(self) -> str:
        """What it says, one blank for each run of blanks."""
        return " ".join(self._words().split())

    def _words(self) -> str:
        return "".join(child if isinstance(child, str) else child._words() for child in self.children)

    @property
    def authored(self) -> bool:
        """Whether it stands in a published text, and is not the page's own."""
        return self.within("cg-text")

    def within(self, name: str) -> bool:
        """Whether it, or what it stands in, has this class."""
        own = name in self.attributes.get("class", "").split()
        return own or (self.parent is not None and self.parent.within(name))

    @property
    def hidden(self) -> bool:
        """Whether it, or what it stands in, is not shown."""
        own = "hidden" in self.attributes or "display:none" in self.attributes.get("style", "").replace(" ", "")
        return own or (self.parent is not None and self.parent.hidden)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node("", {}, 0)
        self.at = self.root
        self.depth = 0
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self.getpos()[0], self.at)
        self.at.children.append(node)
        if tag not in _VOID and self.depth < _DEEPEST:
            self.at = node
            self.depth += 1

    def handle_endtag(self, tag: str) -> None:
        node, closed = self.at, 1
        while node.tag != tag and node.parent is not None:
            node, closed = node.parent, closed + 1
        if node.parent is not None:
            self.at = node.parent
            self.depth -= closed

    def handle_data(self, data: str) -> None:
        self.at.children.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def lint(html: str) -> list[Finding]:
    """Check a review page.

    Args:
        html: as sent, or as kept (with the mark where the sealed offer goes).

    Returns:
        what is not kept, in the order of the rules; empty for a good page.
    """
    builder = _Builder()
    builder.feed(html)
    builder.close()
    page = builder.root
    findings = [finding for rule in _PAGE_RULES for finding in rule(page)]
    form = _decision_form(page)
    if form is None:
        return [*findings, Finding("decision-form", "no form has a submit button named do with the value accept")]
    findings += [finding for rule in _FORM_RULES for finding in rule(page, form)]
    sealed = any(node.attributes.get("name") == "offer" for node in form.all("input"))
    if not sealed and "consentgate:offer" not in " ".join(builder.comments):
        findings.append(Finding("offer", "the form carries no sealed offer, and no mark for one", form.line))
    return findings


def lint_headers(headers: Mapping[str, str]) -> list[Finding]:
    """Check the response that carried the page."""
    lower = {name.lower(): value for name, value in headers.items()}
    policy = lower.get("content-security-policy", "")
    checks = (
        (
            "frame-ancestors",
            "frame-ancestors 'none'" in policy,
            "the page can be framed: an assent could be clickjacked",
        ),
        ("scripts", "unsafe-inline" not in policy and "default-src 'none'" in policy, "inline scripts could act on it"),
        ("no-store", "no-store" in lower.get("cache-control", ""), "somebody in between could keep or share the page"),
    )
    return [Finding(rule, message) for rule, kept, message in checks if not kept]


def _decision_form(page: Node) -> Node | None:
    return next(
        (form for form in page.all("form") if any(_act(node) in _ASSENT_ACTS for node in form.all("button"))), None
    )


def _act(node: Node) -> str:
    return node.attributes.get("value", "") if node.attributes.get("name") == "do" else ""


def _language(page: Node) -> Iterator[Finding]:
    """WCAG 3.1.1."""
    root = next(page.all("html"), None)
    if root is None or not root.attributes.get("lang"):
        yield Finding("lang", "<html> does not say its language")


def _headings(page: Node) -> Iterator[Finding]:
    """WCAG 1.3.1, 2.4.6. How an author nests the headings of a text is the author's affair."""
    levels = [(int(node.tag[1]), node.line) for node in page.all(*_HEADINGS) if not node.authored]
    if sum(1 for level, _line in levels if level == 1) != 1:
        yield Finding("headings", "a page has one h1")
    for (before, _), (level, line) in pairwise(levels):
        if level > before + 1:
            yield Finding("headings", f"h{level} follows h{before}", line)


def _no_refresh(page: Node) -> Iterator[Finding]:
    """WCAG 2.2.1, 3.2.5: nothing goes on by itself."""
    for node in page.all("meta"):
        if node.attributes.get("http-equiv", "").lower() == "refresh":
            yield Finding("refresh", "the page goes on by itself", node.line)


def _no_inline_scripts(page: Node) -> Iterator[Finding]:
    """What was kept must be all there was: no script in the page may change what is read."""
    for node in page.all():
        inline = node.tag == "script" and node.text
        handler = next((name for name in node.attributes if re.fullmatch(r"on[a-z]+", name)), "")
        if inline or handler or node.attributes.get("href", "").strip().lower().startswith("javascript:"):
            yield Finding("inline-script", f"<{node.tag}> carries a script", node.line)


def _marks_say_so(page: Node) -> Iterator[Finding]:
    """WCAG 1.4.1, 1.3.1: ins and del are silent in most screen readers."""
    for node in page.all("ins", "del"):
        classes = node.attributes.get("class", "").split()
        # A changed link target is told in a sentence: "now leads to … instead of …".
        told = "cg-num" in classes or node.within("cg-links")
        if not told and not any("cg-vh" in one.attributes.get("class", "") for one in node.all("span")):
            yield Finding("said", f"<{node.tag}> has no words for those who cannot see the marking", node.line)


def _full_text(page: Node) -> Iterator[Finding]:
    """The whole text is on the page (Specht; DSA Art. 14)."""
    full = {node.attributes["data-cg-full"] for node in page.all() if "data-cg-full" in node.attributes and node.text}
    named = [node for node in page.all("input") if node.attributes.get("name") == "assent"]
    for node in named:
        if node.attributes.get("value", "") not in full:
            slug = node.attributes.get("value", "")
            yield Finding("full-text", f"the full text of {slug} is not on the page (data-cg-full)", node.line)


def _post(_page: Node, form: Node) -> Iterator[Finding]:
    if form.attributes.get("method", "get").lower() != "post":
        yield Finding("post", "a decision is sent with POST", form.line)


def _unticked(_page: Node, form: Node) -> Iterator[Finding]:
    """GDPR recital 32; WCAG G155: nothing is chosen before the reader chooses."""
    for node in form.all("input"):
        if node.attributes.get("type") in ("checkbox", "radio") and "checked" in node.attributes:
            yield Finding("unticked", f"{node.attributes.get('id', 'a control')} is ticked already", node.line)


def _assent(page: Node, form: Node) -> Iterator[Finding]:
    """Berman, Chabolla: the sentence quotes the button, names text and version, and stands at its own box."""
    button = next(node for node in form.all("button") if _act(node) in _ASSENT_ACTS)
    boxes = [node for node in form.all("input") if node.attributes.get("type") == "checkbox"]
    choices = [node for node in form.all("input") if node.attributes.get("type") == "radio"]
    if not boxes and not choices:
        yield Finding("assent", "there is nothing to tick", form.line)
    for box in boxes:
        label = next((one for one in page.all("label") if one.attributes.get("for") == box.attributes.get("id")), None)
        sentence = label.text if label is not None and not label.hidden else ""
        wanted = {
            "the button's own words": button.text,
            "the title of the text": box.attributes.get("data-title", ""),
            "the version": box.attributes.get("data-version", ""),
        }
        for what, words in wanted.items():
            if not words or words not in sentence:
                yield Finding("assent", f"the sentence at {box.attributes.get('id')} does not name {what}", box.line)


def _one_way_on(_page: Node, form: Node) -> Iterator[Finding]:
    """Sgouros: nothing beside the button may describe the click as something else."""
    buttons = [
        node
        for node in form.all("button", "input")
        if (node.tag == "button" and node.attributes.get("type", "submit") == "submit")
        or node.attributes.get("type") in ("submit", "image")
    ]
    if sum(1 for node in buttons if _act(node) in _ASSENT_ACTS) != 1:
        yield Finding("one-button", "one button accepts, not several", form.line)
    for node in buttons:
        if _act(node) not in _KNOWN_ACTS:
            yield Finding("one-button", f"“{node.text}” competes with the decision", node.line)
        if node.hidden or not (node.text or node.attributes.get("value")):
            yield Finding("one-button", "a button is hidden or has no words", node.line)


def _can_refuse(_page: Node, form: Node) -> Iterator[Finding]:
    """A refusal stands beside the acceptance, in the same form, in plain sight, and needs no box to be ticked."""
    refusals = [node for node in form.all("button") if _act(node) in _REFUSALS and not node.hidden]
    if not refusals:
        yield Finding("decline", "there is no way to decline", form.line)
    for node in refusals:
        if "formnovalidate" not in node.attributes:
            yield Finding("decline", "declining asks for the box to be ticked (formnovalidate)", node.line)


_PAGE_RULES: tuple[Callable[[Node], Iterator[Finding]], ...] = (
    _language, _headings, _no_refresh, _no_inline_scripts, _marks_say_so, _full_text,
)  # fmt: skip
_FORM_RULES: tuple[Callable[[Node, Node], Iterator[Finding]], ...] = (
    _post,
    _unticked,
    _assent,
    _one_way_on,
    _can_refuse,
)
