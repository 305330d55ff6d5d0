"""The steps from one schema to the next, run by Alembic. Each only adds.

Room: store; called by `consentgate.store.schema` alone, which also says which step a database is at. Alembic reads
``env.py`` and ``versions/`` from here; a host's own Alembic never sees them (`consentgate.migrations`).

A step adds tables, columns that may be empty or have a default, and indexes. It never drops, renames or rewrites, and
never uses Alembic's batch mode: on SQLite that copies a table, and the copy would lose STRICT and WITHOUT ROWID. So a
worker of the release before goes on working while and after a newer one migrates.

To add a step: change `consentgate.store.tables`, count its ``SCHEMA_VERSION`` up, and write ``versions/step_NNNN.py``,
whose revision is that number in four digits. A test compares what the steps build with what the tables say, on each
database.
"""
