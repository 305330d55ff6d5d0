"""SHELVES: where bytes are kept. SQLModel tables, SQLAlchemy Core to move rows.

This room gives the bytes no meaning: it may import `consentgate.errors` and `consentgate.terms`, never evidence, gate
or service. The service is its only caller. Nothing heavy is imported here; import the module you need.

    tables      what the shelves are called and what fits on them
    database    open, read, stream, one write transaction at a time
    schema      which tables a database has, and how an older one gets the newer ones (migrations/: the steps)
    moving      make the rows of one database those of another
    roles       which PostgreSQL role may do what, as a script
    writer      one thread that groups waiting writes into one commit
    entries     the ledger's rows: entries, tiles, head, checkpoints
    subjects    everything personal: openings, and what a subject decided
    policies    policies, versions, translations
    blobs       content-addressed bytes, and which redline lies where
    tokens      administrators' access tokens (digests only)
    meta        a few single values, and the publication counter
    statements  Core statements compiled once, and the words in which databases differ
    sqlite      everything that is true of SQLite alone
    lockfile    the lock that several processes take in turn
"""
