"""Decide: a sealed offer and an act become one entry of the ledger for each policy.

Room: service. Shown equals signed: the entry is made from the sealed offer, inside the transaction, against the
calendar of that same transaction. Where something was published in between nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from consentgate.errors import DecisionError, TermsChangedError
from consentgate.evidence.commitments import Openings, commit_all
from consentgate.evidence.entry import DecisionEntry
from consentgate.service.facts import Facts, personal_fields
from consentgate.service.holdings import Holding
from consentgate.service.ledger import Pending, opening_row
from consentgate.service.offer import SealedItem, SealedOffer
from consentgate.service.publish import CalendarMovedError
from consentgate.service.settings import Settings
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
    openings: Openings

    @property
    def withdraws(self) -> bool:
        """Whether it takes back what opened the gate."""
        return self.act is Act.WITHDRAW and self.policy.kind.gates


def check_acts(offer: SealedOffer, acts: Mapping[str, Act], calendar: Calendar) -> list[tuple[SealedItem, Act, Policy]]:
    """Match acts with what was offered.

    Raises:
        DecisionError: nothing decided, a policy that was not offered, or an act its kind does not know.
        TermsChangedError: a policy of the offer does not exist any more.
    """
    if not acts:
        raise DecisionError("nothing was decided", hint="choose what you decide, for at least one text")
    matched = []
    for slug, act in acts.items():
        item, policy = offer.item(slug), calendar.by_slug.get(slug)
        if item is None:
            raise DecisionError(f"{slug} was not offered", hint="decide about what the page shows", policy=slug)
        if policy is None:
            raise TermsChangedError(f"{slug} is not there any more", policy=slug)
        if act not in policy.kind.decisions:
            raise DecisionError(f"a {policy.kind} cannot be answered with {act.value}", policy=slug)
        matched.append((item, act, policy))
    order = {item.policy: place for place, item in enumerate(offer.items)}
    return sorted(matched, key=lambda match: order[match[0].policy])


def prepare(
    offer: SealedOffer,
    acts: Mapping[str, Act],
    calendar: Calendar,
    subject: Subject,
    facts: Facts,
    settings: Settings,
    randomness: Callable[[int], bytes],
) -> list[Prepared]:
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
    return [
        Prepared(item, act, policy, *commit_all(fields, lambda: randomness(32)))
        for item, act, policy in check_acts(offer, acts, calendar)
    ]


def check_unchanged(prepared: Prepared, calendar: Calendar, moment: Moment) -> None:
    """What was shown must still be what is in force (or announced).

    Raises:
        TermsChangedError: another version is in force now, or the policy was retired.
    """
    item = prepared.item
    standing = moment.standing(item.policy)
    version = calendar.by_serial.get(item.serial)
    if standing is not None and version is not None and item.serial in (
        *(one.serial for one in (standing.in_force,) if one),
        *(one.serial for one in standing.announced),
    ):  # fmt: skip
        return
    now = standing.in_force.label if standing and standing.in_force else None
    raise TermsChangedError(
        f"{item.policy} {version.label if version else item.serial} is not in force any more"
        + (f"; {now} is" if now else ""),
        hint="read what is in force now, and decide about that",
        policy=item.policy,
        version=now,
    )


def enter(
    pending: Pending,
    decisions: list[Prepared],
    calendar: Calendar,
    offer: SealedOffer,
    subject_tag: bytes,
    subject: Subject,
    facts: Facts,
    *,
    gate: str | None,
    test: bool,
) -> list[DecisionEntry]:
    """Append the entries, inside the writer's transaction.

    Raises:
        CalendarMovedError: the calendar is out of date; load it and try again.
        TermsChangedError: what was shown is not what is in force.
    """
    if pending.generation != calendar.generation:
        raise CalendarMovedError("something was published meanwhile")
    moment = calendar.at(pending.at)
    for prepared in decisions:
        check_unchanged(prepared, calendar, moment)
    return [
        _enter_one(pending, prepared, calendar, offer, subject_tag, subject, facts, gate=gate, test=test)
        for prepared in decisions
    ]


def _enter_one(
    pending: Pending,
    prepared: Prepared,
    calendar: Calendar,
    offer: SealedOffer,
    subject_tag: bytes,
    subject: Subject,
    facts: Facts,
    *,
    gate: str | None,
    test: bool,
) -> DecisionEntry:
    item, policy = prepared.item, prepared.policy
    expires = _expiry(policy, prepared.act, pending.at)
    base = calendar.by_serial.get(item.base) if item.base else None
    entry = DecisionEntry(
        id=item.id,
        at=pending.at,
        commitments=prepared.commitments,
        policy=item.policy,
        kind=policy.kind.value,
        version=calendar.by_serial[item.serial].label,
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
        gate=gate,
        offer=offer.id,
        supersedes=item.supersedes,
        expires=expires,
        test=test,
    )
    pending.append(
        entry,
        opening_row(
            entry.id,
            pending.at,
            prepared.openings,
            subject_tag=subject_tag,
            subject_kind=subject.kind.value,
            policy=item.policy,
            serial=item.serial,
            act=prepared.act.value,
            expires=expires,
        ),
    )
    return entry


def _expiry(policy: Policy, act: Act, at: Instant) -> Instant | None:
    renew = policy.renew_after_instants
    return at + renew if renew is not None and act.satisfies else None


def refs(offer: SealedOffer, acts: Mapping[str, Act]) -> tuple[bytes, ...]:
    """The keys of the decisions these acts would make: what makes a repeated request harmless."""
    ids: list[UUID] = [item.id for item in offer.items if item.policy in acts]
    return tuple(one.bytes for one in ids)


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


def enter_elsewhere(
    pending: Pending,
    prepared: Prepared,
    calendar: Calendar,
    offer: SealedOffer,
    subject_tag: bytes,
    subject: Subject,
    facts: Facts,
    *,
    gate: str | None,
    test: bool,
) -> DecisionEntry:
    """Append a decision that was made elsewhere; its version need not be in force any more."""
    return _enter_one(pending, prepared, calendar, offer, subject_tag, subject, facts, gate=gate, test=test)
