"""What concerns one subject: agreements, receipts, status."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from consentgate.evidence.receipt import verify
from tests.web.conftest import Site
from tests.web.forms import hidden_fields


def _accept(browser: Any) -> None:
    page = browser.get("/terms/review")
    browser.post("/terms/review", data=hidden_fields(page.text) | {"do": "accept", "assent": "terms-of-use"})


def _receipts(browser: Any) -> list[str]:
    text = browser.get("/terms/mine").text
    return [part for part in text.split('"') if part.startswith("/terms/receipts/") and not part.endswith("/page")]


def test_my_agreements_show_what_when_and_how_to_check(site: Site) -> None:
    """What was accepted, the text, the changes as shown, the receipt, the page, and three sentences on checking it."""
    site.publish_old()
    browser = site.browser("ann")
    _accept(browser)
    site.clock.forward(hours=1)
    site.publish_new()
    assert "1 text needs your decision" in browser.get("/terms/mine").text
    _accept(browser)
    page = browser.get("/terms/mine").text
    assert page.index("Version 2026-01-22") < page.index("Version 2024-06-24")
    assert "Accepted on 1 February 2026 10:30 UTC" in page
    assert "/terms/terms-of-use/changes?from=2024-06-24&amp;to=2026-01-22&amp;language=en" in page
    assert "python -m consentgate.evidence" in page
    assert "needs your decision" not in page
    assert len(_receipts(browser)) == 2


def test_what_the_page_says_about_checking_is_true(site: Site, tmp_path: Path) -> None:
    """The command it prints proves the receipt it offers; the key it names stands among those it links to."""
    site.publish_old()
    browser = site.browser("ann")
    _accept(browser)
    page = browser.get("/terms/mine").text
    install, command = page.partition("<code>pip")[2].partition("</code>")[0].splitlines()
    assert install.split() == ["install", *metadata("consentgate").get_all("Name", [])]
    file = tmp_path / "my.receipt"
    file.write_bytes(browser.get(_receipts(browser)[0]).content)
    keys = browser.get(re.findall(r'href="([^"]*/keys)"', page)[0]).text.split()
    arguments = [str(file) if word == file.name else word for word in command.split()[1:]]
    done = subprocess.run(
        [sys.executable, *arguments, "--key", keys[0]], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "terms-of-use" in done.stdout


def test_a_visitor_without_an_account_has_agreements_too(site: Site) -> None:
    """Their device holds the pass that names them."""
    site.publish_old()
    browser = site.browser()
    _accept(browser)
    assert len(_receipts(browser)) == 1
    assert "There is no decision of yours" in site.browser().get("/terms/mine").text


def test_a_receipt_goes_to_its_subject_only(site: Site) -> None:
    """To everybody else it does not exist."""
    site.publish_old()
    ann, bob = site.browser("ann"), site.browser("bob")
    _accept(ann)
    _accept(bob)
    (address,) = _receipts(ann)
    mine = ann.get(address)
    assert mine.headers["content-disposition"] == 'attachment; filename="terms-of-use-2024-06-24-accept.receipt"'
    assert mine.headers["cache-control"] == "no-store"
    assert verify(mine.content).openings["subject"].value == "ann"
    for stranger in (bob, site.browser()):
        assert stranger.get(address).status_code == 404
        assert stranger.get(f"{address}/page").status_code == 404


def test_an_imported_acceptance_has_a_receipt_but_no_page(site: Site) -> None:
    """No page of ours was shown, and none is made up."""
    site.publish_old()
    site.accept("ann")
    browser = site.browser("ann")
    (address,) = _receipts(browser)
    assert browser.get(address).status_code == 200
    assert browser.get(f"{address}/page").status_code == 404


def test_the_kept_page_cannot_act_when_it_is_opened(site: Site) -> None:
    """It is a file to keep, not a page to use: sandboxed, and never shown in place."""
    site.publish_old()
    browser = site.browser("ann")
    _accept(browser)
    page = browser.get(f"{_receipts(browser)[0]}/page")
    assert page.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert page.headers["content-disposition"].startswith("attachment")


def test_status_tells_programs_how_each_policy_stands(site: Site) -> None:
    """State, required and accepted version, dates, digests and addresses; and no name."""
    site.publish_old()
    site.accept("ann")
    site.publish_new()
    record = site.browser("ann").get("/terms/status").json()
    (policy,) = record["policies"]
    assert policy["state"] == "required"
    assert (policy["accepted_version"], policy["required_version"]) == ("2024-06-24", "2026-01-22")
    assert policy["changes_url"] == "/terms/terms-of-use/changes?from=2024-06-24&to=2026-01-22"
    assert policy["effective_at"] == "2026-01-22T00:00:00.000000Z"
    assert record["subject"] == "user"
    assert "ann" not in site.browser("ann").get("/terms/status").text
    assert site.browser().get("/terms/status").json()["subject"] is None


def test_an_administrator_in_somebodys_place_cannot_decide(make_site: Any) -> None:
    """The page is shown, without its controls, and a sent form records nothing."""
    from starlette.testclient import TestClient

    from consentgate.app import ConsentGate
    from consentgate.terms.subject import Subject

    site = make_site()
    site.publish_old()
    own = site.browser("ann").get("/terms/review")
    gated = ConsentGate(lambda *_: None, terms=site.terms, subject=lambda _: Subject("ann", impersonated_by="root"))
    admin = TestClient(gated, base_url="https://kettle.example", headers={"accept": "text/html"})
    page = admin.get("/terms/review")
    assert "Only that person can decide." in page.text
    assert 'name="do"' not in page.text
    answer = admin.post("/terms/review", data=hidden_fields(own.text) | {"do": "accept", "assent": "terms-of-use"})
    assert answer.status_code == 422
    assert site.run(site.terms.decisions, Subject("ann")) == ()
