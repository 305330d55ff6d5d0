"""Read a page of ours as a browser does: its forms, and what they would send."""

from __future__ import annotations

from html.parser import HTMLParser


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.actions: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append({})
            self.actions.append(given.get("action", ""))
        elif tag == "input" and given.get("type") == "hidden" and self.forms:
            self.forms[-1][given["name"]] = given.get("value", "")


def hidden_fields(html: str) -> dict[str, str]:
    """What the first form of a page carries without being seen."""
    parser = _Forms()
    parser.feed(html)
    return parser.forms[0]


def actions(html: str) -> list[str]:
    """Where the forms of a page go."""
    parser = _Forms()
    parser.feed(html)
    return parser.actions
