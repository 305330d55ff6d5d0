"""What Alembic runs first: it hands over the connection it was given, and our names.

Room: store; run by Alembic, never imported. The transaction is the caller's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from consentgate.store.schema import ALEMBIC, write_down


def note(  # Alembic gives all four by name
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Write the number of a step where start-up looks for it: the same transaction holds both."""
    del heads, run_args
    if ctx.connection is not None and step.up_revision_id is not None:
        write_down(ctx.connection, int(step.up_revision_id))


connection = context.config.attributes["connection"]
context.configure(connection=connection, on_version_apply=note, **ALEMBIC)
with context.begin_transaction():
    context.run_migrations()
