"""Policies and their versions: look, change settings, retire, cancel.

Room: web.
"""

from __future__ import annotations

from fastapi import Response
from fastapi.requests import Request
from fastapi.routing import APIRouter
from pydantic import Field

from consentgate.service.administrators import ROLES, Administrator
from consentgate.service.terms import Terms
from consentgate.terms.policy_file import policy_from_settings
from consentgate.web.api.door import Door, IfMatch, Strict, etag_of, read_json, tagged, takes
from consentgate.web.api.problems import named, problems, when
from consentgate.web.api.publishing import PublishedOut, answer_done
from consentgate.web.api.values import PolicyOut, VersionInfoOut, VersionOut

_SETTINGS = {"title": {"en": "Terms of Use"}, "kind": "contract", "notice_days": 30}


class SettingsIn(Strict):
    """A policy's settings with the keys of policy.toml."""

    title: str | dict[str, str] | None = Field(None, description="one, or by language tag")
    kind: str = Field("contract", description="`contract`, `notice` or `consent`")
    audience: dict[str, list[str]] | None = Field(None, description="`kinds`, `tags`, `paths`")
    prevailing: str = "en"
    notice_days: int | None = None
    renew_after: int | None = None
    retain_days: int | None = None
    retired: str | None = None
    replaced_by: str | None = None


class RetireIn(Strict):
    """How a policy ends."""

    at: str | None = Field(None, description="from when on; left out: now")
    replaced_by: str | None = Field(None, description="slug of the policy in its place")


class CancelIn(Strict):
    """Why a version is cancelled."""

    reason: str = Field(description="one line; it stands in the ledger for everybody to read")


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of policies and versions."""
    anybody, publisher = door.needs(*ROLES), door.needs("publisher")

    @router.get("/policies", responses=problems())
    async def policies(by: Administrator = anybody) -> list[PolicyOut]:
        """Every policy, what is in force and what is scheduled."""
        return [PolicyOut.of(info) for info in await terms.admin.policies(by)]

    @router.get("/policies/{policy}", responses=problems(404))
    async def policy_(policy: str, response: Response, by: Administrator = anybody) -> PolicyOut:
        """One policy; the ETag is that of its settings."""
        info = await terms.admin.policy(by, policy)
        response.headers.update(tagged(info.etag))
        return PolicyOut.of(info)

    @router.put(
        "/policies/{policy}",
        responses={
            **problems(404, 409, 412),
            202: {"model": PublishedOut, "description": "proposed; a second person decides"},
        },
        openapi_extra=takes(SettingsIn, _SETTINGS),
    )
    async def put_policy(
        policy: str, request: Request, response: Response, by: Administrator = publisher, if_match: IfMatch = None
    ) -> PublishedOut:
        """Write a policy's settings, or make a policy (without If-Match)."""
        given = (await read_json(request, SettingsIn)).model_dump(exclude_none=True)
        with named("settings"):
            wanted = policy_from_settings(given, slug=policy, file=f"{policy}/policy.toml")
        return answer_done(await terms.admin.put_policy(by, wanted, if_match=etag_of(if_match)), response)

    @router.post(
        "/policies/{policy}/retire",
        responses={**problems(404, 409, 412), 202: {"model": PublishedOut, "description": "proposed"}},
        openapi_extra=takes(RetireIn, {"replaced_by": "terms-of-service"}),
    )
    async def retire(
        policy: str, request: Request, response: Response, by: Administrator = publisher, if_match: IfMatch = "*"
    ) -> PublishedOut:
        """Ask nobody about a policy any more."""
        given = await read_json(request, RetireIn)
        done = await terms.admin.retire(
            by, policy, at=when("at", given.at), replaced_by=given.replaced_by, if_match=etag_of(if_match)
        )
        return answer_done(done, response)

    @router.get("/policies/{policy}/versions", responses=problems(404))
    async def versions_of(policy: str, by: Administrator = anybody) -> list[VersionInfoOut]:
        """Every version of a policy, cancelled ones too, in the order in which they were published."""
        return [VersionInfoOut.of_info(info) for info in await terms.admin.versions(by, policy)]

    @router.get("/policies/{policy}/versions/{version}", responses=problems(404))
    async def version_(policy: str, version: str, by: Administrator = anybody) -> VersionInfoOut:
        """One version."""
        return VersionInfoOut.of_info(await terms.admin.version(by, policy, version))

    @router.get(
        "/policies/{policy}/versions/{version}/texts/{language}",
        responses={
            **problems(404),
            200: {"content": {"text/markdown": {"schema": {"type": "string"}}}, "description": "the canonical text"},
        },
        response_class=Response,
    )
    async def text(policy: str, version: str, language: str, by: Administrator = anybody) -> Response:
        """The canonical text in exactly this language; the ETag is its digest."""
        _, translation, text = await terms.admin.version_text(by, policy, version, language)
        headers = {**tagged(translation.digest), "Content-Language": translation.language}
        return Response(text, media_type="text/markdown", headers=headers)

    @router.post(
        "/policies/{policy}/versions/{version}/cancel",
        responses=problems(404, 409),
        openapi_extra=takes(CancelIn, {"reason": "Section 3 names the wrong company."}),
    )
    async def cancel(policy: str, version: str, request: Request, by: Administrator = publisher) -> VersionInfoOut:
        """Withdraw a version that has not taken effect; twice is once."""
        given = await read_json(request, CancelIn)
        await terms.admin.cancel(by, policy, version, given.reason)
        return VersionInfoOut.of_info(await terms.admin.version(by, policy, version))

    @router.get("/versions", responses=problems())
    async def versions(policy: str | None = None, by: Administrator = anybody) -> list[VersionOut]:
        """Every version that was not cancelled, oldest first."""
        found = await terms.admin.versions(by)
        return [
            VersionOut.of(info.version)
            for info in found
            if policy in (None, info.version.policy) and info.state != "cancelled"
        ]
