"""The tables of the first release.

Room: store; run by Alembic. Hardly any database runs this step: a fresh one gets the newest tables at once, and one of
the first release is entered as being here.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from consentgate.store.migrations.columns import columns, points, table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _ledger()
    _opening()
    _contents()
    table(
        "token",
        "id",
        columns(
            id="text", digest="text", role="text", label="text", created="big", expires="big?", revoked="big?"
        ),
        sa.UniqueConstraint("digest", name="consentgate_token_digest"),
    )  # fmt: skip
    table("meta", "key", columns(key="text", value="text"), rowid=False)


def _ledger() -> None:
    table(
        "entry",
        "idx",
        columns(idx="big", ref="bytes", leaf_hash="bytes", leaf="bytes"),
        sa.UniqueConstraint("ref", name="consentgate_entry_ref"),
    )
    table("tile", "level idx", columns(level="small", idx="big", root="bytes", hashes="bytes"), rowid=False)
    table(
        "head",
        "id",
        columns(id="small", size="big", at="big", note="text"),
        sa.CheckConstraint("id = 1", name="consentgate_head_is_one_row"),
    )
    table("checkpoint", "size", columns(size="big", note="text"))


def _opening() -> None:
    table(
        "opening",
        "ref",
        columns(
            ref="bytes", subject_tag="bytes?", subject_kind="text?", linked_tag="bytes?", policy="text?",
            serial="big?", act="text?", at="big", expires="big?", openings="text",
        ),
    )  # fmt: skip
    op.create_index("consentgate_opening_subject", "consentgate_opening", ["subject_tag", "policy", "at"])
    op.create_index("consentgate_opening_serial", "consentgate_opening", ["serial", "act", "at"])
    linked = sa.text("linked_tag IS NOT NULL")
    op.create_index(
        "consentgate_opening_linked",
        "consentgate_opening",
        ["linked_tag"],
        sqlite_where=linked,
        postgresql_where=linked,
    )


def _contents() -> None:
    table("blob", "digest", columns(digest="text", media="text", data="bytes"))
    table(
        "redline",
        "old_digest new_digest algorithm",
        columns(old_digest="text", new_digest="text", algorithm="text", digest="text"),
        points("digest", "blob.digest"),
        rowid=False,
    )
    table("policy", "slug", columns(slug="text", settings="text", position="integer"))
    table(
        "version",
        "serial",
        columns(
            serial="big", policy="text", label="text", impact="text", announced="big", effective="big",
            enforced="big", prevailing="text", published="big",
        ),
        points("policy", "policy.slug"),
        sa.UniqueConstraint("policy", "label", name="consentgate_version_label"),
    )  # fmt: skip
    table(
        "translation",
        "serial language",
        columns(
            serial="big", language="text", title="text", digest="text", raw_digest="text", size="big", summary="text"
        ),
        points("serial", "version.serial"),
        points("digest", "blob.digest"),
        points("raw_digest", "blob.digest"),
    )  # fmt: skip
