"""Where administration is done: a running site, or the database at hand. Both answer alike.

Room: cli. Every command of administration asks the administrators' API: that of a site over the network, or the very
same code in this process, on the database and in the name of the operator. So what ``--json`` prints is what the API
answers, wherever it was asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from consentgate.cli.failures import RefusedError
from consentgate.cli.project import Project, who, with_terms
from consentgate.errors import ConfigurationError, InputError

_READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered.

    Args:
        status: of HTTP.
        headers: by lower-case name.
        body: bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The document."""
        return json.loads(self.body)


class Desk:
    """Where administration is done.

    Args:
        project: settings file and database.
        site: address of a running site, or ``None`` for the database.
        by: who does it, for the record; with a site its token says who.

    Raises:
        ConfigurationError: a site and options of a database.
    """

    def __init__(self, project: Project, site: str | None = None, by: str | None = None) -> None:
        if site is not None and by is not None:
            raise ConfigurationError("--by goes with a database", hint="on a site the token says who does it")
        self._project = project
        self._site = site
        self._by = by

    @property
    def prefix(self) -> str:
        """Where the pages of consentgate live."""
        values = self._project.config.values if self._project.config else {}
        return str(values.get("prefix", "/terms"))

    def get(self, path: str, **query: Any) -> Any:
        """The document at an address.

        Args:
            path: below ``/api/v1``.
            **query: parameters; those that are ``None`` are left out.
        """
        return self.ask("GET", path, query=query).json()

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """Send a document; the one that is answered."""
        return self.ask("POST", path, body=body, query=query).json()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for something.

        Args:
            method, path: path below ``/api/v1``, quoted (see `at`).
            body: a document to send.
            raw: Markdown to send.
            query: parameters; those that are ``None`` are left out.
            headers: further ones.

        Raises:
            ConsentGateError: refused, or nobody is there.
        """
        given = urlencode({key: value for key, value in (query or {}).items() if value is not None}, doseq=True)
        told = {"accept": "application/json, application/problem+json", **(headers or {})}
        content = b""
        if raw is not None:
            content, told["content-type"] = raw, "text/markdown"
        elif method not in _READS:
            content, told["content-type"] = json.dumps(body or {}).encode(), "application/json"
        if self._site is not None:
            return self._remotely(method, path, given, told, content)
        return self._here(method, path, given, told, content)

    def download(self, path: str, query: Mapping[str, Any], write: Callable[[bytes], object]) -> int:
        """Read something of any length from a site; returns its bytes."""
        from consentgate.cli.remote import api_address, download

        given = urlencode({key: value for key, value in query.items() if value not in (None, [])}, doseq=True)
        return download(f"{api_address(str(self._site), self.prefix)}{path}?{given}", write)

    def _remotely(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
        from consentgate.cli.remote import api_address, send

        url = api_address(str(self._site), self.prefix) + path + (f"?{query}" if query else "")
        status, told, content = send(method, url, body if method not in _READS else None, headers)
        return Answer(status, told, content)

    def _here(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
        """The API in this process, on the database; nothing listens, nothing is sent."""
        from consentgate.service.administrators import Administrator
        from consentgate.service.terms import Terms

        operator = Administrator(who(self._by), frozenset({"owner"}))
        prefix = self.prefix

        async def work(terms: Terms) -> Answer:
            from consentgate.web.api import build_api

            api = build_api(terms, prefix, admin=lambda _: operator)
            return await _call(api, method, f"{prefix}/api/v1{path}", query, headers, body)

        answer = with_terms(self._project.existing(), work, reading=method in _READS or path == "/preview")
        if answer.status >= 400:
            _refuse(answer)
        return answer


async def _call(app: Any, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """One request to an ASGI application, as a server would make it."""
    from urllib.parse import unquote

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None, "server": None,
    }  # fmt: skip
    told: dict[str, Any] = {}
    chunks: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told["status"] = message["status"]
            told["headers"] = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            chunks.append(bytes(message.get("body", b"")))

    await app(scope, receive, send)
    return Answer(told["status"], told["headers"], b"".join(chunks))


def _refuse(answer: Answer) -> NoReturn:
    document = answer.json()
    if isinstance(document, dict) and isinstance(document.get("hint"), str):
        # What a program would send as a header is an option here.
        document["hint"] = document["hint"].replace("with its etag as If-Match", "with --if-match and its etag")
    raise RefusedError(document)


def at(*parts: str) -> str:
    """An address of parts that may hold anything."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def draft_place(text: str) -> tuple[str, str, str | None]:
    """What names a draft: ``policy/version`` or ``policy/version/language``, or the end of a file's path.

    Raises:
        InputError: neither.
    """
    name = text.removesuffix(".md")
    parts = name.strip("/").split("/")
    if name != text and len(parts) >= 2 and "." in parts[-1]:
        label, _, language = parts[-1].rpartition(".")
        return parts[-2], label, language
    if len(parts) in (2, 3) and all(parts):
        return parts[0], parts[1], parts[2] if len(parts) == 3 else None
    raise InputError(
        f"{text[:80]!r} names no draft", hint="write terms-of-use/2027-01-15, or terms-of-use/2027-01-15/en"
    )


def find_refs(desk: Desk, named: list[str], *, published: bool = False) -> list[dict[str, str]]:
    """The drafts that are named; without a language, those of every language.

    Args:
        desk: where.
        named: see `draft_place`.
        published: whether a version that is published already, and whose drafts are gone, will do: the same act twice.

    Raises:
        ConsentGateError: there is none of a version.
    """
    refs: list[dict[str, str]] = []
    for text in named:
        policy, version, language = draft_place(text)
        languages = [language] if language else _languages(desk, policy, version)
        if not languages and published:
            languages = list(desk.get(at("policies", policy, "versions", version))["languages"])
        if not languages:
            raise InputError(
                f"there is no draft of {policy} {version}", hint="`consentgate draft list` shows those there are"
            )
        refs += [{"policy": policy, "version": version, "language": one} for one in languages]
    return refs


def _languages(desk: Desk, policy: str, version: str) -> list[str]:
    return [one["language"] for one in desk.get("/drafts", policy=policy, version=version)]


def published_body(folder: Any) -> dict[str, Any]:
    """A folder as the API takes it."""
    from consentgate.cli.remote import draft_record, settings_record

    return {
        "drafts": [draft_record(draft) for draft in folder.drafts],
        "policies": [settings_record(policy) for policy in folder.policies],
    }
