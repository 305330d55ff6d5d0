"""`consentgate lint-page`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, Project

PAGE = """<!doctype html>
<html lang="en"><h1>Updated</h1>
<form method="post"><input type="hidden" name="offer">
<input type="checkbox" id="box" checked data-title="Terms" data-version="2.0">
<label for="box">I have read the Terms, version 2.0, and choose Accept.</label>
<button name="do" value="accept">Accept</button>
<button name="do" value="decline" formnovalidate>Decline</button></form></html>
"""


class Site(BaseHTTPRequestHandler):
    """Sends everybody to the page, as a gate does."""

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/":
            self.send_response(303)
            self.send_header("Location", "/terms/review")
            self.end_headers()
            return
        kind = "text/html" if self.path == "/terms/review" else "application/json"
        self.send_response(403 if self.path == "/refused" else 200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(name="site")
def _site() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_finding_names_the_line_and_the_rule(command: Command) -> None:
    """A box that is ticked already is found; the exit code is 1."""
    Path("page.html").write_text(PAGE)

    done = command("lint-page", "page.html")

    assert done.code == 1
    assert done.out == "page.html:4: box is ticked already (unticked)\npage.html: 1 finding.\n"
    assert [one["rule"] for one in command("lint-page", "page.html", "--json").json] == ["unticked"]


def test_a_good_page_is_said_to_be_good(command: Command) -> None:
    """Exit code 0."""
    Path("page.html").write_text(PAGE.replace(" checked", ""))

    assert command("lint-page", "page.html").out == "page.html: every rule is kept.\n"


def test_an_address_is_followed_to_the_page_and_its_headers_count(site: str, command: Command) -> None:
    """What a visitor meets is checked, with the response that carried it."""
    done = command("lint-page", f"{site}/")

    assert done.code == 1
    for rule in ("unticked", "frame-ancestors", "no-store"):
        assert f"({rule})" in done.out


def test_what_is_no_page_is_an_error(site: str, command: Command) -> None:
    """A missing file, bytes, an address that answers with something else, or not at all."""
    Path("bytes").write_bytes(b"\xff\xfe\x00")

    for page in ("nowhere.html", "bytes", f"{site}/data", f"{site}/refused", "http://127.0.0.1:1/"):
        done = command("lint-page", page)
        assert done.code == 1, page
        assert done.err.startswith("error: "), page


def test_a_folder_of_templates_is_rehearsed(command: Command) -> None:
    """Nothing needs to run: the page is made with sample texts and the templates of the folder."""
    Path("ours").mkdir()
    assert command("lint-page", "ours").out == "ours: every rule is kept.\n"

    Path("ours", "review.html").write_text(
        '{% extends "consentgate/review.html" %}'
        '{% block content %}{{ super() | replace("formnovalidate", "") }}{% endblock %}'
    )
    done = command("lint-page", "ours")

    assert done.code == 1
    assert "declining asks for the box to be ticked" in done.out


def test_the_doctor_says_which_rules_the_hosts_templates_break(published: Project, command: Command) -> None:
    """A warning for each rule, an error where the page cannot be made; nothing where every rule is kept."""
    folder = published.root / "ours"
    folder.mkdir()
    config = published.root / "consentgate.toml"
    config.write_text(config.read_text() + '\ntemplates = "ours"\n')
    page = folder / "review.html"

    page.write_text('{% extends "consentgate/review.html" %}')
    assert "templates" not in command("doctor").out

    page.write_text(
        '{% extends "consentgate/review.html" %}'
        '{% block content %}{{ super() | replace("formnovalidate", "") }}{% endblock %}'
    )
    done = command("doctor", "--json")
    told = [one for one in done.json if "templates" in one["what"]]
    assert (done.code, [one["level"] for one in told]) == (0, ["warning"])
    assert "declining asks for the box to be ticked" in told[0]["what"]

    page.write_text("nothing of ours")
    done = command("doctor")
    assert done.code == 1
    assert "the review page cannot be made from your templates" in done.out
