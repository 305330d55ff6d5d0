"""Proposals: publications that wait for a second person.

Room: web.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from fastapi.requests import Request
from fastapi.routing import APIRouter
from pydantic import Field

from consentgate.service.administrators import Administrator
from consentgate.service.terms import Terms
from consentgate.web.api.door import Door, Strict, read_json, takes
from consentgate.web.api.problems import problems
from consentgate.web.api.publishing import PreviewOut, ProposalOut
from consentgate.web.api.values import PublicationOut


class RejectIn(Strict):
    """Why a proposal is rejected."""

    reason: str = Field(description="one line; it stands in the ledger for everybody to read")


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of proposals. One is made by publishing, where a second person is needed."""
    reader, publisher = door.needs("editor", "auditor"), door.needs("publisher")

    @router.get("/proposals", responses=problems())
    async def proposals(
        status: Annotated[Literal["open", "approved", "rejected"] | None, Query()] = None,
        by: Administrator = reader,
    ) -> list[ProposalOut]:
        """The newest 200 proposals, newest first."""
        return [ProposalOut.of(one) for one in await terms.admin.proposals(by, status=status)]

    @router.get("/proposals/{proposal}", responses=problems(404))
    async def proposal_(proposal: str, by: Administrator = reader) -> ProposalOut:
        """One proposal."""
        return ProposalOut.of(await terms.admin.proposal(by, proposal))

    @router.get("/proposals/{proposal}/preview", responses=problems(404, 409))
    async def preview(
        proposal: str,
        count: Annotated[bool, Query(description="count whom it stops; see the preview of drafts")] = True,
        by: Administrator = reader,
    ) -> PreviewOut:
        """What approving it would do, as of now."""
        return PreviewOut.of(await terms.admin.preview_proposal(by, proposal, count=count))

    @router.post("/proposals/{proposal}/approve", responses=problems(404, 409))
    async def approve(proposal: str, by: Administrator = publisher) -> PublicationOut:
        """Publish what somebody else proposed; twice is once. Nobody approves their own (403)."""
        return PublicationOut.of(await terms.admin.approve(by, proposal))

    @router.post(
        "/proposals/{proposal}/reject",
        responses=problems(404, 409),
        openapi_extra=takes(RejectIn, {"reason": "Section 3 is wrong."}),
    )
    async def reject(proposal: str, request: Request, by: Administrator = publisher) -> ProposalOut:
        """Reject a proposal, also one's own."""
        given = await read_json(request, RejectIn)
        return ProposalOut.of(await terms.admin.reject(by, proposal, given.reason))
