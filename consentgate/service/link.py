"""Link: what a device accepted before its user signed in counts for the user from then on.

Room: service. One entry of its own says so; nothing is copied, and nobody is asked a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Connection

from consentgate.evidence.commitments import commit_all
from consentgate.evidence.entry import LinkEntry
from consentgate.service.ledger import Pending, opening_row
from consentgate.store import subjects
from consentgate.terms.identifiers import uuid7
from consentgate.terms.subject import Subject

MAX_CARRIED = 1_000
"""Most decisions one link carries over: its entry must fit into 65,535 bytes."""


def link(
    visitor_tag: bytes,
    subject_tag: bytes,
    visitor: Subject,
    subject: Subject,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> bool:
    """Append a link inside the writer's transaction; whether there was anything to link.

    A visitor is linked once, to the first user who signs in with that pass: on a shared browser the next one
    does not inherit it.
    """
    # A browser that comes back from signing in asks for several things at once: the others of the same batch are not
    # rows yet, and must be seen all the same.
    if any(row.linked_tag == visitor_tag for row in pending.openings):
        return False
    # Another process may be linking the same visitor: whoever comes second waits here, and sees the first one's link.
    subjects.lock_decisions(connection, visitor_tag)
    if subjects.linked_to(connection, visitor_tag) is not None:
        return False
    carried = sorted((row.at, row.ref) for row in subjects.decisions_of(connection, visitor_tag))[-MAX_CARRIED:]
    if not carried:
        return False
    fields = {
        "visitor": visitor.id,
        "subject": subject.id,
        "subject_kind": subject.kind.value,
        "sign_in": subject.sign_in,
    }
    commitments, openings = commit_all(fields, lambda: randomness(32))
    entry = LinkEntry(
        id=uuid7(pending.at, randomness(10)),
        at=pending.at,
        commitments=commitments,
        carried=tuple(UUID(bytes=ref) for _, ref in carried),
    )
    row = opening_row(
        entry.id, pending.at, openings,
        subject_tag=subject_tag, subject_kind=subject.kind.value, linked_tag=visitor_tag, act="link",
    )  # fmt: skip
    pending.append(entry, row)
    return True
