"""What administrators do: ``terms.admin``. The pages, the JSON API and the command line are thin over it.

Room: service. Every verb is told by whom it is done, demands a role, and (but for reads) leaves an entry in the
ledger. Writing and publishing are in `consentgate.service.editing` and `consentgate.service.steering`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from sqlalchemy import Connection

from consentgate.errors import InputError, NotFoundError
from consentgate.evidence.tlog import prove_consistency
from consentgate.service import listing, statistics
from consentgate.service.administrators import ROLES, Administrator
from consentgate.service.alarms import Alarm
from consentgate.service.editing import policy_etag
from consentgate.service.erase import Erased, Hold
from consentgate.service.holdings import fold
from consentgate.service.ledger import Ledger
from consentgate.service.listing import DecisionFilter, DecisionItem, Missing, Page, SubjectRecord
from consentgate.service.overview import LedgerState, Tally, TokenInfo, VersionState, version_state
from consentgate.service.statistics import PolicyStatistics
from consentgate.service.status import PolicyStatus, status_of
from consentgate.service.steering import Steering
from consentgate.service.tokens import NewToken
from consentgate.store import entries as entry_shelf
from consentgate.store import queue
from consentgate.store.subjects import DecisionRow
from consentgate.terms.calendar import Calendar, Standing
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.policy import Policy, Translation, Version
from consentgate.terms.subject import Subject


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """A policy as it stands.

    Args:
        policy: its settings.
        etag: of the settings, for ``if_match``.
        standing: what is in force, enforced, announced; ``None`` where nothing is, or it is retired.
        scheduled: versions that have not taken effect, announced or not, in order of effect.
        tally: decisions about the version in force, by act (decisions, not subjects; see `Administration.statistics`).
    """

    policy: Policy
    etag: str
    standing: Standing | None
    scheduled: tuple[Version, ...]
    tally: Tally


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A version and where it stands in its life."""

    version: Version
    state: VersionState


@dataclass(frozen=True, slots=True)
class Health:
    """How the ledger is.

    Args:
        ledger: origin, size, instant of the last entry, checkpoint, keys.
        waiting: writes of this process that wait for their transaction; on PostgreSQL also what is on record, by
            whichever process, and waits for its place in the ledger.
        age: how long the oldest of them has waited, in microseconds.
        alarms: what somebody should look at.
    """

    ledger: LedgerState
    waiting: int
    age: int
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the ledger of one size is the beginning of that of another (RFC 6962, section 2.1.2).

    Args:
        origin: the ledger's name.
        old, new: tree sizes.
        old_root, new_root: hexadecimal.
        proof: hashes, hexadecimal.
    """

    origin: str
    old: int
    new: int
    old_root: str
    new_root: str
    proof: tuple[str, ...]


class Administration(Steering):
    """Everything an administrator does."""

    # --- looking -------------------------------------------------------------------------------------------------

    async def policies(self, by: Administrator) -> tuple[PolicyInfo, ...]:
        """Every policy, with what is in force and what is scheduled."""
        by.require(*ROLES)
        calendar, tallies, now = await self.terms.fresh(), await self.terms.tally(), self.terms.clock()
        return tuple(self._policy(calendar, policy, tallies, now) for policy in calendar.policies)

    async def policy(self, by: Administrator, slug: str) -> PolicyInfo:
        """One policy.

        Raises:
            NotFoundError: no such policy.
        """
        return next((one for one in await self.policies(by) if one.policy.slug == slug), None) or _no_policy(slug)

    def _policy(self, calendar: Calendar, policy: Policy, tallies: dict[int, Tally], now: Instant) -> PolicyInfo:
        standing = calendar.at(now).standing(policy.slug)
        in_force = standing.in_force if standing else None
        return PolicyInfo(
            policy,
            policy_etag(policy),
            standing,
            tuple(version for version in calendar.chain(policy.slug) if version.effective > now),
            tallies.get(in_force.serial, Tally({})) if in_force else Tally({}),
        )

    async def versions(self, by: Administrator, policy: str | None = None) -> tuple[VersionInfo, ...]:
        """Every version, cancelled ones too, in the order in which they were published.

        Raises:
            NotFoundError: no such policy.
        """
        by.require(*ROLES)
        calendar, now = await self.terms.fresh(), self.terms.clock()
        if policy is not None and policy not in calendar.by_slug:
            _no_policy(policy)
        chosen = [version for version in calendar.versions if policy in (None, version.policy)]
        return tuple(
            VersionInfo(version, version_state(calendar, version, now))
            for version in sorted(chosen, key=lambda version: version.serial)
        )

    async def version(self, by: Administrator, policy: str, label: str) -> VersionInfo:
        """One version.

        Raises:
            NotFoundError: no such version.
        """
        by.require(*ROLES)
        calendar = await self.terms.fresh()
        version = calendar.find(policy, label)
        if version is None:
            raise NotFoundError(f"{policy[:64]} has no version {label[:40]}", policy=policy[:64], version=label[:40])
        return VersionInfo(version, version_state(calendar, version, self.terms.clock()))

    async def version_text(
        self, by: Administrator, policy: str, label: str, language: str
    ) -> tuple[Version, Translation, str]:
        """The canonical text of a version in exactly this language.

        Raises:
            NotFoundError: no such version, or not in this language.
        """
        version = (await self.version(by, policy, label)).version
        translation = next((one for one in version.translations if one.language == language), None)
        if translation is None:
            raise NotFoundError(
                f"{policy} {label} has no text in {language[:35]!r}", hint=f"it has {', '.join(version.languages)}"
            )
        return version, translation, await self.terms.text(translation.digest)

    async def decisions(
        self, by: Administrator, where: DecisionFilter | None = None, *, cursor: str | None = None, limit: int = 100
    ) -> Page[DecisionItem]:
        """One page of decisions, the newest first; any page of a million costs the same.

        Decisions that were erased by shredding are not listed; the export shows their entries.

        Args:
            by: an auditor.
            where: which; ``None`` for all.
            cursor: ``next`` of the page before.
            limit: most items, 1 to 500.

        Raises:
            NotFoundError, InputError: a filter, cursor or limit that is none.
        """
        by.require("auditor")
        calendar, where = await self.terms.fresh(), where or DecisionFilter()
        tag = self.terms.engine.tag(where.subject) if where.subject else None
        return await self.terms._read(partial(listing.decisions, calendar, where, tag, cursor, limit))

    async def outstanding(
        self, by: Administrator, policy: str, *, cursor: str | None = None, limit: int = 100
    ) -> Page[Missing]:
        """One page of the subjects on record who have not accepted what a policy requires now.

        A page may hold fewer items than asked for, and still say where the next begins.

        Raises:
            NotFoundError, InputError: no such policy; a cursor or limit that is none.
        """
        by.require("auditor")
        calendar, now = await self.terms.fresh(), self.terms.clock()
        return await self.terms._read(partial(listing.outstanding, calendar, policy, now, cursor, limit))

    async def subject(self, by: Administrator, subject: Subject) -> SubjectRecord:
        """Everything about a subject: history, how each policy stands, holds.

        Raises:
            NotFoundError: there is nothing on record.
        """
        by.require("auditor")
        calendar, tag, now = await self.terms.fresh(), self.terms.engine.tag(subject), self.terms.clock()
        holds = await self.terms.holds()

        def status(rows: Iterable[DecisionRow]) -> tuple[PolicyStatus, ...]:
            return status_of(calendar, subject, fold(rows), now)

        record = await self.terms._read(partial(listing.history, subject, tag, status, holds))
        if not record.history:
            hint = "check the kind and the id; an erased subject cannot be found"
            raise NotFoundError("there is nothing on record about this subject", hint=hint)
        return record

    async def statistics(
        self, by: Administrator, policy: str | None = None, *, since: Instant | None = None, subjects: bool = True
    ) -> tuple[PolicyStatistics, ...]:
        """How each policy (or one) is taken: subjects who accepted, refused, did not decide, and the curve.

        Subjects are counted exactly, which takes seconds where there are millions of decisions; without ``subjects``
        they are left out.

        Raises:
            NotFoundError: no such policy.
        """
        by.require(*ROLES)
        calendar = await self.terms.fresh()
        if policy is not None and policy not in calendar.by_slug:
            _no_policy(policy)
        slugs = [policy] if policy is not None else [one.slug for one in calendar.policies]
        work = partial(statistics.of_policies, calendar, slugs, since, self.terms.clock(), subjects=subjects)
        return await self.terms._read(work)

    async def health(self, by: Administrator) -> Health:
        """How the ledger is: size, last checkpoint, what waits, alarms."""
        by.require(*ROLES)
        engine = self.terms.engine
        unplaced = await self.terms._read(queue.waiting) if engine.database.queues else None
        age = int(engine.writer.oldest * SECOND)
        if unplaced is not None and unplaced.oldest is not None:
            age = max(age, self.terms.clock() - unplaced.oldest)
        waiting = engine.writer.waiting + (unplaced.entries if unplaced else 0)
        return Health(await self.terms.ledger_state(), waiting, age, self.terms.alarms())

    async def consistency(self, by: Administrator, old: int, new: int | None = None) -> Consistency:
        """Prove that the ledger of one size is the beginning of that of another.

        Args:
            by: anybody with a role.
            old: tree size, 1 or more.
            new: tree size; ``None`` for the present one.

        Raises:
            InputError: sizes the ledger never had, or in the wrong order.
        """
        by.require(*ROLES)
        return await self.terms._read(partial(_consistency, self.terms.engine.ledger, old, new))

    # --- subjects ------------------------------------------------------------------------------------------------

    async def bundle(self, by: Administrator, subject: Subject | None = None, *, decision: str | None = None) -> bytes:
        """The evidence bundle (a zip file) of one subject, or of one decision.

        Raises:
            NotFoundError: there is nothing on record.
        """
        by.require("auditor")
        return await self.terms.bundle(subject, decision=decision)

    async def receipt(self, by: Administrator, decision: str) -> bytes:
        """The receipt of a decision, which its subject can take home too.

        Raises:
            NotFoundError: there is no such decision.
        """
        by.require("auditor")
        return await self.terms.receipt(decision)

    async def erase(
        self,
        by: Administrator,
        subject: Subject,
        *,
        basis: str,
        mode: Literal["shred", "pseudonymise"] | None = None,
        fields: Iterable[str] | None = None,
    ) -> Erased:
        """Erase what is known about a subject; see `Terms.erase`.

        Raises:
            InputError: the order makes no sense. HeldError: a legal hold forbids it.
        """
        by.require("owner")
        return await self.terms.erase(subject, fields=fields, mode=mode, basis=basis, by=by.id)

    async def hold(self, by: Administrator, subject: Subject, *, basis: str) -> Erased:
        """Put a legal hold on a subject: nothing of theirs is erased until it is released."""
        by.require("owner")
        return await self.terms.erase(subject, mode="hold", basis=basis, by=by.id)

    async def release(self, by: Administrator, subject: Subject, *, basis: str) -> Erased:
        """End the legal hold on a subject.

        Raises:
            NotFoundError: there is none.
        """
        by.require("owner")
        return await self.terms.release_hold(subject, basis=basis, by=by.id)

    async def holds(self, by: Administrator) -> tuple[Hold, ...]:
        """Every legal hold, the oldest first."""
        by.require("auditor")
        return await self.terms.holds()

    # --- tokens --------------------------------------------------------------------------------------------------

    async def tokens(self, by: Administrator) -> tuple[TokenInfo, ...]:
        """Every token, the oldest first, without its secret."""
        by.require("owner")
        return await self.terms.list_tokens()

    async def new_token(
        self, by: Administrator, role: str, label: str, *, days: int | None = 365, holder: str | None = None
    ) -> NewToken:
        """Make a token; its secret is shown this once.

        Args:
            by: an owner.
            role, label, days: what it allows, what it is for, how long it lives.
            holder: id of the administrator whose it is; ``None``: for whoever makes it, if the host knows them, so
                that nobody approves their own publication with it.
        """
        by.require("owner")
        return await self.terms.new_token(role, label, days=days, by=by.id, holder=holder or by.hand)

    async def revoke_token(self, by: Administrator, token_id: str) -> None:
        """Revoke a token, at once and for good.

        Raises:
            NotFoundError: there is none with this id that is not revoked already.
        """
        by.require("owner")
        await self.terms.revoke_token(token_id, by=by.id)

    async def administrator(self, secret: str) -> Administrator:
        """Who holds this token.

        Raises:
            UnauthenticatedError: unknown, expired or revoked.
        """
        return (await self.terms.check_token(secret)).administrator


def _no_policy(slug: str) -> PolicyInfo:
    raise NotFoundError(f"there is no policy {slug[:64]}", policy=slug[:64])


def _consistency(ledger: Ledger, old: int, new: int | None, connection: Connection) -> Consistency:
    head = entry_shelf.head(connection)
    size = head.size if head else 0
    new = size if new is None else new
    if not 1 <= old <= new <= size:
        raise InputError(
            f"there is no proof from {old:,} to {new:,}: the ledger has {size:,} entries",
            hint="1 ≤ from ≤ to ≤ the size of the newest checkpoint",
            field="from" if not 1 <= old <= new else "to",
        )
    reader = ledger.reader(connection, new)
    return Consistency(
        ledger.origin_at(new), old, new,
        ledger.root(connection, old).hex(), ledger.root(connection, new).hex(),
        tuple(one.hex() for one in prove_consistency(old, new, reader)),
    )  # fmt: skip


__all__ = ["Administration", "Consistency", "Health", "PolicyInfo", "VersionInfo"]
