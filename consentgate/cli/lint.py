"""``consentgate lint-page``: does the page on which people accept still do what makes an acceptance count?

Room: cli. The rules are those of `consentgate.web.lint`. Give it the address of any page that the gate stops, or the
file of a page that was kept; whoever overrides our templates runs it over theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib import request
from urllib.error import HTTPError, URLError

import typer

from consentgate.cli.failures import FAILED
from consentgate.cli.options import Json
from consentgate.cli.output import clean, count, say, show_json
from consentgate.errors import ConsentGateError, InputError, NotFoundError

if TYPE_CHECKING:
    from consentgate.web.lint import Finding

MAX_PAGE = 10_000_000
TIMEOUT = 30
"""Seconds without a byte."""


def lint_page(
    page: Annotated[
        str,
        typer.Argument(metavar="URL|FILE", help="Any page that the gate stops, or a page on disk.", show_default=False),
    ],
    as_json: Json = False,
) -> None:
    """Check a page on which people accept.

    A page is fetched the way a visitor who has accepted nothing does it; what its response says is checked, too.
    """
    from consentgate.web.lint import lint, lint_headers

    remote = re.match(r"https?://", page, re.IGNORECASE) is not None
    html, headers = _fetch(page) if remote else (_read(Path(page)), None)
    findings = lint(html) + (lint_headers(headers) if headers is not None else [])
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(clean(_line(page, finding)))
        say(f"{clean(page)}: {count(len(findings), 'finding')}." if findings else f"{clean(page)}: every rule is kept.")
    if findings:
        raise typer.Exit(FAILED)


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
