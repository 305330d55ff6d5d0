"""Drafts: texts that are being written, kept as they were sent, whether or not they can be published.

Room: service. A draft's body is the same Markdown with front matter as a file on disk. One that is malformed is kept
all the same, with the error beside it, so that an editor loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from consentgate.errors import ConflictError, DraftError, InputError, NotFoundError, PreconditionError
from consentgate.service.administrators import Administrator
from consentgate.service.ledger import Pending
from consentgate.service.publish import admin_entry, append_with_administrator
from consentgate.store import drafts as shelf
from consentgate.store.drafts import DraftRow
from consentgate.terms.canonical import MAX_TEXT_BYTES, digest
from consentgate.terms.checks import Finding, check_text
from consentgate.terms.draft import MAX_FRONT_MATTER_BYTES, Draft, parse_draft
from consentgate.terms.instants import Instant
from consentgate.terms.languages import canonical_tag
from consentgate.terms.policy import LABEL, RESERVED_LABELS, RESERVED_SLUGS, SLUG

MAX_BODY_BYTES = MAX_TEXT_BYTES + MAX_FRONT_MATTER_BYTES
"""Bytes of one draft."""

ANY = "*"
"""As ``if_match``: whatever is there."""


class DraftRef(NamedTuple):
    """Where a draft stands."""

    policy: str
    label: str
    language: str

    @property
    def file(self) -> str:
        """What it is called in errors: the name it would have in a folder."""
        return f"{self.policy}/{self.label}.{self.language}.md"


@dataclass(frozen=True, slots=True)
class DraftInfo:
    """A draft as it stands.

    Args:
        ref: policy, label, language.
        etag: digest of the body, hexadecimal.
        body: the bytes as they were sent.
        author: id of the administrator who wrote it last.
        updated: when.
        parsed: what it says, or ``None`` where it is malformed.
        error: why it is malformed, or ``None``.
        findings: what the checks of the text alone found.
    """

    ref: DraftRef
    etag: str
    body: bytes
    author: str
    updated: Instant
    parsed: Draft | None
    error: DraftError | None
    findings: tuple[Finding, ...] = ()


def draft_ref(policy: str, label: str, language: str) -> DraftRef:
    """The place of a draft, checked and with the language in its canonical spelling.

    Raises:
        InputError: it names the field.
    """
    if not SLUG.fullmatch(policy) or policy in RESERVED_SLUGS:
        raise InputError(f"{policy[:80]!r} is no policy slug", hint="a-z, 0-9 and hyphens, at most 64", field="policy")
    if not LABEL.fullmatch(label) or label.casefold() in RESERVED_LABELS:
        raise InputError(
            f"{label[:80]!r} is no version label", hint="letters, digits, . _ -, at most 40", field="version"
        )
    try:
        return DraftRef(policy, label, canonical_tag(language))
    except InputError as error:
        raise InputError(error.message, hint=error.hint, field="language") from error


def read(ref: DraftRef, body: bytes) -> tuple[Draft | None, DraftError | None, tuple[Finding, ...]]:
    """What a body says, or why it says nothing, and what the checks of the text alone find."""
    try:
        draft = parse_draft(body, file=ref.file, policy=ref.policy, label=ref.label, language=ref.language)
    except DraftError as error:
        return None, error, ()
    return draft, None, tuple(check_text(draft.text, file=ref.file))


def info_of(row: DraftRow) -> DraftInfo:
    """A row as a value."""
    ref = DraftRef(row.policy, row.label, row.language)
    return DraftInfo(ref, row.etag, row.body, row.author, row.updated, *read(ref, row.body))


def get(ref: DraftRef, connection: Connection) -> DraftInfo:
    """One draft.

    Raises:
        NotFoundError: there is none.
    """
    row = shelf.drafts_at(connection, [ref]).get(ref)
    if row is None:
        raise _missing(ref)
    return info_of(row)


def put(
    by: Administrator,
    ref: DraftRef,
    body: bytes,
    if_match: str | None,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> DraftInfo:
    """Keep a draft, inside the writer's transaction.

    Args:
        by: who.
        ref: where.
        body: as it was sent.
        if_match: the etag of what it replaces, `ANY`, or ``None`` for a new one.
        randomness: returns *n* random bytes.
        connection, pending: of the transaction.

    Raises:
        InputError: larger than a draft may be.
        PreconditionError: something else is there than the caller knows of.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InputError(f"{len(body):,} bytes; a draft may have {MAX_BODY_BYTES:,}", hint="split it", field="body")
    present = shelf.etags_at(connection, [ref]).get(ref)
    etag = digest(body)
    if present == etag:  # the same bytes again change nothing, whoever sends them: not even whose they are
        return get(ref, connection)
    _check(ref, present, if_match)
    row = DraftRow(*ref, body, etag, by.id, pending.at)
    shelf.put_draft(connection, row)
    _enter(pending, "draft.put", by, ref, etag, randomness)
    return info_of(row)


def delete(
    by: Administrator,
    ref: DraftRef,
    if_match: str | None,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> None:
    """Forget a draft, inside the writer's transaction.

    Raises:
        NotFoundError: there is none.
        PreconditionError: it is not the one the caller knows.
    """
    present = shelf.etags_at(connection, [ref]).get(ref)
    if present is None:
        raise _missing(ref)
    if if_match is not None:
        _check(ref, present, if_match)
    shelf.delete_drafts(connection, [ref])
    _enter(pending, "draft.delete", by, ref, present, randomness)


def take(refs: Mapping[DraftRef, str], connection: Connection) -> None:
    """Remove drafts that are published by this transaction, each as the caller has read it: one statement.

    Raises:
        ConflictError: one was changed or deleted meanwhile.
    """
    if shelf.take_drafts(connection, refs) < len(refs):
        files = ", ".join(sorted(ref.file for ref in refs))[:300]
        raise ConflictError(f"a draft was changed meanwhile ({files}); nothing was published", hint="preview it again")


def _check(ref: DraftRef, present: str | None, if_match: str | None) -> None:
    if if_match == ANY:
        if present is None:
            raise PreconditionError(f"there is no draft {ref.file}", hint="leave If-Match out to make one")
    elif present != if_match:
        raise PreconditionError(
            f"the draft {ref.file} was changed by somebody else"
            if present and if_match
            else f"there is a draft {ref.file} already"
            if present
            else f"the draft {ref.file} is gone",
            etag=present,
            hint="read what is there, then send yours with its etag as If-Match",
        )


def _missing(ref: DraftRef) -> NotFoundError:
    return NotFoundError(
        f"there is no draft {ref.file}", hint="see the list of drafts", policy=ref.policy, version=ref.label
    )


def _enter(
    pending: Pending,
    action: str,
    by: Administrator,
    ref: DraftRef,
    etag: str,
    randomness: Callable[[int], bytes],
) -> None:
    make = admin_entry(action, policy=ref.policy, version=ref.label, language=ref.language, digest=etag)
    append_with_administrator(pending, make, by.id, randomness)
