"""How many subjects hold what: exact counts, each in one statement over the decisions that an index finds.

They read each of those decisions, so that they take time with their number; nothing waits for them that need not.

Room: store; called by the service, which says what satisfies. Subjects are counted, not decisions: what a visitor
decided before it was linked to a user counts for that user, and a visitor that was linked is counted only so.

A subject's state follows from three instants: of the last acceptance that counts, of the last withdrawal (which takes
back everything before it), and of the last decision of all. No two entries of a ledger have one instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, or_, select, union, union_all

from consentgate.store.tables import OPENING
from consentgate.terms.policy import Act
from consentgate.terms.subject import SubjectKind

_SATISFYING = tuple(act.value for act in Act if act.satisfies)
_REFUSING = tuple(act.value for act in Act if not act.satisfies)
_LINK = OPENING.alias("link")


class Change(NamedTuple):
    """What a publication changes for one policy, at one instant.

    Args:
        serials: every version of the policy there is.
        before: those whose acceptance satisfies without the publication.
        after: those whose acceptance satisfies with it.
        at: the instant; acceptances that have expired by then do not count.
        kinds: kinds of subjects the policy binds; empty means all.
    """

    serials: frozenset[int]
    before: frozenset[int]
    after: frozenset[int]
    at: int
    kinds: frozenset[str] = frozenset()


class Standing(NamedTuple):
    """How many subjects hold an acceptance that counts, and of how many the last word was a refusal."""

    accepted: int
    refused: int


def stopped(connection: Connection, changes: Iterable[Change]) -> int:
    """How many subjects hold what satisfies before, and not what satisfies after, for any of these changes: each
    subject once."""
    parts = [select(_stopped(change).c.root) for change in changes]
    if not parts:
        return 0
    everybody = union(*parts).subquery() if len(parts) > 1 else parts[0].subquery()
    return connection.scalar(select(func.count()).select_from(everybody)) or 0


def standing(
    connection: Connection, serials: Iterable[int], satisfying: Iterable[int], at: int, kinds: Iterable[str] = ()
) -> Standing:
    """How many subjects hold an acceptance of these versions, and how many refused last and hold none.

    Args:
        connection: in a transaction.
        serials: every version of the policy.
        satisfying: those whose acceptance counts.
        at: acceptances that have expired by then do not count.
        kinds: of subjects; empty means all.
    """
    serials = frozenset(serials)
    if not serials:
        return Standing(0, 0)
    facts = _facts(serials)
    last, refused = func.max(facts.c.at), _latest(facts, facts.c.act.in_(_REFUSING))
    holds = _accepted(facts, satisfying, at) > _withdrawn(facts)
    each = (
        select(
            case((holds, 1), else_=0).label("accepted"),
            case((and_(func.coalesce(holds, False).is_(False), refused == last), 1), else_=0).label("refused"),
        )
        .where(_of_kinds(facts, kinds))
        .group_by(facts.c.root)
        .subquery()
    )
    row = connection.execute(select(func.sum(each.c.accepted), func.sum(each.c.refused))).one()
    return Standing(row[0] or 0, row[1] or 0)


def known(connection: Connection, kinds: Iterable[str] = ()) -> int:
    """How many subjects have decided about anything."""
    facts = _facts(None)
    each = select(facts.c.root).where(_of_kinds(facts, kinds)).group_by(facts.c.root).subquery()
    return connection.scalar(select(func.count()).select_from(each)) or 0


def _stopped(change: Change) -> Any:
    facts = _facts(change.serials)
    withdrawn = _withdrawn(facts)
    held = _accepted(facts, change.before, change.at) > withdrawn
    satisfied = _accepted(facts, change.after, change.at) > withdrawn
    return (
        select(facts.c.root)
        .where(_of_kinds(facts, change.kinds))
        .group_by(facts.c.root)
        .having(held, func.coalesce(satisfied, False).is_(False))
        .subquery()
    )


def _facts(serials: frozenset[int] | None) -> Any:
    """Every decision about these versions (or any) under the subject it counts for."""
    about = OPENING.c.serial > 0 if serials is None else OPENING.c.serial.in_(sorted(serials))
    columns = (OPENING.c.serial, OPENING.c.act, OPENING.c.at, OPENING.c.expires)
    linked = exists(select(_LINK.c.ref).where(_LINK.c.linked_tag == OPENING.c.subject_tag))
    mine = select(OPENING.c.subject_tag.label("root"), OPENING.c.subject_kind.label("kind"), *columns).where(
        about, or_(OPENING.c.subject_kind != SubjectKind.VISITOR.value, ~linked)
    )
    carried = (
        select(_LINK.c.subject_tag.label("root"), _LINK.c.subject_kind.label("kind"), *columns)
        .select_from(_LINK.join(OPENING, OPENING.c.subject_tag == _LINK.c.linked_tag))
        .where(_LINK.c.linked_tag.is_not(None), about, OPENING.c.at <= _LINK.c.at)
    )
    return union_all(mine, carried).subquery()


def _latest(facts: Any, condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.max(case((condition, facts.c.at)))


def _accepted(facts: Any, serials: Iterable[int], at: int) -> ColumnElement[Any]:
    valid = or_(facts.c.expires.is_(None), facts.c.expires > at)
    return _latest(facts, and_(facts.c.act.in_(_SATISFYING), facts.c.serial.in_(sorted(serials)), valid))


def _withdrawn(facts: Any) -> ColumnElement[Any]:
    return func.coalesce(_latest(facts, facts.c.act == Act.WITHDRAW.value), -1)


def _of_kinds(facts: Any, kinds: Iterable[str]) -> ColumnElement[bool]:
    chosen: Sequence[str] = sorted(kinds)
    bound: ColumnElement[bool] = facts.c.kind.in_(chosen) if chosen else facts.c.root.is_not(None)
    return bound
