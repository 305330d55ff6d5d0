"""Errors as problem documents (RFC 9457), and what the OpenAPI description says about them.

Room: web. Where an input is refused, ``errors`` names each field, for a form or a program to point at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from consentgate.errors import PROBLEM_BASE, ConsentGateError, InputError, UnauthenticatedError
from consentgate.terms.draft import parse_when
from consentgate.terms.instants import Instant

PROBLEM = "application/problem+json"
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class FieldOut(BaseModel):
    """One field that cannot be used."""

    field: str
    message: str


class ProblemOut(BaseModel):
    """A problem document; further members are facts about the problem."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=[PROBLEM_BASE + "invalid-input"])
    title: str
    status: int
    detail: str = ""
    hint: str = ""
    errors: list[FieldOut] | None = Field(None, description="with 422: the fields")


_SAID = {
    401: ("nobody we know", "unauthenticated", "Credentials are needed", "this needs a token"),
    403: ("not your role", "forbidden", "Your role does not allow this", "this needs publisher; 'ci' has editor"),
    404: ("there is none", "not-found", "Not found", "there is no policy nothing"),
    409: ("it would contradict what is there", "conflict", "Somebody else changed this",
          "something was published or edited since the preview; nothing was published"),
    412: ("If-Match is not the etag of what is there", "changed-meanwhile", "Somebody else changed this",
          "the draft terms-of-use/2.en.md was changed by somebody else"),
    422: ("something sent cannot be used; `errors` names the fields", "invalid-input", "The input cannot be used",
          "a page has 1 to 500 items, not 0"),
    500: ("a fault of ours, which the site's log explains", "error", "Something went wrong",
          "the site's log says what"),
    503: ("the database cannot be reached, or too much waits; try again after Retry-After", "store-unavailable",
          "The record cannot be kept right now", "the database is busy"),
}  # fmt: skip


ALWAYS = (401, 403, 422, 500, 503)
"""What any operation can be refused with. Besides: 405, with ``Allow``, for a method that an address does not have."""

RETRY = 5
"""Seconds to wait where the record cannot be reached."""


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """What an operation can be refused with: these, and what every operation can."""
    return {code: refusal(code) for code in sorted({*ALWAYS, *codes})}


def refusal(code: int) -> dict[str, Any]:
    """What the OpenAPI description says of a refusal."""
    description, slug, title, detail = _SAID[code]
    example: dict[str, Any] = {"type": PROBLEM_BASE + slug, "title": title, "status": code, "detail": detail}
    if code == 422:
        example["errors"] = [{"field": "limit", "message": detail}]
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemOut"}, "example": example}}
    return {"description": description, "content": content}


def problem_response(error: ConsentGateError, *, status: int | None = None) -> JSONResponse:
    """An error as a problem document."""
    headers = dict(NO_STORE)
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Bearer realm="consentgate"'
    if error.status == 503:
        headers["Retry-After"] = str(getattr(error, "retry_after", RETRY))
    document = error.problem()
    if isinstance(error, InputError) and not isinstance(document.get("errors"), list):
        document["errors"] = [{"field": str(error.data.get("field") or "body"), "message": error.message}]
    return JSONResponse(document, status or error.status, headers, PROBLEM)


def handle_errors(api: FastAPI) -> None:
    """Answer every error with its problem document."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, ConsentGateError)  # noqa: S101  (registered for this class alone)
        return problem_response(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return problem_response(InputError("a value of the request cannot be used", errors=fields_of(error, 1)))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        document = {"type": "about:blank", "title": str(error.detail), "status": error.status_code}
        headers = {**NO_STORE, **(error.headers or {})}
        if error.status_code == 405:  # Starlette names the methods of the first route with this path alone
            headers["Allow"] = ", ".join(sorted(_methods(request)))
        return JSONResponse(document, error.status_code, headers, PROBLEM)

    async def unexpected(_: Request, _error: Exception) -> Response:
        return problem_response(ConsentGateError("the site's log says what"))

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        ConsentGateError: ours,
        RequestValidationError: invalid,
        HTTPException: http,
        Exception: unexpected,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _methods(request: Request) -> set[str]:
    """The methods that an address has."""
    routes = [one for one in request.app.routes if one.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in getattr(route, "methods", None) or ()}


def fields_of(error: Any, skip: int = 0) -> list[dict[str, str]]:
    """The fields that a model did not take, each with why."""
    if not hasattr(error, "errors"):
        return [{"field": "body", "message": str(error)[:200]}]
    given = {} if isinstance(error, RequestValidationError) else {"include_url": False, "include_input": False}
    return [
        {"field": ".".join(str(part) for part in one["loc"][skip:]) or "body", "message": str(one["msg"])}
        for one in error.errors(**given)
    ]


@contextmanager
def named(field: str) -> Iterator[None]:
    """Say which field it was, where an input is refused without saying so."""
    try:
        yield
    except InputError as error:
        error.data.setdefault("field", field)
        raise


def when(field: str, text: str | None) -> Instant | None:
    """An instant that came as text.

    Raises:
        InputError: it names the field.
    """
    if not text:
        return None
    with named(field):
        try:
            return parse_when(text)
        except OverflowError as error:
            raise InputError(f"{text[:40]!r} is no date", hint="write 2026-01-31") from error
