"""Least privilege on PostgreSQL: which role may do what to which table, as a script for `psql`.

Room: store; printed by ``consentgate db roles``. Nothing is run here: whoever owns the database reads it first.

    web         workers that serve visitors: they record decisions and may change nothing that is on record
    desk        workers and commands that administer: publish, erase, make tokens; everything `web` may, too
    sequencer   the one process that holds the signing key: gives entries their places, sees no personal data
    auditor     reads the record, for exports and verification; on a replica, if there is one

The role that runs the script owns the tables; it alone can change them (``consentgate db upgrade``), and no worker
should sign in as it. Two tables have row policies besides: in ``meta`` a worker may touch the counters and nothing that
names the ledger, and of an opening it may lock the row (who links two devices must) but not change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from consentgate.errors import InputError
from consentgate.store.tables import METADATA, PREFIX
from consentgate.terms.policy import SLUG

ROLES = ("web", "desk", "sequencer", "auditor")

_RECORD = ("entry", "tile", "head", "checkpoint", "opening", "queue")
_TEXTS = ("blob", "redline", "policy", "version", "translation", "cancellation")
_DESK = ("draft", "proposal", "answer", "token")
_READ = dict.fromkeys((*_RECORD, *_TEXTS, "meta"), "SELECT")

PRIVILEGES: Mapping[str, Mapping[str, str]] = {
    "web": {
        **_READ,
        "queue": "SELECT, INSERT",
        "opening": "SELECT, INSERT, UPDATE",
        "blob": "SELECT, INSERT",
        "redline": "SELECT, INSERT",
        "meta": "SELECT, INSERT, UPDATE, DELETE",
    },
    "desk": {
        **dict.fromkeys(_DESK, "SELECT, INSERT, UPDATE, DELETE"),
        "policy": "SELECT, INSERT, UPDATE",
        "version": "SELECT, INSERT",
        "translation": "SELECT, INSERT",
        "cancellation": "SELECT, INSERT",
    },
    "sequencer": {
        **{name: right for name, right in _READ.items() if name != "opening"},
        "entry": "SELECT, INSERT",
        "tile": "SELECT, INSERT",
        "checkpoint": "SELECT, INSERT",
        "head": "SELECT, INSERT, UPDATE",
        "queue": "SELECT, DELETE",
        "blob": "SELECT, INSERT",
        "meta": "SELECT, INSERT, UPDATE",
    },
    "auditor": _READ,
}
"""Rights by role and table, without our prefix; ``desk`` has those of ``web`` besides."""

_COUNTERS = "key IN ('generation', 'scrub') OR key LIKE 'revoked:%'"
"""Rows of ``meta`` that a worker may write."""


def script(prefix: str = "consentgate", schema: str = "public") -> str:
    """SQL that makes the roles and gives each its rights; running it again changes nothing.

    Args:
        prefix: what the roles are called, before ``_web`` and so on.
        schema: where the tables are.

    Raises:
        InputError: a name that would have to be quoted.
    """
    for name in (prefix, schema):
        if not SLUG.fullmatch(name.replace("_", "-")) or "-" in name or name[0].isdigit():
            raise InputError(f"{name!r} cannot be part of a role's name", hint="small letters, digits and _ only")
    return "\n".join(_lines(prefix, schema)) + "\n"


def _lines(prefix: str, schema: str) -> Iterator[str]:
    roles = [f"{prefix}_{role}" for role in ROLES]
    yield "-- Roles for consentgate. Run it as the role that owns the tables, and again after `consentgate db upgrade`:"
    yield "--   consentgate db roles | psql DATABASE"
    yield "-- The roles can sign in and have no password yet: give each one with \\password, or let pg_hba.conf decide."
    yield "BEGIN;"
    for role in roles:
        yield (
            f"DO $$ BEGIN CREATE ROLE {role} LOGIN; "
            "EXCEPTION WHEN duplicate_object THEN NULL; WHEN unique_violation THEN NULL; END $$;"
        )
    yield f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(roles)};"
    yield f"GRANT {prefix}_web TO {prefix}_desk;"
    for name in sorted(METADATA.tables):
        yield from _table(prefix, schema, name.removeprefix(PREFIX))
    yield from _policies(prefix, schema)
    yield "COMMIT;"


def _table(prefix: str, schema: str, name: str) -> Iterator[str]:
    yield ""
    yield f"REVOKE ALL ON {schema}.{PREFIX}{name} FROM PUBLIC, {', '.join(f'{prefix}_{role}' for role in ROLES)};"
    for role in ROLES:
        if rights := PRIVILEGES[role].get(name):
            yield f"GRANT {rights} ON {schema}.{PREFIX}{name} TO {prefix}_{role};"


def _policies(prefix: str, schema: str) -> Iterator[str]:
    """Who may read is a matter of rights alone; who may write, also of rows."""
    web, desk, sequencer = (f"{prefix}_{role}" for role in ROLES[:3])
    yield ""
    yield "-- Rows: what a worker may not change although it may write to the table."
    rules = {
        "meta": [
            ("counters", f"ALL TO {web} USING ({_COUNTERS}) WITH CHECK ({_COUNTERS})"),
            ("ledger", f"ALL TO {sequencer} USING (true) WITH CHECK (true)"),
        ],
        "opening": [
            ("add", f"INSERT TO {web} WITH CHECK (true)"),
            ("lock", f"UPDATE TO {web} USING (true) WITH CHECK (false)"),
            ("erase", f"UPDATE TO {desk} USING (true) WITH CHECK (true)"),
        ],
    }
    for name, policies in rules.items():
        table = f"{schema}.{PREFIX}{name}"
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        for policy, words in (("read", "SELECT USING (true)"), *policies):
            yield f"DROP POLICY IF EXISTS {prefix}_{policy} ON {table};"
            yield f"CREATE POLICY {prefix}_{policy} ON {table} FOR {words};"
    yield ""
    yield "-- What was erased leaves the disk when its table is vacuumed; from PostgreSQL 17 on the desk may do so."
    yield (
        "DO $$ BEGIN IF current_setting('server_version_num')::int >= 170000 THEN "
        f"EXECUTE 'GRANT MAINTAIN ON {schema}.{PREFIX}opening TO {desk}'; END IF; END $$;"
    )
