"""Do administration on a running site, over its administrators' API. Standard library only.

Room: cli; called by every command that takes ``--site``. The token goes to the one host that was named and nowhere
else: no redirect is followed, and nothing is sent unencrypted but to this very machine.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, IncompleteRead
from typing import IO, Any, NoReturn
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from uuid import uuid4

from consentgate.cli.failures import RefusedError
from consentgate.errors import ConfigurationError, ConsentGateError, UnauthenticatedError
from consentgate.service.folder import Folder
from consentgate.terms.draft import Draft
from consentgate.terms.instants import format_instant
from consentgate.terms.policy import Policy

TOKEN = "CONSENTGATE_TOKEN"  # noqa: S105  (the name of the variable)
TIMEOUT = 60
"""Seconds without a byte: a large publication compares many texts before it answers."""

MAX_ANSWER = 50_000_000
"""Bytes of the longest answer that is read: a bundle with its texts."""

CHUNK = 1 << 20

PAUSE = 1.0
"""Seconds after which a request is sent again whose connection broke."""

LONGEST_PAUSE = 30
"""Seconds that a site may ask to wait."""

_LOST = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, IncompleteRead, TimeoutError)

_HERE = {"localhost", "127.0.0.1", "::1"}


def publish_at(site: str, prefix: str, folder: Folder, *, dry_run: bool, short_notice: bool) -> dict[str, Any]:
    """Publish a folder on a site.

    Args:
        site: its address, such as ``https://example.com``.
        prefix: where the pages of consentgate live on it.
        folder: as read, and so checked, here.
        dry_run: only ask what would happen.
        short_notice: publish although the promised notice is not given.

    Returns:
        What the site says it did; the keys are those of `consentgate.service.records.publication_record`.

    Raises:
        ConfigurationError: no address to publish to, or no token.
        ConsentGateError: the site could not be reached, or refused; its own sentence and hint.
    """
    url = endpoint(site, prefix)
    body = {
        "drafts": [draft_record(draft) for draft in folder.drafts],
        "policies": [settings_record(policy) for policy in folder.policies],
        "dry_run": dry_run,
        "short_notice": short_notice,
    }
    answer = _document(url, send("POST", url, json.dumps(body).encode(), {"content-type": "application/json"})[2])
    if not isinstance(answer, dict) or not all(isinstance(answer.get(key), list) for key in _LISTS):
        _foreign(url, 200)
    return answer


_LISTS = ("published", "translations", "policies", "unchanged", "findings")


def endpoint(site: str, prefix: str) -> str:
    """The address to post a publication to; see `api_address`."""
    return f"{api_address(site, prefix)}/publish"


def api_address(site: str, prefix: str) -> str:
    """The address of a site's API.

    Raises:
        ConfigurationError: not the address of a site, or one to which a token may not be sent.
    """
    refusal = ConfigurationError(f"not the address of a site: {site}", hint="write https://example.com")
    if not re.fullmatch(r"[!-~]+", site):
        raise refusal
    try:
        parts = urlsplit(site if "://" in site else f"https://{site}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise refusal from error
    if not host or port == 0 or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise refusal
    if parts.query or parts.fragment:
        raise refusal
    if parts.scheme == "http" and host not in _HERE:
        raise ConfigurationError(
            f"the token would travel to {host} unencrypted", hint="use https; http is for localhost alone"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{prefix}/api/v1"


def draft_record(draft: Draft) -> dict[str, str]:
    """A draft as the API takes it: what was left out stays left out, so that the site decides it alike."""
    fields = {
        "policy": draft.policy,
        "version": draft.label,
        "language": draft.language,
        "impact": draft.impact.value if draft.impact else None,
        "announce": _when(draft.announced),
        "effective": _when(draft.effective),
        "enforce": _when(draft.enforced),
        "title": draft.title or None,
        "summary": draft.summary or None,
        "text": draft.text,
    }
    return {key: value for key, value in fields.items() if value is not None}


def settings_record(policy: Policy) -> dict[str, Any]:
    """A policy's settings with the keys of ``policy.toml``, and its slug."""
    audience = {
        "kinds": sorted(kind.value for kind in policy.audience.kinds),
        "tags": sorted(policy.audience.tags),
        "paths": list(policy.audience.paths),
    }
    fields = {
        "slug": policy.slug,
        "title": dict(policy.title),
        "kind": policy.kind.value,
        "prevailing": policy.prevailing,
        "notice_days": policy.notice_days,
        "renew_after": policy.renew_after,
        "retain_days": policy.retain_days,
        "retired": _when(policy.retired),
        "replaced_by": policy.replaced_by,
        "audience": {key: value for key, value in audience.items() if value},
    }
    return {key: value for key, value in fields.items() if value is not None}


def _when(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _token() -> str:
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise ConfigurationError(
            f"there is no token in {TOKEN}",
            hint="make one on the site's host with `consentgate token new --role publisher --label ci`",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(f"{TOKEN} holds no token", hint="it begins with cgt_ and has no spaces")
    return token


class _NoRedirect(request.HTTPRedirectHandler):
    """Refuses to go elsewhere: the token was meant for the host that was named."""

    def redirect_request(  # its shape is that of the standard library
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Raise instead."""
        del msg, headers
        fp.close()
        raise ConsentGateError(
            f"{req.full_url} answered {code} and points to {newurl}", hint="name that site with --site"
        )


def send(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Send one request to a site, with the token of the environment.

    Args:
        method, url: what is asked, where; `api_address` made the beginning of it.
        body: what is sent along, or ``None``.
        headers: further ones.

    A write is sent with an Idempotency-Key of its own. Where the connection broke, or the site says when to come back,
    it is sent once more with the same key: what was done the first time is not done again.

    Returns:
        Status, headers by lower-case name, and body of an answer that is no refusal.

    Raises:
        ConfigurationError: there is no token.
        ConsentGateError: the site could not be reached, or refused; its own sentence and hint.
    """
    if body is not None and not url.split("?")[0].endswith("/preview"):  # which writes nothing
        headers = {**headers, "idempotency-key": str(uuid4())}
    try:
        status, found, content = _exchange(method, url, body, headers)
    except ConsentGateError as error:
        pause = _pause(error)
        if pause is None:
            raise
        time.sleep(pause)
        status, found, content = _exchange(method, url, body, headers)
    if len(content) > MAX_ANSWER:
        raise ConsentGateError(f"{url} answered more than {MAX_ANSWER:,} bytes", hint="ask for less at once")
    return status, found, content


def _exchange(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[int, dict[str, str], bytes]:
    with _reaching(url, body), _opened(method, url, body, headers) as response:
        content = response.read(MAX_ANSWER + 1)
        return response.status, {name.lower(): value for name, value in response.headers.items()}, content


def _pause(error: ConsentGateError) -> float | None:
    """How many seconds later a request may be sent again; ``None``: not at all."""
    cause = error.__cause__
    reason = cause.reason if isinstance(cause, URLError) and not isinstance(cause, HTTPError) else cause
    if isinstance(reason, _LOST):
        return PAUSE
    told = error.data.get("retry_after")
    return float(told) if isinstance(told, int) and told <= LONGEST_PAUSE else None


def download(url: str, write: Callable[[bytes], object]) -> int:
    """Read something of any length from a site; see `send`.

    Returns:
        How many bytes it was; fewer than were promised is an error.
    """
    size = 0
    with _reaching(url, None):
        response = _opened("GET", url, None, {})
    with response:
        while True:
            with _reaching(url, None):
                chunk = response.read(CHUNK)
            if not chunk:
                return size
            write(chunk)  # a disk that is full is no fault of the site
            size += len(chunk)


def _opened(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
    told = {
        "Authorization": f"Bearer {_token()}",
        "Accept": "application/json, application/problem+json",
        "User-Agent": "consentgate",
        **{name.title(): value for name, value in headers.items()},
    }
    sent = request.Request(url, body, told, method=method)  # noqa: S310  (`api_address` lets http and https through)
    return request.build_opener(_NoRedirect).open(sent, timeout=TIMEOUT)


@contextmanager
def _reaching(url: str, body: bytes | None) -> Iterator[None]:
    """Say in our words what went wrong on the way."""
    try:
        yield
    except HTTPError as error:
        with error:
            content, later = error.read(MAX_ANSWER), error.headers.get("Retry-After", "")
        try:
            _refused(url, error.code, content)
        except ConsentGateError as refused:
            if error.code == 503 and re.fullmatch("[0-9]{1,5}", later):
                refused.data["retry_after"] = int(later)
            raise
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        hint = "it is safe to try again"
        if body is not None:
            hint = "whether it was done is not known: look at what is there, then try again"
        if isinstance(reason, ConnectionRefusedError):
            hint = "nothing was done; it is safe to try again"
        raise ConsentGateError(f"{url} cannot be reached: {reason}", hint=hint) from error


def _document(url: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        _foreign(url, 200)


def _refused(url: str, status: int, body: bytes) -> NoReturn:
    """Raise what the site said: its problem document says it as the same error would here."""
    try:
        problem = json.loads(body)
    except ValueError:
        _foreign(url, status)
    if not isinstance(problem, Mapping) or "title" not in problem:
        _foreign(url, status)
    message = str(problem.get("detail") or problem["title"])
    host, hint = urlsplit(url).netloc, str(problem.get("hint", ""))
    if status == 401:
        raise UnauthenticatedError(f"{host} refused: {message}", hint=hint or f"is the token in {TOKEN} the right one?")
    raise RefusedError(problem, host)


def _foreign(url: str, status: int) -> NoReturn:
    here = "is the address right? Where its pages do not live under /terms, say so with prefix in consentgate.toml"
    raise ConsentGateError(
        f"{url} answered {status}, but not as consentgate does",
        hint="the log of the site says why" if status >= 500 else here,
    )
