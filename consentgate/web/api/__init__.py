"""The administrators' JSON API under ``<prefix>/api/v1``: thin over ``terms.admin``, one module a resource.

Room: web. The only package that imports FastAPI, and it is imported at the first request to the API, so that a site
which publishes from the command line never loads it. Every route demands an administrator with the right role; only
the description of the API itself (``openapi.json``, the same for every site) is open. Every error is the same problem
document (RFC 9457) that the command line and the pages show.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from consentgate.service.administrators import AdministratorOf
from consentgate.service.terms import Terms
from consentgate.web.api import decisions, drafts, exports, ledger, policies, proposals, publishing, subjects, tokens
from consentgate.web.api.door import Door
from consentgate.web.api.problems import ProblemOut, handle_errors, problem_response, refusal
from consentgate.web.api.values import PublicationOut, VersionOut

_ABOUT = """\
Everything an administrator does, as JSON.

**Who.** `Authorization: Bearer …` with a token made by `consentgate token new`, or whoever the application itself
recognises as an administrator. Roles: `auditor`, `editor`, `publisher` (also an editor), `owner` (everything).

**Errors** are problem documents (RFC 9457): `detail` in one line, `hint` what to do; with 422 `errors` names each
field. A method that an address does not have is refused with 405, and `Allow` says which it has. 503 says with
`Retry-After` when to try again; 500 is a fault of ours, which the site's log explains.

**Writing.** `Idempotency-Key`: for 24 hours the same request with the same key has the first answer and is not done
again; another request with it is refused. Send a request again with its key whenever its answer was lost, also after
503. While the first is on its way the answer is 409; a request that was lost before it did anything frees its key after
a minute; one that did it and could not answer leaves 409 with `done: true`: look at what is there. `ETag` and
`If-Match`: what was changed meanwhile is not overwritten (412).

**Lists that grow** (decisions, who has not accepted) are `{"items": […], "next": "…"}`; send `next` as `cursor` for the
following page, until it is null. Any page costs the same. What stays short (policies, versions, drafts, the newest 200
proposals, tokens) is a plain array.

**Instants** are RFC 3339 in UTC; where one is asked for, an ISO date (midnight UTC) or a date-time with a zone.
"""


def build_api(terms: Terms, prefix: str, *, admin: AdministratorOf | None = None) -> FastAPI:
    """Build the API of one site.

    Args:
        terms: started.
        prefix: of our pages, such as ``/terms``.
        admin: who the host says is an administrator.
    """
    base = f"{prefix}/api/v1"
    api = FastAPI(
        title="consentgate",
        version="1",
        summary="Draft, preview and publish terms; see who accepted what; take the record home.",
        description=_ABOUT,
        openapi_url=f"{base}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    handle_errors(api)
    door = Door(terms, admin)
    api.router.prefix, api.router.route_class = base, door.route_class
    for room in (policies, drafts, publishing, proposals, decisions, subjects, exports, ledger, tokens):
        room.add_routes(api.router, terms, door)
    api.openapi = lambda: _describe(api)  # type: ignore[method-assign]
    return api


def _describe(api: FastAPI) -> dict[str, Any]:
    """OpenAPI, with the schemas of the bodies that are read by hand: after the role was asked for, and bounded."""
    if api.openapi_schema is None:
        schema = get_openapi(
            title=api.title, version=api.version, summary=api.summary, description=_ABOUT, routes=api.routes
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        _add(schemas, "ProblemOut", ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}"))
        for path in schema["paths"].values():
            for method, operation in path.items():
                if method != "get":
                    operation.setdefault("parameters", []).append(_KEY)
                    operation["responses"] = dict(sorted({"409": refusal(409), **operation["responses"]}.items()))
                for name, model in operation.pop("x-models", {}).items():
                    _add(schemas, name, model)
        api.openapi_schema = schema
    return api.openapi_schema


def _add(schemas: dict[str, Any], name: str, model: dict[str, Any]) -> None:
    schemas.update(model.get("$defs", {}))
    schemas[name] = {key: value for key, value in model.items() if key != "$defs"}


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
    "description": "a fresh UUID: the same request with it is done once in 24 hours",
    "example": "0197a1e0-7a3b-7c11-9d2e-3f4a5b6c7d8e",
}


__all__ = ["PublicationOut", "VersionOut", "build_api", "problem_response"]
