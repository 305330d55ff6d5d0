"""What publishers steer: proposals of a second person, cancelling, settings, retirement.

Room: service. The middle of `consentgate.service.administration.Administration`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from consentgate.errors import ConflictError, InputError, NotFoundError, PreconditionError
from consentgate.service import cancel as cancelling
from consentgate.service import drafts as drafting
from consentgate.service import proposals as proposing
from consentgate.service import publish as publishing
from consentgate.service.administrators import Administrator
from consentgate.service.drafts import DraftRef
from consentgate.service.editing import ATTEMPTS, Editing, policy_etag
from consentgate.service.ledger import Pending
from consentgate.service.plan import Plan
from consentgate.service.preview import Preview
from consentgate.service.proposals import Content, Done, Proposal, Status
from consentgate.service.publish import CalendarMovedError, Publication
from consentgate.store import drafts as draft_shelf
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Policy, Version


class Steering(Editing):
    """Everything about publishing that is not writing."""

    # --- a second person -----------------------------------------------------------------------------------------

    async def proposals(self, by: Administrator, *, status: Status | None = None) -> tuple[Proposal, ...]:
        """The newest proposals first, all or those of one status."""
        by.require("editor", "auditor")
        return await self.terms._read(lambda connection: proposing.every(connection, status=status))

    async def proposal(self, by: Administrator, proposal_id: str) -> Proposal:
        """One proposal.

        Raises:
            NotFoundError: there is none with this id.
        """
        by.require("editor", "auditor")
        return (await self.terms._read(lambda connection: proposing.find(connection, proposal_id)))[0]

    async def preview_proposal(self, by: Administrator, proposal_id: str, *, count: bool = True) -> Preview:
        """What approving a proposal would do, as of now; `count` as in `preview`."""
        by.require("editor", "auditor")
        content = (await self.terms._read(lambda connection: proposing.find(connection, proposal_id)))[1]
        editor = Administrator(by.id, frozenset({"editor"}), by.label)
        return await self.preview(editor, drafts=content.drafts, policies=content.policies, at=content.at, count=count)

    async def approve(self, by: Administrator, proposal_id: str) -> Publication:
        """Publish what somebody else proposed; twice is once.

        Raises:
            ForbiddenError: it is one's own.
            ConflictError: it was rejected, or something was published since it was made.
        """
        by.require("publisher")
        proposal, content, row = await self.terms._read(lambda connection: proposing.find(connection, proposal_id))
        proposing.check_second(by, proposal)
        calendar, now = await self.terms.reload(), self.terms.clock()
        policies = tuple(_retired_no_earlier(calendar, policy, now) for policy in content.policies)
        content = replace(content, policies=policies)
        if proposal.status == proposing.APPROVED:
            _, plan = await self._checked(content, None)
            return publishing.publication_of(plan, dry_run=False)

        def settle(connection: Connection, pending: Pending) -> None:
            proposing.approve(by, proposal_id, self.terms._randomness, connection, pending)

        kept = replace(content, refs=await self._still(content))
        return await self._publish(row.author, kept, row.expected, approver=by.id, also=settle)

    async def _still(self, content: Content) -> dict[DraftRef, str]:
        """Those drafts that are still what was proposed: an editor may have gone on writing, and keeps that."""
        refs = dict(content.refs or {})
        present = await self.terms._read(lambda connection: draft_shelf.etags_at(connection, refs))
        return {ref: etag for ref, etag in refs.items() if present.get(ref) == etag}

    async def reject(self, by: Administrator, proposal_id: str, reason: str) -> Proposal:
        """Reject a proposal, somebody else's or one's own, with a reason that stands in the ledger.

        Raises:
            NotFoundError, ConflictError: there is none, or it was decided about.
        """
        by.require("publisher")
        reason = proposing.check_reason(reason)
        await self.terms._read(lambda connection: proposing.find(connection, proposal_id))
        await self.terms._write(partial(proposing.reject, by, proposal_id, reason, self.terms._randomness))
        return (await self.terms._read(lambda connection: proposing.find(connection, proposal_id)))[0]

    # --- cancel, retire, settings --------------------------------------------------------------------------------

    async def cancel(self, by: Administrator, policy: str, label: str, reason: str) -> Version:
        """Withdraw a version that has not taken effect: it never will, and its label is not given again.

        It is one person's act also where approvals are set: what it restores is what is in force.

        Raises:
            NotFoundError: no such version.
            ConflictError: it is in effect, or an editorial version that follows rests on it.
        """
        by.require("publisher")
        reason = proposing.check_reason(reason)
        for _ in range(ATTEMPTS):
            calendar = await self.terms.reload()
            try:
                version = await self.terms._write(
                    partial(cancelling.cancel, by, calendar, policy, label, reason, self.terms._randomness)
                )
            except CalendarMovedError:
                continue
            self.terms.engine.generation.bump()
            await self.terms.reload()
            return version
        raise ConflictError("others keep publishing; nothing was cancelled", hint="try again")

    async def put_policy(
        self, by: Administrator, policy: Policy, *, if_match: str | None = None, expected: str | None = None
    ) -> Done:
        """Write a policy's settings, or make a new policy.

        Args:
            by: a publisher.
            policy: as it shall be.
            if_match: `policy_etag` of what it replaces, ``"*"`` for whatever is there, ``None`` for a new one.
            expected: see `publish`.

        Raises:
            PreconditionError: the settings are not those the caller knows.
            ImmutableError: kind or prevailing language of a policy that has versions.
            NotFoundError, InputError: a retirement that `retire` would refuse.
        """
        by.require("publisher")
        calendar, now = await self.terms.reload(), self.terms.clock()
        present = calendar.by_slug.get(policy.slug)
        if (policy.retired, policy.replaced_by) != (present and present.retired, present and present.replaced_by):
            _check_retirement(calendar, policy.slug, policy.retired, policy.replaced_by, now)
        return await self._put_policy(by, policy, if_match, expected)

    async def _put_policy(
        self, by: Administrator, policy: Policy, if_match: str | None, expected: str | None = None
    ) -> Done:
        def check(calendar: Calendar) -> None:
            _check_policy(calendar, policy, if_match)

        content = Content(policies=(policy,))
        if self.terms.settings.approvals:
            check(await self.terms.reload())
            return await self._propose(by, content, expected)
        return Done(await self._publish(by.id, content, expected, check=check))

    async def retire(
        self,
        by: Administrator,
        policy: str,
        *,
        at: Instant | None = None,
        replaced_by: str | None = None,
        if_match: str | None = drafting.ANY,
    ) -> Done:
        """Ask nobody about a policy any more, from now or from an instant on.

        Args:
            by: a publisher.
            policy: slug.
            at: instant, not in the past; ``None`` for now.
            replaced_by: slug of the policy that stands in its place.
            if_match: etag of its settings.

        Raises:
            NotFoundError: no such policy, or none to replace it.
            InputError: an instant in the past, or a policy that replaces itself.
        """
        by.require("publisher")
        calendar, now = await self.terms.reload(), self.terms.clock()
        if policy not in calendar.by_slug:
            raise NotFoundError(f"there is no policy {policy[:64]}", policy=policy[:64])
        _check_retirement(calendar, policy, at, replaced_by, now)
        present = calendar.by_slug[policy]
        if present.retired is not None and present.retired <= now and at is None:
            return Done(publishing.publication_of(Plan(calendar.generation), dry_run=False))
        changed = replace(present, retired=now if at is None else at, replaced_by=replaced_by)
        return await self._put_policy(by, changed, if_match)


def _check_retirement(
    calendar: Calendar, policy: str, at: Instant | None, replaced_by: str | None, now: Instant
) -> None:
    if replaced_by == policy:
        raise InputError("a policy cannot replace itself", hint="name another", field="replaced_by")
    if replaced_by is not None and replaced_by not in calendar.by_slug:
        raise NotFoundError(f"there is no policy {replaced_by[:64]}", hint="publish it first", field="replaced_by")
    if at is not None and at < now:
        raise InputError("this instant is in the past", hint="leave it out to retire it now", field="at")


def _retired_no_earlier(calendar: Calendar, policy: Policy, now: Instant) -> Policy:
    """A policy whose retirement waited for its approval: it ends now, for people were asked about it until now."""
    present = calendar.by_slug.get(policy.slug)
    already = present.retired if present else None
    if policy.retired is None or policy.retired >= now or already == policy.retired:
        return policy
    return replace(policy, retired=now if already is None else already)


def _check_policy(calendar: Calendar, policy: Policy, if_match: str | None) -> None:
    present = calendar.by_slug.get(policy.slug)
    etag = policy_etag(present) if present else None
    if if_match == drafting.ANY and present is not None:
        return
    if etag != if_match:
        raise PreconditionError(
            f"the settings of {policy.slug} were changed by somebody else"
            if present and if_match
            else f"there is a policy {policy.slug} already"
            if present
            else f"there is no policy {policy.slug}",
            etag=etag,
            hint="read what is there, then send yours with its etag as If-Match",
        )
