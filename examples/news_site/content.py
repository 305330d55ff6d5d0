"""What stands in the paper: the articles of `articles/`, read once, and the lines of the ticker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt

HERE = Path(__file__).parent

TICKER = (
    "07:10 High water at Port Ellery 08:24, 5.1 metres",
    "07:25 Wind south-west 4, visibility good outside the bar",
    "07:40 Trawler Perpetua landing at the fish market, mostly haddock",
    "08:05 Weir Street closed to cars until noon: the library is moving a table",
    "08:30 Pilot boat out to meet the Constance",
    "09:00 Swing bridge opens for two masts and a swan",
)


@dataclass(frozen=True)
class Article:
    """One article.

    Args:
        slug: its place in the address, and the name of its file.
        title, section, author, day, summary: as printed.
        art, alt: the drawing above it, and what it shows.
        order: its rank on the front page, 1 being the lead.
        lang: language it is written in.
        text: Markdown.
    """

    slug: str
    title: str
    section: str
    author: str
    day: date
    summary: str
    art: str
    alt: str
    order: int
    lang: str
    text: str

    @cached_property
    def html(self) -> str:
        """The text as HTML."""
        return str(MarkdownIt("commonmark", {"html": False}).render(self.text))

    @property
    def minutes(self) -> int:
        """How long it takes to read."""
        return max(1, round(len(self.text.split()) / 200))

    @cached_property
    def words(self) -> str:
        """Everything a search looks at."""
        return f"{self.title} {self.section} {self.author} {self.summary} {self.text}".casefold()


def read_article(file: Path) -> Article:
    """Read one article: lines of ``key: value``, an empty line, and Markdown."""
    head, _, text = file.read_text(encoding="utf-8").partition("\n\n")
    facts = dict(line.split(": ", 1) for line in head.splitlines())
    return Article(
        slug=file.stem,
        title=facts["title"],
        section=facts["section"],
        author=facts["author"],
        day=date.fromisoformat(facts["date"]),
        summary=facts["summary"],
        art=facts["art"],
        alt=facts["alt"],
        order=int(facts["order"]),
        lang=facts.get("lang", "en"),
        text=text.strip(),
    )


ARTICLES = tuple(sorted(map(read_article, (HERE / "articles").glob("*.md")), key=lambda article: article.order))
BY_SLUG = {article.slug: article for article in ARTICLES}
SECTIONS = {section.replace(" ", "-").replace("ç", "c").casefold(): section for section in
            dict.fromkeys(article.section for article in ARTICLES)}  # fmt: skip


def search(query: str) -> list[Article]:
    """The articles in which every word of the query occurs."""
    wanted = query.casefold().split()
    return [article for article in ARTICLES if wanted and all(word in article.words for word in wanted)]
