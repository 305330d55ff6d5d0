"""Administrators' tokens.

Room: web. A token is shown once, in the answer that made it, and kept nowhere.
"""

from __future__ import annotations

from fastapi import Response
from fastapi.requests import Request
from fastapi.routing import APIRouter
from pydantic import BaseModel, Field

from consentgate.service.administrators import Administrator
from consentgate.service.overview import TokenInfo
from consentgate.service.records import instant_or_none
from consentgate.service.terms import Terms
from consentgate.terms.instants import Instant, format_instant
from consentgate.web.api.door import Door, Strict, read_json, takes
from consentgate.web.api.problems import NO_STORE, problems


class TokenIn(Strict):
    """A token to be made."""

    role: str = Field(description="`auditor`, `editor`, `publisher` or `owner`")
    label: str = Field(description="who or what will use it")
    days: int | None = Field(365, description="lifetime, 1 to 3650; null: until it is revoked")
    holder: str | None = Field(
        None, description="id of the administrator whose it is; left out: yours, so that you cannot approve with it "
        "what you proposed",
    )  # fmt: skip


class TokenOut(BaseModel):
    """A token, without anything that would let somebody use it."""

    id: str
    role: str
    label: str
    created: str
    expires: str | None
    state: str = Field(description="`valid`, `expired` or `revoked`")
    holder: str | None

    @classmethod
    def of(cls, info: TokenInfo, now: Instant) -> TokenOut:
        """Describe it."""
        return cls(
            id=info.id, role=info.role, label=info.label, created=format_instant(info.created),
            expires=instant_or_none(info.expires), state=info.state(now), holder=info.holder,
        )  # fmt: skip


class NewTokenOut(BaseModel):
    """A token just made."""

    id: str
    role: str
    label: str
    expires: str | None
    secret: str | None = Field(description="the token; shown this once, null where an Idempotency-Key repeats it")


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of tokens."""
    owner = door.needs("owner")

    @router.get("/tokens", responses=problems())
    async def tokens(by: Administrator = owner) -> list[TokenOut]:
        """Every token, the oldest first."""
        now = terms.clock()
        return [TokenOut.of(info, now) for info in await terms.admin.tokens(by)]

    @router.post(
        "/tokens",
        status_code=201,
        responses=problems(),
        openapi_extra=takes(TokenIn, {"role": "auditor", "label": "Ann"}),
    )
    async def new_token(request: Request, by: Administrator = owner) -> NewTokenOut:
        """Make a token; its secret is in this answer and nowhere else."""
        given = await read_json(request, TokenIn)
        made = await terms.admin.new_token(by, given.role, given.label, days=given.days, holder=given.holder)
        return NewTokenOut(
            id=made.id, role=made.role, label=made.label, expires=instant_or_none(made.expires), secret=made.secret
        )

    @router.delete("/tokens/{token}", status_code=204, responses=problems(404))
    async def revoke_token(token: str, by: Administrator = owner) -> Response:
        """Revoke a token, at once and for good."""
        await terms.admin.revoke_token(by, token)
        return Response(status_code=204, headers=NO_STORE)
