"""`Terms`: the handle behind the one line. Command line, admin API and pages are thin over it.

Room: service. Every method that touches the database is a coroutine and runs the blocking work in a thread, so that
a cancelled request never leaves a transaction behind; decisions go through the one writer thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from consentgate.errors import NotFoundError, OverloadedError, TermsChangedError
from consentgate.evidence.entry import DecisionEntry
from consentgate.service import export as exporting
from consentgate.service import publish as publishing
from consentgate.service import tokens
from consentgate.service.asking import decision_of
from consentgate.service.engine import Engine
from consentgate.service.folder import read_folder
from consentgate.service.holdings import NOTHING, State, fold, state_of
from consentgate.service.ledger import Head, Pending
from consentgate.service.overview import LedgerState, Tally, TokenInfo, ledger_state, list_tokens, tally
from consentgate.service.plan import Plan, Planner
from consentgate.service.receipts import make_receipt
from consentgate.service.status import PolicyStatus, status_of
from consentgate.service.tiles import read_tile
from consentgate.service.upkeep import Upkeep
from consentgate.service.verify import Report, verify_ledger
from consentgate.store import entries as shelf
from consentgate.store import subjects
from consentgate.terms.calendar import Calendar
from consentgate.terms.draft import Draft
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Policy, Version
from consentgate.terms.redline import compare
from consentgate.terms.subject import Subject

if TYPE_CHECKING:
    from consentgate.service.administration import Administration

log = logging.getLogger("consentgate")

ATTEMPTS = 5


class Terms(Upkeep):
    """Everything a host, a page or a command can do.

    Args:
        settings: as configured.
        clock, randomness: for tests; the wall clock and the system's randomness by default.
        reading: open for reading alone: without key, without a write, also on a replica.
    """

    async def _opened(self) -> None:
        await super()._opened()
        if self.settings.policies is None:
            return
        done = await self.publish(self.settings.policies, by="start-up")
        if done.published:
            log.info("published %s", ", ".join(f"{one.policy} {one.label}" for one in done.published))

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
        for _ in range(ATTEMPTS):
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

    async def _publish(
        self,
        plan: Plan,
        calendar: Calendar,
        by: str,
        *,
        approver: str | None = None,
        first: Callable[[Connection, Pending], None] | None = None,
    ) -> publishing.Publication:
        """Carry a plan out; `first` is done in the same transaction, once it is certain that the plan holds."""

        def work(connection: Connection, pending: Pending) -> publishing.Publication:
            return publishing.execute(
                connection, pending, plan, calendar, by=by, randomness=self._randomness, approver=approver, first=first
            )

        done = await self._write(work)
        self.engine.generation.bump()
        await self.reload()
        return done

    @cached_property
    def admin(self) -> Administration:
        """What administrators do: drafts, previews, approvals, lists, statistics."""
        from consentgate.service.administration import Administration  # the gate and the pages do without it

        return Administration(self)

    # --- looking -------------------------------------------------------------------------------------------------

    async def accepted_version(self, subject: Subject, policy: str, at: Instant | None = None) -> Version | None:
        """The version a subject had accepted last at an instant: the terms that apply to them.

        Args:
            subject: who.
            policy: slug.
            at: instant; ``None`` for now.
        """
        tag = self.engine.tag(subject)
        rows = await self._read(lambda connection: subjects.decisions_of(connection, tag))
        holding = fold(row for row in rows if at is None or row.at <= at).get(policy, NOTHING)
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

    async def decisions(self, subject: Subject) -> tuple[DecisionEntry, ...]:
        """Every decision of a subject, the newest first: "my agreements"."""
        tag = self.engine.tag(subject)

        def look(connection: Connection) -> list[bytes]:
            rows = subjects.decisions_of(connection, tag)
            found = shelf.leaves(connection, [row.ref for row in rows])
            return [found[row.ref] for row in sorted(rows, key=lambda row: (row.at, row.ref), reverse=True)]

        return tuple(decision_of(leaf) for leaf in await self._read(look))

    # --- proof ---------------------------------------------------------------------------------------------------

    async def receipt(self, decision_id: str, *, wait: bool = True) -> bytes:
        """The receipt of a decision: entry, openings, inclusion proof, checkpoint.

        Args:
            decision_id: of the decision.
            wait: whether to wait, for two seconds at most, where it has no place in the ledger yet (PostgreSQL).

        Raises:
            NotFoundError: there is no such decision.
            OverloadedError: it is on record, and has no place in the ledger yet.
        """
        if wait:
            await self.settled()
        return await self._read(partial(make_receipt, self.engine.ledger, decision_id))

    async def bundle(self, subject: Subject | None = None, *, decision: str | None = None) -> bytes:
        """The evidence bundle (a zip file) of one subject, or of one decision.

        Raises:
            NotFoundError: there is nothing on record.
            OverloadedError: something may be, and has no place in the ledger yet.
        """
        settled = await self.settled()
        try:
            return await self._read(partial(_bundle, self.engine, subject, decision))
        except NotFoundError:
            if settled:
                raise
            raise OverloadedError(
                "what was recorded last has no place in the ledger yet", hint="ask for the bundle again in a moment"
            ) from None

    async def head(self) -> Head | None:
        """Where the ledger stands; ``None`` while it is empty."""
        await self.settled()
        row = await self._read(shelf.head)
        return Head(row.size, row.at, row.note.encode()) if row else None

    async def checkpoint(self) -> str:
        """The newest signed checkpoint; empty while nothing was recorded."""
        head = await self.head()
        return head.note.decode() if head else ""

    async def tile(self, path: str) -> tuple[bytes, bool]:
        """A tile or an entry bundle of the ledger by its path (https://c2sp.org/tlog-tiles), and whether it is full.

        Raises:
            NotFoundError: there is none.
        """
        return await self._read(partial(read_tile, self.engine.ledger, path))

    def export(
        self,
        form: exporting.FormName = "ndjson",
        *,
        where: exporting.Selection | None = None,
        cursor: exporting.Cursor | None = None,
    ) -> AsyncIterator[bytes]:
        """Stream the ledger, in constant memory, ending with the closing checkpoint.

        Args:
            form: ``ndjson`` (the evidence), ``csv`` or ``parquet``.
            where: what to export; everything by default.
            cursor: how much of it the caller has already; only the rest comes.
        """
        stream = exporting.stream(self.engine, form, where or exporting.Selection(), cursor)
        return self._settled_first(stream) if self.engine.database.queues else stream

    async def _settled_first(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        await self.settled()
        async for chunk in stream:
            yield chunk

    async def verify(self, progress: Callable[[int, int], None] | None = None) -> Report:
        """Verify the whole ledger against its key: every entry, tile, opening, text and checkpoint."""
        await self.settled()
        return await asyncio.to_thread(verify_ledger, self.engine, progress)

    # --- administrators ------------------------------------------------------------------------------------------

    async def new_token(
        self, role: str, label: str, *, days: int | None = 365, by: str = "cli", holder: str | None = None
    ) -> tokens.NewToken:
        """Make an administrator's token; its secret is shown this once."""
        order = tokens.draw(role, label, days, by, self._randomness, holder=holder)
        return await self._write(partial(tokens.create, order, self._randomness))

    async def check_token(self, secret: str) -> tokens.TokenHolder:
        """Who holds this token.

        Raises:
            UnauthenticatedError: unknown, expired or revoked.
        """
        return await self._read(partial(tokens.check, secret, self.clock()))

    async def token_holder(self, token_id: str) -> tokens.TokenHolder:
        """Who holds the token with this public id; for sessions that began with the token itself.

        Raises:
            UnauthenticatedError: unknown, expired or revoked.
        """
        return await self._read(partial(tokens.holder_of, token_id, self.clock()))

    async def list_tokens(self) -> tuple[TokenInfo, ...]:
        """Every token, oldest first, without its secret."""
        return await self._read(list_tokens)

    async def revoke_token(self, token_id: str, *, by: str = "cli") -> None:
        """Revoke a token, at once and for good.

        Raises:
            NotFoundError: there is none with this id that is not revoked already.
        """
        await self._write(partial(tokens.revoke, token_id, by, self._randomness))

    # --- overview ------------------------------------------------------------------------------------------------

    async def ledger_state(self) -> LedgerState:
        """Where the ledger stands, and the keys that verify it."""
        await self.settled()
        return await self._read(partial(ledger_state, self.engine.ledger))

    async def tally(self) -> dict[int, Tally]:
        """How many decisions there are, by serial of the version."""
        return await self._read(tally)


def _bundle(engine: Engine, subject: Subject | None, decision: str | None, connection: Connection) -> bytes:
    from consentgate.service.bundle import bundle_of  # hardly ever needed, and not light

    return bundle_of(engine, subject=subject, decision=decision, connection=connection)
