"""Decide: a sealed offer and an act become one entry of the ledger for each policy.

Room: service. Shown equals signed: the entry is made from the sealed offer, inside the transaction, against the
calendar of that same transaction. Where something was published in between nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO

from consentgate.errors import DecisionError, TermsChangedError
from consentgate.evidence.commitments import SALT_BYTES, commit_and_open
from consentgate.evidence.entry import DecisionEntry
from consentgate.service.facts import Facts, personal_fields
from consentgate.service.holdings import Holding
from consentgate.service.ledger import Pending
from consentgate.service.offer import SealedItem, SealedOffer
from consentgate.service.publish import CalendarMovedError
from consentgate.service.settings import Settings
from consentgate.store.subjects import OpeningRow
from consentgate.terms.calendar import Calendar, Moment
from consentgate.terms.identifiers import uuid7
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Act, Policy, Version
from consentgate.terms.subject import Subject


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of an offer.

    Args:
        subject: who decided.
        decisions: the entries, in the order of the offer.
        pass_token: the pass to put into the cookie.
        replayed: whether the first record is returned for a repeated request.
        tree_size: of the ledger after it.
    """

    subject: Subject
    decisions: tuple[DecisionEntry, ...]
    pass_token: str
    replayed: bool
    tree_size: int

    @property
    def accepted(self) -> bool:
        """Whether nothing was declined."""
        return all(Act(entry.decision).satisfies for entry in self.decisions if entry.kind != "consent")


@dataclass(frozen=True, slots=True)
class Prepared:
    """One decision, ready to be entered: everything but the instant."""

    item: SealedItem
    act: Act
    policy: Policy
    commitments: dict[str, str]
    openings: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What a subject sent: decisions on an offer, and what stands in the entry of each of them.

    Args:
        offer: what they had before them.
        decisions: in the order of the offer.
        calendar: what these were matched with.
        subject: who decides.
        tag: what the subject is looked up by.
        facts: circumstances.
        gate: digest of the gate's configuration.
        test: whether it is made in a test set-up.
        withdraws: whether any of them takes back what opened the gate.
    """

    offer: SealedOffer
    decisions: tuple[Prepared, ...]
    calendar: Calendar
    subject: Subject
    tag: bytes
    facts: Facts
    gate: str | None
    test: bool
    withdraws: bool


def check_acts(offer: SealedOffer, acts: Mapping[str, Act], calendar: Calendar) -> list[tuple[SealedItem, Act, Policy]]:
    """Match acts with what was offered, in the order of the offer.

    Raises:
        DecisionError: nothing decided, a policy that was not offered, or an act its kind does not know.
        TermsChangedError: a policy of the offer does not exist any more.
    """
    if not acts:
        raise DecisionError("nothing was decided", hint="choose what you decide, for at least one text")
    for slug, act in acts.items():
        policy = calendar.by_slug.get(slug)
        if offer.item(slug) is None:
            raise DecisionError(f"{slug} was not offered", hint="decide about what the page shows", policy=slug)
        if policy is None:
            raise TermsChangedError(f"{slug} is not there any more", policy=slug)
        if act not in policy.kind.decisions:
            raise DecisionError(f"a {policy.kind} cannot be answered with {act.value}", policy=slug)
    by_slug = calendar.by_slug
    return [(item, acts[item.policy], by_slug[item.policy]) for item in offer.items if item.policy in acts]


def prepare(
    offer: SealedOffer,
    acts: Mapping[str, Act],
    calendar: Calendar,
    subject: Subject,
    facts: Facts,
    settings: Settings,
    randomness: Callable[[int], bytes],
    *,
    tag: bytes,
    gate: str | None,
) -> Submission:
    """Commit to the personal fields of each decision, each under salts of its own.

    Raises:
        DecisionError, TermsChangedError: as `check_acts`; or an administrator looks through the subject's eyes.
    """
    if subject.impersonated_by:
        raise DecisionError(
            "an administrator who looks through somebody's eyes cannot decide for them",
            hint="leave the impersonation; the subject decides",
        )
    fields = personal_fields(subject, facts, record_ip=settings.record_ip, record_user_agent=settings.record_user_agent)
    decisions, withdraws = [], False
    for item, act, policy in check_acts(offer, acts, calendar):
        salts = BytesIO(randomness(SALT_BYTES * len(fields)))  # one draw: each is a call of the system
        commitments, openings = commit_and_open(fields, partial(salts.read, SALT_BYTES))
        decisions.append(Prepared(item, act, policy, commitments, openings))
        withdraws = withdraws or (act is Act.WITHDRAW and policy.kind.gates)
    return Submission(offer, tuple(decisions), calendar, subject, tag, facts, gate, settings.test, withdraws)


def check_unchanged(prepared: Prepared, calendar: Calendar, moment: Moment) -> None:
    """What was shown must still be what is in force (or announced).

    Raises:
        TermsChangedError: another version is in force now, or the policy was retired.
    """
    item = prepared.item
    standing = moment.standing(item.policy)
    version = calendar.by_serial.get(item.serial)
    in_force = standing.in_force if standing else None
    if standing is not None and version is not None:
        if in_force is not None and in_force.serial == item.serial:
            return
        if any(one.serial == item.serial for one in standing.announced):
            return
    now = in_force.label if in_force else None
    raise TermsChangedError(
        f"{item.policy} {version.label if version else item.serial} is not in force any more"
        + (f"; {now} is" if now else ""),
        hint="read what is in force now, and decide about that",
        policy=item.policy,
        version=now,
    )


def enter(pending: Pending, submission: Submission) -> None:
    """Append the entries, inside the writer's transaction.

    Raises:
        CalendarMovedError: the calendar is out of date; load it and try again.
        TermsChangedError: what was shown is not what is in force.
    """
    calendar = submission.calendar
    if pending.generation != calendar.generation:
        raise CalendarMovedError("something was published meanwhile")
    moment = calendar.at(pending.at)
    for prepared in submission.decisions:
        check_unchanged(prepared, calendar, moment)
    enter_elsewhere(pending, submission)


def enter_elsewhere(pending: Pending, submission: Submission) -> None:
    """Append decisions that were made elsewhere; their versions need not be in force any more."""
    for prepared in submission.decisions:
        at = pending.at
        expires = _expiry(prepared.policy, prepared.act, at)
        entry = _entry(submission, prepared, at, expires)
        pending.append(entry, _opening(submission, prepared, at, expires))


def _entry(submission: Submission, prepared: Prepared, at: Instant, expires: Instant | None) -> DecisionEntry:
    offer, facts, item = submission.offer, submission.facts, prepared.item
    versions = submission.calendar.by_serial
    base = versions.get(item.base) if item.base else None
    return DecisionEntry(
        id=item.id,
        at=at,
        commitments=prepared.commitments,
        policy=item.policy,
        kind=prepared.policy.kind.value,
        version=versions[item.serial].label,
        serial=item.serial,
        language=item.language,
        text=item.text,
        compared=base.label if base and item.redline else None,
        redline=item.redline,
        page=offer.page,
        control=item.control,
        decision=prepared.act.value,
        method=facts.method,
        source="import" if facts.method == "import" else "server",
        gate=submission.gate,
        offer=offer.id,
        supersedes=item.supersedes,
        expires=expires,
        test=submission.test,
    )


def _opening(submission: Submission, prepared: Prepared, at: Instant, expires: Instant | None) -> OpeningRow:
    item, subject = prepared.item, submission.subject
    return OpeningRow(
        item.id.bytes, submission.tag, subject.kind.value, None, item.policy, item.serial, prepared.act.value, at,
        expires, prepared.openings,
    )  # fmt: skip


def _expiry(policy: Policy, act: Act, at: Instant) -> Instant | None:
    renew = policy.renew_after_instants
    return at + renew if renew is not None and act.satisfies else None


def refs(offer: SealedOffer, acts: Mapping[str, Act]) -> tuple[bytes, ...]:
    """The keys of the decisions these acts would make: what makes a repeated request harmless."""
    return tuple([item.id.bytes for item in offer.items if item.policy in acts])


def offer_elsewhere(
    version: Version, holding: Holding, subject: Subject, now: Instant, randomness: Callable[[int], bytes]
) -> SealedOffer:
    """What stands for an offer where no page of ours was shown: no page, no control, no redline."""
    translation = version.translation(version.prevailing)
    item = SealedItem(
        id=uuid7(now, randomness(10)),
        policy=version.policy,
        serial=version.serial,
        language=translation.language,
        text=translation.digest,
        base=None,
        redline=None,
        control=None,
        supersedes=holding.latest.id if holding.latest else None,
    )
    return SealedOffer(id=uuid7(now, randomness(10)), subject=subject, shown_at=now, page=None, items=(item,))
