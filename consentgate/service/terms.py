"""`Terms`: the handle behind the one line. Command line, admin API and pages are thin over it.

Room: service. Every method that touches the database is a coroutine and runs the blocking work in a thread, so that
a cancelled request never leaves a transaction behind; decisions go through the one writer thread.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from sqlalchemy import Connection

from consentgate.errors import ConsentGateError, NotFoundError, TermsChangedError
from consentgate.evidence.entry import DecisionEntry, decode
from consentgate.gate.hooks import Accepted
from consentgate.service import decide as deciding
from consentgate.service import export as exporting
from consentgate.service import publish as publishing
from consentgate.service import tokens
from consentgate.service.engine import Clock, Engine, Randomness, now
from consentgate.service.facts import Facts
from consentgate.service.folder import read_folder
from consentgate.service.holdings import NOTHING, Holding, State, fold, serials_of, state_of
from consentgate.service.ledger import Head, Pending
from consentgate.service.link import link as enter_link
from consentgate.service.offer import (
    Drafter,
    OfferDraft,
    SealedOffer,
    open_offer,
    seal_offer,
    version_to_offer,
)
from consentgate.service.plan import Plan, Planner
from consentgate.service.receipts import make_receipt
from consentgate.service.settings import HOUR, Settings
from consentgate.service.status import PolicyStatus, status_of
from consentgate.service.verify import Report, verify_ledger
from consentgate.service.watch import Watch
from consentgate.store import blobs, meta, subjects
from consentgate.store import entries as shelf
from consentgate.store.blobs import BlobRow
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import digest
from consentgate.terms.draft import Draft
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.policy import Act, Policy, Version
from consentgate.terms.redline import ALGORITHM, Redline, compare, from_bytes, to_bytes
from consentgate.terms.subject import Subject, SubjectKind

log = logging.getLogger("consentgate")

T = TypeVar("T")

PAGE = "text/html; charset=utf-8"
_ATTEMPTS = 5


class Terms:
    """Everything a host, a page or a command can do.

    Args:
        settings: as configured.
        clock, randomness: for tests; the wall clock and the system's randomness by default.
    """

    def __init__(self, settings: Settings, *, clock: Clock = now, randomness: Randomness = secrets.token_bytes) -> None:
        self.settings = settings
        self.clock = clock
        self._randomness = randomness
        self._engine: Engine | None = None
        self._calendar = Calendar()
        self._seen = 0
        self._watch: Watch | None = None
        self._starting = asyncio.Lock()
        self._kept_pages: set[str] = set()
        self._text: Callable[[str], str] = lru_cache(maxsize=256)(lambda key: self.engine.text(key))
        self._redline: Callable[[str, str], Redline] = lru_cache(maxsize=256)(self._read_redline)

    # --- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the ledger, publish the policies folder if one is set, and begin to watch. Twice is once.

        Raises:
            ConsentGateError: start-up is refused; the hint says what to do.
        """
        async with self._starting:
            if self._engine is not None:
                return
            engine = await asyncio.to_thread(
                partial(Engine.open, self.settings, clock=self.clock, randomness=self._randomness)
            )
            self._engine = engine
            try:
                await self.reload()
                if self.settings.policies is not None:
                    done = await self.publish(self.settings.policies, by="start-up")
                    if done.published:
                        log.info("published %s", ", ".join(f"{one.policy} {one.label}" for one in done.published))
            except BaseException:
                self._engine = None
                await asyncio.to_thread(engine.close)
                raise
            if not self._calendar.versions:
                log.warning("no policy is published: the gate is open")
            self._watch = Watch(self._read_generation, self._moved, self._calendar.generation)
            self._watch.start()

    async def stop(self) -> None:
        """Write what was accepted, then close everything. Twice is once."""
        engine, self._engine = self._engine, None
        watch, self._watch = self._watch, None
        if watch is not None:
            await asyncio.to_thread(watch.stop)
        if engine is not None:
            await asyncio.to_thread(engine.close)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def started(self) -> bool:
        """Whether the ledger is open."""
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        """The open resources.

        Raises:
            ConsentGateError: not started.
        """
        if self._engine is None:
            raise ConsentGateError(
                "consentgate was not started", hint="await terms.start(), or let the gate see lifespan"
            )
        return self._engine

    @property
    def calendar(self) -> Calendar:
        """Everything published, as this process last saw it."""
        return self._calendar

    async def reload(self) -> Calendar:
        """Read everything published, anew."""
        seen = self.engine.generation.value
        calendar = await asyncio.to_thread(self.engine.calendar)
        if calendar.generation >= self._calendar.generation:
            self._calendar, self._seen = calendar, seen
        return self._calendar

    async def fresh(self) -> Calendar:
        """The calendar, read anew if anybody on this host has published since."""
        if self.engine.generation.value != self._seen:
            return await self.reload()
        return self._calendar

    def _moved(self, _: int) -> None:
        """Another host published: every gate of this one loads at its next request."""
        self.engine.generation.bump()

    def _read_generation(self) -> int:
        return self.engine.database.read(meta.generation)

    # --- publishing ----------------------------------------------------------------------------------------------

    async def publish(
        self,
        source: str | Path | Iterable[Draft],
        *,
        policies: Iterable[Policy] = (),
        by: str = "api",
        dry_run: bool = False,
        short_notice: bool = False,
    ) -> publishing.Publication:
        """Publish what is new; what is published already stays as it is.

        Args:
            source: a policies folder, or drafts.
            policies: settings that come with the drafts.
            by: who publishes.
            dry_run: only say what would happen.
            short_notice: publish although the notice period is not kept.

        Raises:
            DraftError, PublishError, ImmutableError: nothing was published.
        """
        if isinstance(source, str | Path):
            folder = await asyncio.to_thread(read_folder, Path(source))
            drafts, policies = folder.drafts, folder.policies
        else:
            drafts = tuple(source)
        policies = tuple(policies)
        for _ in range(_ATTEMPTS):
            calendar = await self.reload()
            plan = await asyncio.to_thread(self._plan, calendar, policies, drafts, short_notice)
            if dry_run or plan.empty:
                return publishing.publication_of(plan, dry_run=dry_run)
            try:
                return await self._publish(plan, calendar, by)
            except publishing.CalendarMovedError:
                continue
        raise TermsChangedError("others keep publishing; nothing was published", hint="try again")

    def _plan(
        self, calendar: Calendar, policies: Sequence[Policy], drafts: Sequence[Draft], short_notice: bool
    ) -> Plan:
        planner = Planner(calendar, self.clock(), self._text, compare, short_notice=short_notice)
        return planner.plan(policies, drafts)

    async def _publish(self, plan: Plan, calendar: Calendar, by: str) -> publishing.Publication:
        def work(connection: Connection, pending: Pending) -> publishing.Publication:
            return publishing.execute(connection, pending, plan, calendar, by=by, randomness=self._randomness)

        done = await self._write(work)
        self.engine.generation.bump()
        await self.reload()
        return done

    # --- asking and deciding -------------------------------------------------------------------------------------

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
    ) -> OfferDraft:
        """What this subject is asked now, with the redline from their own last accepted version.

        Args:
            subject: who.
            languages: language ranges, best first.
            ask: ``required``: what blocks or is in grace; ``all``: also what is announced.
            only: just these policies, whatever their state.
        """
        calendar, holdings = await self.fresh(), await self.holdings(subject)
        drafter = Drafter(
            calendar, self._text, self._redline, self._randomness, frozenset(only) if only is not None else None
        )
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
            await self._enter(offer, acts, subject, facts, refs)
        rows = await self._read(lambda connection: shelf.entries_by_refs(connection, refs))
        entries = tuple(_decision(rows[ref].leaf) for ref in refs)
        if any(Act(entry.decision) is not acts[entry.policy] for entry in entries):
            raise TermsChangedError(
                "this page was answered already, and otherwise", hint="look at the page as it is now", answered=True
            )
        accepted = await self.accepted(subject)
        return deciding.Decided(subject, entries, self.pass_for(subject, accepted), replayed, accepted.tree_size)

    async def _enter(
        self, offer: SealedOffer, acts: Mapping[str, Act], subject: Subject, facts: Facts, refs: tuple[bytes, ...]
    ) -> None:
        tag = self.engine.tag(subject)
        for _ in range(_ATTEMPTS):
            calendar = await self.fresh()
            prepared = deciding.prepare(offer, acts, calendar, subject, facts, self.settings, self._randomness)

            def work(
                connection: Connection,  # noqa: ARG001
                pending: Pending,
                calendar: Calendar = calendar,
                prepared: list[deciding.Prepared] = prepared,
            ) -> None:
                deciding.enter(
                    pending, prepared, calendar, offer, tag, subject, facts,
                    gate=self.engine.gate_digest, test=self.settings.test,
                )  # fmt: skip

            try:
                await self._write(work, refs)
            except publishing.CalendarMovedError:
                await self.reload()
                continue
            return
        raise TermsChangedError("the terms keep changing; nothing was recorded", hint="try again")

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
        prepared = deciding.prepare(offer, {policy: act}, calendar, subject, facts, self.settings, self._randomness)
        tag = self.engine.tag(subject)

        def work(_: Connection, pending: Pending) -> DecisionEntry:
            return deciding.enter_elsewhere(
                pending, prepared[0], calendar, offer, tag, subject, facts,
                gate=self.engine.gate_digest, test=self.settings.test,
            )  # fmt: skip

        return await self._write(work)

    # --- looking -------------------------------------------------------------------------------------------------

    def version(self, policy: str, label: str | None = None) -> Version:
        """A version by its label, or the one in force.

        Raises:
            NotFoundError: there is none.
        """
        if policy not in self._calendar.by_slug:
            raise NotFoundError(f"there is no policy {policy}", policy=policy)
        if label is not None:
            found = self._calendar.find(policy, label)
        else:
            standing = self._calendar.at(self.clock()).standing(policy)
            found = version_to_offer(standing, State.CURRENT) if standing else None
        if found is None:
            raise NotFoundError(f"{policy} has no version {label or 'in force'}", policy=policy, version=label)
        return found

    async def accepted_version(self, subject: Subject, policy: str, at: Instant | None = None) -> Version | None:
        """The version a subject had accepted last at an instant: the terms that apply to them.

        Args:
            subject: who.
            policy: slug.
            at: instant; ``None`` for now.
        """
        tag = self.engine.tag(subject)
        instant = self.clock() if at is None else at
        rows = await self._read(lambda connection: subjects.decisions_of(connection, tag))
        holding = fold(row for row in rows if row.at <= instant).get(policy, NOTHING)
        return self._calendar.by_serial.get(holding.last.serial) if holding.last else None

    async def status(self, subject: Subject | None) -> tuple[PolicyStatus, ...]:
        """How each policy stands for a subject (``None``: for a visitor who accepted nothing)."""
        calendar = await self.fresh()
        holdings = await self.holdings(subject) if subject else {}
        return status_of(calendar, subject, holdings, self.clock())

    async def state(self, subject: Subject, policy: str) -> State | None:
        """The state of one policy for a subject, or ``None`` where it does not stand."""
        standing = (await self.fresh()).at(self.clock()).standing(policy)
        return (
            state_of(standing, (await self.holdings(subject)).get(policy, NOTHING), self.clock()) if standing else None
        )

    async def text(self, text_digest: str) -> str:
        """A canonical text by its digest."""
        return await asyncio.to_thread(self._text, text_digest)

    async def blob(self, blob_digest: str) -> bytes:
        """Kept bytes (text, page, control wording, redline) by their digest."""
        return await asyncio.to_thread(self.engine.blob, blob_digest)

    async def redline(self, old_digest: str, new_digest: str) -> Redline:
        """The redline between two texts, by their digests; kept once it was computed at publication."""
        return await asyncio.to_thread(self._redline, old_digest, new_digest)

    def _read_redline(self, old_digest: str, new_digest: str) -> Redline:
        kept = self.engine.database.read(
            lambda connection: blobs.get_redline(connection, old_digest, new_digest, ALGORITHM)
        )
        if kept is not None and digest(kept.data) == kept.digest:
            return from_bytes(kept.data)
        fresh = compare(self._text(old_digest), self._text(new_digest))
        data = to_bytes(fresh)
        self.engine.submit(lambda connection, _: _keep_redline(connection, old_digest, new_digest, data))
        return fresh

    async def decisions(self, subject: Subject) -> tuple[DecisionEntry, ...]:
        """Every decision of a subject, the newest first: "my agreements"."""
        tag = self.engine.tag(subject)

        def look(connection: Connection) -> list[bytes]:
            rows = subjects.decisions_of(connection, tag)
            found = shelf.entries_by_refs(connection, [row.ref for row in rows])
            return [found[row.ref].leaf for row in sorted(rows, key=lambda row: (row.at, row.ref), reverse=True)]

        return tuple(_decision(leaf) for leaf in await self._read(look))

    # --- proof ---------------------------------------------------------------------------------------------------

    async def receipt(self, decision_id: str) -> bytes:
        """The receipt of a decision: entry, openings, inclusion proof, checkpoint.

        Raises:
            NotFoundError: there is no such decision.
        """
        return await self._read(partial(make_receipt, self.engine.ledger, decision_id))

    async def head(self) -> Head | None:
        """Where the ledger stands; ``None`` while it is empty."""
        row = await self._read(shelf.head)
        return Head(row.size, row.at, row.note.encode()) if row else None

    async def checkpoint(self) -> str:
        """The newest signed checkpoint; empty while nothing was recorded."""
        head = await self.head()
        return head.note.decode() if head else ""

    def export(
        self, form: Literal["ndjson", "csv"] = "ndjson", *, where: exporting.Selection | None = None
    ) -> AsyncIterator[bytes]:
        """Stream the ledger, in constant memory, ending with the closing checkpoint."""
        return exporting.stream(self.engine, form, where or exporting.Selection())

    async def verify(self, progress: Callable[[int, int], None] | None = None) -> Report:
        """Verify the whole ledger against its key: every entry, tile, opening, text and checkpoint."""
        return await asyncio.to_thread(verify_ledger, self.engine, progress)

    # --- administrators ------------------------------------------------------------------------------------------

    async def new_token(self, role: str, label: str, *, days: int | None = 365, by: str = "cli") -> tokens.NewToken:
        """Make an administrator's token; its secret is shown this once."""
        return await self._write(partial(tokens.create, role, label, days, by, self._randomness))

    async def check_token(self, secret: str) -> tokens.TokenHolder:
        """Who holds this token.

        Raises:
            UnauthenticatedError: unknown, expired or revoked.
        """
        return await self._read(partial(tokens.check, secret, self.clock()))

    # --- threads -------------------------------------------------------------------------------------------------

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self.engine.database.read, work)

    async def _write(self, work: Callable[[Connection, Pending], T], refs: tuple[bytes, ...] = ()) -> T:
        # Shielded: a request that is cancelled has still asked for this, and its retry will find the first record.
        future: Any = asyncio.wrap_future(self.engine.submit(work, refs))
        result: T = await asyncio.shield(future)
        return result


def _decision(leaf: bytes) -> DecisionEntry:
    entry = decode(leaf)
    if not isinstance(entry, DecisionEntry):
        raise NotFoundError("this entry of the ledger is not a decision")
    return entry


def _keep_redline(connection: Connection, old_digest: str, new_digest: str, data: bytes) -> None:
    blobs.put_blob(connection, digest(data), publishing.REDLINE, data)
    blobs.put_redline(connection, old_digest, new_digest, ALGORITHM, digest(data))
