"""``consentgate lint-page``: does the page on which people accept still do what makes an acceptance count?

Room: cli. The rules are those of `consentgate.web.lint`. Give it the address of any page that the gate stops, the
file of a page that was kept, or the folder with templates that override ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consentgate.cli.failures import FAILED
from consentgate.cli.options import Json
from consentgate.cli.output import clean, count, say, show_json
from consentgate.errors import ConsentGateError, InputError, NotFoundError
from consentgate.service.settings import MIN_SECRET_LENGTH

if TYPE_CHECKING:
    from consentgate.web.lint import Finding

MAX_PAGE = 10_000_000
TIMEOUT = 30
"""Seconds without a byte."""


def lint_page(
    page: Annotated[
        str,
        typer.Argument(
            metavar="URL|FILE|FOLDER",
            help="Any page that the gate stops, a page on disk, or a folder of templates that override ours.",
            show_default=False,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Check a page on which people accept.

    A page is fetched the way a visitor who has accepted nothing does it; what its response says is checked, too. With
    a folder of templates the page is made from them, with sample texts, in every language and view.
    """
    findings = _findings(page)
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(clean(_line(page, finding)))
        say(f"{clean(page)}: {count(len(findings), 'finding')}." if findings else f"{clean(page)}: every rule is kept.")
    if findings:
        raise typer.Exit(FAILED)


def _findings(page: str) -> list[Finding]:
    from consentgate.web.lint import lint, lint_headers

    if re.match(r"https?://", page, re.IGNORECASE):
        html, headers = _fetch(page)
        return lint(html) + lint_headers(headers)
    return rehearsed(Path(page)) if Path(page).is_dir() else lint(_read(Path(page)))


def rehearsed(templates: Path) -> list[Finding]:
    """What the review page, made from these templates with sample texts, does not keep.

    Args:
        templates: the folder of those that override ours.

    Raises:
        ConfigurationError: the page cannot be made, or has no place for the sealed offer.
    """
    from consentgate.service.settings import Settings
    from consentgate.web.checks import rehearse
    from consentgate.web.lint import Finding
    from consentgate.web.render import Renderer

    # Only templates and words matter here: no database is opened, and nothing is sealed.
    settings = Settings(database="sqlite://", secrets=(b"0" * MIN_SECRET_LENGTH,), templates=templates)
    found = rehearse(Renderer(templates), settings).findings
    return [Finding(rule, message, line) for rule, message, line in found]


def _line(page: str, finding: Finding) -> str:
    place = f"{page}:{finding.line}" if finding.line else page
    return f"{place}: {finding.message} ({finding.rule})"


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_PAGE:
            raise InputError(f"{path} is over {MAX_PAGE:,} bytes: no page of ours is")
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", hint="an address begins with https://") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid UTF-8", hint="is it a page?") from error


def _fetch(url: str) -> tuple[str, Mapping[str, str]]:
    """A page and the headers of its response; a gate that answers 403 with the page is one of its ways."""
    from http.client import HTTPException  # not light, and no other command needs it
    from urllib import request
    from urllib.error import HTTPError, URLError

    asked = request.Request(url, headers={"Accept": "text/html", "User-Agent": "consentgate"})  # noqa: S310  (http only)
    try:
        response = request.build_opener().open(asked, timeout=TIMEOUT)
    except HTTPError as error:
        response = error
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise ConsentGateError(f"{url} cannot be fetched: {reason}") from error
    with response:
        body = response.read(MAX_PAGE)
        if "html" not in response.headers.get("Content-Type", ""):
            raise InputError(f"{url} answered {response.status}, and not with a page", hint="name a page that is gated")
        return body.decode("utf-8", "replace"), dict(response.headers)
