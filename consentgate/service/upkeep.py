"""Upkeep: erase, hold, retain; alarms, diagnosis, and a new epoch after a restore.

Room: service. The part of the handle `consentgate.service.terms.Terms` that operators and their nightly jobs use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from consentgate.errors import InputError, StoreError
from consentgate.evidence.entry import EraseEntry
from consentgate.gate.cookies import MAX_AGE
from consentgate.service import erase as erasing
from consentgate.service import reapply as again
from consentgate.service import retain as retaining
from consentgate.service import telemetry
from consentgate.service.alarms import Alarm
from consentgate.service.asking import Asking
from consentgate.service.doctor import Diagnosis, examine
from consentgate.service.epoch import NewEpoch, begin_epoch
from consentgate.service.erase import Erased, Hold, Mode, Order, make_order
from consentgate.service.ledger import Pending
from consentgate.service.traces import REWRITE, traces
from consentgate.store import entries as shelf
from consentgate.store import erasing as rows
from consentgate.store import meta
from consentgate.store.scrubbing import Scrubbed
from consentgate.terms.instants import DAY, SECOND
from consentgate.terms.subject import Subject

log = logging.getLogger("consentgate")

SUBJECTS_AT_ONCE = 200
"""Subjects that are erased in one transaction: decisions wait no longer than that takes."""

ROWS_AT_ONCE = 500
_PAUSES = (0.0, 0.05, 0.25, 1.0)
_APART = 2 * SECOND
_DAY_SECONDS = DAY // SECOND


class Upkeep(Asking):
    """The operations on what is kept."""

    _heard = 0
    _instrumented = False
    _told = 0
    _compared = 0

    async def _opened(self) -> None:
        """Finish what a crash left half done, and say what a restore brought back."""
        await super()._opened()
        if self.settings.metrics and not self._instrumented and telemetry.available():
            self._instrumented = True
            await asyncio.to_thread(telemetry.instrument, self)
        if await self._read(erasing.scrub_state) == "due":
            await self._scrub()
        last = (await asyncio.to_thread(self.engine.erasures.read))[-1:]
        if last and await self._read(lambda connection: again.unknown(connection, last)):
            self._alarms.ring(
                "erasures",
                "the database does not know the last erasure: a backup brought back what was erased",
                "run `consentgate erase --reapply`",
                self.clock(),
            )

    # --- erasing -------------------------------------------------------------------------------------------------

    async def erase(
        self,
        subject: Subject | Iterable[Subject],
        *,
        fields: Iterable[str] | None = None,
        mode: Mode | None = None,
        basis: str,
        by: str = "api",
    ) -> Erased:
        """Erase what is known about a subject: their own decisions, those of their devices, and the links between.

        The ledger's entries, its root and everybody else's receipts stay as they are; one entry says what was erased.

        Args:
            subject: whom; several are erased together, or none of them.
            fields: names such as ``ip``: only these.
            mode: ``shred``: everything, and what they decided counts no more (the default). ``pseudonymise``: the
                named fields, or all that say who it was; what they decided still counts (the default with fields).
                ``hold``: nothing, and nothing may be until `release_hold`.
            basis: why, in one line without personal data; it stands in the ledger for everybody to read.
            by: who does it; stands there as a commitment.

        Raises:
            InputError: the order makes no sense; nothing was erased.
            HeldError: a legal hold forbids it; nothing was erased.
        """
        order = self._order(subject, mode, fields, basis, by)
        if len(order.subjects) > SUBJECTS_AT_ONCE and order.mode != "hold":
            await self._read(partial(erasing.check_holds, order.subjects))
        done = Erased()
        for start in range(0, len(order.subjects), SUBJECTS_AT_ONCE):
            some = replace(order, subjects=order.subjects[start : start + SUBJECTS_AT_ONCE])
            done += await self._write(partial(self._erase, some))
        return await self._finish(done, revoked=order.mode == "shred")

    async def release_hold(self, subject: Subject | Iterable[Subject], *, basis: str, by: str = "api") -> Erased:
        """End the legal holds on a subject.

        Raises:
            NotFoundError: there is none.
        """
        order = self._order(subject, "hold", None, basis, by)
        return await self._finish(await self._write(partial(erasing.release, order, self._randomness)))

    async def holds(self) -> tuple[Hold, ...]:
        """Every legal hold there is now, the oldest first."""
        return await self._read(erasing.holds)

    async def erase_field(self, field: str, *, older_than_days: int, basis: str, by: str = "api") -> Erased:
        """Erase one field, such as ``ip``, from everything older than so many days; holds are left alone.

        For a nightly job: what it has done it does not do again.

        Raises:
            InputError: no such field.
        """
        if older_than_days < 0:
            raise InputError(f"{older_than_days} days is no age", hint="0 or more")
        order = self._order((), "pseudonymise", (field,), basis, by)
        before, after, done = self.clock() - older_than_days * DAY, b"", Erased()
        while found := await self._read(
            lambda connection, after=after: rows.with_field(connection, field, before, after, ROWS_AT_ONCE)  # type: ignore[misc]
        ):
            refs = [row.ref for row in found]
            done += await self._write(partial(erasing.erase_refs, order, refs, self._randomness))
            after = refs[-1]
        return await self._finish(done)

    async def reapply_erasures(self, *, by: str = "api") -> Erased:
        """Erase again what a restored backup brought back.

        Returns:
            The openings that had come back; ``records`` are the entries made for erasures the backup did not know.
        """
        recorded, after, back = list[EraseEntry](), -1, 0
        while True:
            page = await self._read(partial(again.erase_entries, after=after))
            if page.entries:
                back += await self._write(partial(again.apply_recorded, page.entries))
                recorded += page.entries
            after = page.after
            if page.end:
                break
        remembered = await asyncio.to_thread(self.engine.erasures.read)
        done = Erased(back)
        for entry in await self._read(lambda connection: again.unknown(connection, remembered)):
            done += await self._write(partial(again.apply_lost, entry, self.engine.tag, by, self._randomness))
        await asyncio.to_thread(self.engine.erasures.replace, [*recorded, *done.records])
        self._alarms.end("erasures")
        return await self._scrubbed(done) if done.entries else done

    async def purge(self, *, dry_run: bool = False, policies: Sequence[str] | None = None, by: str = "api") -> Erased:
        """Erase what the policies' ``retain_days`` no longer let us keep; holds, and what still counts, are left alone.

        Args:
            dry_run: only count the decisions (not the links that would carry nothing any more).
            policies: slugs; ``None`` for all.
            by: who does it.
        """
        calendar, done = await self.fresh(), Erased()
        for place in retaining.shelves(calendar, self.clock(), policies):
            after: tuple[int, bytes] | None = (0, b"")
            while after is not None:
                if dry_run:
                    found = await self._read(partial(retaining.candidates, place=place, after=after))
                    count = await self._read(partial(retaining.count_due, calendar=calendar, place=place, rows=found))
                    done, after = done + Erased(count), retaining.next_page(found)
                    continue
                some, after = await self._write(
                    partial(retaining.purge_page, calendar, place, after, by, self._randomness)
                )
                done += some
        return done if dry_run else await self._finish(done)

    def _order(
        self, subject: Subject | Iterable[Subject], mode: Mode | None, fields: Iterable[str] | None, basis: str, by: str
    ) -> Order:
        every = [subject] if isinstance(subject, Subject) else list(subject)
        return make_order([(one, self.engine.tag(one)) for one in every], mode, fields, basis, by)

    def _erase(self, order: Order, connection: Connection, pending: Pending) -> Erased:
        done = erasing.erase(order, self._randomness, connection, pending)
        if order.mode == "shred":
            # A pass says what was accepted, and would go on opening the gate: from now on it is no evidence. Also
            # where nothing was left to erase: it may have been erased by somebody who did not have the secret.
            second = self.clock() // SECOND + 1
            rows.forget_revoked(connection, second - MAX_AGE - _DAY_SECONDS)
            for subject, _ in order.subjects:
                rows.revoke(connection, self.engine.bindings(subject), second)
            meta.bump_generation(connection)
        return done

    async def _finish(self, done: Erased, *, revoked: bool = False) -> Erased:
        """What comes after the commit: memory outside the database, the gates, the bytes on the disk."""
        await asyncio.to_thread(self.engine.erasures.append, done.records)
        if revoked:
            self.engine.generation.bump()
            await self.reload()
        erased = any(record.erases for record in done.records)
        return await self._scrubbed(done) if erased else done

    async def _scrubbed(self, done: Erased) -> Erased:
        scrubbed = await self._scrub()
        return replace(done, gone=scrubbed.gone, left=traces(scrubbed))

    async def _scrub(self) -> Scrubbed:
        """Make sure that nothing erased is left in the files; a long reader may keep it there for a while."""
        token, scrubbed = self._randomness(8).hex(), Scrubbed(gone=False)
        await self._note(partial(erasing.begin_scrub, token=token))
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            try:
                scrubbed = await asyncio.to_thread(self.engine.database.scrub)
            except StoreError as error:
                log.warning("what was erased may still be on the disk: %s", error)
                scrubbed = Scrubbed(gone=False, why="failed", server=self.engine.database.queues)
            if scrubbed.why not in ("reader", "failed"):
                break
        state: erasing.Scrub = "" if scrubbed.gone else "rewrite" if scrubbed.why == "size" else "due"
        await self._note(partial(erasing.end_scrub, token=token, state=state))
        if state != "due":
            self._alarms.end("scrub")
            return scrubbed
        trace = traces(scrubbed)[0]
        self._alarms.ring(
            "scrub",
            f"what was erased may still be in {trace.what}",
            "end long exports or backups; it is tried again at the next erasure and at the next start"
            if scrubbed.why in ("reader", "busy")
            else f"let the owner of the table run `{REWRITE}`",
            self.clock(),
        )
        return scrubbed

    async def _note(self, note: Callable[[Connection], None]) -> None:
        """Write down how far we are. Where that fails the erasure is done all the same, and it stays due."""
        try:
            await self._write(lambda connection, _: note(connection))
        except StoreError as error:
            log.warning("that what was erased is cleared from the disk could not be noted: %s", error)

    # --- alarms --------------------------------------------------------------------------------------------------

    async def heard(self, tree_size: int) -> None:
        """Take note of a tree size that came in a pass of ours: it is memory outside the database.

        A pass that knows a larger ledger than ours means that an old backup is in use. Costs a comparison where
        the ledger is at least as large as far as this process knows, else one query.
        """
        if not self._knows(tree_size):
            await asyncio.to_thread(self._compare, tree_size)

    def hear(self, tree_size: int) -> None:
        """Like `heard`, from where nobody may wait: the watching thread compares within a second."""
        self._told = max(self._told, tree_size)

    def _watched(self) -> None:
        super()._watched()
        told = self._told
        if told > self._compared and (self._knows(told) or self._compare(told)):
            self._compared = told

    def _knows(self, tree_size: int) -> bool:
        """Whether this process has seen a ledger of that size itself."""
        return tree_size <= max(self.engine.ledger.size, self._heard)

    def _compare(self, tree_size: int) -> bool:
        """Ring if the database has a smaller ledger; returns whether it could be asked.

        That another worker is ahead of us is no reason: it wrote before it sealed the pass, so the database has it.
        """
        try:
            head = self.engine.database.read(shelf.head)
        except StoreError:
            return False  # said elsewhere; a page that needs no database is shown all the same
        size = self._heard = head.size if head else 0
        if tree_size > max(size, *(past.known for past in self.engine.ledger.past), 0):
            self._alarms.ring(
                "pass-ahead",
                f"a pass of ours was sealed when the ledger had {tree_size:,} entries; it has {size:,}",
                "an old backup is in use, or two databases share a secret: run `consentgate doctor`",
                self.clock(),
            )
        return True

    def alarms(self) -> tuple[Alarm, ...]:
        """What somebody should look at, as this process knows it."""
        if self.started and (behind := self.engine.batch.behind) > _APART:
            self._alarms.ring(
                "clock",
                f"the clock is {behind / SECOND:,.0f} seconds behind the last entry of the ledger",
                "set the clock of this host; entries get the time of the one before until it has caught up",
                self.clock(),
            )
        return self._alarms.all()

    async def doctor(self) -> tuple[Diagnosis, ...]:
        """Look at everything that can be wrong around the ledger, and say what to do. Nothing is changed.

        The handle need not be started: where it refuses to start, this says why.
        """
        return await asyncio.to_thread(partial(examine, self.settings, now=self.clock(), alarms=self.alarms()))

    # --- epochs --------------------------------------------------------------------------------------------------

    async def new_epoch(self, origin: str | None = None, *, by: str = "api", force: bool = False) -> NewEpoch:
        """Go on after a restore under a new name and with a new key; see `consentgate.service.epoch`.

        No other process may have the ledger open. The handle need not be started (after a restore it refuses to);
        if it is, it is started again. What was erased since the backup is erased again.

        Args:
            origin: the new name; ``None`` for the old one with ``/2`` behind it, or the next number.
            by: who does it.
            force: also where nothing seems to be lost.

        Raises:
            ConfigurationError, InputError, RewindError: see `consentgate.service.epoch.begin_epoch`.
        """
        running = self.started
        await self.stop()
        done = await asyncio.to_thread(
            partial(
                begin_epoch, self.settings, origin, by=by, force=force, clock=self.clock, randomness=self._randomness
            )
        )
        await self.start()
        try:
            await self.reapply_erasures(by=by)
        finally:
            if not running:
                await self.stop()
        return done
