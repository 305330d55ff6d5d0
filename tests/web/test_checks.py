"""The check of a page before it is kept: once for each page, on record, told in the log, and rehearsed at start-up."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import pytest

from consentgate.errors import ConfigurationError
from consentgate.service.settings import Settings
from consentgate.terms.subject import Subject
from consentgate.web import checks
from consentgate.web.checks import Checks, rehearse
from consentgate.web.lint import RULES
from consentgate.web.render import Renderer
from consentgate.web.review import OFFER_MARK
from tests.web.conftest import SECRET, Site
from tests.web.forms import hidden_fields

TICKED = '{% extends "consentgate/review.html" %}{% block content %}{{ super() | replace("required", "checked") }}'
TICKED += "{% endblock %}"


def _accept(site: Site, user: str) -> dict[str, bytes]:
    """Accept as somebody, and return the files of their bundle."""
    browser = site.browser(user)
    page = browser.get(browser.get("/news/7").headers["location"])
    browser.post("/terms/review", data=hidden_fields(page.text) | {"do": "accept", "assent": "terms-of-use"})
    with zipfile.ZipFile(io.BytesIO(site.run(site.terms.bundle, Subject(user)))) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def _control(files: dict[str, bytes]) -> Any:
    return json.loads(next(data for name, data in files.items() if name.startswith("documents/controls/")))


def test_the_record_says_that_the_page_kept_every_rule(site: Site) -> None:
    """The control whose digest is in the entry names the rules and what was found; the statement says it in words."""
    site.publish_old()
    files = _accept(site, "ann")
    assert _control(files)["page"] == {"rules": RULES, "findings": []}
    assert f"every rule is kept ({RULES})" in files["statement.html"].decode()


def test_a_page_that_breaks_a_rule_is_told_in_the_log_and_on_record(
    make_site: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A host's template that ticks the box: said at start-up already, once, and in every record made with it."""
    folder = tmp_path / "ours"
    folder.mkdir()
    (folder / "review.html").write_text(TICKED)
    with caplog.at_level(logging.WARNING, "consentgate"):
        site = make_site(templates=folder)
        told = [record.message for record in caplog.records if "does not keep the rule unticked" in record.message]
        assert told
        site.publish_old()
        files = _accept(site, "ann")
    rules = {finding["rule"] for finding in _control(files)["page"]["findings"]}
    assert "unticked" in rules
    assert "not kept: unticked" in files["statement.html"].decode()
    assert len({*told}) == len(told)


@pytest.mark.parametrize("template", ["<h1>Terms</h1>", "{{ page.nonsense }}", "{% block %}", "{{ offer_mark }}" * 2])
def test_a_template_that_cannot_work_stops_the_start(make_site: Any, tmp_path: Path, template: str) -> None:
    """No place for the sealed offer, or no page at all: an error at start-up, not a page that looks as if it worked."""
    (tmp_path / "review.html").write_text(template)
    with pytest.raises(ConfigurationError, match=r"template|rendered"):
        make_site(templates=tmp_path)


def test_a_page_is_checked_once_for_each_of_its_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand readers of one page cost one check."""
    seen: list[str] = []
    monkeypatch.setattr(checks, "lint", lambda html: seen.append(html) or [])

    async def crowd() -> None:
        looked = Checks()
        await asyncio.gather(*(looked.check(f"<p>{OFFER_MARK}") for _ in range(20)))
        await looked.check(f"<b>{OFFER_MARK}")

    asyncio.run(crowd())
    assert seen == [f"<p>{OFFER_MARK}", f"<b>{OFFER_MARK}"]


def test_what_is_remembered_of_pages_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site with very many pages forgets and looks again; it does not grow."""
    monkeypatch.setattr(checks, "_MOST", 3)

    async def many() -> int:
        looked = Checks()
        for number in range(10):
            await looked.check(f"<p>{number}{OFFER_MARK}")
        return len(looked._found)

    assert asyncio.run(many()) <= 3


def test_our_own_page_keeps_every_rule_in_the_rehearsal(tmp_path: Path) -> None:
    """And the rehearsal shows redline, error, kept form and every kind of policy, or it would prove little."""
    settings = Settings(database=f"sqlite:///{tmp_path}/x.db", secrets=(SECRET,))
    assert rehearse(Renderer(), settings).findings == ()
    shown = " ".join(
        checks._render(
            Renderer(), settings, "en",
            checks.build_review(offer, Renderer().words("en"), wishes, chains={}, now=offer.shown_at),
        )
        for offer, wishes in checks._scenes("/terms", "en")
    )  # fmt: skip
    parts = ("cg-redline", "cg-columns", "aria-invalid", "cg-choice", "cg-moved", "cg-links", "to_view", "Our terms")
    for part in parts:
        assert part in shown
