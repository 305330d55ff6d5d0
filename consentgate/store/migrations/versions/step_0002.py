"""What was added since the first release.

Room: store; run by Alembic.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from consentgate.store.migrations.columns import columns, points, table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it."""
    _administration()
    _lists()
    _queue()
    _statistics()


def _administration() -> None:
    table("cancellation", "serial", columns(serial="big", at="big"), points("serial", "version.serial"))
    table(
        "draft",
        "policy label language",
        columns(
            policy="text", label="text", language="text", body="bytes", etag="text", author="text", updated="big"
        ),
    )  # fmt: skip
    table(
        "proposal",
        "id",
        columns(
            id="text", at="big", author="text", person="text", content="text", expected="text", status="text",
            decided="big?", decider="text?", reason="text",
        ),
        points("content", "blob.digest"),
    )  # fmt: skip
    op.create_index("consentgate_proposal_status", "consentgate_proposal", ["status", "at"])
    table(
        "answer",
        "key",
        columns(key="text", request="text", at="big", status="integer?", media="text?", body="bytes?"),
    )
    op.create_index("consentgate_answer_at", "consentgate_answer", ["at"])
    op.add_column("consentgate_token", *columns(holder="text?"))


def _lists() -> None:
    decided = sa.text("serial > 0")
    for name, parts in (("policy", ["policy", "act", "at"]), ("act", ["act", "at"])):
        op.create_index(
            f"consentgate_opening_{name}",
            "consentgate_opening",
            parts,
            sqlite_where=decided,
            postgresql_where=decided,
        )


def _queue() -> None:
    number = sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False)
    table(
        "queue",
        "id",
        [number, *columns(ref="bytes", at="big", leaf="bytes")],
        sa.UniqueConstraint("ref", name="consentgate_queue_ref"),
    )
    op.create_index("consentgate_queue_at", "consentgate_queue", ["at"])


def _statistics() -> None:
    """Personal values stay out of the planner's statistics; those in it go with the change of type, to the same one."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute('ALTER TABLE consentgate_opening ALTER COLUMN openings TYPE TEXT COLLATE "C"')
        op.execute("ALTER TABLE consentgate_opening ALTER COLUMN openings SET STATISTICS 0")
