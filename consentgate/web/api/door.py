"""The door of the API: who is asking, with which role; what they send, bounded; and the same request only once.

Room: web. The role is demanded before a byte of the body is read or a value is looked at.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict

from consentgate.errors import ConsentGateError, InputError, UnauthenticatedError
from consentgate.service.administrators import Administrator, AdministratorOf, Role, host_administrator
from consentgate.service.again import Answer, claim
from consentgate.service.fence import behind
from consentgate.service.terms import Terms
from consentgate.web.api.problems import NO_STORE, fields_of
from consentgate.web.security import Proxies, check_same_origin

log = logging.getLogger("consentgate")

M = TypeVar("M", bound=BaseModel)

MAX_BODY = 16_000_000
"""Bytes of a publication: several texts of 1 MB in several languages."""

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_KEY = "idempotency-key"

IfMatch = Annotated[str | None, Header(description='etag of what is replaced, such as `"5f0c…"`, or `*`')]


class Strict(BaseModel):
    """A body: unknown keys are refused, strings are bounded."""

    model_config = ConfigDict(extra="forbid", str_max_length=1_100_000)


class Door:
    """Lets administrators in.

    Args:
        terms: started.
        admin: who the host says is an administrator.
    """

    def __init__(self, terms: Terms, admin: AdministratorOf | None) -> None:
        self.terms = terms
        self._admin = admin
        self._proxies = Proxies.parse(terms.settings.trusted_proxies)
        self.asking: list[Any] = []
        """The dependencies of `needs`."""
        self._bearer = HTTPBearer(auto_error=False, description="made by `consentgate token new`")

    async def administrator(self, request: Request) -> Administrator:
        """Who is asking.

        Raises:
            UnauthenticatedError: nobody we know.
            ForbiddenError: another site sent a write in the name of somebody the host recognises by a cookie.
        """
        found: Administrator | None = getattr(request.state, "consentgate_administrator", None)
        if found is None:
            found = await host_administrator(self._admin, request.scope)
            if found is not None and request.method not in _SAFE:
                check_same_origin(request.scope, self._proxies)
            if found is None:
                credentials = await self._bearer(request)
                if credentials is None:
                    raise UnauthenticatedError(
                        "this needs a token",
                        hint="send `Authorization: Bearer …`; make one with `consentgate token new`",
                    )
                found = await self.terms.admin.administrator(credentials.credentials)
            request.state.consentgate_administrator = found
        return found

    def needs(self, *roles: Role) -> Any:
        """A dependency that demands one of these roles; its value is who asks."""
        scheme = Depends(self._bearer)

        async def by(request: Request, documented: object = scheme) -> Administrator:
            del documented  # it is what makes the scheme stand in the OpenAPI description
            found = await self.administrator(request)
            found.require(*roles)
            return found

        self.asking.append(by)
        return Depends(by)

    @property
    def route_class(self) -> type[APIRoute]:
        """Routes whose writes take an Idempotency-Key."""
        return _once(self)


def _once(door: Door) -> type[APIRoute]:
    class Once(APIRoute):
        """A route that answers the same request with the same Idempotency-Key from memory."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()

            # Asked here too: before the body is read, with which the key was claimed.
            asked = [ask for ask in door.asking if any(one.call is ask for one in self.dependant.dependencies)]

            async def handle(request: Request) -> Response:
                key = request.headers.get(_KEY)
                if request.method in _SAFE or key is None:
                    return await answer(request)
                for ask in asked:
                    await ask(request)
                return await _answer_once(door, request, key, answer)

            return handle

    return Once


async def _answer_once(
    door: Door, request: Request, key: str, answer: Callable[[Request], Coroutine[Any, Any, Response]]
) -> Response:
    by = await door.administrator(request)
    told = "\0".join((request.method, request.url.path, request.url.query, request.headers.get("if-match", "")))
    found = await claim(door.terms, by, key, told.encode(errors="surrogateescape") + b"\0" + await body_of(request))
    if isinstance(found, Answer):
        headers = {**NO_STORE, "Idempotent-Replayed": "true"}
        return Response(found.body, found.status, headers, found.media or None)
    try:
        with behind(found.fence):
            response = await answer(request)
    except BaseException:
        await found.release()
        raise
    media = response.headers.get("content-type", "")
    try:
        await found.complete(Answer(response.status_code, media, _without_secret(media, bytes(response.body))))
    except ConsentGateError:  # it was done: whoever sends it again is told that, if not this answer
        log.warning("the answer to a request with an Idempotency-Key could not be kept", exc_info=True)
    return response


def _without_secret(media: str, body: bytes) -> bytes:
    """A token is shown once and kept nowhere: whoever asks again gets everything but that."""
    if not media.startswith("application/json"):
        return body
    document = json.loads(body)
    if isinstance(document, dict) and "secret" in document:
        return json.dumps({**document, "secret": None}).encode()
    return body


async def body_of(request: Request) -> bytes:
    """The body, at most `MAX_BODY` bytes of it; what is longer is refused before it is read.

    Raises:
        InputError: too long.
    """
    if not hasattr(request, "_body"):
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise InputError(f"the body is over {MAX_BODY:,} bytes", hint="send fewer texts in one act")
            chunks.append(chunk)
        request._body = b"".join(chunks)  # where Starlette itself keeps it: it can be read only once
    return request._body


def media_of(request: Request) -> str:
    """The content type, without its parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


async def read_json(request: Request, model: type[M]) -> M:
    """The body as a model.

    Raises:
        InputError: not JSON, or not what this operation takes; it names the fields.
    """
    raw = await body_of(request)
    if media_of(request) != "application/json":
        raise InputError(
            f"the content type {media_of(request)[:60]!r} is not understood",
            hint="send application/json",
            field="Content-Type",
        )
    try:
        found = json.loads(raw)
        if b"\\ud" in raw.lower():  # half of a character, which no text has and nothing could answer about
            json.dumps(found, ensure_ascii=False).encode()
        return model.model_validate(found)
    except (ValueError, RecursionError) as error:
        raise InputError("the body is not what this operation takes", errors=fields_of(error)) from error


def takes(model: type[BaseModel], example: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI description says of a body that is read by hand.

    Args:
        model: of the JSON.
        example: of the JSON.
        **others: further content types, ``/`` written as ``__``.
    """
    name = model.__name__
    content = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": example},
        **{media.replace("__", "/"): said for media, said in others.items()},
    }
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": content}, "x-models": {name: schema}}


def etag_of(header: str | None) -> str | None:
    """The etag of an ``If-Match``: one strong tag, or ``*``.

    Raises:
        InputError: several, a weak one, or none.
    """
    if header is None or header.strip() == "*":
        return header and "*"
    tag = header.strip()
    if len(tag) < 3 or tag[0] != '"' or tag[-1] != '"' or '"' in tag[1:-1]:
        raise InputError(
            "If-Match takes one strong entity tag, or *", hint="send the ETag as it came", field="If-Match"
        )
    return tag[1:-1]


def tagged(etag: str) -> dict[str, str]:
    """The headers of an answer that has an etag."""
    return {**NO_STORE, "ETag": f'"{etag}"'}
