"""The editors' half of administration: drafts, preview, publish, propose and approve, cancel, retire.

Room: service. `consentgate.service.administration.Administration` is the whole; it is reached as ``terms.admin``.
Publishing the policies folder at start-up or from the local command line is the operator's own act and goes past it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from consentgate.errors import ConflictError, InputError, NotFoundError, PublishError
from consentgate.service import drafts as drafting
from consentgate.service import preview as previewing
from consentgate.service import proposals as proposing
from consentgate.service import publish as publishing
from consentgate.service.administrators import Administrator
from consentgate.service.drafts import DraftInfo, DraftRef, draft_ref
from consentgate.service.ledger import Pending
from consentgate.service.plan import Plan
from consentgate.service.preview import Preview, Stop, state_of
from consentgate.service.proposals import Content, Done
from consentgate.service.publish import CalendarMovedError, Publication
from consentgate.store import counting
from consentgate.store import drafts as draft_shelf
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import canonical_json, digest
from consentgate.terms.draft import Draft
from consentgate.terms.instants import Instant
from consentgate.terms.markdown import render
from consentgate.terms.policy import Policy
from consentgate.terms.policy_file import policy_settings

if TYPE_CHECKING:
    from consentgate.service.terms import Terms

ATTEMPTS = 5

Also = Callable[[Connection, Pending], None]


def policy_etag(policy: Policy) -> str:
    """The digest of a policy's settings."""
    return digest(canonical_json(policy_settings(policy)))


class Editing:
    """What editors and publishers do.

    Args:
        terms: the handle, started.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    # --- drafts --------------------------------------------------------------------------------------------------

    async def put_draft(
        self, by: Administrator, policy: str, label: str, language: str, body: bytes, *, if_match: str | None = None
    ) -> DraftInfo:
        """Keep a draft, malformed or not.

        Args:
            by: an editor.
            policy, label, language: its place.
            body: front matter and Markdown, as in a file.
            if_match: etag of what it replaces, ``"*"`` for whatever is there, ``None`` for a new one.

        Raises:
            InputError: no such place, or too large.
            PreconditionError: something else is there than the caller knows of; ``etag`` is what.
        """
        by.require("editor")
        ref = draft_ref(policy, label, language)
        return await self.terms._write(partial(drafting.put, by, ref, body, if_match, self.terms._randomness))

    async def draft(self, by: Administrator, policy: str, label: str, language: str) -> DraftInfo:
        """One draft.

        Raises:
            NotFoundError: there is none.
        """
        by.require("editor", "auditor")
        return await self.terms._read(partial(drafting.get, draft_ref(policy, label, language)))

    async def drafts(
        self, by: Administrator, *, policy: str | None = None, label: str | None = None
    ) -> tuple[DraftInfo, ...]:
        """Every draft, or those of a policy, or of one version, by place."""
        by.require("editor", "auditor")
        rows = await self.terms._read(lambda connection: draft_shelf.drafts(connection, policy=policy, label=label))
        return await asyncio.to_thread(lambda: tuple(map(drafting.info_of, rows)))

    async def delete_draft(
        self, by: Administrator, policy: str, label: str, language: str, *, if_match: str | None = None
    ) -> None:
        """Forget a draft.

        Raises:
            NotFoundError: there is none.
            PreconditionError: it is not the one with this etag.
        """
        by.require("editor")
        ref = draft_ref(policy, label, language)
        await self.terms._write(partial(drafting.delete, by, ref, if_match, self.terms._randomness))

    # --- preview and publish -------------------------------------------------------------------------------------

    async def preview(
        self,
        by: Administrator,
        refs: Iterable[DraftRef] = (),
        *,
        drafts: Iterable[Draft] = (),
        policies: Iterable[Policy] = (),
        at: Instant | None = None,
        count: bool = True,
    ) -> Preview:
        """What publishing these would do; see `consentgate.service.preview` for what is counted.

        A notice period that is not kept is a finding here; publishing refuses it.

        Args:
            by: an editor.
            refs: drafts of ours.
            drafts, policies: texts and settings that come along.
            at: effective date of those whose front matter leaves it open.
            count: whether to count whom it stops. That takes time with the number of decisions on record: seconds
                where there are millions.

        Raises:
            DraftError, PublishError: it could not be published.
        """
        by.require("editor")
        content = await self._content(refs, drafts, policies, at, short_notice=True)
        calendar = await self.terms.reload()
        plan = await asyncio.to_thread(self._plan, calendar, content)
        changes = previewing.changes_of(calendar, plan)

        def counted(connection: Connection) -> tuple[list[int], int]:
            each = [counting.stopped(connection, [change]) for change in changes.values()]
            return each, each[0] if len(each) == 1 else counting.stopped(connection, changes.values())

        each, together = await self.terms._read(counted) if changes and count else ([], None if changes else 0)
        return Preview(
            publication=publishing.publication_of(plan, dry_run=True),
            texts=await asyncio.to_thread(previewing.texts_of, calendar, plan, self.terms._text, render),
            notices=previewing.notices_of(calendar, plan, self.terms.clock()),
            each=tuple(_stops(calendar, plan, dict(zip(changes, each or repeat(None), strict=False)))),
            stops=together,
            state=state_of(calendar, content.drafts),
        )

    async def publish(
        self,
        by: Administrator,
        refs: Iterable[DraftRef] = (),
        *,
        drafts: Iterable[Draft] = (),
        policies: Iterable[Policy] = (),
        expected: str | None = None,
        at: Instant | None = None,
        short_notice: bool = False,
        dry_run: bool = False,
    ) -> Done:
        """Publish, now or for a date, in one act; or propose it, where a second person is needed.

        What is published already stays as it is, so that the same act twice has the answer of the first. Drafts of
        ours that are published are removed in the same transaction.

        Args:
            by: a publisher.
            refs: drafts of ours.
            drafts, policies: texts and settings that come along.
            expected: `Preview.state`: publish only where nothing has changed since.
            at: effective date of those whose front matter leaves it open.
            short_notice: publish although the notice period is not kept.
            dry_run: only say what would happen.

        Raises:
            DraftError, PublishError, ImmutableError: nothing was published.
            ConflictError: something changed since the preview; nothing was published.
        """
        by.require("publisher")
        refs = tuple(refs)
        content = await self._content(refs, drafts, policies, at, short_notice=short_notice, again=True)
        settled = tuple((ref.policy, ref.label) for ref in refs if ref not in (content.refs or {}))
        if dry_run:
            done = Done(publishing.publication_of((await self._checked(content, expected))[1], dry_run=True))
        elif self.terms.settings.approvals:
            done = await self._propose(by, content, expected)
        else:
            done = Done(await self._publish(by.id, content, expected))
        unchanged = tuple(dict.fromkeys((*done.publication.unchanged, *settled)))
        return replace(done, publication=replace(done.publication, unchanged=unchanged))

    async def _content(
        self,
        refs: Iterable[DraftRef],
        drafts: Iterable[Draft],
        policies: Iterable[Policy],
        at: Instant | None,
        *,
        short_notice: bool,
        again: bool = False,
    ) -> Content:
        """Read what is to be published; with `again`, leave out drafts that are published already and gone."""
        refs = [draft_ref(*ref) for ref in refs]
        drafts, policies = tuple(drafts), tuple(policies)
        if not (refs or drafts or policies):
            raise InputError("there is nothing to publish", hint="name drafts, or send texts", field="drafts")
        found = await self.terms._read(lambda connection: draft_shelf.drafts_at(connection, refs)) if refs else {}
        for ref in refs:
            version = self.terms.calendar.find(ref.policy, ref.label)
            if ref not in found and not (again and version is not None and ref.language in version.languages):
                raise NotFoundError(f"there is no draft {ref.file}", policy=ref.policy, version=ref.label)
        parsed, etags = list(drafts), {}
        for ref in dict.fromkeys(ref for ref in refs if ref in found):
            draft, error, _ = drafting.read(ref, found[ref].body)
            if draft is None:
                assert error is not None  # noqa: S101  (a draft is parsed or malformed)
                raise error
            parsed.append(draft)
            etags[ref] = found[ref].etag
        return Content(tuple(parsed), policies, etags, at, short_notice)

    def _plan(self, calendar: Calendar, content: Content) -> Plan:
        drafts = previewing.schedule(content.drafts, content.at)
        return self.terms._plan(calendar, content.policies, drafts, content.short_notice)

    async def _checked(
        self, content: Content, expected: str | None, check: Callable[[Calendar], None] | None = None
    ) -> tuple[Calendar, Plan]:
        """Plan on what is published now; refuse where that is not what was expected, unless nothing is left to do."""
        calendar = await self.terms.reload()
        moved = expected is not None and expected != state_of(calendar, content.drafts)
        try:
            plan = await asyncio.to_thread(self._plan, calendar, content)
        except PublishError as error:
            if moved:
                raise _conflict(calendar, content) from error
            raise
        if not plan.empty:
            if moved:
                raise _conflict(calendar, content)
            if check is not None:
                check(calendar)
        return calendar, plan

    async def _publish(
        self,
        by: str,
        content: Content,
        expected: str | None,
        *,
        approver: str | None = None,
        also: Also | None = None,
        check: Callable[[Calendar], None] | None = None,
    ) -> Publication:
        def first(connection: Connection, pending: Pending) -> None:
            if content.refs:
                drafting.take(content.refs, connection)
            if also is not None:
                also(connection, pending)

        for _ in range(ATTEMPTS):
            calendar, plan = await self._checked(content, expected, check)
            if plan.empty:
                if content.refs or also:
                    await self.terms._write(first)
                return publishing.publication_of(plan, dry_run=False)
            try:
                return await self.terms._publish(plan, calendar, by, approver=approver, first=first)
            except CalendarMovedError:
                continue
        raise ConflictError("others keep publishing; nothing was published", hint="try again")

    async def _propose(self, by: Administrator, content: Content, expected: str | None) -> Done:
        calendar, plan = await self._checked(content, expected)
        publication = publishing.publication_of(plan, dry_run=True)
        if plan.empty:
            return Done(replace(publication, dry_run=False))
        state = state_of(calendar, content.drafts)
        proposal = await self.terms._write(partial(proposing.propose, by, content, state, self.terms._randomness))
        return Done(publication, proposal)


def _conflict(calendar: Calendar, content: Content) -> ConflictError:
    return ConflictError(
        "something was published or edited since the preview; nothing was published",
        hint="preview again, look at what changed, then publish with the new state",
        state=state_of(calendar, content.drafts),
    )


def _stops(calendar: Calendar, plan: Plan, counted: dict[tuple[str, str], int | None]) -> Iterable[Stop]:
    for version in plan.versions:
        stops = counted.get((version.policy, version.label), 0)
        first = not any(other.policy == version.policy for other in calendar.versions)
        yield Stop(version.policy, version.label, version.enforced, stops, first)
