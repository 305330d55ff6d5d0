"""Crawlers are told by their name, people never are."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentgate.gate.crawlers import CRAWLERS, Crawlers

PEOPLE = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:130.0) Gecko/20100101 Firefox/130.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/8.5.0",
    "python-requests/2.32",
    "MyGooglebotReader/1.0",
    "NotGooglebot",
    "Googlebottom/1.0",
    "Yetinet/1.0",
    "",
    "GPTBot/1.2",
    "CCBot/2.0",
    "x" * 600 + " Googlebot/2.1",
    "Mozilla/5.0 (Linux; Android 14; Cubot X70) AppleWebKit/537.36",
]


@pytest.mark.parametrize("name", CRAWLERS)
def test_every_crawler_on_the_list_is_known(name: str) -> None:
    """Alone, within a longer name of a product, and in another case."""
    crawlers = Crawlers()

    for agent in (name, f"Mozilla/5.0 (compatible; {name}/2.1; +http://x.example/bot.html)", name.lower() + "/1"):
        assert agent.encode() in crawlers


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_and_programs_are_no_crawlers(agent: str) -> None:
    """Nor is who only sounds like one, or gathers text for other ends."""
    assert agent.encode() not in Crawlers()


def test_the_documentation_names_every_crawler_and_no_other() -> None:
    """Operators decide by that list."""
    page = (Path(__file__).parents[2] / "docs/reference/gate.md").read_text(encoding="utf-8")
    paragraph = page.partition("names one of these.")[2].strip().partition("\n\n")[0]

    assert [name.strip().rstrip(".") for name in paragraph.replace("\n", " ").split(",")] == list(CRAWLERS)


def test_an_answer_is_the_same_the_second_time() -> None:
    """What is remembered is what was found."""
    crawlers = Crawlers()
    for _ in range(3):
        assert b"Googlebot/2.1" in crawlers
        assert b"Firefox/130" not in crawlers


def test_bytes_of_any_kind_are_read() -> None:
    """A header of other bytes than ASCII is no error."""
    assert b"\xff\x00 Googlebot" in Crawlers()
    assert b"\xff\x00" not in Crawlers()
