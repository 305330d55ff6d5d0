"""Pages of decisions and of subjects: any page costs the same, however many there are.

Room: store; called by the service. A page begins where the last one ended (a key, never an offset), and every
selection is read from an index in its order. Where a selection spans several acts or versions, each has a stream of
its own in the index; a page takes what it needs from each and merges them, in one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal_column, select, tuple_, union_all

from consentgate.store.statements import chunks
from consentgate.store.subjects import DecisionRow, OpeningRow, living
from consentgate.store.tables import OPENING
from consentgate.terms.policy import Act

MAX_STREAMS = 400
"""Streams of one statement: SQLite takes at most 500 parts of a compound."""


class Wanted(NamedTuple):
    """Which decisions are wanted; every part that is given must match.

    Args:
        policies: slugs; empty means any.
        serials: of versions; empty means any. Where given, policies are not looked at.
        acts: empty means any.
        since, until: instants, ``since <= at < until``.
    """

    policies: tuple[str, ...] = ()
    serials: tuple[int, ...] = ()
    acts: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


Place = tuple[int, bytes]
"""Instant and ref of the last decision the caller has seen."""

_ORDER = (OPENING.c.at.desc(), OPENING.c.ref.desc())


def decisions(connection: Connection, wanted: Wanted, before: Place | None, limit: int) -> list[OpeningRow]:
    """The newest decisions first; erased ones are not among them.

    Args:
        connection: in a transaction.
        wanted: which.
        before: where the last page ended; ``None`` for the first page.
        limit: most rows.
    """
    found: list[tuple[int, bytes]] = []
    for some in chunks(_streams(wanted), MAX_STREAMS):
        parts = [_stream(conditions, wanted, before, limit).subquery() for conditions in some]
        merged = union_all(*(select(part) for part in parts)).subquery()
        statement = select(merged).order_by(merged.c.at.desc(), merged.c.ref.desc()).limit(limit)
        found += [(row.at, row.ref) for row in connection.execute(statement)]
    page = [ref for _, ref in sorted(found, reverse=True)[:limit]]
    rows = {row[0]: row for some in chunks(page) for row in connection.execute(_by_ref(some))}
    return [row for row in (living(rows[ref]) for ref in page) if row is not None]


def _streams(wanted: Wanted) -> list[list[ColumnElement[bool]]]:
    acts = wanted.acts or tuple(act.value for act in Act)
    if wanted.serials:
        return [[OPENING.c.serial == serial, OPENING.c.act == act] for serial, act in product(wanted.serials, acts)]
    if wanted.policies:
        return [[OPENING.c.policy == policy, OPENING.c.act == act] for policy, act in product(wanted.policies, acts)]
    return [[OPENING.c.act == act] for act in acts]


def _stream(
    conditions: Sequence[ColumnElement[bool]], wanted: Wanted, before: Place | None, limit: int
) -> Select[tuple[int, bytes]]:
    statement = select(OPENING.c.at, OPENING.c.ref).where(*conditions, OPENING.c.serial > literal_column("0"))
    if wanted.since is not None:
        statement = statement.where(OPENING.c.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(OPENING.c.at < wanted.until)
    if before is not None:  # the instant alone as well: it is what the index is entered by
        statement = statement.where(OPENING.c.at <= before[0], tuple_(OPENING.c.at, OPENING.c.ref) < before)
    return statement.order_by(*_ORDER).limit(limit)


def _by_ref(refs: Sequence[bytes]) -> Select[Any]:
    return select(OPENING).where(OPENING.c.ref.in_(refs))


def subject_tags(connection: Connection, after: bytes, limit: int) -> list[bytes]:
    """Tags of those who decided something or were linked, in the order of tags; visitors that were linked are not
    among them.

    Args:
        connection: in a transaction.
        after: the last tag the caller has seen; empty to begin with.
        limit: most tags.
    """
    link = OPENING.alias("link")
    statement = (
        select(OPENING.c.subject_tag)
        .where(
            OPENING.c.subject_tag > after,
            OPENING.c.policy.is_not(None) | OPENING.c.linked_tag.is_not(None),
            ~exists(select(link.c.ref).where(link.c.linked_tag == OPENING.c.subject_tag)),
        )
        .group_by(OPENING.c.subject_tag)
        .order_by(OPENING.c.subject_tag)
        .limit(limit)
    )
    return [tag for tag in connection.scalars(statement) if tag is not None and any(tag)]


def decisions_of_all(connection: Connection, tags: Sequence[bytes]) -> dict[bytes, list[DecisionRow]]:
    """What counts for each of these subjects, as `consentgate.store.subjects.decisions_of` for one.

    The kind of each is in `kinds_of`.
    """
    link = OPENING.alias("link")
    columns = (OPENING.c.policy, OPENING.c.serial, OPENING.c.act, OPENING.c.at, OPENING.c.expires, OPENING.c.ref)
    found: dict[bytes, list[DecisionRow]] = {tag: [] for tag in tags}
    for some in chunks(tags):
        mine = select(OPENING.c.subject_tag.label("root"), *columns).where(
            OPENING.c.subject_tag.in_(some), OPENING.c.serial.is_not(None)
        )
        carried = (
            select(link.c.subject_tag.label("root"), *columns)
            .select_from(link.join(OPENING, OPENING.c.subject_tag == link.c.linked_tag))
            .where(
                link.c.subject_tag.in_(some),
                link.c.linked_tag.is_not(None),
                OPENING.c.serial.is_not(None),
                OPENING.c.at <= link.c.at,
            )
        )
        for row in connection.execute(union_all(mine, carried)):
            found[row[0]].append(DecisionRow._make(row[1:]))
    return found


def newest_openings(connection: Connection, tags: Sequence[bytes]) -> dict[bytes, OpeningRow]:
    """One opening of each of these subjects that still says who they are, the newest one."""
    found: dict[bytes, OpeningRow] = {}
    for some in chunks(tags):
        statement = select(OPENING).where(OPENING.c.subject_tag.in_(some)).order_by(OPENING.c.at)
        for row in filter(None, map(living, connection.execute(statement))):
            if row.subject_tag is not None and '"subject":' in row.openings:
                found[row.subject_tag] = row
    return found


def kinds_of(connection: Connection, tags: Sequence[bytes]) -> dict[bytes, str]:
    """The kind of each of these subjects."""
    found: dict[bytes, str] = {}
    for some in chunks(tags):
        statement = (
            select(OPENING.c.subject_tag, func.max(OPENING.c.subject_kind))
            .where(OPENING.c.subject_tag.in_(some))
            .group_by(OPENING.c.subject_tag)
        )
        found.update((tag, kind) for tag, kind in connection.execute(statement) if tag is not None and kind)
    return found
