"""PROOF: what anyone can check offline. No database, no web, no settings.

This room imports only ``consentgate.errors``, ``consentgate.terms`` and the standard library; ``cryptography`` is
imported where a signature is made or checked, nowhere else. The service writes with it, an auditor reads with it:

    python -m consentgate.evidence FILE…

Staircase, each step standing on the ones before it:

    tlog         hashes and proofs of a Merkle tree (RFC 6962)
    tiles        how the tree is kept: C2SP tiles of 256, and the frontier that grows it
    note         C2SP signed notes: sign, open
    checkpoint   origin, size and root of a ledger, as a signed note
    commitments  a personal value as a salted commitment, and its opening
    entry        the seven kinds of entries <-> canonical bytes
    receipt      one entry with its proof, for the subject to keep
    ledger_file  the export of a whole ledger, or of a selection

Every check raises `consentgate.errors.VerificationError` and nothing else.
"""
