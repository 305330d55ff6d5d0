"""What an operator looks at: where the ledger stands, how many decided what, which tokens there are.

Room: service. Called by command line and API through `Terms`. Nothing here names a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from consentgate.service.ledger import Ledger
from consentgate.service.receipts import signing_keys
from consentgate.store import entries as shelf
from consentgate.store import subjects
from consentgate.store import tokens as token_shelf
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Act, Version


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Where the ledger stands.

    Args:
        origin: its name.
        size: number of entries.
        at: instant of the last entry, or ``None`` while there is none.
        root: of the tree, hexadecimal; empty while there is none.
        checkpoint: the signed note; empty while there is none.
        signed_by: the public keys (vkeys) that signed it.
        keys: every public key that ever signed for this ledger, the present one first.
    """

    origin: str
    size: int
    at: Instant | None
    root: str
    checkpoint: str
    signed_by: tuple[str, ...]
    keys: tuple[str, ...]


def ledger_state(ledger: Ledger, connection: Connection) -> LedgerState:
    """Read the head and check its signature.

    Raises:
        VerificationError: the head is not signed by a key of this ledger.
    """
    keys = tuple(str(verifier) for verifier in ledger.verifiers)
    head = shelf.head(connection)
    if head is None:
        return LedgerState(ledger.origin, 0, None, "", "", (), keys)
    note = head.note.encode()
    signed = ledger.open(note)
    by = tuple(str(key) for key in signing_keys(ledger, note))
    return LedgerState(ledger.origin, head.size, head.at, signed.checkpoint.root.hex(), head.note, by, keys)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many decisions there are about one version, erased ones not among them.

    Args:
        acts: number by act.
    """

    acts: Mapping[Act, int]

    @property
    def accepted(self) -> int:
        """Acceptances, acknowledgements and grants."""
        return sum(number for act, number in self.acts.items() if act.satisfies)

    @property
    def refused(self) -> int:
        """Everything else: declined, refused, withdrawn."""
        return sum(number for act, number in self.acts.items() if not act.satisfies)


NO_TALLY = Tally({})


def tally(connection: Connection) -> dict[int, Tally]:
    """Count the decisions by serial of their version: one statement, which reads one index from end to end."""
    found: dict[int, dict[Act, int]] = {}
    for (serial, act), number in subjects.count_by_serial(connection).items():
        found.setdefault(serial, {})[Act(act)] = number
    return {serial: Tally(acts) for serial, acts in found.items()}


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """An administrator's token, without anything that would let somebody use it."""

    id: str
    role: str
    label: str
    created: Instant
    expires: Instant | None
    revoked: Instant | None
    holder: str | None = None

    def state(self, now: Instant) -> Literal["valid", "expired", "revoked"]:
        """Whether it can be used."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


def list_tokens(connection: Connection) -> tuple[TokenInfo, ...]:
    """Every token, oldest first."""
    return tuple(
        TokenInfo(row.id, row.role, row.label, row.created, row.expires, row.revoked, row.holder)
        for row in token_shelf.tokens(connection)
    )


VersionState = Literal["planned", "announced", "in force", "past", "retired", "cancelled"]


def version_state(calendar: Calendar, version: Version, now: Instant) -> VersionState:
    """Where a version stands in its life.

    Returns:
        ``planned`` (not shown yet), ``announced``, ``in force``, ``past`` (a later one is in force), ``retired``
        (its policy is), or ``cancelled`` (it never takes effect).
    """
    if calendar.is_cancelled(version):
        return "cancelled"
    policy = calendar.by_slug.get(version.policy)
    if policy is not None and policy.retired is not None and policy.retired <= now:
        return "retired"
    if version.effective > now:
        return "announced" if version.announced <= now else "planned"
    effective = [item for item in calendar.chain(version.policy) if item.effective <= now]
    return "in force" if effective[-1] == version else "past"
