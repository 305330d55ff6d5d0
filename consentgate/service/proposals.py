"""Proposals: a publication that waits for a second person.

Room: service. With ``approvals=1`` what an administrator publishes becomes a proposal: its content is kept by digest,
together with the state it was previewed on, and another publisher's approval publishes exactly that. Nobody approves
their own, also not by another token that belongs to them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from consentgate.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from consentgate.service.administrators import Administrator
from consentgate.service.drafts import DraftRef
from consentgate.service.ledger import Pending
from consentgate.service.publish import JSON, Publication, admin_entry, append_with_administrator
from consentgate.store import blobs
from consentgate.store import drafts as shelf
from consentgate.store.drafts import ProposalRow
from consentgate.terms.canonical import canonical_json, digest
from consentgate.terms.draft import Draft, parse_draft
from consentgate.terms.identifiers import uuid7
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Policy
from consentgate.terms.policy_file import policy_from_record, policy_settings

Status = Literal["open", "approved", "rejected"]
OPEN, APPROVED, REJECTED = "open", "approved", "rejected"

PROPOSE = "publish.propose"
"""Action of the entry that says that somebody proposed the ``content`` with this digest."""

APPROVE = "publish.approve"
"""Action of the entry that says that somebody approved a ``proposal``."""

MAX_REASON = 2_000
_ID = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be published, in one act.

    Args:
        drafts: the texts.
        policies: settings.
        refs: which of the texts are drafts of ours, by the etag they were read with; they go when it is published.
        at: effective date chosen at publication, or ``None`` for what the front matter says.
        short_notice: whether the notice period need not be kept.
    """

    drafts: tuple[Draft, ...] = ()
    policies: tuple[Policy, ...] = ()
    refs: Mapping[DraftRef, str] | None = None
    at: Instant | None = None
    short_notice: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A publication that waits, or was decided about.

    Args:
        id: to approve or reject it by.
        at: when it was proposed.
        author: id of the administrator who proposed it.
        texts: what it would publish: policy, label, language.
        policies: slugs of the settings it would change.
        expected: the state it was made on.
        status: ``open``, ``approved``, ``rejected``.
        decided, decider, reason: when, by whom, why it was decided about.
        person: whose hand proposed it; see `Administrator.hand`.
    """

    id: str
    at: Instant
    author: str
    texts: tuple[DraftRef, ...]
    policies: tuple[str, ...]
    expected: str
    status: str
    decided: Instant | None = None
    decider: str | None = None
    reason: str = ""
    person: str = ""

    def is_of(self, by: Administrator) -> bool:
        """Whether this administrator proposed it, by whatever token: they may not approve it."""
        return not {by.id, by.hand}.isdisjoint((self.author, self.person))


@dataclass(frozen=True, slots=True)
class Done:
    """What came of publishing: a publication, or a proposal of one where a second person is needed."""

    publication: Publication
    proposal: Proposal | None = None


def write_content(content: Content) -> bytes:
    """The bytes of a content; the inverse of `read_content`."""
    record = {
        "v": 1,
        "drafts": [
            [one.policy, one.label, one.language, one.file, base64.b64encode(one.raw).decode()]
            for one in content.drafts
        ],
        "policies": [policy_settings(policy) for policy in content.policies],
        "refs": [[*ref, etag] for ref, etag in sorted((content.refs or {}).items())],
        "at": content.at,
        "short_notice": content.short_notice,
    }
    return canonical_json(record)


def read_content(data: bytes) -> Content:
    """Read what `write_content` wrote."""
    record: dict[str, Any] = json.loads(data)
    return Content(
        tuple(
            parse_draft(base64.b64decode(body), file=file, policy=policy, label=label, language=language)
            for policy, label, language, file, body in record["drafts"]
        ),
        tuple(policy_from_record(settings) for settings in record["policies"]),
        {DraftRef(policy, label, language): etag for policy, label, language, etag in record["refs"]},
        record["at"],
        record["short_notice"],
    )


def propose(
    by: Administrator,
    content: Content,
    expected: str,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> Proposal:
    """Keep a proposal, inside the writer's transaction; the same one again is the one that waits already."""
    data = write_content(content)
    key = digest(data)
    for row in shelf.proposals(connection, status=OPEN):
        if (row.content, row.author, row.expected) == (key, by.id, expected):
            return _value(row, content)
    blobs.put_blob(connection, key, JSON, data)
    row = ProposalRow(
        str(uuid7(pending.at, randomness(10))), pending.at, by.id, by.hand, key, expected, OPEN, None, None, ""
    )
    shelf.insert_proposal(connection, row)
    append_with_administrator(
        pending, admin_entry(PROPOSE, proposal=row.id, content=key, expected=expected), by.id, randomness
    )
    return _value(row, content)


def find(connection: Connection, proposal_id: str) -> tuple[Proposal, Content, ProposalRow]:
    """A proposal and what it would publish.

    Raises:
        NotFoundError: there is none with this id.
    """
    row = shelf.proposal(connection, proposal_id) if _ID.fullmatch(proposal_id) else None
    blob = blobs.get_blob(connection, row.content) if row else None
    if row is None or blob is None:
        raise NotFoundError(f"there is no proposal {proposal_id[:60]!r}", hint="see the list of proposals")
    content = read_content(blob.data)
    return _value(row, content), content, row


def every(connection: Connection, *, status: Status | None = None) -> tuple[Proposal, ...]:
    """The newest 200 proposals, newest first, all or those of one status."""
    rows = shelf.proposals(connection, status=status)
    kept = blobs.get_blobs(connection, {row.content for row in rows})
    return tuple(_value(row, read_content(kept[row.content].data)) for row in rows)


def check_second(by: Administrator, proposal: Proposal) -> None:
    """Demand that somebody else approves than who proposed.

    Raises:
        ForbiddenError: it is the same person.
        ConflictError: it was rejected.
    """
    if proposal.is_of(by):
        raise ForbiddenError(
            "nobody approves their own publication", hint="ask another publisher to approve it", proposal=proposal.id
        )
    if proposal.status == REJECTED:
        raise ConflictError("this proposal was rejected", hint="make a new one", proposal=proposal.id)


def decide(
    by: Administrator,
    proposal_id: str,
    status: str,
    reason: str,
    connection: Connection,
    at: Instant,
) -> bool:
    """Settle an open proposal, inside the writer's transaction; whether it was open.

    Raises:
        ConflictError: somebody else did before.
    """
    if not shelf.decide_proposal(
        connection, proposal_id, expected=OPEN, status=status, at=at, decider=by.id, reason=reason
    ):
        row = shelf.proposal(connection, proposal_id)
        if row is not None and (row.status, row.decider, row.reason) == (status, by.id, reason):
            return False  # a commit that seemed to fail, or the same request again
        raise ConflictError("somebody else decided about this proposal", hint="look at it again", proposal=proposal_id)
    return True


def reject(
    by: Administrator,
    proposal_id: str,
    reason: str,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> None:
    """Reject a proposal (also one's own), inside the writer's transaction."""
    if not decide(by, proposal_id, REJECTED, reason, connection, pending.at):
        return
    make = admin_entry("publish.reject", proposal=proposal_id, reason=reason)
    append_with_administrator(pending, make, by.id, randomness)


def approve(
    by: Administrator,
    proposal_id: str,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> None:
    """Approve a proposal, inside the transaction that publishes it.

    The entries of what is published name the approver too; this one stands also where nothing is left to publish,
    and says which proposal it was.
    """
    if decide(by, proposal_id, APPROVED, "", connection, pending.at):
        append_with_administrator(pending, admin_entry(APPROVE, proposal=proposal_id), by.id, randomness)


def check_reason(reason: str) -> str:
    """A reason that can stand in the ledger.

    Raises:
        InputError: empty, longer than 2,000 characters, or not one line.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON or not reason.isprintable():
        raise InputError(
            f"this needs a reason: one line of at most {MAX_REASON:,} characters",
            hint="why, without personal data: it stands in the ledger for everybody to read",
            field="reason",
        )
    return reason


def _value(row: ProposalRow, content: Content) -> Proposal:
    return Proposal(
        row.id, row.at, row.author,
        tuple(DraftRef(one.policy, one.label, one.language) for one in content.drafts),
        tuple(policy.slug for policy in content.policies),
        row.expected, row.status, row.decided, row.decider, row.reason, row.person,
    )  # fmt: skip
