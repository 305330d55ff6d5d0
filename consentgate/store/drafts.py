"""Texts that are being written, and publications that wait for a second person.

Room: store; called by the service. Drafts are the only texts that may change and go; what is published never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select, tuple_, update

from consentgate.store.statements import PreparedInsert, chunks, upsert
from consentgate.store.tables import DRAFT, PROPOSAL


class DraftRow(NamedTuple):
    """A draft: its place, the bytes, their digest (hex), who wrote them last, and when."""

    policy: str
    label: str
    language: str
    body: bytes
    etag: str
    author: str
    updated: int


class ProposalRow(NamedTuple):
    """A proposal.

    Args:
        id: given by the service.
        at: instant.
        author, person: who proposed it, and the person behind that.
        content: digest of the blob that says what.
        expected: the state it was proposed on.
        status: in the service's words.
        decided, decider, reason: when, by whom and why it was decided about.
    """

    id: str
    at: int
    author: str
    person: str
    content: str
    expected: str
    status: str
    decided: int | None
    decider: str | None
    reason: str


DraftPlace = tuple[str, str, str]
"""Policy, label, language."""

_KEY = (DRAFT.c.policy, DRAFT.c.label, DRAFT.c.language)
_INSERT_PROPOSAL = PreparedInsert(PROPOSAL)


def put_draft(connection: Connection, row: DraftRow) -> None:
    """Keep a draft in place of the one that was there."""
    values = row._asdict()
    statement = upsert(DRAFT, connection.dialect.name).values(**values)
    changed = {name: values[name] for name in ("body", "etag", "author", "updated")}
    connection.execute(statement.on_conflict_do_update(index_elements=["policy", "label", "language"], set_=changed))


def drafts(connection: Connection, *, policy: str | None = None, label: str | None = None) -> list[DraftRow]:
    """All drafts, or those of a policy, or of one version, with their bytes, by place."""
    statement = select(DRAFT).order_by(*_KEY)
    if policy is not None:
        statement = statement.where(DRAFT.c.policy == policy)
    if label is not None:
        statement = statement.where(DRAFT.c.label == label)
    return [DraftRow._make(row) for row in connection.execute(statement)]


def drafts_at(connection: Connection, places: Iterable[DraftPlace]) -> dict[DraftPlace, DraftRow]:
    """Those of these drafts that are here."""
    found: dict[DraftPlace, DraftRow] = {}
    for some in chunks(places, 150):
        rows = connection.execute(select(DRAFT).where(tuple_(*_KEY).in_(some)))
        found.update(((row.policy, row.label, row.language), DraftRow._make(row)) for row in rows)
    return found


def etags_at(connection: Connection, places: Iterable[DraftPlace]) -> dict[DraftPlace, str]:
    """The digests of those of these drafts that are here."""
    found: dict[DraftPlace, str] = {}
    for some in chunks(places, 150):
        rows = connection.execute(select(*_KEY, DRAFT.c.etag).where(tuple_(*_KEY).in_(some)))
        found.update(((row.policy, row.label, row.language), row.etag) for row in rows)
    return found


def delete_drafts(connection: Connection, places: Iterable[DraftPlace]) -> int:
    """Forget these drafts; how many there were."""
    return sum(
        connection.execute(delete(DRAFT).where(tuple_(*_KEY).in_(some))).rowcount for some in chunks(places, 150)
    )


def take_drafts(connection: Connection, etags: Mapping[Any, str]) -> int:
    """Forget those of these drafts that are still what the caller has read; how many that were.

    Args:
        connection: in a transaction.
        etags: by place.
    """
    whole = (*_KEY, DRAFT.c.etag)
    return sum(
        connection.execute(delete(DRAFT).where(tuple_(*whole).in_(some))).rowcount
        for some in chunks(((*place, etag) for place, etag in etags.items()), 120)
    )


def insert_proposal(connection: Connection, row: ProposalRow) -> None:
    """Keep a proposal. An id that is taken raises `StoreError`."""
    _INSERT_PROPOSAL.one(connection, *row)


def proposal(connection: Connection, proposal_id: str) -> ProposalRow | None:
    """The proposal with this id, or ``None``."""
    row = connection.execute(select(PROPOSAL).where(PROPOSAL.c.id == proposal_id)).one_or_none()
    return None if row is None else ProposalRow._make(row)


def proposals(connection: Connection, *, status: str | None = None, limit: int = 200) -> list[ProposalRow]:
    """The newest proposals first, all or those of one status."""
    statement = select(PROPOSAL).order_by(PROPOSAL.c.at.desc(), PROPOSAL.c.id.desc()).limit(limit)
    if status is not None:
        statement = statement.where(PROPOSAL.c.status == status)
    return [ProposalRow._make(row) for row in connection.execute(statement)]


def decide_proposal(
    connection: Connection, proposal_id: str, *, expected: str, status: str, at: int, decider: str, reason: str
) -> bool:
    """Give a proposal another status; whether it had the expected one."""
    statement = (
        update(PROPOSAL)
        .where(PROPOSAL.c.id == proposal_id, PROPOSAL.c.status == expected)
        .values(status=status, decided=at, decider=decider, reason=reason)
    )
    return connection.execute(statement).rowcount == 1
