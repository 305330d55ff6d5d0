"""Open a ledger for reading alone: no key, no secret, no write transaction, nothing made.

Room: service. For exports, audits and look-ups by a role that may only read, by a machine that must not hold the
signing key, and on a replica of the database. Whoever asks such a handle to write is refused before anything happens.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from consentgate.errors import ConfigurationError, VerificationError
from consentgate.evidence.note import Signer, Verifier
from consentgate.gate.generation import Generation
from consentgate.gate.passes import PassSealer
from consentgate.gate.seals import Seals
from consentgate.service.engine import ORIGIN, PEPPER, VERIFIERS, Clock, Engine, anchor_path, now, past_of
from consentgate.service.ledger import Ledger
from consentgate.service.settings import Settings, database_url
from consentgate.store import meta
from consentgate.store.database import Database
from consentgate.store.writer import Writer


def open_reading(settings: Settings, *, clock: Clock = now) -> Engine:
    """Open a ledger for reading, and check its head against the signature, the rows and the anchor file.

    A replica may be behind the anchor file, which is then no sign of a rewind, and is not looked at.

    Raises:
        ConfigurationError, StoreError, RewindError: see `Engine.open`.
    """
    database = Database.open(database_url(settings.database), create=False)
    try:
        engine = engine_for_reading(settings, database, remembers=not database.replica(), clock=clock)
        database.read(engine.ledger.load)
    except BaseException:
        database.close()
        raise
    return engine


def engine_for_reading(
    settings: Settings,
    database: Database,
    keys: Sequence[str] = (),
    *,
    remembers: bool = True,
    clock: Clock = now,
) -> Engine:
    """What reads an open database, unchecked.

    Args:
        settings: of which the database and the place of the anchor file are used.
        database: open.
        keys: public keys (vkeys) to trust, and no others; empty for those the database names.
        remembers: whether the anchor file is looked at.
        clock: instant now.

    Raises:
        ConfigurationError: there is no ledger there, or a key is no key.
    """
    values = database.read(meta.everything)
    if ORIGIN not in values:
        raise ConfigurationError("this database holds no ledger yet", hint="it gets one with the first publication")
    origin = values[ORIGIN]
    verifiers = [_key(text) for text in (keys or reversed(json.loads(values.get(VERIFIERS, "[]"))))]
    # Nothing is signed: the ledger object wants a signer, and gets one nobody will ever trust.
    nobody, seals = Signer(origin, secrets.token_bytes(32)), Seals([secrets.token_bytes(32)])
    anchor = anchor_path(settings.place) if remembers else None
    ledger = Ledger(nobody, verifiers, clock, anchor, past_of(values))
    writer = Writer(database, ledger)
    writer.close()  # whatever is asked of it is refused
    return Engine(
        settings, clock, secrets.token_bytes, database, ledger, writer, seals, PassSealer(seals),
        Generation.local(), "", bytes.fromhex(values.get(PEPPER, "")),
    )  # fmt: skip


def _key(text: str) -> Verifier:
    try:
        return Verifier.parse(text)
    except VerificationError as error:
        raise ConfigurationError(
            f"not a public key of a ledger: {text[:80]!r}", hint="`consentgate key show` prints it: name+number+key"
        ) from error
