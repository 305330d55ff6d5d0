"""The rules of a review page: a good page has no findings, and each rule finds what it is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consentgate.web.lint import lint, lint_headers

GOOD = """<!doctype html>
<html lang="en"><head><title>t</title></head><body>
<h1>Terms</h1><h2>Text</h2>
<p><ins class="cg-ins"><span class="cg-vh">[inserted] </span>new</ins></p>
<div class="cg-text" data-cg-full="terms"><h6>Deep</h6>All of it.</div>
<form method="post" action="/terms/review">
<input type="hidden" name="offer" value="x">
<input type="checkbox" id="a" name="assent" value="terms" data-title="Terms of Use" data-version="3.1">
<label for="a">By pressing “Accept”, I agree to the Terms of Use, version 3.1.</label>
<button type="submit" name="do" value="accept">Accept</button>
<button type="submit" name="do" value="decline" formnovalidate>Decline</button>
</form></body></html>"""


def test_a_good_page_has_no_findings() -> None:
    """The smallest page that keeps every rule."""
    assert lint(GOOD) == []


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ('<html lang="en">', "<html>", "lang"),
        ("<h1>Terms</h1>", "", "headings"),
        ("<h2>Text</h2>", "<h4>Text</h4>", "headings"),
        ("<title>", '<meta http-equiv="Refresh" content="5"><title>', "refresh"),
        ("<title>", "<script>change()</script><title>", "inline-script"),
        ("<h1>", '<h1 onclick="change()">', "inline-script"),
        ("<h2>Text</h2>", '<h2><a href="JavaScript:change()">Text</a></h2>', "inline-script"),
        ('<span class="cg-vh">[inserted] </span>', "", "said"),
        ('data-cg-full="terms"', "", "full-text"),
        ("<h6>Deep</h6>All of it.", "", "full-text"),
        ('method="post"', 'method="get"', "post"),
        ('<input type="hidden" name="offer" value="x">', "", "offer"),
        ('type="checkbox"', 'type="checkbox" checked', "unticked"),
        ("pressing “Accept”", "pressing the button", "assent"),
        ("Terms of Use, version", "text, version", "assent"),
        ("version 3.1.", "as published.", "assent"),
        ('<label for="a">', '<label for="b">', "assent"),
        ('<label for="a">', '<label for="a" hidden>', "assent"),
        (">Accept</button>", ">Continue</button>", "assent"),
        ('type="checkbox"', 'type="text"', "assent"),
        ("</form>", '<button name="do" value="accept">Accept</button></form>', "one-button"),
        ("</form>", "<button>Continue</button></form>", "one-button"),
        ("</form>", '<input type="submit" value="Go on"></form>', "one-button"),
        ("formnovalidate>Decline", "formnovalidate hidden>Decline", "decline"),
        (" formnovalidate", "", "decline"),
        ('<button type="submit" name="do" value="decline" formnovalidate>Decline</button>', "", "decline"),
        ('value="accept"', 'value="ok"', "decision-form"),
    ],
)
def test_each_rule_finds_what_it_is_for(before: str, after: str, rule: str) -> None:
    """One thing broken, and the finding names the rule."""
    assert before in GOOD
    assert rule in {finding.rule for finding in lint(GOOD.replace(before, after, 1))}


def test_a_kept_page_has_the_mark_in_place_of_the_offer() -> None:
    """What is kept for the record is checked too."""
    kept = GOOD.replace('<input type="hidden" name="offer" value="x">', "<!--consentgate:offer-->")
    assert lint(kept) == []


def test_a_finding_names_its_line() -> None:
    """So that a template can be mended."""
    (finding,) = [one for one in lint(GOOD.replace('method="post"', 'method="get"')) if one.rule == "post"]
    assert finding.line == 6


@pytest.mark.parametrize(
    "broken", ["<div>" * 5_000, "", "<", "<form><button name=do value=accept>", "<p></div></p>" * 50, "\x00<b"]
)
def test_broken_html_gives_findings_and_no_crash(broken: str) -> None:
    """Whatever a host's template makes."""
    assert lint(broken)


def test_what_is_nested_too_deep_is_read_side_by_side() -> None:
    """The end of an element that was not descended into closes nothing else."""
    assert lint(GOOD.replace("<h1>", "<div>" * 1_000 + "</div>" * 1_000 + "<h1>")) == []


def test_the_response_is_checked_too() -> None:
    """A page that can be framed, or kept in between, is no evidence."""
    assert {finding.rule for finding in lint_headers({})} == {"frame-ancestors", "scripts", "no-store"}
    good = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "cache-control": "no-store"}
    assert lint_headers(good) == []


def test_every_rule_is_documented() -> None:
    """Whoever is told of a finding can look up what its rule asks for."""
    root = Path(__file__).resolve().parents[2]
    source = (root / "consentgate" / "web" / "lint.py").read_text("utf-8")
    rules = set(re.findall(r'Finding\("([a-z-]+)"', source)) | {one.rule for one in lint_headers({})}
    guide = (root / "docs" / "howto" / "restyle.md").read_text("utf-8")
    assert rules == set(re.findall(r"`([a-z-]+)`", guide.partition("| rule | what it asks for |")[2])) - {
        "data-cg-full"
    }
