"""Administrators' tokens: made once, shown once, kept as a digest.

Room: service. A token is ``cgt_<id>_<secret>``; the secret has 256 random bits, so a plain digest is enough (there is
nothing to guess), and it is looked up by that digest, so that no comparison of secrets leaks its time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from consentgate.errors import ForbiddenError, InputError, NotFoundError, UnauthenticatedError
from consentgate.evidence.entry import AdminEntry
from consentgate.service.administrators import IMPLIES, MAX_ID_LENGTH, ROLES, Administrator
from consentgate.service.ledger import Pending
from consentgate.service.publish import append_with_administrator
from consentgate.store import tokens as shelf
from consentgate.store.tokens import TokenRow
from consentgate.terms.canonical import digest
from consentgate.terms.identifiers import uuid7
from consentgate.terms.instants import DAY, Instant

_FORM = re.compile(r"cgt_[0-9a-f]{8}_[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{8}")
MAX_LABEL = 100


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made. ``secret`` is shown this once."""

    id: str
    secret: str
    role: str
    label: str
    expires: Instant | None


@dataclass(frozen=True, slots=True)
class TokenOrder:
    """A token to be made.

    Args:
        id: public.
        secret: the whole token, with its id.
        role: one of `ROLES`.
        label: who or what will use it.
        lifetime: in microseconds, or ``None``.
        by: who makes it.
        holder: id of the administrator whose token it is: two tokens of one person do not make two persons.
    """

    id: str
    secret: str
    role: str
    label: str
    lifetime: int | None
    by: str
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Who came with a valid token."""

    id: str
    role: str
    label: str
    holder: str | None = None

    @property
    def administrator(self) -> Administrator:
        """The administrator who this is."""
        return Administrator(f"token:{self.id}", frozenset({self.role}), self.label, self.holder or "")

    def require(self, role: str) -> None:
        """Demand a role.

        Raises:
            ForbiddenError: this token does not have it.
        """
        if role not in IMPLIES[self.role]:
            raise ForbiddenError(
                f"this needs the role {role}; the token {self.label!r} has {self.role}",
                hint=f"make a token with `consentgate token new --role {role}`",
                role=role,
            )


def draw(
    role: str,
    label: str,
    days: int | None,
    by: str,
    randomness: Callable[[int], bytes],
    *,
    holder: str | None = None,
) -> TokenOrder:
    """Check what is asked for, and draw the secret.

    Before the transaction, not in it: a job may run a second time after a commit that seemed to fail, and must then
    find the token it has made already, not make another whose secret nobody sees.

    Args:
        role, label: see `TokenOrder`.
        days: lifetime, 1 to 3,650; ``None`` for one that does not expire.
        by: who makes it; stands in the ledger as a commitment.
        randomness: bytes on demand.
        holder: see `TokenOrder`.

    Raises:
        InputError: no such role, a label that is no line of text, or no lifetime.
    """
    if holder is not None and not (0 < len(holder) <= MAX_ID_LENGTH and holder.isprintable()):
        raise InputError("this is no id of an administrator", hint="leave holder out, or write an id", field="holder")
    if role not in ROLES:
        raise InputError(f"there is no role {role[:40]!r}", hint=f"one of {', '.join(ROLES)}", field="role")
    if not 0 < len(label.strip()) <= MAX_LABEL or not label.isprintable():
        raise InputError(
            f"a label is one line of at most {MAX_LABEL} characters", hint="say who or what will use it", field="label"
        )
    if days is not None and not 1 <= days <= 3_650:
        raise InputError(f"{days} days is no lifetime", hint="write 1 to 3650", field="days")
    token_id = randomness(4).hex()
    secret = f"cgt_{token_id}_{randomness(32).hex()}"
    return TokenOrder(token_id, secret, role, label.strip(), None if days is None else days * DAY, by, holder)


def create(order: TokenOrder, randomness: Callable[[int], bytes], connection: Connection, pending: Pending) -> NewToken:
    """Make a token inside the writer's transaction; the ledger says that it was made, never what it is."""
    made = digest(order.secret.encode())
    row = shelf.token_by_digest(connection, made)
    if row is None:
        expires = None if order.lifetime is None else pending.at + order.lifetime
        row = TokenRow(order.id, made, order.role, order.label, pending.at, expires, None, order.holder)
        shelf.insert_token(connection, row)
        _enter(pending, "token.new", order.by, randomness, token=order.id, role=order.role)
    return NewToken(order.id, order.secret, order.role, order.label, row.expires)


def revoke(
    token_id: str, by: str, randomness: Callable[[int], bytes], connection: Connection, pending: Pending
) -> None:
    """Revoke a token inside the writer's transaction.

    Raises:
        NotFoundError: there is none with this id that is not revoked already.
    """
    if not _ID.fullmatch(token_id) or not shelf.revoke_token(connection, token_id, pending.at):
        raise NotFoundError(f"there is no token {token_id[:40]!r} to revoke", hint="see `consentgate token list`")
    _enter(pending, "token.revoke", by, randomness, token=token_id)


def check(secret: str, now: Instant, connection: Connection) -> TokenHolder:
    """Who holds this token.

    Raises:
        UnauthenticatedError: unknown, expired or revoked; the message does not say which.
    """
    return _standing(
        shelf.token_by_digest(connection, digest(secret.encode())) if _FORM.fullmatch(secret) else None, now
    )


def holder_of(token_id: str, now: Instant, connection: Connection) -> TokenHolder:
    """Who holds the token with this public id: for a session that began with the token itself.

    Raises:
        UnauthenticatedError: unknown, expired or revoked.
    """
    return _standing(shelf.token_by_id(connection, token_id), now)


def _standing(row: TokenRow | None, now: Instant) -> TokenHolder:
    if row is None or row.revoked is not None or (row.expires is not None and row.expires <= now):
        raise UnauthenticatedError(
            "this token is not valid", hint="make one with `consentgate token new --role …`; tokens expire"
        )
    return TokenHolder(row.id, row.role, row.label, row.holder)


def _enter(pending: Pending, action: str, by: str, randomness: Callable[[int], bytes], **details: str) -> None:
    append_with_administrator(
        pending,
        lambda at, random, commitments: AdminEntry(
            id=uuid7(at, random), at=at, commitments=commitments, action=action, details=details
        ),
        by,
        randomness,
    )
