"""Receipts: what the subject takes home and anybody verifies offline.

Room: service. Reads at most two tiles a level of the tree, however large the ledger is.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from consentgate.errors import InputError, NotFoundError, OverloadedError
from consentgate.evidence import receipt
from consentgate.evidence.commitments import parse_openings
from consentgate.evidence.note import Verifier
from consentgate.evidence.tlog import prove_inclusion
from consentgate.service.ledger import Ledger
from consentgate.store import entries, subjects
from consentgate.terms.identifiers import parse_identifier


def make_receipt(ledger: Ledger, decision_id: str | UUID, connection: Connection) -> bytes:
    """Write the receipt of an entry.

    Raises:
        NotFoundError: there is no such entry.
        OverloadedError: it waits for its place.
    """
    try:
        ref = (parse_identifier(decision_id) if isinstance(decision_id, str) else decision_id).bytes
    except InputError as error:
        raise NotFoundError("there is no such receipt", hint="copy the whole address of the receipt") from error
    row, head = entries.entry_by_ref(connection, ref), entries.head(connection)
    if row is None and entries.leaves(connection, [ref]):
        raise OverloadedError(
            "the decision is on record; its place in the ledger is still being made",
            hint="ask for the receipt again in a moment",
        )
    if row is None or head is None:
        raise NotFoundError("there is no such receipt", hint="a receipt exists as soon as a decision was recorded")
    opening = subjects.opening_by_ref(connection, ref)
    note = head.note.encode()
    return receipt.write(
        row.leaf,
        parse_openings(opening.openings) if opening else {},
        index=row.idx,
        proof=prove_inclusion(head.size, row.idx, ledger.reader(connection, head.size)),
        checkpoint=note,
        keys=signing_keys(ledger, note),
    )


def signing_keys(ledger: Ledger, note: bytes) -> tuple[Verifier, ...]:
    """Those of the ledger's keys that signed a checkpoint."""
    signed = {signature.key_id for signature in ledger.open(note).note.signatures}
    return tuple(verifier for verifier in ledger.verifiers if verifier.id in signed)
