"""Ask and decide: offers, decisions, passes, links.

Room: service. The middle part of the handle `consentgate.service.terms.Terms`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Literal

from sqlalchemy import Connection

from consentgate.errors import NotFoundError, TermsChangedError
from consentgate.evidence.entry import DecisionEntry, decode
from consentgate.gate.hooks import Accepted
from consentgate.service import decide as deciding
from consentgate.service import publish as publishing
from consentgate.service.facts import Facts
from consentgate.service.handle import Handle
from consentgate.service.holdings import NOTHING, Holding, fold, serials_of
from consentgate.service.ledger import Pending
from consentgate.service.link import link as enter_link
from consentgate.service.offer import (
    Drafter,
    OfferDraft,
    SealedOffer,
    open_offer,
    seal_offer,
)
from consentgate.service.settings import HOUR
from consentgate.store import blobs, erasing, meta, subjects
from consentgate.store import entries as shelf
from consentgate.store.blobs import BlobRow
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import digest
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject, SubjectKind

log = logging.getLogger("consentgate")

PAGE = "text/html; charset=utf-8"
ATTEMPTS = 5


class Asking(Handle):
    """The operations around one subject."""

    async def holdings(self, subject: Subject) -> dict[str, Holding]:
        """What a subject has decided so far, by policy: one indexed query."""
        tag = self.engine.tag(subject)
        return fold(await self._read(lambda connection: subjects.decisions_of(connection, tag)))

    async def accepted(self, subject: Subject) -> Accepted:
        """What a pass for this subject says."""
        tag = self.engine.tag(subject)

        def look(connection: Connection) -> tuple[list[subjects.DecisionRow], int]:
            head = shelf.head(connection)
            return subjects.decisions_of(connection, tag), head.size if head else 0

        rows, size = await self._read(look)
        instant = self.clock()
        holdings = fold(rows)
        serials, expires = serials_of(holdings, instant)
        every = {serial for holding in holdings.values() for serial in holding.accepted}
        return Accepted(frozenset(serials), expires, frozenset(every - set(serials)), size)

    async def link(self, visitor_id: str, subject: Subject) -> Accepted:
        """Carry over what a device accepted before its user signed in; twice is once."""
        visitor = Subject(visitor_id, SubjectKind.VISITOR)
        if not subject.impersonated_by:
            await self._write(
                partial(
                    enter_link, self.engine.tag(visitor), self.engine.tag(subject), visitor, subject, self._randomness
                )
            )
        return await self.accepted(subject)

    async def offer(
        self,
        subject: Subject,
        *,
        languages: Sequence[str] = (),
        ask: Literal["required", "all"] = "required",
        only: Iterable[str] | None = None,
        path: str | None = None,
    ) -> OfferDraft:
        """What this subject is asked now, with the redline from their own last accepted version.

        Args:
            subject: who.
            languages: language ranges, best first.
            ask: ``required``: what blocks or is in grace; ``all``: also what is announced.
            only: just these policies, whatever their state and audience.
            path: where the subject is going, without the mount point: what binds elsewhere is not asked about;
                ``None`` for anywhere.
        """
        calendar, holdings = await self.fresh(), await self.holdings(subject)
        drafter = Drafter(
            calendar, self._text, self._redline, self._randomness,
            frozenset(only) if only is not None else None, path,
        )  # fmt: skip
        return await asyncio.to_thread(
            partial(drafter.draft, subject, holdings, self.clock(), languages=languages, everything=ask == "all")
        )

    async def seal_offer(self, draft: OfferDraft, *, page: bytes | None, controls: Mapping[str, bytes]) -> str:
        """Keep what was shown, and seal the offer.

        Args:
            draft: what was rendered.
            page: the exact bytes, before the offer was put into them.
            controls: canonical bytes of the control wording by policy (`consentgate.service.offer.control_bytes`).
        """
        rows = [BlobRow(digest(data), publishing.JSON, data) for data in controls.values()]
        rows += [BlobRow(digest(page), PAGE, page)] if page is not None else []
        await self._keep(rows)
        return seal_offer(
            draft,
            self.engine.seals,
            page=digest(page) if page is not None else None,
            controls={slug: digest(data) for slug, data in controls.items()},
        )

    async def _keep(self, rows: Sequence[BlobRow]) -> None:
        """Keep blobs, once: what this process knows to be there costs nothing."""
        fresh = [row for row in rows if row.digest not in self._kept_pages]
        if not fresh:
            return
        await self._write(lambda connection, _: blobs.put_blobs(connection, fresh))
        if len(self._kept_pages) > 10_000:
            self._kept_pages.clear()
        self._kept_pages.update(row.digest for row in fresh)

    def open_offer(self, token: str) -> SealedOffer:
        """Open a sealed offer.

        Raises:
            SealError, OfferExpiredError: not ours, or shown too long ago.
        """
        lifetime = self.settings.offer_hours * HOUR * SECOND
        return open_offer(token, self.engine.seals, now=self.clock(), lifetime=lifetime)

    async def decide(
        self, token: str, acts: Mapping[str, Act], *, subject: Subject | None = None, facts: Facts | None = None
    ) -> deciding.Decided:
        """Record decisions on a sealed offer. Durable when this returns.

        Args:
            token: the sealed offer.
            acts: what was decided, by policy; policies of the offer that are left out stay undecided.
            subject: who decides, as the host knows them now; ``None`` for the visitor of the offer.
            facts: circumstances.

        Raises:
            SealError, OfferExpiredError: the offer is not ours, or too old.
            TermsChangedError: something was published in between, somebody else is signed in, or the offer was
                answered otherwise already. Nothing was recorded; make a new offer.
            DecisionError: not a decision this offer allows.
            OverloadedError, StoreUnavailableError: not recorded; the same request may be sent again.
        """
        offer = self.open_offer(token)
        subject = self._same_subject(offer, subject)
        facts = facts or Facts()
        refs = deciding.refs(offer, acts)
        known = await self._read(lambda connection: shelf.refs_known(connection, refs))
        replayed = bool(refs) and len(known) == len(refs)
        if not replayed:
            # Before anything is entered: who is told that nothing was recorded must find that nothing was.
            await self._answered(tuple(known), acts)
            await self._enter(offer, acts, subject, facts, refs)
        entries = await self._answered(refs, acts)
        accepted = await self.accepted(subject)
        return deciding.Decided(subject, entries, self.pass_for(subject, accepted), replayed, accepted.tree_size)

    async def _answered(self, refs: tuple[bytes, ...], acts: Mapping[str, Act]) -> tuple[DecisionEntry, ...]:
        """The decisions with these refs, which must be the ones that are asked for.

        Raises:
            TermsChangedError: one of them was decided otherwise.
        """
        if not refs:
            return ()
        rows = await self._read(lambda connection: shelf.leaves(connection, refs))
        entries = tuple(decision_of(rows[ref]) for ref in refs)
        if any(Act(entry.decision) is not acts[entry.policy] for entry in entries):
            raise TermsChangedError(
                "this page was answered already, and otherwise", hint="look at the page as it is now", answered=True
            )
        return entries

    async def _enter(
        self, offer: SealedOffer, acts: Mapping[str, Act], subject: Subject, facts: Facts, refs: tuple[bytes, ...]
    ) -> None:
        for _ in range(ATTEMPTS):
            submission = self._submission(await self.fresh(), offer, acts, subject, facts)

            def work(connection: Connection, pending: Pending, submission: deciding.Submission = submission) -> None:
                deciding.enter(pending, submission)
                self._revoke(connection, submission)

            try:
                await self._write(work, refs, quiet=not submission.withdraws)
            except publishing.CalendarMovedError:
                await self.reload()
                continue
            return await self._recorded(submission)
        raise TermsChangedError("the terms keep changing; nothing was recorded", hint="try again")

    def _submission(
        self, calendar: Calendar, offer: SealedOffer, acts: Mapping[str, Act], subject: Subject, facts: Facts
    ) -> deciding.Submission:
        return deciding.prepare(
            offer, acts, calendar, subject, facts, self.settings, self._randomness,
            tag=self.engine.tag(subject), gate=self.engine.gate_digest,
        )  # fmt: skip

    def _revoke(self, connection: Connection, submission: deciding.Submission) -> None:
        """After a withdrawal the passes of every device of theirs go on saying what is not true any more."""
        if submission.withdraws:
            erasing.revoke(connection, self.engine.bindings(submission.subject), self.clock() // SECOND + 1)
            meta.bump_generation(connection)

    async def _recorded(self, submission: deciding.Submission) -> None:
        """What comes after the commit."""
        for one in submission.decisions:
            self.meter.decided(one.policy.kind.value, one.act.value)
        if submission.withdraws:
            self.engine.generation.bump()
            await self.reload()

    def _same_subject(self, offer: SealedOffer, subject: Subject | None) -> Subject:
        """Who decides must be who was asked; a visitor is whoever holds the page.

        Raises:
            TermsChangedError: somebody signed in or out while the page was open.
        """
        if subject is None and offer.subject.kind is SubjectKind.VISITOR:
            return offer.subject
        if subject is None or subject.key != offer.subject.key:
            raise TermsChangedError(
                "somebody else is signed in than when this page was shown",
                hint="read the page again, as who you are now",
                signed_in=True,
            )
        return subject

    def pass_for(self, subject: Subject, accepted: Accepted, *, snoozed: Instant | None = None) -> str:
        """Seal a pass: what goes into the cookie."""
        return self.engine.sealer.issue(
            subject,
            accepted.serials,
            now=self.clock(),
            expires=accepted.expires,
            snoozed=snoozed,
            tree_size=accepted.tree_size,
        )

    async def record(
        self,
        subject: Subject,
        policy: str,
        label: str | None = None,
        act: Act = Act.ACCEPT,
        *,
        method: Literal["api", "import"] = "api",
    ) -> DecisionEntry:
        """Record a decision that was made elsewhere: at a desk, by API, in an older system.

        Args:
            subject: who decided.
            policy: slug.
            label: of the version; ``None`` for the one in force.
            act: what was decided.
            method: ``api`` or ``import``; the record says so.

        Raises:
            NotFoundError: no such policy or version.
        """
        calendar = await self.fresh()
        version = self.version(policy, label)
        holding = (await self.holdings(subject)).get(policy, NOTHING)
        offer = deciding.offer_elsewhere(version, holding, subject, self.clock(), self._randomness)
        facts = Facts(method=method)
        submission = self._submission(calendar, offer, {policy: act}, subject, facts)
        refs = deciding.refs(offer, {policy: act})

        def work(connection: Connection, pending: Pending) -> None:
            self._revoke(connection, submission)
            deciding.enter_elsewhere(pending, submission)

        # By its ref, like a decision from a page: where COMMIT reports an error and has committed all the same, the
        # second run finds the first record, and the caller is not sent to make another.
        await self._write(work, refs, quiet=not submission.withdraws)
        await self._recorded(submission)
        return (await self._answered(refs, {policy: act}))[0]


def decision_of(leaf: bytes) -> DecisionEntry:
    entry = decode(leaf)
    if not isinstance(entry, DecisionEntry):
        raise NotFoundError("this entry of the ledger is not a decision")
    return entry
