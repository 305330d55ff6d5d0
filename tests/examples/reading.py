"""A page as a test looks at it."""

from __future__ import annotations

from html.parser import HTMLParser


class Reading(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, *names: str) -> list[dict[str, str]]:
        """The attributes of all elements of these names."""
        return [attributes for tag, attributes in self.tags if tag in names]
